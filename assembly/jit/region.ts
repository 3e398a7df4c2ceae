/**
 * Which instructions are translated together: from an entry, everything that
 * direct branches and jumps reach within the guest's page, as basic blocks, with
 * their dominator tree. All in flat arrays in JIT_WORK.
 */

import { JIT_WORK, PAGE_SIZE } from "../abi";
import { decode16, decode32, dA, dB, dImm } from "../isa/decode.generated";
import {
  OP_BEQ, OP_BGE, OP_BGEU, OP_BLT, OP_BLTU, OP_BNE, OP_DECODE, OP_EBREAK, OP_ECALL, OP_ILLEGAL, OP_ILLEGAL_C, OP_JAL,
  OP_JALR, OP_MRET, OP_SRET, OP_WFI,
} from "../isa/ops.generated";
import {
  baseOf, CSR, READS_A, READS_B, READS_C, READS_F_A, READS_F_B, READS_F_C, READS_F_D, ROUNDS, shapeOf, WRITES_A, WRITES_F_A,
} from "../isa/shape.generated";
import { jumpTarget, jumpTargets } from "./jumps";

export const MAX_BLOCKS: u32 = 96;
/** Instructions of a region, and of one block. */
const MAX_INSTRUCTIONS: u32 = 400;
export const MAX_BLOCK: u32 = 64;

// Per halfword of the page: 0, 1 a block starts here and waits, 2 it is part of the region.
const MARK: u32 = JIT_WORK;
// Per halfword: the block that starts there.
const BLOCK_AT: u32 = MARK + PAGE_SIZE / 2;
const STACK: u32 = BLOCK_AT + PAGE_SIZE; // u16 each
const BLOCKS: u32 = STACK + 4096;

// A block: u16 and i32 fields.
const B_START: u32 = 0; //  u16: offset in the page
const B_COUNT: u32 = 2; //  u16: instructions
const B_KIND: u32 = 4; //   u8
const B_HEADER: u32 = 5; // u8: heads a loop, and where its edges come from: 1 its address or above, 2 below
const B_MERGES: u32 = 6; // u16: forward edges that lead here
const B_SUCC0: u32 = 8; //  i16: block, or -1: leaves the region to B_OUT0
const B_SUCC1: u32 = 10; // i16
const B_OUT0: u32 = 12; //  i32: offset from the page's start
const B_OUT1: u32 = 16; //  i32
const B_RPO: u32 = 20; //   u16: place in reverse postorder, from 1; 0: not reached
const B_IDOM: u32 = 22; //  u16: block
const B_PATH: u32 = 24; //  u16: instructions from here to where the budget is next looked at, at most
const B_CALLS: u32 = 26; // u8: a block that this one dominates calls
const B_STATE: u32 = 27; // u8: a block that this one dominates may change mstatus.FS or fcsr, other than by arithmetic
const B_STRIP: u32 = 28; // u8: it is a loop by itself, with strips (jit/strips)
// Sets of registers are u64: bit r is x[r], bit 32 + r is f[r].
const B_READS: u32 = 32; // u64: registers read before they are written
const B_WRITES: u32 = 40; // u64: registers written
const B_LIVE: u32 = 48; //  u64: registers whose locals are of use at the start
const B_LOOP: u32 = 56; //  u64: of a header: registers that its loop writes
// For module: what is known of locals at a label.
const B_READY: u32 = 64; // u64: they hold their registers
const B_KEPT: u32 = 72; //  u64: they may be newer than the hart's registers
const B_DIRTY: u32 = 80; // u64: they are, on some way to here
const B_FP: u32 = 88; //    u8: what is known of floating point's state
const B_ROUNDS: u32 = 89; // u8: 1 it rounds, 2 of a header: its loop does, 4 it has a CSR instruction, 8 it writes an f register
const B_WORDS: u32 = 92; // u32: registers that hold sign-extended words at the start
const B_SIZE: u32 = 96;
const HERE: u8 = 1;
const IN_LOOP: u8 = 2;
const SETS_STATE: u8 = 4;
const WRITES_FLOAT: u8 = 8;
const FROM_ABOVE: u8 = 1;
const FROM_BELOW: u8 = 2;

