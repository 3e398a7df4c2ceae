/** The same image on the interpreter and on the JIT, cut into different slices, compared wherever both stand still. */

import type { CodeCache } from "../core/code-cache.ts";
import { firstDifference, hartDifferences } from "../core/compare.ts";
import type { Core } from "../core/core.ts";
import { RAM_BASE } from "./harness.ts";
import type { Image } from "./image.ts";
import { currentProgram, machineOf } from "./interpret.ts";
import { choose, type Random, seeded } from "./random.ts";

export interface Course {
  readonly harts: number;
  /** Slices and instants of comparison come from it. */
  readonly slicing: number;
}

export interface Lockstep {
  /** Retired on each of the two, the harness's own included. */
  readonly instructions: number;
  /** Regions that were compiled. */
  readonly regions: number;
  /** Those that came from earlier runs. */
  readonly recalled: number;
  readonly mismatch: Mismatch | undefined;
}

export interface Mismatch {
  /** Number of the program that was under way. */
  readonly index: number;
  readonly lines: readonly string[];
}

/** From one comparison to the next, in instructions. */
const DISTANCES = [40, 2_000, 40_000];
/** Slices of the JIT; those that are short let it find its regions. */
const SLICES = [12, 200, 5_000];
/** With several harts the interpreter is cut up as well. */
const SHARED_SLICES = [100, 1_000, 8_000];
/** After so many instructions all of memory is compared too. */
const MEMORY_EACH = 200_000;
/** Instructions of an image, far more than any needs. */
const MOST = 60_000_000;
/** Slices without one instruction, before a machine counts as stuck. */
const MOST_IDLE = 1_000;

/**
 * @param image  for as many harts as `course` says
 * @param other  what the JIT runs, if it is not the same: for tests of the comparison
 * @param cache  what the JIT may have from earlier runs, and adds to
 */
export function lockstep(
  module: WebAssembly.Module,
  image: Image,
  course: Course,
  other = image,
  cache?: CodeCache,
): Lockstep {
  const run = (closely: boolean) => {
    const pair = new Pair(module, image, other, course, closely, cache);
    let mismatch: Mismatch | undefined;
    while (!mismatch && !pair.ended) mismatch = course.harts === 1 ? pair.meet() : pair.round();
    mismatch ??= pair.memory();
    return { pair, mismatch };
  };
  const { pair, mismatch: found } = run(false);
  // The JIT is given the same slices again, and the interpreter follows it to the end of each.
  const mismatch = found && (run(true).mismatch ?? found);
  const { abi } = pair.second;
  const [regions, recalled] = [pair.second.machineU32(abi.M_JIT_TOTAL), pair.second.machineU32(abi.M_JIT_RECALLED)];
  return { instructions: pair.instructions, regions, recalled, mismatch };
}

class Pair {
  readonly first: Core;
  readonly second: Core;
  ended = false;
  /** Instructions at the last look at memory. */
  #looked = 0;
  readonly #harts: number;
  readonly #random: Random;
  readonly #slices: Random;
  readonly #closely: boolean;
  readonly #ram: readonly [Uint8Array, Uint8Array];
  readonly #slice: number;

  constructor(
    module: WebAssembly.Module,
    image: Image,
    other: Image,
    { harts, slicing }: Course,
    closely: boolean,
    cache: CodeCache | undefined,
  ) {
    const first = machineOf(module, image, "interpreter", harts);
    const second = machineOf(module, other, "jit", harts, cache);
    [this.first, this.second] = [first.core, second.core];
    this.#ram = [first.ram, second.ram];
    this.#harts = harts;
    this.#random = seeded(slicing);
    this.#slices = seeded(slicing + 1);
    this.#closely = closely;
    this.#slice = choose(this.#random, harts === 1 ? SLICES : SHARED_SLICES);
  }

