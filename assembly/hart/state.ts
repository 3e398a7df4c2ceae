/** A hart's registers and the fields of a micro-op, by name. */

import {
  H_COUNTERS, H_F, H_FCSR, H_INSTRET_END, H_LEFT, H_MSTATUS, H_PC, H_PRV, H_TRAP_CAUSE, H_TRAP_TVAL, H_WAIT_ADDR, H_X,
  HARTS, HART_STRIDE, ST_TRAP, ST_WAIT,
} from "../abi";

export const PRV_U: u32 = 0;
export const PRV_S: u32 = 1;
export const PRV_M: u32 = 3;

// mstatus (Privileged 3.1.6).
export const MS_SIE: u64 = 1 << 1;
export const MS_MIE: u64 = 1 << 3;
export const MS_SPIE: u64 = 1 << 5;
export const MS_MPIE: u64 = 1 << 7;
export const MS_SPP: u64 = 1 << 8;
export const MS_MPP: u64 = 3 << 11;
export const MS_FS: u64 = 3 << 13;
export const MS_MPRV: u64 = 1 << 17;
export const MS_SUM: u64 = 1 << 18;
export const MS_MXR: u64 = 1 << 19;
export const MS_TVM: u64 = 1 << 20;
export const MS_TW: u64 = 1 << 21;
export const MS_TSR: u64 = 1 << 22;
export const MS_XL: u64 = (<u64>2 << 32) | (<u64>2 << 34); // UXL = SXL = 64
export const MS_SD: u64 = <u64>1 << 63;

// Exceptions (Privileged table "mcause values after trap").
export const EXC_FETCH_ACCESS: u64 = 1;
export const EXC_ILLEGAL: u64 = 2;
export const EXC_BREAK: u64 = 3;
export const EXC_LOAD_MISALIGNED: u64 = 4;
export const EXC_LOAD_ACCESS: u64 = 5;
export const EXC_STORE_MISALIGNED: u64 = 6;
export const EXC_STORE_ACCESS: u64 = 7;
export const EXC_ECALL_U: u64 = 8;
export const EXC_ECALL_S: u64 = 9;
export const EXC_ECALL_M: u64 = 11;
export const EXC_FETCH_PAGE: u64 = 12;
export const EXC_LOAD_PAGE: u64 = 13;
export const EXC_STORE_PAGE: u64 = 15;

// Interrupt bits in mip and mie.
export const IP_SSIP: u64 = 1 << 1;
export const IP_MSIP: u64 = 1 << 3;
export const IP_STIP: u64 = 1 << 5;
export const IP_MTIP: u64 = 1 << 7;
export const IP_SEIP: u64 = 1 << 9;
export const IP_MEIP: u64 = 1 << 11;

// @ts-ignore: decorator
@inline export function hartAt(i: u32): usize { return HARTS + i * HART_STRIDE; }

// ---- Registers ---------------------------------------------------------------

// @ts-ignore: decorator
@inline export function x(h: usize, i: u32): i64 { return load<i64>(h + (i << 3), H_X); }
// @ts-ignore: decorator
@inline export function setX(h: usize, i: u32, v: i64): void { store<i64>(h + (i << 3), v, H_X); }
// @ts-ignore: decorator
@inline export function f(h: usize, i: u32): u64 { return load<u64>(h + (i << 3), H_F); }
// @ts-ignore: decorator
@inline export function setF(h: usize, i: u32, v: u64): void { store<u64>(h + (i << 3), v, H_F); }
// @ts-ignore: decorator
@inline export function getPc(h: usize): u64 { return load<u64>(h, H_PC); }
// @ts-ignore: decorator
@inline export function setPc(h: usize, v: u64): void { store<u64>(h, v, H_PC); }
// @ts-ignore: decorator
@inline export function prv(h: usize): u32 { return load<u32>(h, H_PRV); }
// @ts-ignore: decorator
@inline export function mstatus(h: usize): u64 { return load<u64>(h, H_MSTATUS); }
// @ts-ignore: decorator
@inline export function fcsr(h: usize): u32 { return load<u32>(h, H_FCSR); }

/** Instructions retired before the one under way. */
// @ts-ignore: decorator
@inline export function instretNow(h: usize): u64 { return load<u64>(h, H_INSTRET_END) - load<u64>(h, H_LEFT); }

/** Tells slow paths where in the slice we are; `n` excludes the instruction under way. */
// @ts-ignore: decorator
@inline export function noteLeft(h: usize, n: i32): void { store<u64>(h, <u64>(n + 1), H_LEFT); }

// @ts-ignore: decorator
@inline export function count(h: usize, counter: u32): void {
  const p = h + H_COUNTERS + counter * 8;
  store<u64>(p, load<u64>(p) + 1);
}

// ---- Outcomes --------------------------------------------------------------------

export function trap(h: usize, cause: u64, tval: u64): i32 {
  store<u64>(h, cause, H_TRAP_CAUSE);
  store<u64>(h, tval, H_TRAP_TVAL);
  return ST_TRAP;
}

export function wait(h: usize, address: u64): i32 {
  store<u64>(h, address, H_WAIT_ADDR);
  return ST_WAIT;
}

/** The trap's value is the instruction itself: exec/run fills it in. */
export const TVAL_RAW: u64 = 0xfeed_0000_dead_beef;

// @ts-ignore: decorator
@inline export function illegal(h: usize): i32 { return trap(h, EXC_ILLEGAL, TVAL_RAW); }

// ---- Micro-op fields ----------------------------------------------------------------

// @ts-ignore: decorator
@inline export function A(u: usize): u32 { return load<u8>(u, 2); }
// @ts-ignore: decorator
@inline export function B(u: usize): u32 { return load<u8>(u, 3); }
// @ts-ignore: decorator
@inline export function C(u: usize): u32 { return load<u8>(u, 4); }
// @ts-ignore: decorator
@inline export function IMM(u: usize): i32 { return load<i32>(u, 4); }
// @ts-ignore: decorator
@inline export function xa(h: usize, u: usize): i64 { return x(h, A(u)); }
// @ts-ignore: decorator
@inline export function xb(h: usize, u: usize): i64 { return x(h, B(u)); }
// @ts-ignore: decorator
@inline export function xc(h: usize, u: usize): i64 { return x(h, C(u)); }
// @ts-ignore: decorator
@inline export function rd(h: usize, u: usize, v: i64): void { setX(h, A(u), v); }