const ORDER: u32 = BLOCKS + MAX_BLOCKS * B_SIZE; // u16: blocks in reverse postorder
const SEEN: u32 = ORDER + MAX_BLOCKS * 2; // u8, and the next successor to visit
const CASES: u32 = SEEN + MAX_BLOCKS * 2; // u16: offsets in the page

export const KIND_FALL: u32 = 0; //   on to SUCC0
export const KIND_BRANCH: u32 = 1; // taken to SUCC0, else SUCC1
export const KIND_CALL: u32 = 2; //   calls OUT1, comes back to SUCC0
export const KIND_CALLR: u32 = 3; //  calls where a register points, comes back to SUCC0
export const KIND_RETURN: u32 = 4;
export const KIND_JALR: u32 = 5; //   any other indirect jump
export const KIND_SWITCH: u32 = 7; // an indirect jump whose targets are known: on to SUCC0, which finds the one
export const KIND_LESS: u32 = 8; //   of no instructions: on to SUCC0 if the target is below OUT0, else to SUCC1
export const KIND_CASE: u32 = 9; //   of no instructions: on to SUCC0 if the target is OUT0, else it leaves
export const KIND_STOP: u32 = 6; //   the next instruction (OUT0) is the interpreter's

/** The decoded instruction of `fetch`. */
export let op: u16 = 0; //     of the base instruction
export let rawOp: u16 = 0; //  as the decoder gives it
export let opA: u32 = 0;
export let opB: u32 = 0;
export let opImm: i32 = 0;
export let opSize: u32 = 0;

export let blockCount: u32 = 0;
/** Whether the region has an instruction with a register of floating point. */
export let floats: bool = false;
let orderCount: u32 = 0;

// ---- Instructions -----------------------------------------------------------------------

/** Decodes the instruction at an offset of the page at `page` (linear). @returns false: not whole, or illegal */
export function fetch(page: u32, offset: u32): bool {
  const low = load<u16>(page + offset);
  if ((low & 3) != 3) {
    rawOp = decode16(low);
    opSize = 2;
  } else {
    if (offset > PAGE_SIZE - 4) return false;
    rawOp = decode32(load<u32>(page + offset));
    opSize = 4;
  }
  opA = dA;
  opB = dB;
  opImm = dImm;
  op = baseOf(rawOp);
  return rawOp != OP_ILLEGAL && rawOp != OP_ILLEGAL_C;
}

function isBranch(o: u16): bool {
  return o == OP_BEQ || o == OP_BNE || o == OP_BLT || o == OP_BGE || o == OP_BLTU || o == OP_BGEU;
}

/** Instructions that the interpreter executes: they end the region's business. */
export function stops(o: u16): bool {
  return o == OP_ECALL || o == OP_EBREAK || o == OP_MRET || o == OP_SRET || o == OP_WFI;
}

// ---- Blocks ---------------------------------------------------------------------------------

// @ts-ignore: decorator
@inline function mark(offset: u32): u32 { return load<u8>(MARK + (offset >> 1)); }
// @ts-ignore: decorator
@inline function setMark(offset: u32, v: u32): void { store<u8>(MARK + (offset >> 1), <u8>v); }
// @ts-ignore: decorator
@inline function block(b: u32): u32 { return BLOCKS + b * B_SIZE; }

// @ts-ignore: decorator
@inline export function startOf(b: u32): u32 { return load<u16>(block(b), B_START); }
// @ts-ignore: decorator
@inline export function countOf(b: u32): u32 { return load<u16>(block(b), B_COUNT); }
// @ts-ignore: decorator
@inline export function kindOf(b: u32): u32 { return load<u8>(block(b), B_KIND); }
// @ts-ignore: decorator
@inline export function isHeader(b: u32): bool { return load<u8>(block(b), B_HEADER) != 0; }
/**
 * Does it head two loops, one in the other? So it is where the region's entry is the head of an inner loop:
 * the outer one's way round falls into it from lower addresses.
 */
