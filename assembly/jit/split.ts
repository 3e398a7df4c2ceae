/** Accesses that were looked up together though they are often not in one page. */

import { H_INSTRET_END, JIT_SPLITS, JIT_SPLITS_SIZE } from "../abi";
import { dropRegions } from "../mmu/code";

// Entries { slot u32, how often u32, instructions retired at the first time u64 }.
const SPLIT_BITS: u32 = 8;
/** So often in so many instructions is often: leaving compiled code costs as much as some hundred instructions. */
const OFTEN: u32 = 64;
const WITHIN: u64 = 1 << 18;

// @ts-ignore: decorator
@inline function entryOf(slot: u32): u32 { return JIT_SPLITS + (((slot >> 3) * 0x9e37_79b1) >> (32 - SPLIT_BITS)) * 16; }

/** Compiled code left because of this micro-op's. Where that happens often the page's regions are translated again. */
export function noteSplit(h: usize, slots: u32, slot: u32): void {
  const e = entryOf(slot);
  const now = load<u64>(h, H_INSTRET_END);
  const often = load<u32>(e, 4);
  // What was found once stays until everything goes.
  if (often == OFTEN) return;
  if (load<u32>(e) != slot || now - load<u64>(e, 8) > WITHIN) {
    store<u32>(e, slot);
    store<u32>(e, 1, 4);
    store<u64>(e, now, 8);
    return;
  }
  store<u32>(e, often + 1, 4);
  if (often + 1 == OFTEN) dropRegions(slots);
}

/** Does this micro-op's do so? */
export function isSplit(slot: u32): bool {
  const e = entryOf(slot);
  return load<u32>(e) == slot && load<u32>(e, 4) == OFTEN;
}

/** For records: entries of the table. */
export function splitSlots(): u32 {
  return 1 << SPLIT_BITS;
}

/** The micro-op of the i-th, if it does so, else 0. */
export function splitOf(i: u32): u32 {
  const e = JIT_SPLITS + i * 16;
  return load<u32>(e, 4) == OFTEN ? load<u32>(e) : 0;
}

/** This micro-op's did so in an earlier run. */
export function recallSplit(slot: u32): void {
  const e = entryOf(slot);
  store<u32>(e, slot);
  store<u32>(e, OFTEN, 4);
}

export function forgetSplits(): void {
  memory.fill(JIT_SPLITS, 0, JIT_SPLITS_SIZE);
}
