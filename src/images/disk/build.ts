/** Makes a Debian system on a disk: packages unpacked here, then configured inside a machine. */

import { chmod, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ByteProgress, Downloaded } from "../apt.ts";
import { digest, writeSynced } from "../cache.ts";
import { type CpioEntry, writeCpio } from "../cpio.ts";
import { unpackAll } from "../deb.ts";
import { type Kernel, pick, readKernel } from "../debian.ts";
import { ImageError, interrupted } from "../errors.ts";
import { buildInitramfs, type InitFile } from "../initramfs.ts";
import { closure, type ModuleFacts, readModuleFacts } from "../modules.ts";
import type { Source } from "../sources.ts";
import type { TarEntry } from "../tar.ts";
import type { TarItem } from "../tar-writer.ts";
import type { Builder, BuilderSpec, DiskBuilder, Piece } from "./builder.ts";
import { moduleTables } from "./depmod.ts";
import { PARTITION_TYPES, partitionTable } from "./gpt.ts";
import { Certificates, systemFiles } from "./system.ts";
import { parents, writeTree } from "./tree.ts";

/** The names of an image's files. */
export const DISK_FILES = { kernel: "kernel", initrd: "initrd", disk: "disk.qcow2" } as const;

const MIB = 1024 * 1024;
/** Where the EFI partition ends and the root file system starts. */
const ROOT_OFFSET = 128 * MIB;
/** RAM of the machine that finishes the disk, MiB: the tree passes through its page cache. */
const BUILDER_MEMORY = 1024;

export interface DiskBuild {
  /** Files of the downloaded packages, by name; they are removed once they are unpacked. */
  debs: Downloaded;
  /** Those that were asked for; the others came as dependencies. */
  wanted: ReadonlySet<string>;
  /** Names among `debs`, and of a package that stays out of the tree. */
  kernel: string;
  busybox: string;
  /** Where the packages came from, for the guest's apt. */
  source: Source;
  proxy: ReadonlyMap<string, string>;
  /** Of the initramfs. */
  initFiles: readonly InitFile[];
  modules: readonly string[];
  /** Files of ours, and the second stage's script. */
  ownFiles: readonly InitFile[];
  script: string;
  /** What all ids on the disk come from. */
  identity: string;
  /** Of the disk, bytes. */
  size: number;
  builder: DiskBuilder;
  step: (name: string) => ByteProgress;
  signal?: AbortSignal | undefined;
}

/**
 * Makes the image's files in `directory`; works in `work`, which must be empty.
 * @throws ImageError
 */
export async function buildDisk(build: DiskBuild, directory: string, work: string): Promise<void> {
  const { signal, step } = build;
  const disk = join(directory, DISK_FILES.disk);
  const boot = step("Making the initial RAM disk");
  boot(0, 0);
  const kernel = await readKernel(build.debs.get(build.kernel)!, signal);
  const initrd = await initramfs(build, kernel);
  await writeSynced(join(directory, DISK_FILES.kernel), kernel.image);
  await writeSynced(join(directory, DISK_FILES.initrd), initrd);

  const ids = identify(build.identity);
  const tree = join(work, "tree.tar");
  const tables = moduleFiles(kernel, signal);
  tables.catch(() => {}); // whoever awaits it hears
  const mkfs = new Tools();
  const certificates = new Certificates();
  const debs = new Map([...build.debs].filter(([name]) => name !== build.busybox));
  const { mtime } = await writeTree(tree, debs, {
    visit: (entry) => {
      mkfs.visit(entry);
      certificates.visit(entry);
    },
    own: async (packages) => [
      ...systemFiles({ ...build, packages, rootId: ids.root, espId: ids.esp }),
      ...certificates.files(),
      ...(await tables),
      { kind: "file", path: `boot/initrd.img-${kernel.release}`, data: initrd },
    ],
    progress: step("Unpacking Debian's packages"),
    signal,
  });
  const builderInitrd = join(work, "initrd");
  await writeFile(builderInitrd, Buffer.concat([initrd, writeCpio(mkfs.entries())]));
  for (const file of build.debs.values()) await rm(file, { force: true }); // room for what follows

  step("Starting the machine that configures the packages")(0, 0);
  const { builder } = build;
  await inMachine(() => builder.createDisk(disk, build.size, tableOf(build.size, ids)));
  const spec: BuilderSpec = {
    kernel: join(directory, DISK_FILES.kernel),
    initrd: builderInitrd,
    append: "console=ttyS0 quiet",
    memory: BUILDER_MEMORY,
    disks: [
      { path: disk, format: "qcow2", readOnly: false },
      { path: tree, format: "raw", readOnly: true },
    ],
  };
  const machine = await inMachine(() => builder.start(spec));
  try {
    const variables = `ROOT_ID=${ids.root} ESP_ID=${ids.esp.replace("-", "")} EPOCH=${mtime}`;
    await install(machine, `${variables}\n${build.script}`, debs.size, build);
  } finally {
    await inMachine(() => machine.stop());
  }
  await rm(tree);
  // Overlays stand on it: nothing is ever committed to it.
  await chmod(disk, 0o444);
}

