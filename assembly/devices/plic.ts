/**
 * Platform-level interrupt controller (RISC-V PLIC specification 1.0), with
 * level-triggered gateways and two contexts a hart: 2 × hart for M-mode and
 * 2 × hart + 1 for S-mode.
 */

import { DEV_MACHINE, DEV_PLIC, H_LINES, M_ATTENTION, M_HARTS, MAX_HARTS } from "../abi";
import { hartAt, IP_MEIP, IP_SEIP } from "../hart/state";

/** Sources 1..PLIC_SOURCES; 0 means "none". */
export const PLIC_SOURCES: u32 = 96;
const WORDS: u32 = (PLIC_SOURCES >> 5) + 1;
export const PLIC_CONTEXTS: u32 = (MAX_HARTS as u32) * 2;
const PRIORITY_MASK: u32 = 7;

// Registers: offsets in the window.
export const PLIC_PRIORITY: u32 = 0; //              u32 for each source, 0 included
export const PLIC_PENDING: u32 = PLIC_PRIORITY + (PLIC_SOURCES + 1) * 4; // WORDS × u32
export const PLIC_LEVEL: u32 = PLIC_PENDING + WORDS * 4; //   lines as the devices drive them
export const PLIC_CLAIMED: u32 = PLIC_LEVEL + WORDS * 4; //   claimed and not yet complete
export const PLIC_ENABLE: u32 = PLIC_CLAIMED + WORDS * 4; //  for each context WORDS × u32
export const PLIC_THRESHOLD: u32 = PLIC_ENABLE + PLIC_CONTEXTS * WORDS * 4; // u32 for each context
const END: u32 = PLIC_THRESHOLD + PLIC_CONTEXTS * 4;

// Memory map (chapter 3).
const AT_PENDING: u32 = 0x1000;
const AT_ENABLE: u32 = 0x2000;
const ENABLE_STRIDE: u32 = 0x80;
const AT_CONTEXT: u32 = 0x20_0000;
const CONTEXT_STRIDE: u32 = 0x1000;

// @ts-ignore: decorator
@inline function word(field: u32, i: u32): u32 { return load<u32>(DEV_PLIC + field + (i << 2)); }
// @ts-ignore: decorator
@inline function setWord(field: u32, i: u32, v: u32): void { store<u32>(DEV_PLIC + field + (i << 2), v); }

/** Bits of word `i` that stand for a source: neither 0 nor past the last. */
function sourceMask(i: u32): u32 {
  if (i == 0) return ~(1 as u32);
  const left = PLIC_SOURCES + 1 - (i << 5);
  return left >= 32 ? 0xffff_ffff : (1 << left) - 1;
}

function contexts(): u32 {
  const n = load<u32>(DEV_MACHINE, M_HARTS) * 2;
  return n < PLIC_CONTEXTS ? n : PLIC_CONTEXTS;
}

/** Lines stay as the devices drive them; all else is cleared. */
export function plicReset(): void {
  memory.fill(DEV_PLIC + PLIC_PRIORITY, 0, (PLIC_SOURCES + 1) * 4);
  memory.fill(DEV_PLIC + PLIC_CLAIMED, 0, END - PLIC_CLAIMED);
  for (let i: u32 = 0; i < WORDS; i++) setWord(PLIC_PENDING, i, word(PLIC_LEVEL, i));
  update();
}

/**
 * A device drives its line. A request that has been forwarded isn't taken back
 * when the line falls, as the specification has it (3.4, gateways).
 */
export function plicSetLine(source: u32, level: bool): void {
  if (source == 0 || source > PLIC_SOURCES) return;
  const i = source >> 5;
  const bit: u32 = 1 << (source & 31);
  const before = word(PLIC_LEVEL, i);
  if (((before & bit) != 0) == level) return;
  setWord(PLIC_LEVEL, i, before ^ bit);
  if (level && !(word(PLIC_CLAIMED, i) & bit)) {
    setWord(PLIC_PENDING, i, word(PLIC_PENDING, i) | bit);
    update();
  }
}

/** The pending, enabled source of highest priority above `floor`, the lowest id among equals; or 0. */
function best(context: u32, floor: u32): u32 {
  let found: u32 = 0;
  for (let i: u32 = 0; i < WORDS; i++) {
    let bits = word(PLIC_PENDING, i) & word(PLIC_ENABLE + context * WORDS * 4, i);
    while (bits) {
      const source = (i << 5) + ctz(bits);
      bits &= bits - 1;
      const priority = word(PLIC_PRIORITY, source);
      if (priority > floor) {
        floor = priority;
        found = source;
      }
    }
  }
  return found;
}

