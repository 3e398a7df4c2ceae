/**
 * Wardian for browsers: whole RISC-V machines, run in the page's workers.
 *
 * @example
 * import { Machine } from "wardian/browser";
 * const vm = await Machine.create({ image: "debian" });
 * await vm.start();
 * console.log((await vm.exec("uname -a")).stdout);
 * await vm.stop();
 */

import { layoutOf, maxRam } from "./core/core.ts";
import type { EngineName } from "./core/engine.ts";
import { type Assets, embeddedAssets, servedAssets } from "./host/browser/assets.ts";
import type { PageDiskOptions } from "./host/browser/disk.ts";
import { bootSeed } from "./host/browser/entropy.ts";
import { type ImagePart, imageSources } from "./host/browser/images.ts";
import { checkPageNetwork, type PageNetwork } from "./host/browser/network.ts";
import { type FileSource, gunzip, type ImageProgress, type LoadOptions, readSource } from "./host/browser/sources.ts";
import { executors, pageMeter } from "./host/browser/worker.ts";
import { checkDisk } from "./hypervisor/attach.ts";
import type { BalloonOptions } from "./hypervisor/balloon.ts";
import { Machine as BaseMachine, MachineError } from "./hypervisor/machine.ts";
import {
  balloonOf,
  DEFAULT_MEMORY,
  engineOf,
  guessBios,
  hartsOf,
  joinAppend,
  MAX_HARTS,
} from "./hypervisor/options.ts";
import type { CellSpec, MachineDisk } from "./hypervisor/protocol.ts";
import { memorySize } from "./hypervisor/size.ts";
import { BootError, type BootOptions, planBoot } from "./machine/boot.ts";
import { compressedPayload } from "./machine/image.ts";
import type { TransportName } from "./machine/virtio.ts";
import { savedBalloon } from "./snapshot/balloon.ts";
import { decodeSnapshot, SnapshotError } from "./snapshot/format.ts";

export { ENGINES, type EngineName } from "./core/engine.ts";
export { type PageNetwork, Switch } from "./host/browser/network.ts";
export { FileError, type FileSource, type ImageProgress } from "./host/browser/sources.ts";
export type { BalloonOptions, BalloonStats, GuestMemoryStats, MachineBalloon } from "./hypervisor/balloon.ts";
export type { ImageFile, ImageRecord } from "./hypervisor/image-record.ts";
export {
  type DebugConnection,
  type ExecOptions,
  type ExecResult,
  type Exit,
  type MachineConsole,
  MachineError,
  type MachineEvents,
  type MachineMemory,
  type MachineStats,
} from "./hypervisor/machine.ts";
export { BootError } from "./machine/boot.ts";
export type { CellCounters } from "./machine/cell.ts";
export { SnapshotError } from "./snapshot/format.ts";

export interface MachineOptions {
  /** An image by its name, which is a folder in `images`, or by the URL of its folder. */
  readonly image?: string;
  /** Where images are: a folder with one for each, relative to the page; "images" unless told. */
  readonly images?: string | URL;
  /** Guest RAM: bytes, or text such as "512M"; the image's own size, else 512 MiB. */
  readonly memory?: number | string;
  /** 1 to 8; default 1. */
  readonly harts?: number;
  /**
   * What runs in M-mode: "builtin" (the machine answers SBI calls itself),
   * "none" (the kernel starts there), or a firmware's file. Default: "none" for
   * images that are bare-metal programs and for ELF files, else "builtin".
   */
  readonly bios?: "builtin" | "none" | FileSource;
  /** Linux Image (also gzipped), ELF or raw binary. */
  readonly kernel?: FileSource;
  readonly initrd?: FileSource;
  /** The kernel's command line; of an image, what is added to its own. */
  readonly append?: string;
  /** A flattened device tree in place of the machine's own. */
  readonly dtb?: FileSource;
  /** Disks, in the guest's order; it finds the first as /dev/vda. An image's own come first. */
  readonly disks?: readonly PageDisk[];
  /** Default: none. */
  readonly network?: PageNetwork;
  /** A memory balloon: true for one that is empty at first, or its size; see MachineBalloon. Default: none. */
  readonly balloon?: boolean | number | string | BalloonOptions;
  /** Time counted from instructions and no outside entropy: the same inputs give the same run. */
  readonly deterministic?: boolean;
  /** What executes instructions; the interpreter unless told. With "jit", hot code is compiled to WebAssembly. */
  readonly engine?: EngineName;
  /** How far loading is. */
  readonly progress?: (progress: ImageProgress) => void;
  /** Gives up loading. */
  readonly signal?: AbortSignal;
  /** Takes the trace: a line for each instruction that retires. A promise makes the guest wait. */
  readonly trace?: (text: string) => void | Promise<void>;
  /**
   * A folder with core.wasm and executor.js, of a page whose policy allows no
   * worker from a blob. Default: what the module holds itself.
   */
  readonly assets?: string | URL;
}

