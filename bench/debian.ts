/** A Debian on a disk to measure in: the image debian-disk with the tools that measure. */

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as Api from "../src/node.ts";
import type { Arrival } from "../src/oracle/command.ts";
import { run, runTool, runUntil } from "../src/oracle/command.ts";
import { cacheDirectory } from "../src/oracle/qemu.ts";
import { BenchError } from "./errors.ts";
import { type Line, runLines } from "./lines.ts";
import type { Machines } from "./machines.ts";
import { packageRoot } from "./paths.ts";
import { findVirtiofsd, startVirtiofsd } from "./virtiofsd.ts";

const TOOLS = ["fio", "gcc", "iperf3", "python3-minimal", "sqlite3", "xz-utils", "zstd"];
/** Guest RAM, MiB. */
const MEMORY = 1024;

/** What a guest has a folder of the host by. */
export type ShareWay = "virtiofs" | "9p";

interface ScriptOptions {
  readonly scratch?: string;
  readonly port?: number;
  readonly share?: { readonly path: string; readonly way: ShareWay };
}

/** Runs on one machine. */
export interface Runner {
  /** How it may give a guest a folder. */
  readonly shareWays: readonly ShareWay[];
  /** Boots to a text on the console. @param env more of the environment */
  until(pattern: RegExp, env?: Readonly<Record<string, string>>): Promise<Arrival>;
  /**
   * Runs a shell script as process 1, with only the kernel beside it.
   * @param scratch path of a raw disk, /dev/vdc
   * @param port of the host's loopback that the guest may reach, at 10.0.2.2
   * @param share a folder of the host that the script has by its function `fresh`: see `shareFunction`
   * @returns what it wrote on the console
   */
  script(text: string, options: ScriptOptions): Promise<string>;
  /** The same without scratch, port and share, line by line. @param patience seconds that it may take @param env more of the environment */
  lines(text: string, patience: number, env?: Readonly<Record<string, string>>): Promise<Line[]>;
}

export interface Debian {
  readonly runners: ReadonlyMap<string, Runner>;
  readonly directory: string;
  close(): Promise<void>;
}

/**
 * The image, made if need be and kept, and who runs it.
 * @param tools whether those that measure are in it; else it is the one that users boot
 * @throws BenchError, ImageError
 */
export async function debianRunners(machines: Machines, tools: boolean, say: (what: string) => void): Promise<Debian> {
  say("making Debian's disk, which takes minutes the first time");
  const directory = await mkdtemp(join(tmpdir(), "wardian-bench-"));
  const image = await prepare(tools ? directory : undefined);
  const START = "export PATH=/usr/sbin:/usr/bin; mkdir -p /dev/shm; mount -t tmpfs tmp /dev/shm; cd /dev/shm";
  // A power-off that no service is asked about.
  const END = "sync; poweroff -ff\n";
  const scripted = async (text: string, share: ScriptOptions["share"]): Promise<string> => {
    const path = join(directory, "script");
    const whole = [START, ...(share ? [shareFunction(share.way)] : []), text, END].join("\n");
    await writeFile(path, whole.padEnd(Math.ceil(whole.length / 4096) * 4096, "\n"));
    return path;
  };
  // Where process 1 fails, the machine says so and ends.
  const INIT = "init=/bin/sh quiet panic=-1 -- /dev/vdb";
  const runners = new Map<string, Runner>();
  const { wardian, qemus } = machines;
  if (wardian) {
    const args = ["--kernel", image.kernel, "--initrd", image.initrd, "--memory", `${MEMORY}M`];
    const root = ["--disk", `${image.disk},format=qcow2,temporary`];
    runners.set("wardian", {
      shareWays: ["virtiofs"],
      until: (pattern, env = {}) =>
        runUntil(wardian.command([...args, "--append", image.append, ...root, "--net", "user"]), pattern, { env }),
      ...scripts({}, async (text, { scratch, port, share }) => {
        const disks = ["--disk", `${await scripted(text, share)},format=raw,readonly`];
        if (scratch !== undefined) disks.push("--disk", `${scratch},format=raw`);
        const net = port === undefined ? [] : ["--net", "user", "--net-allow", `127.0.0.1:${port}`];
        const append = ["--append", `${image.append} ${INIT}`];
        const folder = share ? ["--share", `${share.path}:${SHARE_TAG}`] : [];
        return { command: wardian.command([...args, ...append, ...root, ...disks, ...net, ...folder]) };
      }),
    });
  }
  const virtiofsd = findVirtiofsd();
  for (const qemu of qemus) {
    const board = ["-M", "virt", "-m", `${MEMORY}M`, "-display", "none", "-monitor", "none", "-serial", "stdio"];
    const args = [...board, "-kernel", image.kernel, "-initrd", image.initrd];
    const disk = (path: string, format: string, more: string, index: number): string[] => [
      "-drive",
      `file=${path},format=${format},if=none,id=d${index}${more}`,
      "-device",
      `virtio-blk-pci,drive=d${index}`,
    ];
    const root = disk(image.disk, "qcow2", ",snapshot=on", 0);
    const net = ["-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,romfile="];
    runners.set(qemu.label, {
      shareWays: virtiofsd === undefined ? ["9p"] : ["9p", "virtiofs"],
      until: (pattern) =>
        runUntil([...qemu.command, ...args, "-append", image.append, ...root, ...net], pattern, { env: qemu.env }),
      ...scripts(qemu.env, async (text, { scratch, port, share }) => {
        const disks = disk(await scripted(text, share), "raw", ",readonly=on", 1);
        if (scratch !== undefined) disks.push(...disk(scratch, "raw", "", 2));
        const append = ["-append", `${image.append} ${INIT}`];
        const nic = port === undefined ? [] : net;
        const command = [...qemu.command, ...args, ...append, ...root, ...disks, ...nic];
        if (!share) return { command };
        if (share.way === "9p") return { command: [...command, ...share9p(share.path)] };
        const socket = join(directory, "virtiofsd.sock");
        const stop = await startVirtiofsd(virtiofsd!, share.path, socket);
        return { command: [...command, ...shareVirtiofs(socket)], stop };
      }),
    });
  }
  return { runners, directory, close: () => rm(directory, { recursive: true, force: true }) };
}