// @ts-ignore: decorator
@inline export function headsTwo(b: u32): bool { return load<u8>(block(b), B_HEADER) == (FROM_ABOVE | FROM_BELOW); }
/** Is a way from `b` to a header one of its outer loop? */
// @ts-ignore: decorator
@inline export function isOuter(b: u32, header: u32): bool { return headsTwo(header) && startOf(b) < startOf(header); }
// @ts-ignore: decorator
@inline export function isMerge(b: u32): bool { return load<u16>(block(b), B_MERGES) > 1; }
// @ts-ignore: decorator
@inline export function rpoOf(b: u32): u32 { return load<u16>(block(b), B_RPO); }
// @ts-ignore: decorator
@inline export function idomOf(b: u32): u32 { return load<u16>(block(b), B_IDOM); }
/** The block that an edge leads to, or -1. */
// @ts-ignore: decorator
@inline export function edge(b: u32, taken: u32): i32 { return load<i16>(block(b) + taken * 2, B_SUCC0); }
/** Where an edge leads that leaves the region: offset from the page's start. */
// @ts-ignore: decorator
@inline export function edgeOut(b: u32, taken: u32): i32 { return load<i32>(block(b) + taken * 4, B_OUT0); }
/** The i-th reached block in reverse postorder. */
// @ts-ignore: decorator
@inline export function ordered(i: u32): u32 { return load<u16>(ORDER + i * 2); }
export function orderedCount(): u32 { return orderCount; }
/** Instructions from the block's start to the next look at the budget, on the longest way. */
// @ts-ignore: decorator
@inline export function pathOf(b: u32): u32 { return load<u16>(block(b), B_PATH); }
// @ts-ignore: decorator
@inline export function callsBelow(b: u32): bool { return load<u8>(block(b), B_CALLS) != 0; }
// @ts-ignore: decorator
@inline export function loopWrites(b: u32): u64 { return load<u64>(block(b), B_LOOP); }
// @ts-ignore: decorator
@inline export function liveAt(b: u32): u64 { return load<u64>(block(b), B_LIVE); }
// @ts-ignore: decorator
@inline export function readyAt(b: u32): u64 { return load<u64>(block(b), B_READY); }
// @ts-ignore: decorator
@inline export function keptAt(b: u32): u64 { return load<u64>(block(b), B_KEPT); }
// @ts-ignore: decorator
@inline export function dirtyAt(b: u32): u64 { return load<u64>(block(b), B_DIRTY); }
// @ts-ignore: decorator
@inline export function fpAt(b: u32): u32 { return load<u8>(block(b), B_FP); }
// @ts-ignore: decorator
@inline export function stateBelow(b: u32): bool { return load<u8>(block(b), B_STATE) != 0; }
// @ts-ignore: decorator
@inline export function isStrip(b: u32): bool { return load<u8>(block(b), B_STRIP) != 0; }
// @ts-ignore: decorator
@inline export function loopRounds(b: u32): bool { return (load<u8>(block(b), B_ROUNDS) & IN_LOOP) != 0; }

// @ts-ignore: decorator
@inline export function writesFloat(b: u32): bool { return (load<u8>(block(b), B_ROUNDS) & WRITES_FLOAT) != 0; }

/** Registers that hold sign-extended words at a block's start, on every way to it (jit/words). */
// @ts-ignore: decorator
@inline export function wordsAt(b: u32): u32 { return load<u32>(block(b), B_WORDS); }
// @ts-ignore: decorator
@inline export function setWords(b: u32, words: u32): void { store<u32>(block(b), words, B_WORDS); }

export function setKnown(b: u32, ready: u64, kept: u64, dirty: u64, fp: u32): void {
  store<u64>(block(b), ready, B_READY);
  store<u64>(block(b), kept, B_KEPT);
  store<u64>(block(b), dirty, B_DIRTY);
  store<u8>(block(b), <u8>fp, B_FP);
}

let stackTop: u32 = 0;
/** The page's micro-ops, or 0: what was never executed isn't worth translating. */
let known: u32 = 0;

function lead(target: i32): void {
  if (<u32>target >= PAGE_SIZE || mark(target)) return;
  if (known && load<u16>(known + (<u32>target << 2)) == OP_DECODE) return;
  if (stackTop == 1024) return;
  setMark(target, 1);
  store<u16>(STACK + stackTop * 2, <u16>target);
  stackTop++;
}