/** Drives the external-interrupt lines of every hart. */
function update(): void {
  const n = contexts();
  for (let context: u32 = 0; context < n; context++) {
    const h = hartAt(context >> 1);
    const bit = context & 1 ? IP_SEIP : IP_MEIP;
    const before = load<u64>(h, H_LINES);
    const lines = best(context, word(PLIC_THRESHOLD, context)) ? before | bit : before & ~bit;
    if (lines != before) {
      store<u64>(h, lines, H_LINES);
      store<u32>(DEV_MACHINE, 1, M_ATTENTION);
    }
  }
}

/** The threshold masks notification, not claims (chapter 7). */
function claim(context: u32): u32 {
  const source = best(context, 0);
  if (!source) return 0;
  const i = source >> 5;
  const bit: u32 = 1 << (source & 31);
  setWord(PLIC_PENDING, i, word(PLIC_PENDING, i) & ~bit);
  setWord(PLIC_CLAIMED, i, word(PLIC_CLAIMED, i) | bit);
  update();
  return source;
}

/** Ignored unless the source is enabled for the context (chapter 8). */
function complete(context: u32, source: u32): void {
  if (source == 0 || source > PLIC_SOURCES) return;
  const i = source >> 5;
  const bit: u32 = 1 << (source & 31);
  if (!(word(PLIC_ENABLE + context * WORDS * 4, i) & bit) || !(word(PLIC_CLAIMED, i) & bit)) return;
  setWord(PLIC_CLAIMED, i, word(PLIC_CLAIMED, i) & ~bit);
  if (word(PLIC_LEVEL, i) & bit) setWord(PLIC_PENDING, i, word(PLIC_PENDING, i) | bit);
  update();
}

/** Only aligned words answer; other accesses read zero and write nothing. */
export function plicRead(offset: u32, size: i32): u64 {
  if (size != 4 || offset & 3) return 0;
  if (offset < AT_PENDING) {
    const source = offset >> 2;
    return source <= PLIC_SOURCES ? word(PLIC_PRIORITY, source) : 0;
  }
  if (offset < AT_ENABLE) {
    const i = (offset - AT_PENDING) >> 2;
    return i < WORDS ? word(PLIC_PENDING, i) : 0;
  }
  if (offset < AT_CONTEXT) {
    const context = (offset - AT_ENABLE) / ENABLE_STRIDE;
    const i = (offset & (ENABLE_STRIDE - 1)) >> 2;
    return context < contexts() && i < WORDS ? word(PLIC_ENABLE + context * WORDS * 4, i) : 0;
  }
  const context = (offset - AT_CONTEXT) / CONTEXT_STRIDE;
  if (context >= contexts()) return 0;
  switch (offset & (CONTEXT_STRIDE - 1)) {
    case 0: return word(PLIC_THRESHOLD, context);
    case 4: return claim(context);
  }
  return 0;
}

export function plicWrite(offset: u32, size: i32, value: u64): void {
  if (size != 4 || offset & 3) return;
  const v = <u32>value;
  if (offset < AT_PENDING) {
    const source = offset >> 2;
    if (source == 0 || source > PLIC_SOURCES) return;
    setWord(PLIC_PRIORITY, source, v & PRIORITY_MASK);
  } else if (offset < AT_ENABLE) {
    return; // pending bits are read-only
  } else if (offset < AT_CONTEXT) {
    const context = (offset - AT_ENABLE) / ENABLE_STRIDE;
    const i = (offset & (ENABLE_STRIDE - 1)) >> 2;
    if (context >= contexts() || i >= WORDS) return;
    setWord(PLIC_ENABLE + context * WORDS * 4, i, v & sourceMask(i));
  } else {
    const context = (offset - AT_CONTEXT) / CONTEXT_STRIDE;
    if (context >= contexts()) return;
    switch (offset & (CONTEXT_STRIDE - 1)) {
      case 0: setWord(PLIC_THRESHOLD, context, v & PRIORITY_MASK); break;
      case 4: complete(context, v); return;
      default: return;
    }
  }
  update();
}
