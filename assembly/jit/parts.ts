/**
 * What the lowering of instructions shares: a region's locals, what is known of
 * them at the place that is being written, TLB lookup, leaving.
 *
 * A guest register is a local. It is loaded when it is first needed, and stored
 * where the region is left, or where somebody looks at the hart's state: mostly
 * on ways that are seldom taken.
 */

import {
  H_JIT_N, H_JIT_STATUS, H_PC, H_TLB, H_X, HANDLERS, PAGE_SIZE, ST_MISS, TLB_BITS, TLB_ENTRIES, TLB_ENTRY_BITS,
} from "../abi";
import {
  access, byte, callIndirect, END, get, I32_ADD, I32_AND, I32_LOAD, I32_SHR_U, I32_STORE, I32_SUB, I32_WRAP, I32_XOR, i32c,
  I64_ADD, I64_AND, I64_EQ, I64_LOAD, I64_NE, I64_OR, I64_SHR_U, I64_STORE, i64c, RETURN, seldom, set, size, tee,
} from "./emit";
import { callHelper, uopFor } from "./helper";
import { CSR, shapeOf } from "../isa/shape.generated";
import { op, opA, opB, opImm, opSize, rawOp } from "./region";

// Parameters and locals of a region.
export const L_HART: u32 = 0;
export const L_BUDGET: u32 = 1;
export const L_PAGE: u32 = 2;
export const L_DEPTH: u32 = 3;
export const L_VA: u32 = 4; //     i64
export const L_TEMP: u32 = 5; //   i64
export const L_ENTRY: u32 = 6; //  i32
export const L_STATUS: u32 = 7; // i32
export const L_TLB: u32 = 8; //    i32: the data bank
export const L_X: u32 = 8; // x1 is local 9
export const LOCALS_END: u32 = L_X + 32;

// Types, as module.ts declares them.
export const T_REGION: u32 = 0;
export const T_LOAD: u32 = 1;
export const T_STORE: u32 = 2;
export const T_CALL: u32 = 3;

export const SINK: u32 = 32;

// ---- What is known here -----------------------------------------------------------------

/** Bit r: the local of x[r] holds it. */
export let ready: u32 = 0;
/** Bit r: the hart's x[r] is older than the local; a part of `ready`. */
export let dirty: u32 = 0;
/** Instructions retired that L_BUDGET doesn't know of. */
export let pending: u32 = 0;

export function know(isReady: u32, isDirty: u32, retired: u32): void {
  ready = isReady;
  dirty = isDirty;
  pending = retired;
}

export function retire(): void {
  pending++;
}

// ---- Registers --------------------------------------------------------------------------

/** Loads a register's local from the hart. */
export function fill(r: u32): void {
  get(L_HART);
  access(I64_LOAD, H_X + r * 8);
  set(L_X + r);
}

/** Loads those of the set that aren't ready. */
export function fillAll(registers: u32): void {
  const missing = registers & ~ready & ~1;
  for (let r: u32 = 1; r < 32; r++) if (missing >> r & 1) fill(r);
}

/** Sees to it that a register's local can be read in conditional code that follows. */
export function need(r: u32): void {
  if (!r || ready >> r & 1) return;
  fill(r);
  ready |= 1 << r;
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
  set(L_X + r);
  ready |= 1 << r;
  dirty |= 1 << r;
}

/** The value on the stack is the destination's. */
export function end(): void {
  if (opA == SINK) set(L_TEMP);
  else setX(opA);
}

/** Stores those of the set that are dirty, on this way only. */
export function writeBack(registers: u32): void {
  const old = dirty & registers;
  for (let r: u32 = 1; r < 32; r++) {
    if (!(old >> r & 1)) continue;
    get(L_HART);
    get(L_X + r);
    access(I64_STORE, H_X + r * 8);
  }
}

/** Stores what is dirty. */
export function flush(): void {
  writeBack(~0);
  dirty = 0;
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

/** Leaves for the interpreter to execute this instruction, and to go on behind it. */
export function leaveMissed(offset: i32): void {
  writeBack(~0);
  leaveWith(offset, ST_MISS);
}

// ---- TLB --------------------------------------------------------------------------------

/** Banks may have changed. */
export function loadBank(): void {
  get(L_HART);
  access(I32_LOAD, H_TLB);
  set(L_TLB);
}

/** From the address on the stack to the place of its TLB entry in the bank (as mmu/tlb.tlbIndex); shifts by 12 − TLB_ENTRY_BITS first. */
export function tlbOffset(): void {
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

/** Leaves the address in L_VA and its TLB entry's in L_ENTRY. */
export function address(): void {
  x(opB);
  if (opImm) {
    i64c(opImm);
    byte(I64_ADD);
  }
  tee(L_VA);
  tlbOffset();
  get(L_TLB);
  byte(I32_ADD);
  set(L_ENTRY);
}

/** Does the entry's tag differ? */
export function misses(bank: u32, size: u32): void {
  tags(bank, size);
  byte(I64_NE);
}

/** Does the entry's tag match? */
export function hits(bank: u32, size: u32): void {
  tags(bank, size);
  byte(I64_EQ);
}

function tags(bank: u32, size: u32): void {
  get(L_VA);
  i64c(<i64>(~<u64>(PAGE_SIZE - 1) | (size - 1)));
  byte(I64_AND);
  get(L_ENTRY);
  access(I64_LOAD, bank);
}

export function linear(bank: u32): void {
  get(L_VA);
  byte(I32_WRAP);
  get(L_ENTRY);
  access(I32_LOAD, bank + 8);
  byte(I32_ADD);
}

// ---- The interpreter's handlers -----------------------------------------------------------

/** By the interpreter's own handler. */
export function lowerCall(offset: i32): void {
  flush();
  lowerCallSeldom(offset);
}

/** The same, on a way that is seldom taken: what is dirty stays dirty on the others. */
export function lowerCallSeldom(offset: i32): void {
  writeBack(~0);
  notePc(offset);
  get(L_HART);
  i32c(uopFor(rawOp, opA, opB, opImm));
  budgetAfter(1);
  i32c((load<u32>(HANDLERS + (<u32>rawOp << 2)) >> 1) | (opSize << 24));
  i32c(callHelper());
  callIndirect(T_CALL);
  leaveUnlessOk();
  // The field may be another file's register: one too many does no harm.
  if (opA && opA < SINK && ready >> opA & 1) fill(opA);
  if (shapeOf(op) & CSR) loadBank();
}
