/** Machines that run images: our engines by their names, and QEMU. */

import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Core } from "../core/core.ts";
import type { EngineName } from "../core/engine.ts";
import { busRegions } from "../machine/memory-map.ts";
import { cpuLine } from "../oracle/cpu.ts";
import { OracleError } from "../oracle/errors.ts";
import type { Qemu } from "../oracle/qemu.ts";
import { writeElf } from "./elf.ts";
import { currentAt, DESCRIPTOR_SIZE, descriptorsOf, RAM_BASE } from "./harness.ts";
import type { Image } from "./image.ts";

/** What a machine made of an image: its RAM, as far as the image goes. */
export interface Outcome {
  readonly ram: Uint8Array;
  /** The program that didn't come to an end, if one didn't. */
  readonly stuck: number | undefined;
}

const RAM_SIZE = 64 << 20;
/** Instructions in a slice, and in all; the programs of an image take a small part of them. */
const [SLICE, MOST] = [100_000, 400_000_000];
/** Often enough that most code is met by the end of a slice. */
const JIT_SLICE = 97;
const QEMU_SECONDS = 30;

/** The number of the program that a hart is at. */
export function currentProgram(ram: Uint8Array, hart = 0): number {
  const at = new DataView(ram.buffer, ram.byteOffset).getUint32(currentAt(hart) - RAM_BASE, true);
  return (at - descriptorsOf(hart)) / DESCRIPTOR_SIZE;
}

export type Engine = (image: Image) => Outcome;

/** Engines by the names that --engine takes. */
export const ENGINES: Readonly<Record<EngineName, (module: WebAssembly.Module) => Engine>> = {
  interpreter: (module) => (image) => interpret(module, image),
  /** Everything that a slice ends at is translated at once, and slices are short. */
  jit: (module) => (image) => interpret(module, image, () => JIT_SLICE, "jit"),
  both: (module) => (image) => interpret(module, image, () => JIT_SLICE, "both"),
};

/** @param slice  instructions in the next slice: however a run is cut, it ends alike */
export function interpret(
  module: WebAssembly.Module,
  image: Image,
  slice: () => number = () => SLICE,
  engine: EngineName = "interpreter",
): Outcome {
  const { core, ram } = machineOf(module, image, engine);
  const { abi, calls } = core;
  let finished = false;
  for (let given = 0; given < MOST; ) {
    const n = slice();
    given += n;
    const result = calls.run(0, n);
    finished = result === abi.RUN_EXIT;
    if (finished || (result !== abi.RUN_BUDGET && result !== abi.RUN_TRAPS)) break;
  }
  return { ram, stuck: finished ? undefined : currentProgram(ram) };
}

/** A machine with the image in its RAM; whatever the JIT can translate it does at once. */
export function machineOf(
  module: WebAssembly.Module,
  image: Image,
  engine: EngineName,
  harts = 1,
): { core: Core; ram: Uint8Array } {
  const core = Core.create(
    module,
    { harts, ramBase: RAM_BASE, ramSize: RAM_SIZE, sbi: false, counted: true, tick: 10, engine },
    { ticks: () => 0, wallclock: () => 0, mmioRead: () => 0n, mmioWrite: () => {} },
  );
  const { abi, calls } = core;
  for (const region of busRegions(abi)) calls.busAdd(BigInt(region.base), BigInt(region.size), region.device);
  const at = calls.guestRange(BigInt(RAM_BASE), image.bytes.length, 1) >>> 0;
  core.bytes.set(image.bytes, at);
  for (let hart = 0; hart < harts; hart++) core.setHartU64(hart, abi.H_PC, BigInt(RAM_BASE));
  if (engine !== "interpreter") core.view.setUint32(abi.DEV_MACHINE + abi.M_JIT_HOT, 1, true);
  return { core, ram: core.bytes.subarray(at, at + image.bytes.length) };
}

/** @throws OracleError when QEMU can't be run */
export async function runOnQemu(qemu: Qemu, image: Image): Promise<Outcome> {
  const folder = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "wardian-fuzz-"));
  try {
    const [elf, memory] = [join(folder, "image.elf"), join(folder, "ram")];
    await writeFile(elf, writeElf(RAM_BASE, image.bytes));
    const args = ["-M", "virt,memory-backend=ram", "-m", `${RAM_SIZE >> 20}`, "-cpu", cpuLine(qemu.version)];
    args.push("-object", `memory-backend-file,id=ram,size=${RAM_SIZE},mem-path=${memory},share=on`);
    args.push("-bios", "none", "-kernel", elf, "-display", "none", "-monitor", "none", "-serial", "none");
    // With one hart QEMU takes atomics apart, and then a fault of theirs is a load's.
    args.push("-smp", "2", "-net", "none");
    let late = false;
    await qemu.run(args, { timeout: QEMU_SECONDS }).catch((error: unknown) => {
      if (!(error instanceof OracleError) || !/didn't end within/.test(error.message)) throw error;
      late = true;
    });
    const ram = (await readFile(memory)).subarray(0, image.bytes.length);
    return { ram, stuck: late ? currentProgram(ram) : undefined };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
