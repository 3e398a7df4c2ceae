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
import { bootSeed } from "./host/browser/entropy.ts";
import { type ImagePart, imageSources } from "./host/browser/images.ts";
import { type FileSource, gunzip, type ImageProgress, type LoadOptions, readSource } from "./host/browser/sources.ts";
import { executors, pageMeter } from "./host/browser/worker.ts";
import { Machine as BaseMachine } from "./hypervisor/machine.ts";
import { DEFAULT_MEMORY, engineOf, guessBios, hartsOf, joinAppend, MAX_HARTS } from "./hypervisor/options.ts";
import type { CellSpec } from "./hypervisor/protocol.ts";
import { memorySize } from "./hypervisor/size.ts";
import { BootError, type BootOptions, planBoot } from "./machine/boot.ts";
import { compressedPayload } from "./machine/image.ts";
import { decodeSnapshot, SnapshotError } from "./snapshot/format.ts";

export { ENGINES, type EngineName } from "./core/engine.ts";
export { FileError, type FileSource, type ImageProgress } from "./host/browser/sources.ts";
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

export type RestoreOptions = Pick<MachineOptions, "engine" | "trace" | "assets" | "progress" | "signal">;

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
    const { boot, memory } = await sources(options);
    const memoryBytes = memorySize(options.memory ?? memory ?? DEFAULT_MEMORY, limit);
    const deterministic = options.deterministic ?? false;
    const plan = planBoot({
      ...boot,
      ...(boot.kernel && { kernel: await inflated(boot.kernel, memoryBytes) }),
      memoryBytes,
      harts,
      fdt: { rngSeed: bootSeed(deterministic) },
    });
    const spec = { memoryBytes, harts, boot: plan, sbi: boot.bios === "builtin", deterministic, engine };
    return launch(options, assets, module, { ...spec, traced: options.trace !== undefined });
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
    return launch(options, assets, module, { ...spec, traced: options.trace !== undefined });
  }
}

type Sources = Pick<BootOptions, "bios" | "kernel" | "initrd" | "append" | "dtb">;

/** Everything that is loaded, from the image and from what was named beside it. */
async function sources(options: MachineOptions): Promise<{ boot: Sources; memory?: string }> {
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
  options: RestoreOptions,
  assets: Assets,
  module: WebAssembly.Module,
  spec: CellSpec,
): Promise<Machine> {
  const pool = executors(await assets.executor());
  options.signal?.throwIfAborted();
  return Machine.onExecutor(pool.take(), module, spec, pageMeter, options.trace) as Promise<Machine>;
}

function assetsOf({ assets }: RestoreOptions): Assets {
  return assets === undefined ? embeddedAssets : servedAssets(assets);
}

function loading({ progress, signal }: RestoreOptions): LoadOptions {
  return { ...(progress && { progress }), ...(signal && { signal }) };
}
