/**
 * Plans a boot: what goes where in RAM and ROM, and how each hart starts. The
 * conventions are those of QEMU's riscv `virt` board and of Linux
 * (Documentation/arch/riscv/boot.rst).
 */

import { type DeviceTree, DtbError, readDtb, writeDtb } from "./dtb.ts";
import { type Elf, ElfError, isElf, readElf } from "./elf.ts";
import { buildFdt, type FdtOptions, setChosen } from "./fdt.ts";
import { type Gunzip, ImageError, type KernelImage, readImage } from "./image.ts";
import { FLASH, MROM, RAM_BASE } from "./memory-map.ts";
import { resetVector } from "./reset-vector.ts";

/** A boot that can't be: the message says what is wrong and what to do. */
export class BootError extends Error {
  override name = "BootError";
}

export interface BootOptions {
  /**
   * "builtin": the core answers SBI calls, and the kernel starts in S-mode;
   * "none": the kernel is what runs first, in M-mode; or a firmware's file.
   */
  bios: "builtin" | "none" | Uint8Array;
  kernel?: Uint8Array;
  initrd?: Uint8Array;
  /** The kernel's command line. */
  append?: string;
  /**
   * What the flash banks hold, 32 MiB each at most: firmware that starts in S-mode
   * (in M-mode with `bios: "none"`), and its variables. With firmware there, kernel,
   * initrd and command line are handed to it by fw_cfg.
   */
  flash?: FlashContents;
  /** More for firmware in flash and what it boots to find by fw_cfg, by their names there. */
  firmwareFiles?: ReadonlyMap<string, Uint8Array>;
  /** A flattened device tree to use instead of the machine's own. */
  dtb?: Uint8Array;
  /** Bytes of RAM. */
  memoryBytes: number;
  /** Number of harts, from 1. */
  harts: number;
  /** More for the machine's own device tree. */
  fdt?: Pick<FdtOptions, "extensions" | "mmu" | "rngSeed" | "virtioSlots">;
  /** For compressed kernels. */
  gunzip?: Gunzip;
}

export interface FlashContents {
  /** Bank 0, which the guest can't change. */
  readonly firmware?: Uint8Array;
  /** Bank 1; erased where it ends. */
  readonly variables?: Uint8Array;
}

/** What firmware in flash is given by fw_cfg. */
export interface FirmwareItems {
  readonly kernel?: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly append?: string;
  readonly files?: ReadonlyMap<string, Uint8Array>;
}

/** Bytes to put in RAM. */
export interface BootLoad {
  /** What it is, for messages: "kernel", "initrd"… */
  readonly name: string;
  /** Guest physical address. */
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Bytes of memory that it takes; those past `bytes` must be zero. */
  readonly size: number;
}

/** A hart at its start; satp and all other registers are zero. */
export interface HartEntry {
  readonly pc: bigint;
  /** 1 S, 3 M. */
  readonly privilege: 1 | 3;
  readonly a0: bigint;
  readonly a1: bigint;
  readonly a2: bigint;
  /** A stopped hart waits for SBI's hart_start. */
  readonly started: boolean;
}

export interface BootPlan {
  readonly loads: readonly BootLoad[];
  /** The boot ROM from MROM.base; empty when nothing runs there. */
  readonly rom: Uint8Array;
  readonly harts: readonly HartEntry[];
  /** Where the device tree is; its bytes are among the loads. */
  readonly dtb: { address: number; bytes: Uint8Array };
  /** There are flash chips, with these contents at first power-on. */
  readonly flash?: FlashContents;
  /** There is fw_cfg, with these. */
  readonly firmwareItems?: FirmwareItems;
  /** HTIF's words, when the program that `bios: "none"` starts has them. */
  readonly tohost?: bigint;
  readonly fromhost?: bigint;
}

const MIB = 0x10_0000;
const PAGE = 0x1000;
/** Kernels and device trees go to megapage boundaries. */
const MEGAPAGE = 2 * MIB;
/** Where firmware expects the next stage (OpenSBI's FW_JUMP on this board). */
const KERNEL_OFFSET = MEGAPAGE;
/** The device tree stays below this address: early code may map little more. */
const DTB_CEILING = 3072 * MIB;

/** Addresses up to here are exact as numbers, with room to add sizes. */
const MAX_PHYSICAL = 0xffff_ffff_ffffn;
/** e_type of position-independent programs, such as OpenSBI's generic build. */
const ET_DYN = 3;

/** Plans a boot. @throws BootError */
export function planBoot(options: BootOptions): BootPlan {
  try {
    return plan(options);
  } catch (error) {
    if (error instanceof ElfError || error instanceof ImageError || error instanceof DtbError)
      throw new BootError(error.message);
    throw error;
  }
}

