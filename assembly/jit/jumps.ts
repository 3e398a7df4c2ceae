/**
 * Where jumps through registers lead, as those of jump tables do. The first times
 * compiled code hands each of them to the loop, which notes its target; then the
 * page is translated again, and what was met often enough to be known is a part of
 * the region. Anything else that turns up later leaves it, as other jumps do.
 */

import { JIT_JUMPS, JIT_JUMPS_SIZE, UOP_HEADER, UOP_POOL, UOP_STRIDE } from "../abi";
import { dropRegions } from "../mmu/code";

// Entries: { slot u32, how often u32, targets u32, then their offsets in the page, u16 each }.
const JUMP_BITS: u32 = 7;
const JUMP_SIZE: u32 = JIT_JUMPS_SIZE >> JUMP_BITS;
const J_OFTEN: u32 = 4;
const J_COUNT: u32 = 8;
const J_TARGETS: u32 = 12;
const MOST_TARGETS: u32 = (JUMP_SIZE - J_TARGETS) / 2;
/** Times that its target is noted. */
const OFTEN: u32 = 256;
/** So many are enough when the page is translated again on account of another. */
const ENOUGH: u32 = 32;

// @ts-ignore: decorator
@inline function entryOf(slot: u32): u32 { return JIT_JUMPS + (((slot >> 3) * 0x9e37_79b1) >> (32 - JUMP_BITS)) * JUMP_SIZE; }

/** The jump of this micro-op led to an offset of the page with these slots. */
export function noteJump(slot: u32, slots: u32, offset: u32): void {
  const e = entryOf(slot);
  if (load<u32>(e) != slot) {
    memory.fill(e, 0, JUMP_SIZE);
    store<u32>(e, slot);
  }
  const often = load<u32>(e, J_OFTEN);
  if (often == OFTEN) return;
  store<u32>(e, often + 1, J_OFTEN);
  const from = UOP_POOL + ((slot - UOP_POOL) / UOP_STRIDE) * UOP_STRIDE + UOP_HEADER;
  if (from == slots) addTarget(e, offset);
  if (often + 1 == OFTEN) dropRegions(from);
}

/** Targets are in ascending order. */
function addTarget(e: u32, offset: u32): void {
  const count = load<u32>(e, J_COUNT);
  let i: u32 = 0;
  while (i < count && target(e, i) < offset) i++;
  if ((i < count && target(e, i) == offset) || count == MOST_TARGETS) return;
  const at = e + J_TARGETS + i * 2;
  memory.copy(at + 2, at, (count - i) * 2);
  store<u16>(at, <u16>offset);
  store<u32>(e, count + 1, J_COUNT);
}

// @ts-ignore: decorator
@inline function target(e: u32, i: u32): u32 { return load<u16>(e + J_TARGETS + i * 2); }

/** Is it known where this micro-op's jump leads? */
export function jumpKnown(slot: u32): bool {
  const e = entryOf(slot);
  return load<u32>(e) == slot && load<u32>(e, J_OFTEN) >= ENOUGH;
}

/** In how many places of its page that is known: nowhere, when it isn't. */
export function jumpTargets(slot: u32): u32 {
  return jumpKnown(slot) ? load<u32>(entryOf(slot), J_COUNT) : 0;
}

/** Offset in the page of the i-th. */
export function jumpTarget(slot: u32, i: u32): u32 {
  return target(entryOf(slot), i);
}

export function forgetJumps(): void {
  memory.fill(JIT_JUMPS, 0, JIT_JUMPS_SIZE);
}