/** What goes wrong with the machine, in one sentence. @throws ImageError configure */
async function inMachine<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const what = `The machine that configures the packages failed: ${(error as Error).message}`;
    throw error instanceof ImageError ? error : new ImageError("configure", what, { cause: error });
  }
}

/** depmod's tables. Runs beside other work, which is why it takes nothing that others remove. */
async function moduleFiles(kernel: Kernel, signal: AbortSignal | undefined): Promise<TarItem[]> {
  const facts: ModuleFacts[] = [];
  // The names have no suffix in the way that `packed` has them.
  for await (const { path, xz, data } of unpackAll(kernel.packed, signal)) {
    facts.push(readModuleFacts(xz ? `${path}.xz` : path, data));
  }
  const list = (name: string): string => kernel.lists.get(name) ?? "";
  const tables = moduleTables(facts, {
    order: list("modules.order"),
    builtin: list("modules.builtin"),
    builtinInfo: list("modules.builtin.modinfo"),
  });
  return [...tables].map(([name, data]) => ({ kind: "file", path: `usr/lib/modules/${kernel.release}/${name}`, data }));
}

/** The table's ids and the file systems'. */
export interface Ids {
  disk: string;
  efiPartition: string;
  rootPartition: string;
  root: string;
  /** FAT's, such as 1234-ABCD. */
  esp: string;
}

/** The ids of a disk. */
export function identify(identity: string): Ids {
  const hex = (what: string): string => digest([what, identity]);
  const uuid = (what: string): string => {
    const text = hex(what);
    // Version 8, of the RFC's variant: whatever its maker likes (RFC 9562, 5.8).
    return `${text.slice(0, 8)}-${text.slice(8, 12)}-8${text.slice(13, 16)}-a${text.slice(17, 20)}-${text.slice(20, 32)}`;
  };
  const volume = hex("esp").slice(0, 8).toUpperCase();
  return {
    disk: uuid("disk"),
    efiPartition: uuid("efi partition"),
    rootPartition: uuid("root partition"),
    root: uuid("root"),
    esp: `${volume.slice(0, 4)}-${volume.slice(4)}`,
  };
}

/** A partition table: an EFI partition, and the root to the end. */
function tableOf(size: number, ids: Ids): Piece[] {
  const rest = size - ROOT_OFFSET - MIB;
  return partitionTable(size, ids.disk, [
    { type: PARTITION_TYPES.efi, id: ids.efiPartition, name: "EFI", offset: MIB, size: ROOT_OFFSET - MIB },
    { type: PARTITION_TYPES.root, id: ids.rootPartition, name: "root", offset: ROOT_OFFSET, size: rest },
  ]);
}

async function initramfs(build: DiskBuild, kernel: Kernel): Promise<Uint8Array> {
  const { busybox } = await pick(build.debs.get(build.busybox)!, build.signal, { busybox: /(^|\/)bin\/busybox$/ });
  const modules = await closure(build.modules, (name) => kernel.module(name));
  return buildInitramfs({ busybox: busybox!, release: kernel.release, modules, files: build.initFiles });
}

