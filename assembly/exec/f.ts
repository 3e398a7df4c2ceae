/** F: single precision (Unprivileged chapter 20). The immediate holds rs2, rs3 and rm, a byte each. */

import { ST_EVENT, ST_OK, TLB_STORE } from "../abi";
import { f32AddFast, f32DivFast, f32FmaFast, f32MulFast, f32SqrtFast, f32SubFast } from "../fp/fast";
import { f32Class, f32Eq, f32FromI32, f32ToI32, f32FromI64, f32ToI64, f32FromU32, f32ToU32, f32FromU64, f32ToU64, f32Le, f32Lt, f32Max, f32Min } from "../fp/f32";
import { fflags } from "../fp/state";
import { A, B, f, fcsr, illegal, IMM, noteLeft, rd, setF, xb } from "../hart/state";
import { loaded, loadSlow, storeSlow } from "../mmu/access";
import { box, fpDirty, fpOn, RM_BAD, rounding, settle, unbox } from "./fp";
import { entry, tagged } from "./memory";

const SIGN: u32 = 0x8000_0000;

// @ts-ignore: decorator
@inline function rs2(u: usize): u32 { return load<u8>(u, 4); }
// @ts-ignore: decorator
@inline function rs3(u: usize): u32 { return load<u8>(u, 5); }

/** An FP register was written. */
// @ts-ignore: decorator
@inline function done(h: usize): i32 {
  settle(h);
  fpDirty(h);
  return ST_OK;
}

/** Only flags may have changed. */
// @ts-ignore: decorator
@inline function raised(h: usize): i32 {
  if (fflags) fpDirty(h);
  settle(h);
  return ST_OK;
}

// ---- Loads and stores ------------------------------------------------------------

export function flw(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const va = <u64>(xb(h, u) + IMM(u));
  const e = entry(h, va);
  let st: i32 = ST_OK;
  let v: u64;
  if (load<u64>(e) == tagged(va, 4)) {
    const p = <usize>(<u32>va + load<u32>(e, 8));
    v = box(load<u32>(p));
  } else {
    noteLeft(h, n);
    st = loadSlow(h, va, 4);
    if (st != ST_OK && st != ST_EVENT) return st;
    v = box(<u32>loaded);
  }
  setF(h, A(u), v);
  fpDirty(h);
  return st;
}

export function fsw(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const va = <u64>(xb(h, u) + IMM(u));
  const e = entry(h, va) + TLB_STORE;
  if (load<u64>(e) == tagged(va, 4)) {
    store<u32>(<u32>va + load<u32>(e, 8), <u32>f(h, A(u)));
    return ST_OK;
  }
  noteLeft(h, n);
  return storeSlow(h, va, 4, <u64><u32>f(h, A(u)));
}

// ---- Arithmetic --------------------------------------------------------------------

export function fadd_s(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f32AddFast(unbox(f(h, B(u))), unbox(f(h, rs2(u))), rm, fcsr(h));
  setF(h, A(u), box(v));
  return done(h);
}

export function fsub_s(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f32SubFast(unbox(f(h, B(u))), unbox(f(h, rs2(u))), rm, fcsr(h));
  setF(h, A(u), box(v));
  return done(h);
}

export function fmul_s(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f32MulFast(unbox(f(h, B(u))), unbox(f(h, rs2(u))), rm, fcsr(h));
  setF(h, A(u), box(v));
  return done(h);
}

export function fdiv_s(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f32DivFast(unbox(f(h, B(u))), unbox(f(h, rs2(u))), rm, fcsr(h));
  setF(h, A(u), box(v));
  return done(h);
}

export function fsqrt_s(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f32SqrtFast(unbox(f(h, B(u))), rm, fcsr(h));
  setF(h, A(u), box(v));
  return done(h);
}