/**
 * Finds the region of an entry.
 * @param page   linear address of the guest's page
 * @param slots  its micro-ops
 * @param all    what was never executed is not left out
 * @returns false when there is nothing to translate
 */
export function discover(page: u32, slots: u32, entry: u32, all: bool): bool {
  known = 0; // the entry is wanted in any case
  memory.fill(MARK, 0, PAGE_SIZE / 2);
  stackTop = 0;
  let left: i32 = MAX_INSTRUCTIONS;
  let leaders: u32 = 0;
  lead(entry);
  known = all ? 0 : slots;
  // First which blocks there are; nearest to the entry first, since the stack is read as a queue.
  for (let head: u32 = 0; head < stackTop && left > 0 && leaders < MAX_BLOCKS; head++) {
    const start = <u32>load<u16>(STACK + head * 2);
    setMark(start, 2);
    leaders++;
    let at = start;
    for (let i: u32 = 0; i < MAX_BLOCK; i++) {
      if (at >= PAGE_SIZE || (at != start && mark(at)) || !fetch(page, at) || stops(op)) break;
      left--;
      const next = at + opSize;
      if (isBranch(op)) {
        lead(<i32>at + opImm);
        lead(next);
        break;
      }
      if (op == OP_JALR) {
        if (opA != 32) lead(next);
        else leadJump(slots + (at << 2));
        break;
      }
      if (op == OP_JAL) {
        lead(opA == 32 ? <i32>at + opImm : <i32>next);
        break;
      }
      at = next;
      // What follows a long block is another.
      if (i == MAX_BLOCK - 1) lead(at);
    }
  }
  // Then where they end: a block may have been cut by one that was found later.
  blockCount = 0;
  floats = false;
  for (let at: u32 = 0; at < PAGE_SIZE; at += 2) {
    if (mark(at) != 2) continue;
    store<u16>(BLOCK_AT + at, <u16>blockCount);
    store<u16>(block(blockCount), <u16>at, B_START);
    blockCount++;
  }
  const real = blockCount;
  for (let b: u32 = 0; b < real; b++) measure(page, b, slots);
  const first = <u32>load<u16>(BLOCK_AT + entry);
  if (countOf(first) == 0) return false;
  order(first);
  dominate();
  shape();
  measurePaths();
  live();
  return true;
}

/** The head of the innermost loop of this region that goes round `at`, or `at` itself. */
export function headOf(at: u32): u32 {
  let head: i32 = -1;
  for (let b: u32 = 0; b < blockCount; b++) {
    if (startOf(b) < at || !rpoOf(b)) continue;
    const kind = kindOf(b);
    if (kind > KIND_CALLR) continue;
    const target = edgeOut(b, 0);
    if (target >= 0 && target <= <i32>at && target > head) head = target;
  }
  return head < 0 ? at : head;
}

function link(b: u32, taken: u32, target: i32): void {
  const inside = <u32>target < PAGE_SIZE && mark(target) == 2;
  store<i16>(block(b) + taken * 2, inside ? load<i16>(BLOCK_AT + target) : -1, B_SUCC0);
  store<i32>(block(b) + taken * 4, target, B_OUT0);
}

