/**
 * What the lowering of instructions shares: a region's locals, what is known of
 * them at the place that is being written, TLB lookup, leaving.
 *
 * A guest register is a local. It is loaded when it is first needed, and stored
 * where the region is left, or where somebody looks at the hart's state: mostly
 * on ways that are seldom taken.
 */

import {
  H_F, H_FCSR, H_JIT_N, H_JIT_STATUS, H_MSTATUS, H_PC, H_TLB, H_X, HANDLERS, JIT_WORK, TLB_BITS, TLB_ENTRIES, TLB_ENTRY_BITS,
} from "../abi";
import {
  access, byte, call, END, F32, F32_REINTERPRET, F32_STORE, F64, F64_LOAD, F64_REINTERPRET, F64_STORE, get, I32,
  I32_AND, I32_EQ, I32_LOAD, I32_REINTERPRET, I32_SHR_U, I32_STORE, I32_SUB, I32_WRAP, I32_XOR, i32c, I64_ADD, I64_EXTEND_I32_S,
  I64_EXTEND_I32_U, I64_GE_U, I64_LOAD, I64_OR, I64_REINTERPRET, I64_SHR_U, I64_STORE, i64c, RETURN, seldom, SELECT, set, tee,
  unsigned,
} from "./emit";
import { CSR, shapeOf, WRITES_A, WRITES_F_A } from "../isa/shape.generated";
import { bitF, floats, op, opA, opB, opImm, opSize, rawOp } from "./region";

// Parameters and locals of a region.
export const L_HART: u32 = 0;
export const L_BUDGET: u32 = 1;
export const L_PAGE: u32 = 2;
export const L_DEPTH: u32 = 3;
export const L_VA: u32 = 4; //     i64
export const L_TEMP: u32 = 5; //   i64
export const L_GOAL: u32 = 6; //   i64: a jump's target, from the page's start
export const L_COPY: u32 = 7; //   i64: what registers held before (jit/shifts)
export const COPIES: u32 = 4;
export const L_AT: u32 = L_COPY + COPIES; // i64: see jit/missed
export const L_ENTRY: u32 = L_AT + 1; //  i32
export const L_TLB: u32 = L_ENTRY + 1; // i32: the data bank
export const L_HOME: u32 = L_TLB + 1; //  i32: as L_ENTRY
export const L_STOP: u32 = L_HOME + 1; // i32: see jit/strips
/** i32: of each pointer of a strip, what to add to it for where it points in linear memory. */
export const L_STRIP: u32 = L_STOP + 1;
export const STRIPS: u32 = 4;
/** i32: where accesses that belong together are in linear memory. */
export const L_LINEAR: u32 = L_STRIP + STRIPS;
export const LINEARS: u32 = 7;
export const L_ALONE: u32 = L_LINEAR + LINEARS; // i32: the same of one alone
export const L_X: u32 = L_ALONE; // x1 is the next one
// In regions with floating point:
export const L_F: u32 = L_X + 32; //      f64: f0..f31
export const L_S: u32 = L_F + 32; //      f32: the same as binary32 numbers
export const L_LIMIT: u32 = L_S + 32; // i32: 253 << 24 if a plain result has no effect but itself, else 0: see FP_LIMIT
export const L_R32: u32 = L_LIMIT + 1; // f32
export const L_R: u32 = L_LIMIT + 2; //  f64, and 9 more
const TEMPS: u32 = 10;

// Types, as module.ts declares them.
export const T_REGION: u32 = 0;
export const T_HANDLER: u32 = 1;
export const T_ENTER: u32 = 2;

// Functions by their numbers.
/**
 * Imported: a region's arguments and its place in the table, on to that region. The table itself isn't imported: some
 * engines keep a copy of it in every instance that does, for as long as the table lives.
 */
export const F_REGION: u32 = 0;
/** Imported: `jitCall`. */
export const F_HANDLER: u32 = 1;
/** The module's own from here on. */
export const F_OWN: u32 = 2;

export const SINK: u32 = 32;

/** NaN-boxing: a binary32 number in a register has ones above it. */
const BOX: i64 = 0xffff_ffff << 32;

// ---- What is known here -----------------------------------------------------------------