/** ±(rs1 × rs2) ± rs3 with one rounding: the signs are flipped beforehand. */
// @ts-ignore: decorator
@inline function fused(h: usize, u: usize, product: u32, addend: u32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f32FmaFast(unbox(f(h, B(u))) ^ product, unbox(f(h, rs2(u))), unbox(f(h, rs3(u))) ^ addend, rm, fcsr(h));
  setF(h, A(u), box(v));
  return done(h);
}

export function fmadd_s(h: usize, u: usize, n: i32): i32 { return fused(h, u, 0, 0); }
export function fmsub_s(h: usize, u: usize, n: i32): i32 { return fused(h, u, 0, SIGN); }
export function fnmsub_s(h: usize, u: usize, n: i32): i32 { return fused(h, u, SIGN, 0); }
export function fnmadd_s(h: usize, u: usize, n: i32): i32 { return fused(h, u, SIGN, SIGN); }

export function fmin_s(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const v = f32Min(unbox(f(h, B(u))), unbox(f(h, rs2(u))));
  setF(h, A(u), box(v));
  return done(h);
}

export function fmax_s(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const v = f32Max(unbox(f(h, B(u))), unbox(f(h, rs2(u))));
  setF(h, A(u), box(v));
  return done(h);
}

// ---- Signs --------------------------------------------------------------------------

export function fsgnj_s(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const a = unbox(f(h, B(u)));
  const b = unbox(f(h, rs2(u)));
  setF(h, A(u), box((a & ~SIGN) | (b & SIGN)));
  fpDirty(h);
  return ST_OK;
}

export function fsgnjn_s(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const a = unbox(f(h, B(u)));
  const b = unbox(f(h, rs2(u)));
  setF(h, A(u), box((a & ~SIGN) | (~b & SIGN)));
  fpDirty(h);
  return ST_OK;
}

export function fsgnjx_s(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const a = unbox(f(h, B(u)));
  const b = unbox(f(h, rs2(u)));
  setF(h, A(u), box(a ^ (b & SIGN)));
  fpDirty(h);
  return ST_OK;
}

// ---- Comparisons ----------------------------------------------------------------------

export function feq_s(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  rd(h, u, f32Eq(unbox(f(h, B(u))), unbox(f(h, rs2(u)))));
  return raised(h);
}

export function flt_s(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  rd(h, u, f32Lt(unbox(f(h, B(u))), unbox(f(h, rs2(u)))));
  return raised(h);
}

export function fle_s(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  rd(h, u, f32Le(unbox(f(h, B(u))), unbox(f(h, rs2(u)))));
  return raised(h);
}

export function fclass_s(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  rd(h, u, f32Class(unbox(f(h, B(u)))));
  return ST_OK;
}

// ---- Conversions ------------------------------------------------------------------------

export function fcvt_w_s(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  rd(h, u, f32ToI32(unbox(f(h, B(u))), rm));
  return raised(h);
}

export function fcvt_s_w(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f32FromI32(xb(h, u), rm);
  setF(h, A(u), box(v));
  return done(h);
}

export function fcvt_wu_s(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  rd(h, u, f32ToU32(unbox(f(h, B(u))), rm));
  return raised(h);
}

export function fcvt_s_wu(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f32FromU32(xb(h, u), rm);
  setF(h, A(u), box(v));
  return done(h);
}

export function fcvt_l_s(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  rd(h, u, f32ToI64(unbox(f(h, B(u))), rm));
  return raised(h);
}

export function fcvt_s_l(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f32FromI64(xb(h, u), rm);
  setF(h, A(u), box(v));
  return done(h);
}

export function fcvt_lu_s(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  rd(h, u, f32ToU64(unbox(f(h, B(u))), rm));
  return raised(h);
}

export function fcvt_s_lu(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f32FromU64(xb(h, u), rm);
  setF(h, A(u), box(v));
  return done(h);
}

export function fmv_x_w(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  rd(h, u, <i64><i32>f(h, B(u)));
  return ST_OK;
}

export function fmv_w_x(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  setF(h, A(u), box(<u32>xb(h, u)));
  fpDirty(h);
  return ST_OK;
}
