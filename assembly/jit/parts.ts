/** What the lowering of instructions shares: a region's locals, registers, TLB lookup, leaving. */

import {
  H_JIT_N, H_PC, H_TLB, H_X, HANDLERS, PAGE_SIZE, TLB_BITS, TLB_ENTRIES, TLB_ENTRY_BITS,
} from "../abi";
import {
  access, byte, callIndirect, END, get, I32_ADD, I32_AND, I32_LOAD, I32_SHL, I32_SHR_U, I32_STORE, I32_WRAP, I32_XOR, I64_ADD,
  I64_AND, I64_EQ, I64_LOAD, I64_SHR_U, I64_STORE, i32c, i64c, IF, RETURN, set, tee, VOID,
} from "./emit";
import { callHelper, uopFor } from "./helper";
import { opA, opB, opImm, opSize, rawOp } from "./region";

// Parameters and locals of a region.
export const L_HART: u32 = 0;
export const L_BUDGET: u32 = 1;
export const L_PAGE: u32 = 2;
export const L_VA: u32 = 3;
export const L_ENTRY: u32 = 4;
export const L_STATUS: u32 = 5;
export const L_TEMP: u32 = 6;
const L_X: u32 = 6; // x1 is local 7
export const LOCALS_END: u32 = L_X + 32;

// Types, as module.ts declares them.
export const T_REGION: u32 = 0;
export const T_LOAD: u32 = 1;
export const T_STORE: u32 = 2;
export const T_CALL: u32 = 3;

export const SINK: u32 = 32;

/** Pushes an integer register. */
export function x(r: u32): void {
  if (r) get(L_X + r);
  else i64c(0);
}

export function begin(): void {
  get(L_HART);
}

/** The value on the stack is the destination's. */
export function end(): void {
  if (opA == SINK) {
    access(I64_STORE, H_X + SINK * 8);
  } else {
    tee(L_X + opA);
    access(I64_STORE, H_X + opA * 8);
  }
}

/** Loads a register's local from the hart. */
export function fill(r: u32): void {
  get(L_HART);
  access(I64_LOAD, H_X + r * 8);
  set(L_X + r);
}

/** Sets the pc to this instruction: before a call that may leave. */
export function notePc(offset: i32): void {
  get(L_HART);
  get(L_PAGE);
  i64c(offset);
  byte(I64_ADD);
  access(I64_STORE, H_PC);
}

/** Leaves with the status that a helper returned, unless it is 0. */
export function leaveUnlessOk(): void {
  tee(L_STATUS);
  byte(IF);
  byte(VOID);
  get(L_STATUS);
  byte(RETURN);
  byte(END);
}

/** Pushes the budget that is left behind this instruction; `after` follow it in its block. */
export function budgetAfter(after: u32): void {
  get(L_BUDGET);
  if (after) {
    i32c(after);
    byte(I32_ADD);
  }
}

/** Leaves the address in L_VA and its TLB entry's in L_ENTRY. */
export function address(): void {
  x(opB);
  if (opImm) {
    i64c(opImm);
    byte(I64_ADD);
  }
  tee(L_VA);
  i64c(12);
  byte(I64_SHR_U);
  byte(I32_WRAP);
  tee(L_ENTRY);
  get(L_ENTRY);
  i32c(TLB_BITS);
  byte(I32_SHR_U);
  byte(I32_XOR);
  i32c(TLB_ENTRIES - 1);
  byte(I32_AND);
  i32c(TLB_ENTRY_BITS);
  byte(I32_SHL);
  get(L_HART);
  access(I32_LOAD, H_TLB);
  byte(I32_ADD);
  set(L_ENTRY);
}

/** Does the entry's tag match? */
export function hits(bank: u32, size: u32): void {
  get(L_ENTRY);
  access(I64_LOAD, bank);
  get(L_VA);
  i64c(<i64>(~<u64>(PAGE_SIZE - 1) | (size - 1)));
  byte(I64_AND);
  byte(I64_EQ);
}

export function linear(bank: u32): void {
  get(L_VA);
  byte(I32_WRAP);
  get(L_ENTRY);
  access(I32_LOAD, bank + 8);
  byte(I32_ADD);
}

/** By the interpreter's own handler. */
export function lowerCall(offset: i32, after: u32): void {
  notePc(offset);
  get(L_HART);
  i32c(uopFor(rawOp, opA, opB, opImm));
  budgetAfter(after);
  i32c((load<u32>(HANDLERS + (<u32>rawOp << 2)) >> 1) | (opSize << 24));
  i32c(callHelper());
  callIndirect(T_CALL);
  leaveUnlessOk();
  if (opA && opA < SINK) fill(opA);
}

/** Leaves to an offset of the page. */
export function leave(offset: i32, status: i32): void {
  notePc(offset);
  get(L_HART);
  get(L_BUDGET);
  access(I32_STORE, H_JIT_N);
  i32c(status);
  byte(RETURN);
}

/** Writes the return address of a call. */
export function lowerLink(next: i32): void {
  if (opA == SINK) return;
  begin();
  get(L_PAGE);
  i64c(next);
  byte(I64_ADD);
  end();
}


