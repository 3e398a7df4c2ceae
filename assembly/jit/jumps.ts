/**
 * Where jumps through registers lead, as those of jump tables do. The first times
 * compiled code hands each of them to the loop, which notes its target; then the
 * page is translated again, and what was met often enough to be known is a part of
 * the region. Anything else that turns up later leaves it, as other jumps do.
 */

import { JIT_JUMPS, JIT_JUMPS_SIZE } from "../abi";
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

/** The jump at an offset of the page with slots `from` led to an offset of the one with these. */
export function noteJump(from: u32, at: u32, slots: u32, offset: u32): void {
  const slot = from + (at << 2);
  const e = entryOf(slot);
  if (load<u32>(e) != slot) {
    memory.fill(e, 0, JUMP_SIZE);
    store<u32>(e, slot);
  }
  const often = load<u32>(e, J_OFTEN);
  if (often == OFTEN) return;
  store<u32>(e, often + 1, J_OFTEN);
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

// ---- For records, by place in the table ---------------------------------------------------

export function jumpSlots(): u32 {
  return 1 << JUMP_BITS;
}

/** The micro-op of the i-th entry, 0 when there is none. */
export function jumpOf(i: u32): u32 {
  return load<u32>(JIT_JUMPS + i * JUMP_SIZE);
}

export function jumpOften(i: u32): u32 {
  return load<u32>(JIT_JUMPS + i * JUMP_SIZE, J_OFTEN);
}

export function jumpTargetCount(i: u32): u32 {
  return load<u32>(JIT_JUMPS + i * JUMP_SIZE, J_COUNT);
}

export function jumpTargetOf(i: u32, t: u32): u32 {
  return target(JIT_JUMPS + i * JUMP_SIZE, t);
}

/** The target of this micro-op's jump was noted so often in an earlier run. */
export function recallJump(slot: u32, often: u32): void {
  const e = entryOf(slot);
  memory.fill(e, 0, JUMP_SIZE);
  store<u32>(e, slot);
  store<u32>(e, often < OFTEN ? often : OFTEN, J_OFTEN);
}

export function recallTarget(slot: u32, offset: u32): void {
  addTarget(entryOf(slot), offset);
}

export function forgetJumps(): void {
  memory.fill(JIT_JUMPS, 0, JIT_JUMPS_SIZE);
}