function measure(page: u32, b: u32, slots: u32): void {
  const start = startOf(b);
  let at = start;
  let count: u32 = 0;
  let kind = KIND_STOP;
  store<i16>(block(b), -1, B_SUCC0);
  store<i16>(block(b), -1, B_SUCC1);
  store<i32>(block(b), 0, B_OUT1);
  while (true) {
    if (count && at < PAGE_SIZE && mark(at) == 2) {
      kind = KIND_FALL;
      link(b, 0, at);
      break;
    }
    if (count == MAX_BLOCK || at >= PAGE_SIZE || !fetch(page, at) || stops(op)) {
      store<i32>(block(b), at, B_OUT0);
      break;
    }
    count++;
    if (isBranch(op)) {
      kind = KIND_BRANCH;
      link(b, 0, <i32>at + opImm);
      link(b, 1, at + opSize);
      break;
    }
    if (op == OP_JALR) {
      kind = opA != 32 ? KIND_CALLR : opB == 1 || opB == 5 ? KIND_RETURN : KIND_JALR;
      if (kind == KIND_CALLR) link(b, 0, at + opSize);
      if (kind == KIND_JALR && makeSwitch(b, slots + (at << 2))) kind = KIND_SWITCH;
      break;
    }
    if (op == OP_JAL) {
      kind = opA == 32 ? KIND_FALL : KIND_CALL;
      link(b, 0, opA == 32 ? <i32>at + opImm : <i32>(at + opSize));
      if (opA != 32) store<i32>(block(b), <i32>at + opImm, B_OUT1);
      break;
    }
    at += opSize;
  }
  prepare(b, count, kind);
  uses(page, b);
}

function prepare(b: u32, count: u32, kind: u32): void {
  store<u16>(block(b), <u16>count, B_COUNT);
  store<u8>(block(b), <u8>kind, B_KIND);
  store<u8>(block(b), 0, B_HEADER);
  store<u16>(block(b), 0, B_MERGES);
  store<u16>(block(b), 0, B_RPO);
  store<u8>(block(b), 0, B_CALLS);
  store<u8>(block(b), 0, B_STATE);
  store<u8>(block(b), 0, B_STRIP);
}

// ---- Jumps with known targets ---------------------------------------------------------------

function leadJump(slot: u32): void {
  const count = jumpTargets(slot);
  for (let i: u32 = 0; i < count; i++) lead(jumpTarget(slot, i));
}

/** Puts behind a jump blocks that search for its target among those of the region. @returns false: there are none, or too many */
function makeSwitch(b: u32, slot: u32): bool {
  const count = jumpTargets(slot);
  cases = 0;
  for (let i: u32 = 0; i < count; i++) {
    const target = jumpTarget(slot, i);
    if (mark(target) == 2) store<u16>(CASES + cases++ * 2, <u16>target);
  }
  if (!cases || blockCount + 2 * cases > MAX_BLOCKS) return false;
  store<i16>(block(b), <i16>search(0, cases), B_SUCC0);
  return true;
}

let cases: u32 = 0;

/** A tree of blocks for the cases from `first` to before `end`. @returns its root */
function search(first: u32, end: u32): u32 {
  const b = blockCount++;
  const middle = (first + end) >> 1;
  const target = <u32>load<u16>(CASES + middle * 2);
  prepare(b, 0, end - first == 1 ? KIND_CASE : KIND_LESS);
  store<u16>(block(b), <u16>target, B_START);
  store<u64>(block(b), 0, B_READS);
  store<u64>(block(b), 0, B_WRITES);
  store<u8>(block(b), 0, B_ROUNDS);
  store<i32>(block(b), target, B_OUT0);
  store<i16>(block(b), -1, B_SUCC1);
  if (end - first == 1) {
    store<i16>(block(b), load<i16>(BLOCK_AT + target), B_SUCC0);
  } else {
    store<i16>(block(b), <i16>search(first, middle), B_SUCC0);
    store<i16>(block(b), <i16>search(middle, end), B_SUCC1);
  }
  return b;
}

/** Notes which registers' locals a block reads and writes. */
function uses(page: u32, b: u32): void {
  let reads: u64 = 0;
  let writes: u64 = 0;
  let rounds: u8 = 0;
  let at = startOf(b);
  const count = countOf(b);
  for (let i: u32 = 0; i < count; i++) {
    fetch(page, at);
    const shape = shapeOf(op);
    let sources: u64 = shape & READS_B ? bitX(opB) : 0;
    if (shape & READS_A) sources |= bitX(opA);
    if (shape & READS_C) sources |= bitX(opImm & 31);
    if (shape & READS_F_A) sources |= bitF(opA);
    if (shape & READS_F_B) sources |= bitF(opB);
    if (shape & READS_F_C) sources |= bitF(opImm & 31);
    if (shape & READS_F_D) sources |= bitF(opImm >> 8 & 31);
    reads |= sources & ~writes;
    if (shape & WRITES_A && opA < 32) writes |= bitX(opA);
    if (shape & WRITES_F_A) writes |= bitF(opA);
    if (shape & (READS_F_A | READS_F_B | WRITES_F_A)) floats = true;
    if (shape & ROUNDS) rounds |= HERE;
    if (shape & CSR) rounds |= SETS_STATE;
    if (shape & WRITES_F_A) rounds |= WRITES_FLOAT;
    at += opSize;
  }
  store<u64>(block(b), reads & ~1, B_READS);
  store<u64>(block(b), writes & ~1, B_WRITES);
  store<u8>(block(b), rounds, B_ROUNDS);
}

