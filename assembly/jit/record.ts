/**
 * What is known of the regions of one page: the host keeps it under the hash of
 * the page's bytes, with their module, and gives it back when it meets the same
 * bytes again, in this run or in another. Nothing in it is trusted: whatever it
 * says, what is translated by it does what the page's instructions do.
 */

import { JIT_RECORD, JIT_RECORD_SIZE, PAGE_SIZE, UOP_SLOTS } from "../abi";
import { OP_DECODE, OP_JIT } from "../isa/ops.generated";
import { jumpOf, jumpOften, jumpSlots, jumpTargetCount, jumpTargetOf, recallJump, recallTarget } from "./jumps";
import { recallSplit, splitOf, splitSlots } from "./split";

/** u32: bytes of the record. */
export const R_LENGTH: u32 = 0;
/** u32: entries, u16 each, those of the module first and in its order. */
export const R_COUNT: u32 = 4;
export const R_ENTRIES: u32 = 8;
export const R_MOST_ENTRIES: u32 = 60;
/** A bit for each halfword: an instruction that was executed starts there. */
export const R_EXECUTED: u32 = R_ENTRIES + R_MOST_ENTRIES * 2;
export const R_EXECUTED_SIZE: u32 = UOP_SLOTS / 8;
/** Accesses that are often not in one page: how many u16, then their offsets. */
const R_SPLITS: u32 = R_EXECUTED + R_EXECUTED_SIZE;
const MOST_SPLITS: u32 = 31;
/** Jumps through registers: { offset u16, how often its target was noted u16, targets u16, then those, u16 each }, to the end. */
const R_JUMPS: u32 = R_SPLITS + 2 + MOST_SPLITS * 2;
const JUMP_HEAD: u32 = 6;

// @ts-ignore: decorator
@inline function at16(offset: u32): u32 { return load<u16>(JIT_RECORD + offset); }
// @ts-ignore: decorator
@inline function put16(offset: u32, value: u32): void { store<u16>(JIT_RECORD + offset, <u16>value); }

let entries: u32 = 0;

function addEntry(offset: u32): void {
  for (let i: u32 = 0; i < entries; i++) if (at16(R_ENTRIES + i * 2) == offset) return;
  if (entries < R_MOST_ENTRIES) put16(R_ENTRIES + entries++ * 2, offset);
}

export function recordStart(): void {
  entries = 0;
}

/** One of the module's. */
export function recordEntry(offset: u32): void {
  addEntry(offset);
}

/** The rest of what is known of the page with these micro-ops. */
export function recordPage(slots: u32): void {
  memory.fill(JIT_RECORD + R_EXECUTED, 0, R_EXECUTED_SIZE);
  for (let i: u32 = 0; i < UOP_SLOTS; i++) {
    const op = load<u16>(slots + (i << 3));
    if (op == OP_DECODE) continue;
    const byte = JIT_RECORD + R_EXECUTED + (i >> 3);
    store<u8>(byte, <u8>(<u32>load<u8>(byte) | (<u32>1 << (i & 7))));
    if (op == OP_JIT) addEntry(i << 1);
  }
  store<u32>(JIT_RECORD, entries, R_COUNT);
  let splits: u32 = 0;
  for (let i: u32 = 0; i < splitSlots() && splits < MOST_SPLITS; i++) {
    const offset = (splitOf(i) - slots) >> 2;
    if (offset < PAGE_SIZE) put16(R_SPLITS + 2 + splits++ * 2, offset);
  }
  put16(R_SPLITS, splits);
  let end = R_JUMPS;
  for (let i: u32 = 0; i < jumpSlots(); i++) {
    const offset = (jumpOf(i) - slots) >> 2;
    const count = jumpTargetCount(i);
    const size = JUMP_HEAD + count * 2;
    if (offset >= PAGE_SIZE || end + size > JIT_RECORD_SIZE) continue;
    put16(end, offset);
    put16(end + 2, jumpOften(i));
    put16(end + 4, count);
    for (let t: u32 = 0; t < count; t++) put16(end + JUMP_HEAD + t * 2, jumpTargetOf(i, t));
    end += size;
  }
  store<u32>(JIT_RECORD, end, R_LENGTH);
}

/** How many entries the record has. */
export function recordedEntries(): u32 {
  const count = load<u32>(JIT_RECORD, R_COUNT);
  return count < R_MOST_ENTRIES ? count : R_MOST_ENTRIES;
}

/** Offset in the page of the i-th, or one that is none. */
export function recordedEntry(i: u32): u32 {
  return at16(R_ENTRIES + i * 2);
}

export function wasExecuted(halfword: u32): bool {
  return (load<u8>(JIT_RECORD + R_EXECUTED + (halfword >> 3)) >> (halfword & 7) & 1) != 0;
}

/** Whether an instruction may be at an offset. */
// @ts-ignore: decorator
@inline export function isPlace(offset: u32): bool { return offset < PAGE_SIZE && !(offset & 1); }

/** Notes of the page with these micro-ops what the record says about its jumps and accesses. */
export function recallNotes(slots: u32): void {
  const length = load<u32>(JIT_RECORD, R_LENGTH);
  if (length < R_JUMPS || length > JIT_RECORD_SIZE) return;
  const splits = at16(R_SPLITS);
  for (let i: u32 = 0; i < splits && i < MOST_SPLITS; i++) {
    const offset = at16(R_SPLITS + 2 + i * 2);
    if (isPlace(offset)) recallSplit(slots + (offset << 2));
  }
  let at = R_JUMPS;
  while (at + JUMP_HEAD <= length) {
    const offset = at16(at);
    const count = at16(at + 4);
    const end = at + JUMP_HEAD + count * 2;
    if (end > length) return;
    if (isPlace(offset)) {
      const slot = slots + (offset << 2);
      recallJump(slot, at16(at + 2));
      for (let t = at + JUMP_HEAD; t < end; t += 2) if (isPlace(at16(t))) recallTarget(slot, at16(t));
    }
    at = end;
  }
}
