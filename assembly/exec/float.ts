/**
 * F and D within the loop: the common case of each, without calls. It needs FP on
 * and dirty, rounding to nearest (WebAssembly's only mode), NX raised already, and
 * operands and results without special cases; fp/fast says why that is enough.
 * Each returns whether it was the common case; if not, nothing has changed.
 */

import { H_FCSR, H_MSTATUS, TLB_STORE } from "../abi";
import { A, B, f, IMM, MS_FS, rd, setF, xb } from "../hart/state";
import { box } from "./fp";
import { entry, tagged } from "./memory";

const SIGN: u64 = 0x8000_0000_0000_0000;
const NX: u32 = 1; // of fcsr, whose bits 7..5 are frm

// @ts-ignore: decorator
@inline function rs2(h: usize, u: usize): u64 { return f(h, load<u8>(u, 4)); }

// @ts-ignore: decorator
@inline function dirty(h: usize): bool { return (load<u32>(h, H_MSTATUS) & <u32>MS_FS) == <u32>MS_FS; }

/** The instruction rounds to nearest, by itself (0) or because frm (7) says so. */
// @ts-ignore: decorator
@inline function common(h: usize, u: usize): bool {
  return dirty(h) && (load<u32>(h, H_FCSR) & (0xe0 | NX)) == NX && ((load<u8>(u, 6) + 1) & 7) < 2;
}

/** Exponent field within 2..2046. */
// @ts-ignore: decorator
@inline function plain64(r: u64): bool { return (r << 1) - (<u64>2 << 53) < <u64>2045 << 53; }

/** Exponent field within 2..254. */
// @ts-ignore: decorator
@inline function plain32(r: u32): bool { return (r << 1) - (<u32>2 << 24) < <u32>253 << 24; }

// @ts-ignore: decorator
@inline function boxed(a: u64, b: u64): bool { return ((a & b) >> 32) == 0xffff_ffff; }

// @ts-ignore: decorator
@inline function double(a: u64): f64 { return reinterpret<f64>(a); }

// @ts-ignore: decorator
@inline function single(a: u64): f32 { return reinterpret<f32>(<u32>a); }

// @ts-ignore: decorator
@inline function set64(h: usize, u: usize, v: f64): bool {
  const r = reinterpret<u64>(v);
  if (!plain64(r)) return false;
  setF(h, A(u), r);
  return true;
}

// @ts-ignore: decorator
@inline function set32(h: usize, u: usize, v: f32): bool {
  const r = reinterpret<u32>(v);
  if (!plain32(r)) return false;
  setF(h, A(u), box(r));
  return true;
}

// ---- Loads and stores ----------------------------------------------------------------

// @ts-ignore: decorator
@inline export function fld_common(h: usize, u: usize): bool {
  const va = <u64>(xb(h, u) + IMM(u));
  const e = entry(h, va);
  if (!dirty(h) || load<u64>(e) != tagged(va, 8)) return false;
  setF(h, A(u), load<u64>(<u32>va + load<u32>(e, 8)));
  return true;
}

// @ts-ignore: decorator
@inline export function flw_common(h: usize, u: usize): bool {
  const va = <u64>(xb(h, u) + IMM(u));
  const e = entry(h, va);
  if (!dirty(h) || load<u64>(e) != tagged(va, 4)) return false;
  setF(h, A(u), box(load<u32>(<u32>va + load<u32>(e, 8))));
  return true;
}

// @ts-ignore: decorator
@inline export function fsd_common(h: usize, u: usize): bool {
  const va = <u64>(xb(h, u) + IMM(u));
  const e = entry(h, va) + TLB_STORE;
  if (!dirty(h) || load<u64>(e) != tagged(va, 8)) return false;
  store<u64>(<u32>va + load<u32>(e, 8), f(h, A(u)));
  return true;
}

// @ts-ignore: decorator
@inline export function fsw_common(h: usize, u: usize): bool {
  const va = <u64>(xb(h, u) + IMM(u));
  const e = entry(h, va) + TLB_STORE;
  if (!dirty(h) || load<u64>(e) != tagged(va, 4)) return false;
  store<u32>(<u32>va + load<u32>(e, 8), <u32>f(h, A(u)));
  return true;
}

// ---- Arithmetic ------------------------------------------------------------------------

// @ts-ignore: decorator
@inline export function fadd_d_common(h: usize, u: usize): bool {
  return common(h, u) && set64(h, u, double(f(h, B(u))) + double(rs2(h, u)));
}

// @ts-ignore: decorator
@inline export function fsub_d_common(h: usize, u: usize): bool {
  return common(h, u) && set64(h, u, double(f(h, B(u))) - double(rs2(h, u)));
}

// @ts-ignore: decorator
@inline export function fmul_d_common(h: usize, u: usize): bool {
  return common(h, u) && set64(h, u, double(f(h, B(u))) * double(rs2(h, u)));
}

// @ts-ignore: decorator
@inline export function fdiv_d_common(h: usize, u: usize): bool {
  return common(h, u) && set64(h, u, double(f(h, B(u))) / double(rs2(h, u)));
}

// @ts-ignore: decorator
@inline export function fadd_s_common(h: usize, u: usize): bool {
  const a = f(h, B(u));
  const b = rs2(h, u);
  return common(h, u) && boxed(a, b) && set32(h, u, single(a) + single(b));
}

// @ts-ignore: decorator
@inline export function fsub_s_common(h: usize, u: usize): bool {
  const a = f(h, B(u));
  const b = rs2(h, u);
  return common(h, u) && boxed(a, b) && set32(h, u, single(a) - single(b));
}

// @ts-ignore: decorator
@inline export function fmul_s_common(h: usize, u: usize): bool {
  const a = f(h, B(u));
  const b = rs2(h, u);
  return common(h, u) && boxed(a, b) && set32(h, u, single(a) * single(b));
}

// ---- Moves and comparisons ---------------------------------------------------------------

// @ts-ignore: decorator
@inline export function fsgnj_d_common(h: usize, u: usize): bool {
  if (!dirty(h)) return false;
  setF(h, A(u), (f(h, B(u)) & ~SIGN) | (rs2(h, u) & SIGN));
  return true;
}

// @ts-ignore: decorator
@inline export function flt_d_common(h: usize, u: usize): bool {
  const a = double(f(h, B(u)));
  const b = double(rs2(h, u));
  if (!dirty(h) || a != a || b != b) return false;
  rd(h, u, a < b ? 1 : 0);
  return true;
}

// @ts-ignore: decorator
@inline export function fle_d_common(h: usize, u: usize): bool {
  const a = double(f(h, B(u)));
  const b = double(rs2(h, u));
  if (!dirty(h) || a != a || b != b) return false;
  rd(h, u, a <= b ? 1 : 0);
  return true;
}
