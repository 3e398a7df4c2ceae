/** Images on our own engines, wherever these run: in Node and in pages. */

import type { CodeCache } from "../core/code-cache.ts";
import { Core } from "../core/core.ts";
import type { EngineName } from "../core/engine.ts";
import { busRegions } from "../machine/memory-map.ts";
import { currentAt, DESCRIPTOR_SIZE, descriptorsOf, RAM_BASE } from "./harness.ts";
import type { Image } from "./image.ts";

/** What a machine made of an image: its RAM, as far as the image goes. */
export interface Outcome {
  readonly ram: Uint8Array;
  /** The program that didn't come to an end, if one didn't. */
  readonly stuck: number | undefined;
}

export const RAM_SIZE = 64 << 20;
/** Instructions in a slice, and in all; the programs of an image take a small part of them. */
const [SLICE, MOST] = [100_000, 400_000_000];
/** Often enough that most code is met by the end of a slice. */
const JIT_SLICE = 97;

/** The number of the program that a hart is at. */
export function currentProgram(ram: Uint8Array, hart = 0): number {
  const at = new DataView(ram.buffer, ram.byteOffset).getUint32(currentAt(hart) - RAM_BASE, true);
  return (at - descriptorsOf(hart)) / DESCRIPTOR_SIZE;
}

/** All of an image that a machine sees. */
export type Loaded = Pick<Image, "bytes">;

export type Engine = (image: Image) => Outcome;

/** Engines by the names that --engine takes. */
export const ENGINES: Readonly<Record<EngineName, (module: WebAssembly.Module) => (image: Loaded) => Outcome>> = {
  interpreter: (module) => (image) => interpret(module, image),
  /** Everything that a slice ends at is translated at once, and slices are short. */
  jit: (module) => (image) => interpret(module, image, () => JIT_SLICE, "jit"),
  both: (module) => (image) => interpret(module, image, () => JIT_SLICE, "both"),
};

/** @param slice  instructions in the next slice: however a run is cut, it ends alike */
export function interpret(
  module: WebAssembly.Module,
  image: Loaded,
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
  image: Loaded,
  engine: EngineName,
  harts = 1,
  cache?: CodeCache,
): { core: Core; ram: Uint8Array } {
  const core = Core.create(
    module,
    {
      harts,
      ramBase: RAM_BASE,
      ramSize: RAM_SIZE,
      sbi: false,
      counted: true,
      tick: 10,
      engine,
      ...(cache && { cache }),
    },
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
