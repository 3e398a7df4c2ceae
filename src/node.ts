/**
 * Wardian for Node: whole RISC-V machines, run in worker threads.
 *
 * @example
 * import { Machine } from "wardian";
 * const vm = await Machine.create({ image: "debian" });
 * await vm.start();
 * console.log((await vm.exec("uname -a")).stdout);
 * await vm.stop();
 */

import { stat } from "node:fs/promises";
import { layoutOf, maxRam } from "./core/core.ts";
import { DEFAULT_ENGINE, type EngineName, engineFault } from "./core/engine.ts";
import { coreModule } from "./host/node/assets.ts";
import { bootSeed } from "./host/node/entropy.ts";
import { type FileSource, gunzip, readSource } from "./host/node/files.ts";
import { type GdbListener, listenGdb } from "./host/node/gdb.ts";
import { executors, processMeter } from "./host/node/worker.ts";
import { Machine as BaseMachine, MachineError } from "./hypervisor/machine.ts";
import { memorySize } from "./hypervisor/size.ts";
import { type ImageProgress, listImages, provision } from "./images/index.ts";
import { type BootOptions, planBoot } from "./machine/boot.ts";
import { isElf } from "./machine/elf.ts";
import { decodeSnapshot, SnapshotError } from "./snapshot/format.ts";

export { ENGINES, type EngineName } from "./core/engine.ts";
export type { FileSource } from "./host/node/files.ts";
export type { GdbListener } from "./host/node/gdb.ts";
export { tuneV8 } from "./host/node/v8.ts";
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
export {
  ImageError,
  type ImageInfo,
  type ImageProgress,
  listImages,
  type ProvisionOptions,
  pull,
  removeImage,
} from "./images/index.ts";
export { BootError } from "./machine/boot.ts";
export type { CellCounters } from "./machine/cell.ts";
export type { CpuProfile, GuestProfile } from "./profile/profile.ts";
export type { RegionRecord } from "./profile/recorder.ts";
export { SnapshotError } from "./snapshot/format.ts";

export interface MachineOptions {
  /** An image's name ("debian", "hello"…; see listImages), or the path of a kernel or program. */
  readonly image?: string;
  /** Guest RAM: bytes, or text such as "512M"; the image's own size, else 512 MiB. */
  readonly memory?: number | string;
  /** 1 to 8; default 1. */
  readonly harts?: number;
  /**
   * What runs in M-mode: "builtin" (the machine answers SBI calls itself),
   * "none" (the kernel starts there), or a firmware's file. Default: "none" for
   * images that are bare-metal programs and for ELF files given by path, else "builtin".
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
  /** What executes instructions; "jit" unless told: hot code is compiled to WebAssembly, the rest is interpreted. */
  readonly engine?: EngineName;
  /** Where images are kept, and the Debian mirror they come from. */
  readonly cacheDir?: string;
  readonly mirror?: string;
  /** How far provisioning is. */
  readonly progress?: (progress: ImageProgress) => void;
  /** Gives up provisioning. */
  readonly signal?: AbortSignal;
  /** Samples the machine's executor until it has ended; see `profile`. Not with the engine "both". */
  readonly profiled?: boolean;
  /** Takes the trace: a line for each instruction that retires. A promise makes the guest wait. */
  readonly trace?: (text: string) => void | Promise<void>;
}

export type RestoreOptions = Pick<MachineOptions, "engine" | "trace">;

const DEFAULT_MEMORY = "512M";
const MAX_HARTS = 8;

/** A virtual machine on an executor of this process. */
export class Machine extends BaseMachine {
  /**
   * Makes a machine, powered off: provisions its image if need be, and loads it.
   * @throws MachineError, BootError, ImageError: each with one sentence that says what is wrong
   */
  static async create(options: MachineOptions = {}): Promise<Machine> {
    const engine = engineOf(options);
    const module = await coreModule();
    const { boot, memory } = await sources(options);
    const memoryBytes = memorySize(options.memory ?? memory ?? DEFAULT_MEMORY, maxRam(layoutOf(module)));
    const harts = options.harts ?? 1;
    if (!Number.isInteger(harts) || harts < 1 || harts > MAX_HARTS)
      throw new MachineError(`A machine can't have ${harts} harts; choose 1 to ${MAX_HARTS}.`);
    const deterministic = options.deterministic ?? false;
    const plan = planBoot({ ...boot, memoryBytes, harts, gunzip, fdt: { rngSeed: bootSeed(deterministic) } });
    const sbi = boot.bios === "builtin";
    const traced = options.trace !== undefined;
    const profiled = options.profiled ?? false;
    if (profiled && engine === "both") throw new MachineError("The engine both can't be profiled; choose another.");
    const spec = { memoryBytes, harts, boot: plan, sbi, deterministic, engine, traced, profiled };
    return Machine.onExecutor(executors().take(), module, spec, processMeter, options.trace) as Promise<Machine>;
  }