/** Bit r: the local of x[r] holds it; bit 32 + r: that of f[r]. */
export let ready: u64 = 0;
/** Bit r: the hart's register is older than the local; a part of `ready`, and of `narrow`. */
export let dirty: u64 = 0;
/**
 * As `ready`, of f registers' binary32 locals: they hold what an instruction on
 * binary32 reads there. Without `ready` that is all of it, and properly boxed.
 */
export let narrow: u64 = 0;
/** Instructions retired that L_BUDGET doesn't know of. */
export let pending: u32 = 0;
/** FP_*: only CSR instructions and the guest's calls undo it. */
export let fp: u32 = 0;
/** mstatus.FS is not off. */
export const FP_ON: u32 = 1;
/** It is dirty. */
export const FP_DIRTY: u32 = 2;
/**
 * L_LIMIT is set: not 0 only if mstatus.FS is dirty, NX is raised
 * and frm is to nearest even, so that results need but be plain (see fp/fast).
 */
export const FP_LIMIT: u32 = 4;

/** Byte i: of which group of accesses (jit/accesses) the local L_LINEAR + i has the place. */
let holders: u64 = ~0;

/** Bit r: x[r] is a sign-extended word. */
export let words: u32 = 0;

export function knowWords(registers: u32): void {
  words = registers;
}

export function know(isReady: u64, isDirty: u64, retired: u32, state: u32, isNarrow: u64): void {
  ready = isReady;
  dirty = isDirty;
  pending = retired;
  fp = state;
  narrow = isNarrow;
}

/** Does a local of L_LINEAR hold where that group of accesses is? */
export function holds(holder: u32, group: u32): bool {
  return <u32>(holders >> (holder << 3) & 0xff) == group;
}

export function holdNone(): void {
  holders = ~0;
}

export function hold(holder: u32, group: u32): void {
  holders = (holders & ~(<u64>0xff << (holder << 3))) | (<u64>group << (holder << 3));
}

export function learn(state: u32): void {
  fp |= state;
}

export function retire(): void {
  pending++;
}

// ---- Registers --------------------------------------------------------------------------

/** How many groups of locals `declareFloats` declares. */
export function floatGroups(): u32 { return floats ? 5 : 0; }

export function declareFloats(): void {
  if (!floats) return;
  unsigned(32); byte(F64);
  unsigned(32); byte(F32);
  unsigned(1); byte(I32);
  unsigned(1); byte(F32);
  unsigned(TEMPS); byte(F64);
}

/** Where the hart has a register of the sets. */
// @ts-ignore: decorator
@inline function place(r: u32): u32 { return r < 32 ? H_X + r * 8 : H_F + (r - 32) * 8; }

/** Loads a register's local from the hart. */
export function fill(r: u32): void {
  get(L_HART);
  access(r < 32 ? I64_LOAD : F64_LOAD, place(r));
  set(L_X + r);
}

/** Makes those of the set ready that aren't. */
export function fillAll(registers: u64): void {
  const missing = registers & ~ready & ~1;
  for (let r: u32 = 1; r < 64; r++) {
    if (!(missing >> r & 1)) continue;
    if (narrow >> r & 1) need(r);
    else fill(r);
  }
}

/** Boxes all of which there is only the binary32 number: what was ready once is ready at labels, others rely on it. */
export function widen(): void {
  fillAll(narrow);
}

/** Sees to it that a register's local can be read in conditional code that follows. */
export function need(r: u32): void {
  if (!r || ready >> r & 1) return;
  if (narrow >> r & 1) {
    get(L_S + r - 32);
    byte(I32_REINTERPRET);
    byte(I64_EXTEND_I32_U);
    i64c(BOX);
    byte(I64_OR);
    byte(F64_REINTERPRET);
    set(L_X + r);
  } else {
    fill(r);
  }
  ready |= <u64>1 << r;
}

/** Pushes an integer register. */
export function x(r: u32): void {
  if (!r) {
    i64c(0);
    return;
  }
  need(r);
  get(L_X + r);
}

/** The value on the stack is x[r]'s. */
export function setX(r: u32): void {
  changed(r);
  set(L_X + r);
  ready |= <u64>1 << r;
  dirty |= <u64>1 << r;
}