function plan(options: BootOptions): BootPlan {
  const { bios, memoryBytes } = options;
  const end = RAM_BASE + memoryBytes;
  if (bios !== "none" && bios !== "builtin" && bios.length === 0) throw new BootError("The firmware file is empty.");
  const { flash } = options;
  checkFlash(flash);
  if (flash?.firmware) return planFlash(options, flash);
  const image = options.kernel ? readImage(options.kernel, memoryBytes, options.gunzip) : undefined;
  if (!image && typeof bios === "string")
    throw new BootError(
      bios === "none"
        ? "Without firmware there is nothing to run; give a program as the kernel."
        : "There is no kernel; give one, or a firmware that needs none.",
    );

  const firmware = typeof bios === "string" ? undefined : placeFirmware(bios);
  const kernel = image ? placeKernel(image, kernelBase(bios, image, firmware)) : undefined;
  const loads = [...(firmware?.loads ?? []), ...(kernel?.loads ?? [])];

  // The size of the tree doesn't depend on the initrd's place.
  const initrd = options.initrd && options.initrd.length > 0 ? options.initrd : undefined;
  const draft = makeTree(options, initrd && { start: 0, end: 0 });
  const dtbAddress = down(Math.min(end, DTB_CEILING) - draft.length, MEGAPAGE);
  let range: { start: number; end: number } | undefined;
  if (initrd) {
    const start = down(dtbAddress - initrd.length, PAGE);
    range = { start, end: start + initrd.length };
    loads.push({ name: "initrd", address: start, bytes: initrd, size: initrd.length });
  }
  const dtb = { address: dtbAddress, bytes: makeTree(options, range) };
  loads.push({ name: "device tree", address: dtb.address, bytes: dtb.bytes, size: dtb.bytes.length });
  checkLoads(loads, memoryBytes);

  const tree = BigInt(dtb.address);
  const harts = startOf(options, kernel?.entry ?? 0n, tree);
  const first = bios === "none" ? kernel! : firmware;
  const rom = first
    ? resetVector({ entry: first.entry, dtb: tree, next: firmware ? (kernel?.entry ?? 0n) : 0n })
    : new Uint8Array();
  const elf = bios === "none" && image?.kind === "elf" ? image.elf : undefined;
  return { loads, rom, harts, dtb, ...(flash ? { flash } : {}), ...htif(elf) };
}

/** Firmware in flash runs first, or next after that in M-mode. */
function planFlash(options: BootOptions, flash: FlashContents): BootPlan {
  const { bios, memoryBytes } = options;
  const firmware = typeof bios === "string" ? undefined : placeFirmware(bios);
  const draft = makeTree(options, undefined);
  const address = down(Math.min(RAM_BASE + memoryBytes, DTB_CEILING) - draft.length, MEGAPAGE);
  const loads = [...(firmware?.loads ?? [])];
  loads.push({ name: "device tree", address, bytes: draft, size: draft.length });
  checkLoads(loads, memoryBytes);
  const entry = BigInt(FLASH.base);
  const tree = BigInt(address);
  const rom =
    bios === "builtin"
      ? new Uint8Array()
      : resetVector({ entry: firmware?.entry ?? entry, dtb: tree, next: firmware ? entry : 0n });
  const { kernel, initrd, append, firmwareFiles: files } = options;
  return {
    loads,
    rom,
    harts: startOf(options, entry, tree),
    dtb: { address, bytes: draft },
    flash,
    firmwareItems: {
      ...(kernel && { kernel }),
      ...(initrd && { initrd }),
      ...(append !== undefined && { append }),
      ...(files && { files }),
    },
  };
}

function checkFlash(flash: FlashContents | undefined): void {
  for (const [what, bytes] of [
    ["firmware", flash?.firmware],
    ["variables", flash?.variables],
  ] as const) {
    if (bytes && bytes.length > FLASH.size / 2)
      throw new BootError(
        `The flash bank for ${what} has ${mib(FLASH.size / 2)} MiB and its file ${mib(bytes.length)}; give another file.`,
      );
  }
}

/** How harts start: in S-mode at `entry` above the built-in SBI, else in M-mode at the reset vector. */
function startOf(options: BootOptions, entry: bigint, tree: bigint): HartEntry[] {
  return Array.from({ length: options.harts }, (_, i): HartEntry => {
    if (options.bios === "builtin")
      return { pc: entry, privilege: 1, a0: BigInt(i), a1: tree, a2: 0n, started: i === 0 };
    return { pc: BigInt(MROM.base), privilege: 3, a0: 0n, a1: 0n, a2: 0n, started: true };
  });
}

interface Placed {
  loads: BootLoad[];
  entry: bigint;
  /** Where it ends, exclusive. */
  end: number;
}

function placeFirmware(bytes: Uint8Array): Placed {
  if (isElf(bytes)) return placeElf("firmware", readElf(bytes), RAM_BASE);
  const load = { name: "firmware", address: RAM_BASE, bytes, size: bytes.length };
  return { loads: [load], entry: BigInt(RAM_BASE), end: RAM_BASE + bytes.length };
}

