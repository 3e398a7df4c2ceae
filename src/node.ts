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
import type { ShareOptions } from "./backends/files.ts";
import { layoutOf, maxRam } from "./core/core.ts";
import type { EngineName } from "./core/engine.ts";
import { coreModule } from "./host/node/assets.ts";
import { codeCacheDirectory } from "./host/node/code-cache-user.ts";
import { bootSeed } from "./host/node/entropy.ts";
import { type FileSource, gunzip, readSource } from "./host/node/files.ts";
import { type GdbListener, listenGdb } from "./host/node/gdb.ts";
import { executors, processMeter } from "./host/node/worker.ts";
import { checkDisk, checkNetwork, checkShares, checkVsock } from "./hypervisor/attach.ts";
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
import type { CellSpec, MachineDisk, MachineNetwork, MachineVsock } from "./hypervisor/protocol.ts";
import { memorySize } from "./hypervisor/size.ts";
import {
  type ImageProgress,
  listImages,
  type Provisioned,
  type ProvisionedDisk,
  type ProvisionedFirmware,
  type ProvisionOptions,
  provisionedAt,
  provision as provisionImage,
  pull as pullImage,
} from "./images/index.ts";
import { type BootOptions, planBoot } from "./machine/boot.ts";
import { CONSOLES, type ConsoleName } from "./machine/cell.ts";
import { diskBuilder } from "./node/builder.ts";
import { baseOf, createOver } from "./node/persist.ts";
import { rootKeyFiles, rootKeys } from "./node/ssh-key.ts";
import { savedBalloon } from "./snapshot/balloon.ts";
import { decodeSnapshot, SnapshotError } from "./snapshot/format.ts";

export type { ShareOptions } from "./backends/files.ts";
export type { Forward } from "./backends/link.ts";
export { ENGINES, type EngineName } from "./core/engine.ts";
export { DiskError } from "./disk/errors.ts";
export type { Format as DiskFormat } from "./disk/open.ts";
export type { CheckResult as DiskCheckResult } from "./disk/qcow2/check.ts";
export {
  type CheckDiskOptions,
  type CommitDiskOptions,
  type ConvertDiskOptions,
  checkDisk,
  commitDisk,
  convertDisk,
  createDisk,
  type DiskInfo,
  diskInfo,
  type NewDiskOptions,
  type ResizeDiskOptions,
  resizeDisk,
} from "./host/node/disk-images.ts";
export type { FileSource } from "./host/node/files.ts";
export type { GdbListener } from "./host/node/gdb.ts";
export { tuneV8 } from "./host/node/v8.ts";
export type { BalloonOptions, BalloonStats, GuestMemoryStats, MachineBalloon } from "./hypervisor/balloon.ts";
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
export type { MachineDisk, MachineNetwork, MachineVsock } from "./hypervisor/protocol.ts";
export {
  ImageError,
  type ImageInfo,
  type ImageProgress,
  listImages,
  type Provisioned,
  type ProvisionedDisk,
  type ProvisionedElf,
  type ProvisionedInstaller,
  type ProvisionedLinux,
  type ProvisionOptions,
  removeImage,
} from "./images/index.ts";
export { BootError } from "./machine/boot.ts";
export { type CellCounters, CONSOLES, type ConsoleName } from "./machine/cell.ts";
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
  /**
   * Firmware for the machine's flash, by an image's name ("edk2") or a file: it starts first, in S-mode, or after `bios`
   * in M-mode. It is handed `kernel`, `initrd` and `append`, if there are any, by fw_cfg.
   */
  readonly flash?: FileSource;
  /** A file that keeps the firmware's variables over power cycles; made if it isn't there. */
  readonly nvram?: string;
  /** What `nvram` holds when it is made, such as EDK2's RISCV_VIRT_VARS.fd; blank by default. */
  readonly nvramTemplate?: FileSource;
  /**
   * Where the console is: "serial" (a UART, the default), or "virtio": a terminal that knows its size (Linux: hvc0,
   * which an image's kernel is told to use). The UART's output is shown all the same.
   */
  readonly console?: ConsoleName;
  /** Disks, in the guest's order; it finds the first as /dev/vda. */
  readonly disks?: readonly MachineDisk[];
  /** Default: "none"; of an image that is a disk or an installer, a user-mode network. */
  readonly network?: MachineNetwork | "none";
  /** Directories of this host; the guest mounts each by its tag, as a file system of the type virtiofs. */
  readonly shares?: readonly ShareOptions[];
  /** Ports of the guest as Unix sockets of this host, and the other way round, without a network. */
  readonly vsock?: MachineVsock;
  /** A memory balloon: true for one that is empty at first, or its size; see MachineBalloon. Default: none. */
  readonly balloon?: boolean | number | string | BalloonOptions;
  /**
   * With an image that is a disk: a qcow2 file over it that keeps what the guest
   * writes, made if it isn't there. Without it, all that is written ends with the machine.
   */
  readonly persist?: string;
  /** Time counted from instructions and no outside entropy: the same inputs give the same run. */
  readonly deterministic?: boolean;
  /** What executes instructions; "jit" unless told: hot code is compiled to WebAssembly, the rest is interpreted. */
  readonly engine?: EngineName;
  /**
   * Where compiled code is kept, so that the next machine with the same programs is fast from its start: a directory of
   * the user's own, true: the user's cache (`~/.cache/wardian/code`), false: nowhere. Default: the directory that
   * WARDIAN_CODE_CACHE names, or nowhere if that is "none", else true.
   */
  readonly codeCache?: boolean | string;
  /** With an image that is a disk: public keys, as in authorized_keys(5), with which root may come in by ssh. */
  readonly sshKey?: string;
  /** Where images are kept, where their recipes are, and the Debian mirror they come from. */
  readonly cacheDir?: string;
  readonly roms?: string;
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

