/** Flags of V8 that the JIT profits by. */

import { setFlagsFromString } from "node:v8";

interface Feature {
  readonly flag: string;
  /** The first version of V8, major and minor, that has it on by itself or that it wasn't measured on. */
  readonly shipped: readonly [number, number];
}

const FEATURES: readonly Feature[] = [
  // Keeps rare paths out of the way of frequent ones.
  { flag: "--experimental-wasm-branch-hinting", shipped: [13, 7] },
  { flag: "--experimental-wasm-relaxed-simd", shipped: [11, 4] },
  // Optimising a region costs milliseconds, and a boot has hundreds that run briefly. Newer versions wait as long by themselves.
  { flag: "--wasm-tiering-budget=20000000", shipped: [13, 6] },
  // Loops are 3 to 20 % faster without. Regions need none: each call of one counts the depth, and a run is short.
  { flag: "--no-wasm-stack-checks", shipped: [14, 7] },
];

/** The oldest V8 that has all of these flags: Node 20's. */
const OLDEST = [11, 3] as const;

/**
 * What to set for a version of V8. A flag that a version doesn't know makes V8
 * write an error to stderr, so none is set where it has done its service.
 */
export function jitFlags(version: string): string[] {
  const [major = Number.NaN, minor = Number.NaN] = version.split(".").map(Number);
  const below = ([a, b]: readonly [number, number]) => major < a || (major === a && minor < b);
  if (Number.isNaN(major + minor) || below(OLDEST)) return [];
  return FEATURES.filter(({ shipped }) => below(shipped)).map(({ flag }) => flag);
}

/**
 * Sets flags of V8 that make machines with the engine "jit" faster, as far as this
 * Node doesn't have them on by itself. They hold for the whole process, so nothing
 * sets them unasked; call it before the first machine is made.
 */
export function tuneV8(): void {
  for (const flag of jitFlags(process.versions.v8)) setFlagsFromString(flag);
}