/**
 * A disk: an image on a server, read by ranges as the guest needs it, or a file
 * that the user chose. Neither is ever written to: what the guest writes stays
 * in memory and ends with the machine.
 */
export interface PageDisk {
  /** The image's URL, relative to the page's; of a file, its name for messages. */
  readonly path?: string;
  readonly file?: Blob;
  /** Default: what the image says it is; an image that says nothing is raw. */
  readonly format?: "raw" | "qcow2";
  readonly readOnly?: boolean;
  /** As it is here in any case; a program that runs in Node too says so there. */
  readonly temporary?: true;
  /** URLs, and folders' that end with "/", that the image may name as its backing files; its own folder is one. */
  readonly allowBacking?: readonly string[];
  /** What the guest reads as its serial number, up to 20 bytes; default "disk0", "disk1"… */
  readonly serial?: string;
  /** Default: "pci". */
  readonly transport?: TransportName;
}

/** A machine from a snapshot needs the disks that it had, as they were when it was made, and a network if it had one. */
export type RestoreOptions = Pick<
  MachineOptions,
  "engine" | "trace" | "disks" | "network" | "assets" | "progress" | "signal"
>;

/** A virtual machine in a worker of this page. */
export class Machine extends BaseMachine {
  /**
   * Makes a machine, powered off: loads its image and its files.
   * @throws MachineError, BootError, FileError: each with one sentence that says what is wrong
   */
  static async create(options: MachineOptions = {}): Promise<Machine> {
    const engine = engineOf(options);
    const harts = hartsOf(options);
    const assets = assetsOf(options);
    const module = await assets.core();
    const limit = maxRam(layoutOf(module));
    // What can't be is said before anything is loaded for it.
    if (options.memory !== undefined) memorySize(options.memory, limit);
    const { boot, memory, disks } = await sources(options);
    const memoryBytes = memorySize(options.memory ?? memory ?? DEFAULT_MEMORY, limit);
    const deterministic = options.deterministic ?? false;
    const plan = planBoot({
      ...boot,
      ...(boot.kernel && { kernel: await inflated(boot.kernel, memoryBytes) }),
      memoryBytes,
      harts,
      fdt: { rngSeed: bootSeed(deterministic) },
    });
    const made = { memoryBytes, harts, boot: plan, sbi: boot.bios === "builtin", deterministic, engine };
    const spec = { ...made, ...balloonOf(options, memoryBytes) };
    return launch({ ...options, disks: [...disks, ...(options.disks ?? [])] }, assets, module, spec);
  }

  /**
   * Makes a machine from a snapshot, powered off: `start` lets it go on where it was.
   * @throws MachineError, SnapshotError, FileError
   */
  static async restore(source: FileSource, options: RestoreOptions = {}): Promise<Machine> {
    const engine = engineOf(options);
    const assets = assetsOf(options);
    const module = await assets.core();
    const snapshot = decodeSnapshot(await readSource(source, "snapshot", loading(options)));
    const { memoryBytes, harts, sbi, deterministic } = snapshot.header;
    memorySize(memoryBytes, maxRam(layoutOf(module)));
    if (harts < 1 || harts > MAX_HARTS) throw new SnapshotError(`The snapshot has ${harts} harts, which can't be.`);
    const spec = { memoryBytes, harts, snapshot, sbi, deterministic, engine };
    const balloon = savedBalloon(snapshot.header);
    return launch(options, assets, module, {
      ...spec,
      flash: snapshot.header.flash,
      ...(balloon && { balloon }),
    });
  }
}