const SHARE_TAG = "share";

/** QEMU's own server; `none` gives root the host's owners, as ours does. */
function share9p(path: string): string[] {
  const backend = `local,id=f0,path=${path.replaceAll(",", ",,")},security_model=none`;
  return ["-fsdev", backend, "-device", `virtio-9p-pci,fsdev=f0,mount_tag=${SHARE_TAG}`];
}

/** A server in another process, which must see the guest's memory. */
function shareVirtiofs(socket: string): string[] {
  return [
    "-object",
    `memory-backend-memfd,id=m0,size=${MEMORY}M,share=on`,
    "-machine",
    "memory-backend=m0",
    "-chardev",
    `socket,id=c0,path=${socket}`,
    "-device",
    `vhost-user-fs-pci,chardev=c0,tag=${SHARE_TAG}`,
  ];
}

/**
 * The shell's function `fresh`: mounts the folder on /mnt, or mounts it again, so that nothing of it is cached. Unlike
 * what drops all caches this leaves the guest its programs.
 */
export function shareFunction(way: ShareWay): string {
  const [modules, mount] =
    way === "9p"
      ? ["9p 9pnet_virtio", "mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000"]
      : ["virtiofs", "mount -t virtiofs"];
  return `modprobe -a ${modules}\nfresh() { umount /mnt 2>/dev/null; ${mount} ${SHARE_TAG} /mnt; }`;
}

/** What starts a machine that runs a script, and what is to be done once it has ended. */
interface Start {
  readonly command: string[];
  stop?(): void;
}
type Starter = (text: string, options: ScriptOptions) => Promise<Start>;

function scripts(env: Readonly<Record<string, string>>, start: Starter): Pick<Runner, "script" | "lines"> {
  return {
    script: async (text, options) => {
      const { command, stop } = await start(text, options);
      try {
        return (await runTool(command, "install what bench/README.md says", { env })).stdout;
      } finally {
        stop?.();
      }
    },
    lines: async (text, patience, more = {}) =>
      runLines((await start(text, {})).command, patience, { ...env, ...more }),
  };
}

/** @param directory for the recipe of an image with tools */
async function prepare(directory: string | undefined): Promise<Api.ProvisionedDisk> {
  const library = new URL(`file://${join(packageRoot(), "dist", "node.js")}`).href;
  const { provision } = (await import(library)) as typeof Api;
  const made = await provision("debian-disk", directory === undefined ? {} : await withTools(directory));
  if (made.kind !== "disk") throw new BenchError("the image debian-disk isn't a disk: mend roms/manifest.json");
  return made;
}

async function withTools(directory: string): Promise<Api.ProvisionOptions> {
  const roms = join(directory, "roms");
  await cp(join(packageRoot(), "roms"), roms, { recursive: true });
  const path = join(roms, "manifest.json");
  const manifest = JSON.parse(await readFile(path, "utf8"));
  manifest["debian-disk"].packages.push(...TOOLS);
  await writeFile(path, JSON.stringify(manifest));
  return { roms, cacheDir: join(cacheDirectory(), "debian") };
}

/** Lines `bench NAME VALUE` of a console. @throws BenchError when one is missing */
export function valuesOf(output: string, names: readonly string[], machine: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const [, name, value] of output.matchAll(/^bench (.+) ([\d.e+-]+)\r?$/gm)) found.set(name!, Number(value));
  const missing = names.find((name) => !((found.get(name) ?? 0) > 0));
  if (missing !== undefined) throw new BenchError(`${machine} gave no value for ${missing}: ${output.slice(-500)}`);
  return found;
}

/** Adds a machine's value to those before. */
export function record(into: Map<string, Map<string, number[]>>, row: string, machine: string, value: number): void {
  const machines = into.get(row) ?? new Map<string, number[]>();
  machines.set(machine, [...(machines.get(machine) ?? []), value]);
  into.set(row, machines);
}

/** A program of the host that runs while `work` does. @throws BenchError when it isn't there */
export async function haveTool(name: string, install: string): Promise<void> {
  if ((await run([name, "--version"])).code !== 0) throw new BenchError(`${name} isn't here: ${install}`);
}
