/** D: double precision (Unprivileged chapter 21). The immediate holds rs2, rs3 and rm, a byte each. */

import { ST_EVENT, ST_OK, TLB_STORE } from "../abi";
import { f64AddFast, f64DivFast, f64FmaFast, f64MulFast, f64SqrtFast, f64SubFast } from "../fp/fast";
import { f64Class, f64Eq, f64FromI32, f64ToI32, f64FromI64, f64ToI64, f64FromU32, f64ToU32, f64FromU64, f64ToU64, f64Le, f64Lt, f64Max, f64Min, f64ToF32, f32ToF64 } from "../fp/f64";
import { fflags } from "../fp/state";
import { A, B, f, fcsr, illegal, IMM, noteLeft, rd, setF, xb } from "../hart/state";
import { loaded, loadSlow, storeSlow } from "../mmu/access";
import { box, fpDirty, fpOn, RM_BAD, rounding, settle, unbox } from "./fp";
import { entry, tagged } from "./memory";

const SIGN: u64 = 0x8000_0000_0000_0000;

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

export function fld(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const va = <u64>(xb(h, u) + IMM(u));
  const e = entry(h, va);
  let st: i32 = ST_OK;
  let v: u64;
  if (load<u64>(e) == tagged(va, 8)) {
    const p = <usize>(<u32>va + load<u32>(e, 8));
    v = load<u64>(p);
  } else {
    noteLeft(h, n);
    st = loadSlow(h, va, 8);
    if (st != ST_OK && st != ST_EVENT) return st;
    v = loaded;
  }
  setF(h, A(u), v);
  fpDirty(h);
  return st;
}

export function fsd(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const va = <u64>(xb(h, u) + IMM(u));
  const e = entry(h, va) + TLB_STORE;
  if (load<u64>(e) == tagged(va, 8)) {
    store<u64>(<u32>va + load<u32>(e, 8), f(h, A(u)));
    return ST_OK;
  }
  noteLeft(h, n);
  return storeSlow(h, va, 8, f(h, A(u)));
}

// ---- Arithmetic --------------------------------------------------------------------

export function fadd_d(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f64AddFast(f(h, B(u)), f(h, rs2(u)), rm, fcsr(h));
  setF(h, A(u), v);
  return done(h);
}

export function fsub_d(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f64SubFast(f(h, B(u)), f(h, rs2(u)), rm, fcsr(h));
  setF(h, A(u), v);
  return done(h);
}

export function fmul_d(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f64MulFast(f(h, B(u)), f(h, rs2(u)), rm, fcsr(h));
  setF(h, A(u), v);
  return done(h);
}

export function fdiv_d(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f64DivFast(f(h, B(u)), f(h, rs2(u)), rm, fcsr(h));
  setF(h, A(u), v);
  return done(h);
}

export function fsqrt_d(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f64SqrtFast(f(h, B(u)), rm, fcsr(h));
  setF(h, A(u), v);
  return done(h);
}

/** ±(rs1 × rs2) ± rs3 with one rounding: the signs are flipped beforehand. */
// @ts-ignore: decorator
@inline function fused(h: usize, u: usize, product: u64, addend: u64): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f64FmaFast(f(h, B(u)) ^ product, f(h, rs2(u)), f(h, rs3(u)) ^ addend, rm, fcsr(h));
  setF(h, A(u), v);
  return done(h);
}

export function fmadd_d(h: usize, u: usize, n: i32): i32 { return fused(h, u, 0, 0); }
export function fmsub_d(h: usize, u: usize, n: i32): i32 { return fused(h, u, 0, SIGN); }
export function fnmsub_d(h: usize, u: usize, n: i32): i32 { return fused(h, u, SIGN, 0); }
export function fnmadd_d(h: usize, u: usize, n: i32): i32 { return fused(h, u, SIGN, SIGN); }

export function fmin_d(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const v = f64Min(f(h, B(u)), f(h, rs2(u)));
  setF(h, A(u), v);
  return done(h);
}

export function fmax_d(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const v = f64Max(f(h, B(u)), f(h, rs2(u)));
  setF(h, A(u), v);
  return done(h);
}

// ---- Signs --------------------------------------------------------------------------

export function fsgnj_d(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const a = f(h, B(u));
  const b = f(h, rs2(u));
  setF(h, A(u), (a & ~SIGN) | (b & SIGN));
  fpDirty(h);
  return ST_OK;
}

export function fsgnjn_d(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const a = f(h, B(u));
  const b = f(h, rs2(u));
  setF(h, A(u), (a & ~SIGN) | (~b & SIGN));
  fpDirty(h);
  return ST_OK;
}

export function fsgnjx_d(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  const a = f(h, B(u));
  const b = f(h, rs2(u));
  setF(h, A(u), a ^ (b & SIGN));
  fpDirty(h);
  return ST_OK;
}

// ---- Comparisons ----------------------------------------------------------------------

export function feq_d(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  rd(h, u, f64Eq(f(h, B(u)), f(h, rs2(u))));
  return raised(h);
}

export function flt_d(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  rd(h, u, f64Lt(f(h, B(u)), f(h, rs2(u))));
  return raised(h);
}

export function fle_d(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  rd(h, u, f64Le(f(h, B(u)), f(h, rs2(u))));
  return raised(h);
}

export function fclass_d(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  rd(h, u, f64Class(f(h, B(u))));
  return ST_OK;
}

// ---- Conversions ------------------------------------------------------------------------

export function fcvt_w_d(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  rd(h, u, f64ToI32(f(h, B(u)), rm));
  return raised(h);
}

export function fcvt_d_w(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f64FromI32(xb(h, u), rm);
  setF(h, A(u), v);
  return done(h);
}

export function fcvt_wu_d(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  rd(h, u, f64ToU32(f(h, B(u)), rm));
  return raised(h);
}

export function fcvt_d_wu(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f64FromU32(xb(h, u), rm);
  setF(h, A(u), v);
  return done(h);
}

export function fcvt_l_d(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  rd(h, u, f64ToI64(f(h, B(u)), rm));
  return raised(h);
}

export function fcvt_d_l(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f64FromI64(xb(h, u), rm);
  setF(h, A(u), v);
  return done(h);
}

export function fcvt_lu_d(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  rd(h, u, f64ToU64(f(h, B(u)), rm));
  return raised(h);
}

export function fcvt_d_lu(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  const v = f64FromU64(xb(h, u), rm);
  setF(h, A(u), v);
  return done(h);
}

export function fcvt_s_d(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  setF(h, A(u), box(f64ToF32(f(h, B(u)), rm)));
  return done(h);
}

export function fcvt_d_s(h: usize, u: usize, n: i32): i32 {
  const rm = rounding(h, u);
  if (!fpOn(h) || rm == RM_BAD) return illegal(h);
  setF(h, A(u), f32ToF64(unbox(f(h, B(u)))));
  return done(h);
}

export function fmv_x_d(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  rd(h, u, <i64>f(h, B(u)));
  return ST_OK;
}

export function fmv_d_x(h: usize, u: usize, n: i32): i32 {
  if (!fpOn(h)) return illegal(h);
  setF(h, A(u), <u64>xb(h, u));
  fpDirty(h);
  return ST_OK;
}