  get instructions(): number {
    let sum = 0;
    for (let hart = 0; hart < this.#harts; hart++) sum += Number(this.first.hartU64(hart, this.first.abi.H_INSTRET));
    return sum;
  }

  /** Each by slices of its own to the same instruction. */
  meet(): Mismatch | undefined {
    const random = this.#random;
    const { abi } = this.first;
    const distance = 1 + (random() % choose(random, DISTANCES));
    const goal = this.first.hartU64(0, abi.H_INSTRET) + BigInt(distance);
    const all = () => 100_000;
    const cut = () => 1 + (this.#slices() % this.#slice);
    let from = this.first.hartU64(0, abi.H_PC);
    let mismatch: Mismatch | undefined;
    const follow = () => {
      const at = this.second.hartU64(0, abi.H_INSTRET);
      mismatch = at < goal ? this.#compare(0, [advance(this.first, at, all), abi.RUN_BUDGET], from) : undefined;
      from = this.first.hartU64(0, abi.H_PC);
      return mismatch === undefined;
    };
    const second = advance(this.second, goal, cut, this.#closely ? follow : undefined);
    return mismatch ?? this.#compare(0, [advance(this.first, goal, all), second], from);
  }

  /** A slice of each hart: what they do to each other depends on where slices end. */
  round(): Mismatch | undefined {
    const random = this.#random;
    for (let hart = 0; hart < this.#harts && !this.ended; hart++) {
      const n = 1 + (random() % choose(random, [4, this.#slice, this.#slice, this.#slice]));
      const from = this.first.hartU64(hart, this.first.abi.H_PC);
      const mismatch = this.#compare(hart, [this.first.calls.run(hart, n), this.second.calls.run(hart, n)], from);
      if (mismatch) return mismatch;
    }
    return undefined;
  }

  #compare(hart: number, [first, second]: readonly [number, number], from: bigint): Mismatch | undefined {
    const { abi } = this.first;
    this.ended = first !== abi.RUN_BUDGET && first !== abi.RUN_TRAPS;
    if (this.instructions > MOST) this.ended = true;
    const lines = hartDifferences(this.first, this.second, hart).map(
      (difference) => `${difference.name} should be ${hex(difference.first)}, is ${hex(difference.second)}`,
    );
    if (first !== second) lines.unshift(`run should say ${first}, says ${second}`);
    if (!lines.length) return this.instructions - this.#looked < MEMORY_EACH ? undefined : this.memory();
    const retired = this.first.hartU64(hart, abi.H_INSTRET);
    const cut = this.#closely ? "in one slice" : "in some slices";
    lines.unshift(`hart ${hart}, ${cut} from pc ${hex(from)} to where ${retired} instructions have retired:`);
    return { index: currentProgram(this.#ram[0], hart), lines };
  }

  memory(): Mismatch | undefined {
    const { first, second } = this;
    this.#looked = this.instructions;
    const from = this.#ram[0].byteOffset;
    const ram = firstDifference(first, second, from, from + this.#ram[0].length);
    const { abi } = first;
    const devices = firstDifference(first, second, abi.DEV_ACLINT!, abi.DEV_END!);
    const lines: string[] = [];
    if (ram !== undefined) {
      const [should, is] = [first, second].map((core) => hex(BigInt(core.view.getUint32(ram, true))));
      lines.push(`memory at ${hex(BigInt(ram - from + RAM_BASE))} should be ${should}, is ${is}`);
    }
    if (devices !== undefined) lines.push(`devices differ at ${hex(BigInt(devices - abi.DEV_ACLINT!))}`);
    return lines.length ? { index: currentProgram(this.#ram[0]), lines } : undefined;
  }
}

/**
 * Runs hart 0 until so many instructions have retired.
 * @param after  is called after each slice, and says whether to go on
 * @returns RUN_*
 */
function advance(core: Core, goal: bigint, slice: () => number, after?: () => boolean): number {
  const { abi, calls } = core;
  for (let idle = 0; idle < MOST_IDLE; ) {
    const before = core.hartU64(0, abi.H_INSTRET);
    if (before >= goal) return abi.RUN_BUDGET;
    const result = calls.run(0, Math.min(Number(goal - before), slice()));
    if (result !== abi.RUN_BUDGET && result !== abi.RUN_TRAPS) return result;
    // After too many traps a machine stands between two instructions in a way that slices decide.
    if (after && result === abi.RUN_BUDGET && !after()) return result;
    idle = core.hartU64(0, abi.H_INSTRET) === before ? idle + 1 : 0;
  }
  return abi.RUN_STOPPED;
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