// How often each register has been written: u32 each.
const VERSIONS: u32 = JIT_WORK + 0x1_3000;

function changed(r: u32): void {
  store<u32>(VERSIONS + (r << 2), versionOf(r) + 1);
  fresh &= ~(1 << r);
}

/** Tells the values apart that x[r] has one after the other. */
export function versionOf(r: u32): u32 {
  return load<u32>(VERSIONS + (r << 2));
}

/** Bit r: x[r] was extended from 32 bits in this block, which is for nothing if only those are used. */
let fresh: u32 = 0;

export function isFresh(r: u32): bool {
  return (fresh >> r & 1) != 0;
}

export function forgetFresh(): void {
  fresh = 0;
}

/** Pushes f[r]. */
export function f(r: u32): void {
  need(32 + r);
  get(L_F + r);
}

/** The value on the stack is f[r]'s. */
export function setF(r: u32): void {
  set(L_F + r);
  ready |= bitF(r);
  dirty |= bitF(r);
  narrow &= ~bitF(r);
}

/** Sees to it that `s` can be used in conditional code: what isn't boxed reads as NaN. */
export function needS(r: u32): void {
  if (narrow & bitF(r)) return;
  f(r);
  byte(I64_REINTERPRET);
  tee(L_TEMP);
  byte(I32_WRAP);
  byte(F32_REINTERPRET);
  i32c(0x7fc0_0000);
  byte(F32_REINTERPRET);
  get(L_TEMP);
  i64c(BOX);
  byte(I64_GE_U);
  byte(SELECT);
  set(L_S + r);
  narrow |= bitF(r);
}

/** Pushes f[r] as a binary32 number. */
export function s(r: u32): void {
  needS(r);
  get(L_S + r);
}

/** The binary32 number on the stack is f[r]'s. */
export function setS(r: u32): void {
  set(L_S + r);
  narrow |= bitF(r);
  dirty |= bitF(r);
  ready &= ~bitF(r);
}

/** Pushes the lower half of f[r], as i32; `needLow` first, before conditional code. */
export function low(r: u32): void {
  needLow(r);
  if (ready & bitF(r)) {
    get(L_F + r);
    byte(I64_REINTERPRET);
    byte(I32_WRAP);
  } else {
    get(L_S + r);
    byte(I32_REINTERPRET);
  }
}

export function needLow(r: u32): void {
  if (!(narrow & bitF(r))) need(32 + r);
}

/** The value on the stack is the destination's. */
export function end(): void {
  if (opA == SINK) set(L_TEMP);
  else setX(opA);
}

/** The 32 bits on the stack, sign-extended, are the destination's. */
export function endWord(): void {
  byte(I64_EXTEND_I32_S);
  end();
  if (opA != SINK) fresh |= 1 << opA;
}

/** Stores those of the set that are dirty, on this way only. */
export function writeBack(registers: u64): void {
  const old = dirty & registers;
  for (let r: u32 = 1; r < 64; r++) {
    if (!(old >> r & 1)) continue;
    if (ready >> r & 1) {
      storeX(r);
    } else {
      get(L_HART);
      get(L_S + r - 32);
      access(F32_STORE, place(r));
      get(L_HART);
      i32c(-1);
      access(I32_STORE, place(r) + 4);
    }
  }
}

/** Stores a register that its local holds. */
export function storeX(r: u32): void {
  get(L_HART);
  get(L_X + r);
  access(r < 32 ? I64_STORE : F64_STORE, place(r));
}

/** Stores what is dirty. */
export function flush(): void {
  writeBack(~0);
  dirty = 0;
}

// ---- State of floating point ------------------------------------------------------------

const FS: i32 = 0x6000; // of mstatus: dirty
const NX_NEAREST: i32 = 1; // of fcsr, whose bits 7..5 are frm

/** Pushes whether mstatus.FS is dirty (FP_DIRTY) or at least on. */
export function pushFs(wanted: u32): void {
  get(L_HART);
  access(I32_LOAD, H_MSTATUS);
  i32c(FS);
  byte(I32_AND);
  if (!(wanted & FP_DIRTY)) return;
  i32c(FS);
  byte(I32_EQ);
}