/** Where mke2fs is in the builder; the script knows it. */
const MKE2FS = "tools/mke2fs";

/** mke2fs and its libraries, picked from the packages as they go by, for the builder's initramfs. */
class Tools {
  static readonly #wanted =
    /^usr\/(?:sbin\/mke2fs|lib\/[^/]+\/(?:ld-linux-[^/]+|lib(?:c|com_err|e2p|ext2fs|blkid|uuid)\.so\.\d[^/]*))$/;
  readonly #entries: TarEntry[] = [];

  visit(entry: TarEntry): void {
    if (Tools.#wanted.test(entry.path)) this.#entries.push(entry);
  }

  entries(): CpioEntry[] {
    const made = new Set<string>(["usr"]); // the initramfs has it
    const entries: CpioEntry[] = [];
    for (const { path, kind, data, target } of this.#entries) {
      // BusyBox has a small mke2fs of its own, which goes before any by that name.
      const place = path.endsWith("/mke2fs") ? MKE2FS : path;
      for (const directory of parents(place)) {
        if (!made.has(directory)) entries.push({ kind: "directory", path: directory });
        made.add(directory);
      }
      const file: CpioEntry = { kind: "file", path: place, data, mode: 0o755 };
      entries.push(kind === "symlink" ? { kind: "link", path: place, target } : file);
      // The loader's name in every program.
      const name = place.slice(place.lastIndexOf("/") + 1);
      if (name.startsWith("ld-linux-")) entries.push({ kind: "link", path: `lib/${name}`, target: `/${place}` });
    }
    return entries;
  }
}

/** Runs the second stage, with its progress. @throws ImageError configure, with what it said last */
async function install(machine: Builder, script: string, packages: number, build: DiskBuild): Promise<void> {
  const { signal } = build;
  const done = new Set<string>();
  let progress: ByteProgress | undefined;
  const log = new Lines((line) => {
    const name = /^wardian: step (.*)/.exec(line)?.[1];
    if (name !== undefined) {
      progress = build.step(STEPS[name] ?? name);
      progress(0, name === "Configuring" ? packages : 0);
    }
    // dpkg's --status-fd (dpkg(1)).
    const configured = /^status: (\S+): installed/.exec(line)?.[1];
    if (configured !== undefined) progress?.(done.add(configured).size, packages);
  });
  const stop = (): void => void machine.stop().catch(() => {});
  signal?.addEventListener("abort", stop);
  try {
    if (signal?.aborted === true) throw interrupted(signal.reason);
    const take = (bytes: Uint8Array): void => log.add(bytes);
    const status = await inMachine(() => machine.exec(script, take, take));
    if (status === 0 && log.last.at(-1) === "wardian: step Done") return;
    throw new ImageError(
      "configure",
      `The packages could not be configured in the guest (${reason(log.last)}); try again, or report this.`,
      { cause: new Error(log.last.join("\n")) },
    );
  } catch (error) {
    if (signal?.aborted === true) throw interrupted(signal.reason);
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** What the script's steps are called here. */
const STEPS: Readonly<Record<string, string>> = {
  Configuring: "Configuring the packages in the guest",
  Unpacking: "Writing the packages to the disk",
};

/** The line that says most of why it ended. */
function reason(lines: readonly string[]): string {
  const spoken = lines.filter((line) => !/^(status|wardian):/.test(line) && line.trim() !== "");
  return (
    spoken.findLast((line) => /error|fail|cannot|can't|No space/i.test(line)) ??
    spoken.at(-1) ??
    "it said nothing"
  ).trim();
}

/** Output as lines, the last of them kept. */
class Lines {
  readonly last: string[] = [];
  readonly #decoder = new TextDecoder();
  #rest = "";

  constructor(readonly take: (line: string) => void) {}

  add(bytes: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop()!.slice(-4096);
    for (const line of lines) {
      this.last.push(line);
      if (this.last.length > 200) this.last.shift();
      this.take(line);
    }
  }
}