/** The megapage boundary that a kernel is placed from. */
function kernelBase(bios: BootOptions["bios"], image: KernelImage, firmware: Placed | undefined): number {
  if (bios === "none") return RAM_BASE;
  if (firmware) return Math.max(RAM_BASE + KERNEL_OFFSET, up(firmware.end, MEGAPAGE));
  return image.kind === "linux" ? RAM_BASE : RAM_BASE + KERNEL_OFFSET;
}

function placeKernel(image: KernelImage, base: number): Placed {
  if (image.kind === "elf") return placeElf("kernel", image.elf, base);
  let address = base;
  let size = image.bytes.length;
  if (image.kind === "linux") {
    size = image.size;
    // Firmware's next stage is already where the header's usual offset leads.
    if (base === RAM_BASE) address += image.offset;
  }
  const load = { name: "kernel", address, bytes: image.bytes, size };
  return { loads: [load], entry: BigInt(address), end: address + size };
}

/** `base` is where a position-independent file goes that is linked outside RAM. */
function placeElf(name: string, elf: Elf, base: number): Placed {
  const lowest = elf.segments.reduce((low, s) => (s.physical < low ? s.physical : low), elf.segments[0]!.physical);
  const inRam = lowest >= BigInt(RAM_BASE) && lowest <= MAX_PHYSICAL;
  const bias = elf.type === ET_DYN && !inRam ? BigInt(base) - lowest : 0n;
  const loads: BootLoad[] = [];
  let end = 0;
  let entry = elf.entry + bias;
  for (const { physical, virtual, bytes, size } of elf.segments) {
    const place = physical + bias;
    if (place < BigInt(RAM_BASE) || place > MAX_PHYSICAL)
      throw new BootError(
        `The ${name} is an ELF to be loaded at 0x${physical.toString(16)}, below or beyond the RAM at ` +
          `0x${RAM_BASE.toString(16)}; link it for this board, or give the raw Image.`,
      );
    // The entry is a virtual address; without translation, its physical one is meant.
    if (elf.entry >= virtual && elf.entry < virtual + BigInt(size)) entry = elf.entry - virtual + place;
    const address = Number(place);
    loads.push({ name, address, bytes, size });
    end = Math.max(end, address + size);
  }
  return { loads, entry, end };
}

function makeTree(options: BootOptions, initrd: { start: number; end: number } | undefined): Uint8Array {
  const chosen = {
    ...(options.append !== undefined ? { bootargs: options.append } : {}),
    ...(initrd ? { initrd } : {}),
  };
  let tree: DeviceTree;
  if (options.dtb) {
    tree = readDtb(options.dtb);
    const seed = options.fdt?.rngSeed;
    setChosen(tree, { ...chosen, ...(seed ? { rngSeed: seed } : {}) });
  } else {
    tree = buildFdt({ ...options.fdt, ...chosen, memoryBytes: options.memoryBytes, harts: options.harts });
  }
  return writeDtb(tree);
}

function checkLoads(loads: readonly BootLoad[], memoryBytes: number): void {
  const sorted = [...loads].sort((a, b) => a.address - b.address);
  for (const [i, load] of sorted.entries()) {
    if (load.address < RAM_BASE || load.address + load.size > RAM_BASE + memoryBytes) throw tooSmall(load, memoryBytes);
    const next = sorted[i + 1];
    if (!next || load.address + load.size <= next.address) continue;
    // The initrd and the tree go below the end of RAM, so what they hit didn't fit.
    if (next.name === "initrd" || next.name === "device tree") throw tooSmall(next, memoryBytes);
    if (load.name === "initrd" || load.name === "device tree") throw tooSmall(load, memoryBytes);
    throw new BootError(
      `The ${load.name} and the ${next.name} overlap at 0x${next.address.toString(16)}; link one of them elsewhere.`,
    );
  }
}

function tooSmall(load: BootLoad, memoryBytes: number): BootError {
  return new BootError(
    `The ${load.name} (${mib(load.size)} MiB) does not fit in the guest's memory of ${mib(memoryBytes)} MiB; ` +
      "give it more memory.",
  );
}

function htif(elf: Elf | undefined): { tohost?: bigint; fromhost?: bigint } {
  const tohost = elf?.symbol("tohost");
  const fromhost = elf?.symbol("fromhost");
  return {
    ...(tohost !== undefined ? { tohost } : {}),
    ...(fromhost !== undefined ? { fromhost } : {}),
  };
}

const mib = (bytes: number): number => Math.ceil(bytes / MIB);
const down = (n: number, to: number): number => Math.floor(n / to) * to;
const up = (n: number, to: number): number => Math.ceil(n / to) * to;