/** Sets L_LIMIT. */
export function loadLimit(): void {
  i32c(<i32>(<u32>253 << 24));
  i32c(0);
  get(L_HART);
  access(I32_LOAD, H_FCSR);
  i32c(0xe1);
  byte(I32_AND);
  i32c(NX_NEAREST);
  byte(I32_EQ);
  pushFs(FP_DIRTY);
  byte(I32_AND);
  byte(SELECT);
  set(L_LIMIT);
  fp |= FP_LIMIT;
}

// ---- Leaving ----------------------------------------------------------------------------

/** Pushes the address of a place in the page. */
export function pushPc(offset: i32): void {
  get(L_PAGE);
  i64c(offset);
  byte(I64_ADD);
}

/** Sets the pc to this instruction: before a call that may leave. */
export function notePc(offset: i32): void {
  get(L_HART);
  pushPc(offset);
  access(I64_STORE, H_PC);
}

/** Returns the hart's pc and "leave", if the helper's status on the stack isn't ST_OK. */
export function leaveUnlessOk(): void {
  seldom();
  get(L_HART);
  access(I64_LOAD, H_PC);
  i64c(1);
  byte(I64_OR);
  byte(RETURN);
  byte(END);
}

/** Pushes the budget that is left behind so many more instructions. */
export function budgetAfter(more: u32): void {
  get(L_BUDGET);
  if (pending + more) {
    i32c(pending + more);
    byte(I32_SUB);
  }
}

export function noteBudget(): void {
  get(L_HART);
  budgetAfter(0);
  access(I32_STORE, H_JIT_N);
}

/** L_BUDGET is to be right. */
export function settle(): void {
  if (!pending) return;
  budgetAfter(0);
  set(L_BUDGET);
  pending = 0;
}

/** Leaves at a place in the page with a status; what is dirty has been written. */
export function leaveWith(offset: i32, status: i32): void {
  noteBudget();
  get(L_HART);
  i32c(status);
  access(I32_STORE, H_JIT_STATUS);
  pushPc(offset | 1);
  byte(RETURN);
}

// ---- TLB --------------------------------------------------------------------------------

/** Banks may have changed. */
export function loadBank(): void {
  get(L_HART);
  access(I32_LOAD, H_TLB);
  set(L_TLB);
}

/** From the address on the stack to the place of its entry in the bank of fetches (as mmu/tlb.fetchIndex); shifts by 12 − TLB_ENTRY_BITS first. */
export function fetchOffset(): void {
  i64c(12 - TLB_ENTRY_BITS);
  byte(I64_SHR_U);
  byte(I32_WRAP);
  tee(L_ENTRY);
  get(L_ENTRY);
  i32c(TLB_BITS);
  byte(I32_SHR_U);
  byte(I32_XOR);
  i32c((TLB_ENTRIES - 1) << TLB_ENTRY_BITS);
  byte(I32_AND);
}

// ---- The interpreter's handlers -----------------------------------------------------------

/** By the interpreter's own handler. */
export function lowerCall(offset: i32): void {
  flush();
  callHandler(offset);
  holdNone();
  const shape = shapeOf(op);
  if (shape & WRITES_A && opA < SINK) {
    changed(opA);
    if (ready >> opA & 1) fill(opA);
  }
  if (shape & WRITES_F_A) {
    // What is ready stays so: labels rely on it.
    fill(32 + opA);
    ready |= bitF(opA);
    narrow &= ~bitF(opA);
  }
  if (shape & CSR) {
    loadBank();
    fp = 0;
  }
}

/** The same, on a way that is seldom taken: what is dirty stays dirty on the others, and no local changes. */
export function callHandler(offset: i32): void {
  writeBack(~0);
  notePc(offset);
  get(L_HART);
  i64c(<u64>rawOp | (<u64>opA << 16) | (<u64>opB << 24) | (<u64>(<u32>opImm) << 32));
  budgetAfter(1);
  i32c((load<u32>(HANDLERS + (<u32>rawOp << 2)) >> 1) | (opSize << 24));
  call(F_HANDLER);
  leaveUnlessOk();
}