/** A machine from a snapshot needs the disks that it had, as they were when it was made, and a network and a vsock if it had them. */
export type RestoreOptions = Pick<
  MachineOptions,
  "engine" | "codeCache" | "trace" | "disks" | "network" | "nvram" | "shares" | "vsock"
>;

/** A virtual machine on an executor of this process. */
export class Machine extends BaseMachine {
  /**
   * Makes a machine, powered off: provisions its image if need be, and loads it.
   * @throws MachineError, BootError, ImageError: each with one sentence that says what is wrong
   */
  static async create(options: MachineOptions = {}): Promise<Machine> {
    const engine = engineOf(options);
    const module = await coreModule();
    const { boot, memory, attached } = await sources(options);
    const memoryBytes = memorySize(options.memory ?? memory ?? DEFAULT_MEMORY, maxRam(layoutOf(module)));
    const harts = hartsOf(options);
    const deterministic = options.deterministic ?? false;
    const plan = planBoot({ ...boot, memoryBytes, harts, gunzip, fdt: { rngSeed: bootSeed(deterministic) } });
    const sbi = boot.bios === "builtin";
    const traced = options.trace !== undefined;
    const profiled = options.profiled ?? false;
    if (profiled && engine === "both") throw new MachineError("The engine both can't be profiled; choose another.");
    const flash = plan.flash !== undefined;
    const { console = "serial" } = options;
    if (!CONSOLES.includes(console))
      throw new MachineError(`There is no console ${console}; choose ${CONSOLES.join(" or ")}.`);
    const made = { memoryBytes, harts, boot: plan, sbi, deterministic, engine, traced, profiled, flash, console };
    const spec = { ...made, ...joined(attached), ...balloonOf(options, memoryBytes), ...keptIn(options) };
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
    const traced = options.trace !== undefined;
    const balloon = savedBalloon(snapshot.header);
    const spec = {
      memoryBytes,
      harts,
      snapshot,
      sbi,
      deterministic,
      engine,
      traced,
      flash: snapshot.header.flash,
      ...joined(options),
      ...(balloon && { balloon }),
      ...keptIn(options),
    };
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

/** Where its compiled code is kept. */
function keptIn({ codeCache, cacheDir }: Pick<MachineOptions, "codeCache" | "cacheDir">): Pick<CellSpec, "codeCache"> {
  const directory = codeCacheDirectory(codeCache, cacheDir);
  return directory === undefined ? {} : { codeCache: directory };
}

/** What the machine is joined to. */
function joined({
  disks = [],
  network,
  nvram,
  shares = [],
  vsock,
}: RestoreOptions): Pick<CellSpec, "disks" | "network" | "nvram" | "shares" | "vsock"> {
  for (const disk of disks) checkDisk(disk);
  if (network && network !== "none") checkNetwork(network);
  checkShares(shares);
  if (vsock) checkVsock(vsock);
  const link = network && network !== "none" ? { network } : {};
  return { disks, shares, ...link, ...(vsock && { vsock }), ...(nvram !== undefined && { nvram }) };
}

type Sources = Pick<BootOptions, "bios" | "kernel" | "initrd" | "append" | "dtb" | "flash" | "firmwareFiles">;

/** Everything that is loaded, from the image and from what was named beside it. */
async function sources(options: MachineOptions): Promise<{
  boot: Sources;
  memory?: string;
  attached: Pick<MachineOptions, "disks" | "network" | "nvram" | "shares" | "vsock">;
}> {
  const named = await imageSources(options);
  // Firmware in flash boots what is on the image's disk, by what it finds there.
  const image: ImageSources =
    named.disk && options.flash !== undefined
      ? { disk: named.disk, ...(named.memory && { memory: named.memory }) }
      : named;
  const kernel = options.kernel === undefined ? image.kernel : options.kernel;
  const initrd = options.initrd === undefined ? image.initrd : options.initrd;
  const terminal = options.console === "virtio" && image.append !== undefined ? "console=hvc0" : undefined;
  const kernelBytes = kernel === undefined ? undefined : await readSource(kernel, "kernel");
  const bios = options.bios ?? image.bios ?? guessBios(kernelBytes);
  return {
    boot: {
      bios: bios === "builtin" || bios === "none" ? bios : await readSource(bios, "firmware"),
      ...(kernelBytes ? { kernel: kernelBytes } : {}),
      ...(initrd === undefined ? {} : { initrd: await readSource(initrd, "initrd") }),
      ...joinAppend(image.append, terminal, options.append),
      ...(await flashSources(options, named)),
      ...(options.sshKey !== undefined && { firmwareFiles: rootKeyFiles(options.sshKey) }),
      ...(options.dtb === undefined ? {} : { dtb: await readSource(options.dtb, "device tree") }),
    },
    ...(image.memory === undefined ? {} : { memory: image.memory }),
    attached: {
      disks: [...(image.disk ? [image.disk] : []), ...(options.disks ?? [])],
      network: options.network ?? (image.disk || image.networked ? { kind: "user" } : "none"),
      ...(options.nvram === undefined ? {} : { nvram: options.nvram }),
      shares: options.shares ?? [],
      ...(options.vsock && { vsock: options.vsock }),
    },
  };
}

/** There are chips when anything is said of what they hold. */
async function flashSources(options: MachineOptions, image: ImageSources): Promise<Pick<Sources, "flash">> {
  const named = typeof options.flash === "string" ? await namedFirmware(options.flash, options) : undefined;
  const { code, variables } = named ?? image.firmware ?? {};
  const flash = named ? code : (options.flash ?? code);
  const template = options.nvramTemplate ?? variables;
  if (flash === undefined && options.nvram === undefined && template === undefined) return {};
  return {
    flash: {
      ...(flash === undefined ? {} : { firmware: await readSource(flash, "flash firmware") }),
      ...(template === undefined ? {} : { variables: await readSource(template, "template of the NVRAM") }),
    },
  };
}

/** The firmware of that name, unless it is a path. */
async function namedFirmware(name: string, options: MachineOptions): Promise<ProvisionedFirmware | undefined> {
  const found = (await listImages()).find((image) => image.name === name);
  if (found?.kind !== "firmware") return undefined;
  return (await provision(name, provisionOptions(options))) as ProvisionedFirmware;
}

interface ImageSources {
  firmware?: ProvisionedFirmware;
  bios?: "none";
  disk?: MachineDisk;
  /** It is of no use without a network. */
  networked?: true;
  kernel?: FileSource;
  initrd?: FileSource;
  append?: string;
  memory?: string;
}

async function imageSources(options: MachineOptions): Promise<ImageSources> {
  const { image } = options;
  if (image === undefined) return {};
  const known = (await listImages(provisionOptions(options))).some(({ name }) => name === image);
  if (!known) {
    if (await exists(image)) return { kernel: image };
    throw new MachineError(
      `There is no image and no file called ${image}; "wardian image ls" lists the images, and a file is given by its path.`,
    );
  }
  const { persist, sshKey } = options;
  const base = persist === undefined ? undefined : await baseOf(persist);
  const provisioned =
    base === undefined ? await provision(image, provisionOptions(options)) : await imageUnder(base, image, options);
  const memory = `${provisioned.memory}M`;
  if (persist !== undefined && provisioned.kind !== "disk")
    throw new MachineError(`The image ${image} has no disk, and nothing of it can be kept; leave persist out.`);
  if (sshKey !== undefined && provisioned.kind !== "disk")
    throw new MachineError(`The image ${image} has no ssh, and takes no key; leave it out.`);
  if (provisioned.kind === "elf") return { bios: "none", kernel: provisioned.path, memory };
  if (provisioned.kind === "firmware") return { firmware: provisioned, memory };
  const { kernel, initrd, append } = provisioned;
  if (provisioned.kind === "linux") return { kernel, initrd, append, memory };
  if (provisioned.kind === "installer") return { kernel, initrd, append, memory, networked: true };
  const disk: MachineDisk =
    persist === undefined
      ? { path: provisioned.disk, format: "qcow2", temporary: true }
      : { path: persist, format: "qcow2", allowBacking: [provisioned.disk] };
  if (persist !== undefined && base === undefined) await createOver(persist, provisioned);
  return { kernel, initrd, append: [append, ...rootKeys(sshKey)].join(" "), memory, disk };
}

function provisionOptions({ cacheDir, roms, mirror, progress, signal }: MachineOptions): ProvisionOptions {
  return {
    ...(cacheDir === undefined ? {} : { cacheDir }),
    ...(roms === undefined ? {} : { roms }),
    ...(mirror === undefined ? {} : { mirror }),
    ...(progress === undefined ? {} : { progress }),
    ...(signal === undefined ? {} : { signal }),
    builder,
  };
}

const builder = diskBuilder((options) => Machine.create(options));

/** The image that a disk stands on: its kernel is the one whose modules are on the disk. */
async function imageUnder(base: string, name: string, options: MachineOptions): Promise<ProvisionedDisk> {
  const found = await provisionedAt(base, name, provisionOptions(options));
  if (found) return found;
  throw new MachineError(
    `The disk ${options.persist} stands on ${base}, which is no image ${name} in the cache any more; without it the disk can't be read.`,
  );
}

/**
 * Finds an image in the cache or makes it. Once made, it needs no network.
 * @throws ImageError
 */
export function provision(name: string, options: ProvisionOptions = {}): Promise<Provisioned> {
  return provisionImage(name, { builder, ...options });
}

/**
 * Looks for newer packages and makes the image anew if there are any.
 * @throws ImageError
 */
export function pull(name: string, options: ProvisionOptions = {}): Promise<Provisioned> {
  return pullImage(name, { builder, ...options });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