// @ts-ignore: decorator
@inline function bitX(r: u32): u64 { return <u64>1 << r; }
// @ts-ignore: decorator
@inline export function bitF(r: u32): u64 { return <u64>1 << (32 + r); }

/** Numbers the blocks in reverse postorder, from 1. */
function order(first: u32): void {
  memory.fill(SEEN, 0, MAX_BLOCKS * 2);
  let top: u32 = 1;
  let finished: u32 = 0;
  store<u16>(STACK, <u16>first);
  store<u8>(SEEN + first, 1);
  while (top) {
    const b = <u32>load<u16>(STACK + (top - 1) * 2);
    const turn = <u32>load<u8>(SEEN + MAX_BLOCKS + b);
    if (turn < 2) {
      store<u8>(SEEN + MAX_BLOCKS + b, <u8>(turn + 1));
      // The fall-through last, so that it comes first in the order.
      const next = edge(b, turn);
      if (next >= 0 && !load<u8>(SEEN + next)) {
        store<u8>(SEEN + next, 1);
        store<u16>(STACK + top * 2, <u16>next);
        top++;
      }
    } else {
      top--;
      store<u16>(ORDER + finished * 2, <u16>b);
      finished++;
    }
  }
  orderCount = finished;
  for (let i: u32 = 0; i < finished / 2; i++) {
    const a = ORDER + i * 2;
    const z = ORDER + (finished - 1 - i) * 2;
    const v = load<u16>(a);
    store<u16>(a, load<u16>(z));
    store<u16>(z, v);
  }
  for (let i: u32 = 0; i < finished; i++) store<u16>(block(ordered(i)), <u16>(i + 1), B_RPO);
}

const NO_DOMINATOR: u16 = 0xffff;

/** Immediate dominators (Cooper, Harvey and Kennedy). */
function dominate(): void {
  for (let b: u32 = 0; b < blockCount; b++) store<u16>(block(b), NO_DOMINATOR, B_IDOM);
  const first = ordered(0);
  store<u16>(block(first), <u16>first, B_IDOM);
  let changed = true;
  while (changed) {
    changed = false;
    for (let i: u32 = 0; i < orderCount; i++) {
      const b = ordered(i);
      if (load<u16>(block(b), B_IDOM) == NO_DOMINATOR) continue;
      for (let e: u32 = 0; e < 2; e++) {
        const to = edge(b, e);
        if (to < 0 || <u32>to == first) continue;
        const old = load<u16>(block(to), B_IDOM);
        const now = old == NO_DOMINATOR ? <u16>b : <u16>meet(b, old);
        if (now != old) {
          store<u16>(block(to), now, B_IDOM);
          changed = true;
        }
      }
    }
  }
}

function meet(a: u32, b: u32): u32 {
  while (a != b) {
    while (rpoOf(a) > rpoOf(b)) a = idomOf(a);
    while (rpoOf(b) > rpoOf(a)) b = idomOf(b);
  }
  return a;
}

function dominates(a: u32, b: u32): bool {
  while (rpoOf(b) > rpoOf(a)) b = idomOf(b);
  return a == b;
}