  /**
   * Makes a machine from a snapshot, powered off: `start` lets it go on where it was.
   * @throws MachineError, SnapshotError
   */
  static async restore(source: FileSource, options: RestoreOptions = {}): Promise<Machine> {
    const engine = engineOf(options);
    const module = await coreModule();
    const snapshot = decodeSnapshot(await readSource(source, "snapshot"));
    const { memoryBytes, harts, sbi, deterministic } = snapshot.header;
    memorySize(memoryBytes, maxRam(layoutOf(module)));
    if (harts < 1 || harts > MAX_HARTS) throw new SnapshotError(`The snapshot has ${harts} harts, which can't be.`);
    const spec = { memoryBytes, harts, snapshot, sbi, deterministic, engine, traced: options.trace !== undefined };
    return Machine.onExecutor(executors().take(), module, spec, processMeter, options.trace) as Promise<Machine>;
  }

  /**
   * Waits for GDB (`target remote :PORT`) at a port of this host alone, until the
   * machine ends. The machine stops when GDB connects, and goes on when it has gone.
   * @param port    0: any that is free
   * @param options `wait`: the machine doesn't run until GDB lets it
   * @throws MachineError when the port can't be had
   */
  async listenGdb(port = 0, options: { wait?: boolean } = {}): Promise<GdbListener> {
    const listener = await listenGdb(this, port);
    if (options.wait) await this.holdForDebugger();
    return listener;
  }
}

/** A JavaScript caller may have given anything. */
function engineOf({ engine = DEFAULT_ENGINE }: RestoreOptions): EngineName {
  const fault = engineFault(engine);
  if (fault !== undefined) throw new MachineError(fault);
  return engine;
}

type Sources = Pick<BootOptions, "bios" | "kernel" | "initrd" | "append" | "dtb">;

/** Everything that is loaded, from the image and from what was named beside it. */
async function sources(options: MachineOptions): Promise<{ boot: Sources; memory?: string }> {
  const image = await imageSources(options);
  const kernel = options.kernel === undefined ? image.kernel : options.kernel;
  const initrd = options.initrd === undefined ? image.initrd : options.initrd;
  const append = [image.append, options.append].filter((text) => text !== undefined).join(" ");
  const program = options.bios === undefined && image.bios === undefined;
  const kernelBytes = kernel === undefined ? undefined : await readSource(kernel, "kernel");
  // An ELF that isn't one of our images' is a bare-metal program unless told otherwise.
  const guess = program && kernelBytes && isElf(kernelBytes) ? "none" : "builtin";
  const bios = options.bios ?? image.bios ?? guess;
  return {
    boot: {
      bios: bios === "builtin" || bios === "none" ? bios : await readSource(bios, "firmware"),
      ...(kernelBytes ? { kernel: kernelBytes } : {}),
      ...(initrd === undefined ? {} : { initrd: await readSource(initrd, "initrd") }),
      ...(append === "" ? {} : { append }),
      ...(options.dtb === undefined ? {} : { dtb: await readSource(options.dtb, "device tree") }),
    },
    ...(image.memory === undefined ? {} : { memory: image.memory }),
  };
}

interface ImageSources {
  bios?: "none";
  kernel?: FileSource;
  initrd?: FileSource;
  append?: string;
  memory?: string;
}

async function imageSources(options: MachineOptions): Promise<ImageSources> {
  const { image } = options;
  if (image === undefined) return {};
  const known = (await listImages(options.cacheDir === undefined ? {} : { cacheDir: options.cacheDir })).some(
    ({ name }) => name === image,
  );
  if (!known) {
    if (await exists(image)) return { kernel: image };
    throw new MachineError(
      `There is no image and no file called ${image}; "wardian image ls" lists the images, and a file is given by its path.`,
    );
  }
  const { cacheDir, mirror, progress, signal } = options;
  const provisioned = await provision(image, {
    ...(cacheDir === undefined ? {} : { cacheDir }),
    ...(mirror === undefined ? {} : { mirror }),
    ...(progress === undefined ? {} : { progress }),
    ...(signal === undefined ? {} : { signal }),
  });
  const memory = `${provisioned.memory}M`;
  if (provisioned.kind === "elf") return { bios: "none", kernel: provisioned.path, memory };
  return { kernel: provisioned.kernel, initrd: provisioned.initrd, append: provisioned.append, memory };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
