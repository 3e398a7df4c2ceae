/** The guest of v86: Debian's kernel for i386 and BusyBox, with the start scripts of our own image. */

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CpioEntry, writeCpio } from "../src/images/cpio.ts";
import { pick, planDebian } from "../src/images/debian.ts";
import { buildInitramfs, readInitFiles } from "../src/images/initramfs.ts";
import type { DebianRecipe } from "../src/images/manifest.ts";
import { cacheDirectory } from "../src/oracle/qemu.ts";
import { packageRoot } from "./paths.ts";

/** The last release of Debian with kernels for it. */
const RECIPE: DebianRecipe = {
  kind: "debian",
  description: "Debian's kernel for i386 with BusyBox",
  suite: "bookworm",
  architecture: "i386",
  packages: { kernel: "linux-image-686", busybox: "busybox-static", firmware: "seabios" },
  append: "console=ttyS0",
  memory: 512,
  modules: [],
};

/** What Debian's packages give, once: the files' paths. */
export interface V86Parts {
  readonly kernel: string;
  readonly busybox: string;
  readonly bios: string;
  readonly vga: string;
  /** Of the kernel, as `uname -r` gives it. */
  readonly release: string;
}

/** Memory of the guest, MiB, and its kernel's command line. */
export const { memory: V86_MEMORY, append: V86_APPEND } = RECIPE;

/** Fetches the packages, once, into the cache directory. @throws ImageError */
export async function v86Parts(say: (what: string) => void): Promise<V86Parts> {
  const folder = join(cacheDirectory(), `v86-${RECIPE.suite}`);
  if (!existsSync(folder)) {
    say("fetching Debian's packages for v86");
    await mkdir(cacheDirectory(), { recursive: true });
    const directory = await mkdtemp(join(tmpdir(), "wardian-v86-"));
    const made = await mkdtemp(join(cacheDirectory(), "new-"));
    try {
      for (const [name, content] of Object.entries(await fetchParts(directory)))
        await writeFile(join(made, name), content);
      // Whoever was first counts.
      await rename(made, folder).catch((error) => {
        if (!existsSync(folder)) throw error;
      });
    } finally {
      for (const path of [directory, made]) await rm(path, { recursive: true, force: true });
    }
  }
  const at = (name: keyof V86Parts) => join(folder, name);
  const release = await readFile(at("release"), "utf8");
  return {
    kernel: at("kernel"),
    busybox: at("busybox"),
    bios: at("bios"),
    vga: at("vga"),
    release,
  };
}

async function fetchParts(directory: string): Promise<Record<keyof V86Parts, Uint8Array | string>> {
  const plan = await planDebian(RECIPE, join(directory, "apt"), { step: () => () => {} });
  const archives = await plan.apt.download([plan.kernel, plan.busybox, plan.firmware], () => {});
  const archive = ({ name }: { readonly name: string }) => archives.get(name)!;
  return {
    ...(await pick(archive(plan.kernel), undefined, { kernel: /^boot\/vmlinuz-/ })),
    ...(await pick(archive(plan.busybox), undefined, { busybox: /(^|\/)bin\/busybox$/ })),
    ...(await pick(archive(plan.firmware), undefined, {
      bios: /seabios\/bios\.bin$/,
      vga: /seabios\/vgabios-stdvga\.bin$/,
    })),
    release: plan.kernel.name.replace(/^linux-image-/, ""),
  };
}

/** The initramfs of our own image, with this BusyBox. */
export async function v86Initramfs({ busybox, release }: V86Parts): Promise<Uint8Array> {
  const files = await readInitFiles(join(packageRoot(), "roms/init"));
  return buildInitramfs({ busybox: await readFile(busybox), release, modules: [], files });
}

/** Where programs are in a guest that has some. */
export const PROGRAMS = "/bench";
/** As the first process: runs them all, each after a line with its name, and powers off. */
export const RUN_ALL = `${PROGRAMS}/run`;

/** An archive to follow an initramfs's: Linux unpacks one after the other. @param programs their files by name */
export async function programArchive(programs: ReadonlyMap<string, string>): Promise<Uint8Array> {
  const folder = PROGRAMS.slice(1);
  const script = [
    "#!/bin/sh",
    "PATH=/bin",
    ...[...programs.keys()].map((name) => `echo "program ${name}"; ${PROGRAMS}/${name}`),
    "poweroff -f",
  ];
  const entries: CpioEntry[] = [{ kind: "directory", path: folder }];
  const add = (name: string, data: Uint8Array) =>
    entries.push({ kind: "file", path: `${folder}/${name}`, data, mode: 0o755 });
  add("run", Buffer.from(`${script.join("\n")}\n`));
  for (const [name, file] of programs) add(name, await readFile(file));
  return writeCpio(entries);
}