/** Finds loop headers and merges; edges into loops from their side leave the region. */
function shape(): void {
  for (let i: u32 = 0; i < orderCount; i++) {
    const b = ordered(i);
    for (let e: u32 = 0; e < 2; e++) {
      const to = edge(b, e);
      if (to < 0) continue;
      if (rpoOf(to) > rpoOf(b)) {
        store<u16>(block(to), load<u16>(block(to), B_MERGES) + 1, B_MERGES);
      } else if (dominates(to, b)) {
        const side = startOf(b) < startOf(to) ? FROM_BELOW : FROM_ABOVE;
        store<u8>(block(to), load<u8>(block(to), B_HEADER) | side, B_HEADER);
      } else {
        store<i16>(block(b) + e * 2, -1, B_SUCC0); // OUT already says where
      }
    }
  }
}

/** Is a block a loop by itself, behind a branch? */
export function loopsAlone(b: u32): bool {
  return kindOf(b) == KIND_BRANCH && (edge(b, 0) == b || edge(b, 1) == b);
}

/** Such a block is written twice: so two ways lead to where it goes on. */
export function markStrip(b: u32): void {
  store<u8>(block(b), 1, B_STRIP);
  for (let e: u32 = 0; e < 2; e++) {
    const to = edge(b, e);
    if (to >= 0 && rpoOf(to) > rpoOf(b)) store<u16>(block(to), load<u16>(block(to), B_MERGES) + 1, B_MERGES);
  }
}

/** How far it is from each block to the next look at the budget: at headers, and behind calls. */
function measurePaths(): void {
  for (let i = orderCount; i > 0; i--) {
    const b = ordered(i - 1);
    let longest: u32 = 0;
    const kind = kindOf(b);
    if (kind != KIND_CALL && kind != KIND_CALLR) {
      for (let e: u32 = 0; e < 2; e++) {
        const to = edge(b, e);
        if (to >= 0 && !isHeader(to) && pathOf(to) > longest) longest = pathOf(to);
      }
    }
    store<u16>(block(b), <u16>(longest + countOf(b)), B_PATH);
  }
}

// @ts-ignore: decorator
@inline export function calls(b: u32): bool { return kindOf(b) == KIND_CALL || kindOf(b) == KIND_CALLR; }

/** Which locals are of use where: behind a call all of them are loaded anew. */
function live(): void {
  for (let i: u32 = 0; i < orderCount; i++) store<u64>(block(ordered(i)), 0, B_LIVE);
  let changed = true;
  while (changed) {
    changed = false;
    for (let i = orderCount; i > 0; i--) {
      const b = ordered(i - 1);
      let out: u64 = 0;
      if (!calls(b)) for (let e: u32 = 0; e < 2; e++) if (edge(b, e) >= 0) out |= liveAt(edge(b, e));
      const now = load<u64>(block(b), B_READS) | (out & ~load<u64>(block(b), B_WRITES));
      if (now == liveAt(b)) continue;
      store<u64>(block(b), now, B_LIVE);
      changed = true;
    }
  }
  for (let i: u32 = 0; i < orderCount; i++) {
    let b = ordered(i);
    store<u64>(block(b), 0, B_LOOP);
    // All that dominate a call: from it upwards.
    while (calls(ordered(i)) && !callsBelow(b)) {
      store<u8>(block(b), 1, B_CALLS);
      b = idomOf(b);
    }
    b = ordered(i);
    while ((calls(ordered(i)) || load<u8>(block(ordered(i)), B_ROUNDS) & SETS_STATE) && !stateBelow(b)) {
      store<u8>(block(b), 1, B_STATE);
      b = idomOf(b);
    }
  }
  // A loop reaches about from its header to where it goes back, in reverse postorder.
  for (let i: u32 = 0; i < orderCount; i++) {
    const b = ordered(i);
    for (let e: u32 = 0; e < 2; e++) {
      const to = edge(b, e);
      if (to < 0 || rpoOf(to) > rpoOf(b)) continue;
      let writes = loopWrites(to);
      for (let j = rpoOf(to); j <= rpoOf(b); j++) {
        const inside = block(ordered(j - 1));
        if (!isOuter(b, to)) writes |= load<u64>(inside, B_WRITES);
        if (load<u8>(inside, B_ROUNDS) & HERE) store<u8>(block(to), load<u8>(block(to), B_ROUNDS) | IN_LOOP, B_ROUNDS);
      }
      store<u64>(block(to), writes, B_LOOP);
    }
  }
}