type Sources = Pick<BootOptions, "bios" | "kernel" | "initrd" | "append" | "dtb">;

/** Everything that is loaded, from the image and from what was named beside it. */
async function sources(
  options: MachineOptions,
): Promise<{ boot: Sources; memory?: string; disks: readonly PageDisk[] }> {
  const load = loading(options);
  const image = options.image === undefined ? undefined : await imageSources(options.image, options.images, load);
  const read = async (named: FileSource | undefined, own: ImagePart | undefined, what: string) => {
    const part = named === undefined ? own : { source: named };
    if (part === undefined) return undefined;
    return readSource(part.source, what, { ...load, ...(part.size !== undefined && { size: part.size }) });
  };
  const kernel = await read(options.kernel, image?.kernel, "kernel");
  const initrd = await read(options.initrd, image?.initrd, "initrd");
  const bios = options.bios ?? image?.bios ?? (image ? "builtin" : guessBios(kernel));
  return {
    boot: {
      bios: bios === "builtin" || bios === "none" ? bios : await readSource(bios, "firmware", load),
      ...(kernel && { kernel }),
      ...(initrd && { initrd }),
      ...joinAppend(image?.append, options.append),
      ...(options.dtb !== undefined && { dtb: await readSource(options.dtb, "device tree", load) }),
    },
    ...(image?.memory !== undefined && { memory: image.memory }),
    disks: image?.disks ?? [],
  };
}

/** What a page is to wait for can't be had at once: a compressed kernel is inflated before the boot is planned. */
async function inflated(kernel: Uint8Array, limit: number): Promise<Uint8Array> {
  const payload = compressedPayload(kernel);
  if (!payload) return kernel;
  try {
    return await gunzip(payload, limit);
  } catch (error) {
    const { message } = error as Error;
    throw new BootError(`The compressed kernel is damaged or larger than the guest's memory (${message}).`);
  }
}

async function launch(
  { disks = [], network, signal, trace }: RestoreOptions,
  assets: Assets,
  module: WebAssembly.Module,
  made: Omit<CellSpec, "traced" | "disks" | "network">,
): Promise<Machine> {
  const spec: CellSpec = { ...made, traced: trace !== undefined, disks: disks.map(machineDisk) };
  if (network) checkPageNetwork(network);
  const pool = executors(await assets.executor());
  signal?.throwIfAborted();
  const start = (whole: CellSpec) =>
    Machine.onExecutor(pool.take(), module, whole, pageMeter, trace) as Promise<Machine>;
  if (!network) return start(spec);
  const { port, mac, unplug } = network.switch.plug();
  try {
    const machine = await start({
      ...spec,
      network: { kind: "port", port, mac: network.mac ?? mac, transport: network.transport ?? "pci" },
    });
    void machine.exited.then(unplug);
    return machine;
  } catch (error) {
    unplug();
    throw error;
  }
}

/** A disk as the executor opens it: relative to itself, a worker would look elsewhere. */
function machineDisk({ path, file, ...rest }: PageDisk): PageDiskOptions & MachineDisk {
  if (file !== undefined && !(file instanceof Blob))
    throw new MachineError("A disk's file is none that the user chose.");
  const name = file instanceof File ? file.name : "the file";
  const disk = { ...rest, ...(file && { file }), path: file ? (path ?? name) : url(path) };
  checkDisk(disk);
  return disk;
}

function url(path: string | undefined): string {
  if (path === undefined) throw new MachineError("A disk needs the URL of its image as path, or a file.");
  try {
    return new URL(path, globalThis.location?.href).href;
  } catch {
    throw new MachineError(`${JSON.stringify(path)} is no URL of a disk image.`);
  }
}

function assetsOf({ assets }: RestoreOptions): Assets {
  return assets === undefined ? embeddedAssets : servedAssets(assets);
}

function loading({ progress, signal }: RestoreOptions): LoadOptions {
  return { ...(progress && { progress }), ...(signal && { signal }) };
}
