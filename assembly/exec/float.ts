/**
 * F and D within the loop, without calls: for each instruction what its result is
 * in the common case, and tests of whether this is that case. They are values, not
 * branches: the loop may only have so many (see src/isa/generate-dispatch).
 * fp/fast says why the tests are enough.
 */

import { H_F, H_FCSR, H_MSTATUS } from "../abi";
import { double, fusedNearest64, narrowsSafely, plain32, plain64, single } from "../fp/nearest";
import { A, B, f, MS_FS, setF, xb } from "../hart/state";
import { OP_FEQ_D, OP_FEQ_S, OP_FLT_D, OP_FLT_S, OP_FMADD_D, OP_FMADD_S, OP_FMAX_D, OP_FMAX_S } from "../isa/ops.generated";
import { box } from "./fp";

const SIGN: u64 = 0x8000_0000_0000_0000;
const SIGN32: u32 = 0x8000_0000;
const NX: u32 = 1; // of fcsr, whose bits 7..5 are frm

// @ts-ignore: decorator
@inline function OP(u: usize): u32 { return load<u16>(u); }
// @ts-ignore: decorator
@inline function fb(h: usize, u: usize): u64 { return f(h, B(u)); }
// @ts-ignore: decorator
@inline function rs2(h: usize, u: usize): u64 { return f(h, load<u8>(u, 4)); }
// @ts-ignore: decorator
@inline function rs3(h: usize, u: usize): u64 { return f(h, load<u8>(u, 5)); }

// ---- Tests: 0 if this is the common case -------------------------------------------------

/** FP is on and dirty. */
// @ts-ignore: decorator
@inline export function off(h: usize): u32 { return ~load<u32>(h, H_MSTATUS) & <u32>MS_FS; }

/** FP is on and dirty, NX raised, and frm to nearest, which the instruction says too, itself (0) or by frm (7). */
// @ts-ignore: decorator
@inline export function rounds(h: usize, u: usize): u32 {
  const state = (load<u32>(h, H_MSTATUS) & <u32>MS_FS) | (load<u32>(h, H_FCSR) & (0xe0 | NX));
  return (state ^ (<u32>MS_FS | NX)) | ((load<u8>(u, 6) + 1) & 6);
}

/** FP is on and dirty, NX raised, and the instruction rounds towards zero, as C does. */
// @ts-ignore: decorator
@inline export function truncates(h: usize, u: usize): u32 {
  const state = (load<u32>(h, H_MSTATUS) & <u32>MS_FS) | (load<u32>(h, H_FCSR) & NX);
  return (state ^ (<u32>MS_FS | NX)) | (load<u8>(u, 6) ^ 1);
}

/** FP is on and dirty, and the rounding mode, on which nothing hangs, no reserved one. */
// @ts-ignore: decorator
@inline export function exact(h: usize, u: usize): u32 { return off(h) | u32(load<u8>(u, 6) > 4); }

// @ts-ignore: decorator
@inline export function odd64(v: f64): u32 { return u32(!plain64(reinterpret<u64>(v))); }

// @ts-ignore: decorator
@inline export function odd32(v: f32): u32 { return u32(!plain32(reinterpret<u32>(v))); }

/** The upper half of the register that byte `at` of the micro-op names. */
// @ts-ignore: decorator
@inline function upper(h: usize, u: usize, at: usize): u32 { return load<u32>(h + (<u32>load<u8>(u + at) << 3), H_F + 4); }

/** The operands are boxed. */
// @ts-ignore: decorator
@inline export function unboxed1(h: usize, u: usize): u32 { return ~upper(h, u, 3); }

// @ts-ignore: decorator
@inline export function unboxed2(h: usize, u: usize): u32 { return ~(upper(h, u, 3) & upper(h, u, 4)); }

// @ts-ignore: decorator
@inline export function unboxed3(h: usize, u: usize): u32 { return ~(upper(h, u, 3) & upper(h, u, 4) & upper(h, u, 5)); }

/** Neither operand is a NaN. */
// @ts-ignore: decorator
@inline export function nan64(h: usize, u: usize): u32 {
  const a = double(fb(h, u));
  const b = double(rs2(h, u));
  return u32(a != a) | u32(b != b);
}

/** Both are boxed, neither is a NaN. */
// @ts-ignore: decorator
@inline export function nan32(h: usize, u: usize): u32 {
  const a = single(fb(h, u));
  const b = single(rs2(h, u));
  return unboxed2(h, u) | u32(a != a) | u32(b != b);
}

// ---- Where results go ------------------------------------------------------------------

// @ts-ignore: decorator
@inline export function setDouble(h: usize, u: usize, v: f64): void { setF(h, A(u), reinterpret<u64>(v)); }

// @ts-ignore: decorator
@inline export function setSingle(h: usize, u: usize, v: f32): void { setF(h, A(u), box(reinterpret<u32>(v))); }

// @ts-ignore: decorator
@inline export function setBits(h: usize, u: usize, v: u64): void { setF(h, A(u), v); }

// ---- Arithmetic ------------------------------------------------------------------------

// @ts-ignore: decorator
@inline export function fadd_d_value(h: usize, u: usize): f64 { return double(fb(h, u)) + double(rs2(h, u)); }

// @ts-ignore: decorator
@inline export function fadd_s_value(h: usize, u: usize): f32 { return single(fb(h, u)) + single(rs2(h, u)); }

// @ts-ignore: decorator
@inline export function fsub_d_value(h: usize, u: usize): f64 { return double(fb(h, u)) - double(rs2(h, u)); }

// @ts-ignore: decorator
@inline export function fsub_s_value(h: usize, u: usize): f32 { return single(fb(h, u)) - single(rs2(h, u)); }

// @ts-ignore: decorator
@inline export function fmul_d_value(h: usize, u: usize): f64 { return double(fb(h, u)) * double(rs2(h, u)); }

// @ts-ignore: decorator
@inline export function fmul_s_value(h: usize, u: usize): f32 { return single(fb(h, u)) * single(rs2(h, u)); }

// @ts-ignore: decorator
@inline export function fdiv_d_value(h: usize, u: usize): f64 { return double(fb(h, u)) / double(rs2(h, u)); }

// @ts-ignore: decorator
@inline export function fdiv_s_value(h: usize, u: usize): f32 { return single(fb(h, u)) / single(rs2(h, u)); }

// @ts-ignore: decorator
@inline export function fsqrt_d_value(h: usize, u: usize): f64 { return sqrt<f64>(double(fb(h, u))); }

// @ts-ignore: decorator
@inline export function fsqrt_s_value(h: usize, u: usize): f32 { return sqrt<f32>(single(fb(h, u))); }

// The four fused ones are numbered so that bit 1 of the distance from the first
// negates the product and bit 0 the addend.

// @ts-ignore: decorator
@inline export function fmadd_d_value(h: usize, u: usize): f64 {
  const which = <u64>(OP(u) - OP_FMADD_D);
  const a = double(fb(h, u) ^ (which >> 1 << 63));
  return fusedNearest64(a, double(rs2(h, u)), double(rs3(h, u) ^ (which << 63)), false);
}

// @ts-ignore: decorator
@inline export function fmadd_s_value(h: usize, u: usize): f32 {
  const which = OP(u) - OP_FMADD_S;
  const a = single(fb(h, u) ^ (which >> 1 << 31));
  const sum = <f64>a * <f64>single(rs2(h, u)) + <f64>single(rs3(h, u) ^ (which << 31));
  return select<f32>(<f32>sum, NaN, narrowsSafely(sum));
}

// ---- Signs, least and greatest ---------------------------------------------------------

// @ts-ignore: decorator
@inline export function fsgnj_d_value(h: usize, u: usize): u64 { return (fb(h, u) & ~SIGN) | (rs2(h, u) & SIGN); }

// @ts-ignore: decorator
@inline export function fsgnjn_d_value(h: usize, u: usize): u64 { return (fb(h, u) & ~SIGN) | (~rs2(h, u) & SIGN); }

// @ts-ignore: decorator
@inline export function fsgnjx_d_value(h: usize, u: usize): u64 { return fb(h, u) ^ (rs2(h, u) & SIGN); }

// @ts-ignore: decorator
@inline export function fsgnj_s_value(h: usize, u: usize): u64 { return (fb(h, u) & ~<u64>SIGN32) | (rs2(h, u) & <u64>SIGN32); }

// @ts-ignore: decorator
@inline export function fsgnjn_s_value(h: usize, u: usize): u64 { return (fb(h, u) & ~<u64>SIGN32) | (~rs2(h, u) & <u64>SIGN32); }

// @ts-ignore: decorator
@inline export function fsgnjx_s_value(h: usize, u: usize): u64 { return fb(h, u) ^ (rs2(h, u) & <u64>SIGN32); }

/** And of fmax.d. */
// @ts-ignore: decorator
@inline export function fmin_d_value(h: usize, u: usize): f64 {
  const a = double(fb(h, u));
  const b = double(rs2(h, u));
  return OP(u) == OP_FMAX_D ? max<f64>(a, b) : min<f64>(a, b);
}

// @ts-ignore: decorator
@inline export function fmin_s_value(h: usize, u: usize): f32 {
  const a = single(fb(h, u));
  const b = single(rs2(h, u));
  return OP(u) == OP_FMAX_S ? max<f32>(a, b) : min<f32>(a, b);
}

// ---- Comparisons and moves -------------------------------------------------------------

/** And of flt.d and fle.d. */
// @ts-ignore: decorator
@inline export function feq_d_value(h: usize, u: usize): i64 {
  const a = double(fb(h, u));
  const b = double(rs2(h, u));
  return i64((u32(a < b) & u32(OP(u) != OP_FEQ_D)) | (u32(a == b) & u32(OP(u) != OP_FLT_D)));
}

// @ts-ignore: decorator
@inline export function feq_s_value(h: usize, u: usize): i64 {
  const a = single(fb(h, u));
  const b = single(rs2(h, u));
  return i64((u32(a < b) & u32(OP(u) != OP_FEQ_S)) | (u32(a == b) & u32(OP(u) != OP_FLT_S)));
}

// @ts-ignore: decorator
@inline export function fmv_x_d_value(h: usize, u: usize): i64 { return <i64>fb(h, u); }

// @ts-ignore: decorator
@inline export function fmv_x_w_value(h: usize, u: usize): i64 { return <i64><i32>fb(h, u); }

// @ts-ignore: decorator
@inline export function fmv_d_x_value(h: usize, u: usize): u64 { return <u64>xb(h, u); }

// @ts-ignore: decorator
@inline export function fmv_w_x_value(h: usize, u: usize): u64 { return box(<u32>xb(h, u)); }

// ---- Conversions -----------------------------------------------------------------------

// @ts-ignore: decorator
@inline export function fcvt_w_d_value(h: usize, u: usize): i64 { return <i64><i32>double(fb(h, u)); }

// @ts-ignore: decorator
@inline export function fcvt_l_d_value(h: usize, u: usize): i64 { return <i64>double(fb(h, u)); }

// @ts-ignore: decorator
@inline export function fcvt_w_s_value(h: usize, u: usize): i64 { return <i64><i32>single(fb(h, u)); }

// @ts-ignore: decorator
@inline export function fcvt_l_s_value(h: usize, u: usize): i64 { return <i64>single(fb(h, u)); }

/** Within the range, and no NaN. */
// @ts-ignore: decorator
@inline export function beyond_w_d(h: usize, u: usize): u32 { return u32(!(abs<f64>(double(fb(h, u))) < 2147483648)); }

// @ts-ignore: decorator
@inline export function beyond_w_s(h: usize, u: usize): u32 { return unboxed1(h, u) | u32(!(abs<f32>(single(fb(h, u))) < 2147483648)); }

// @ts-ignore: decorator
@inline export function beyond_l_d(h: usize, u: usize): u32 { return u32(!(abs<f64>(double(fb(h, u))) < 9.223372036854775808e18)); }

// @ts-ignore: decorator
@inline export function beyond_l_s(h: usize, u: usize): u32 { return unboxed1(h, u) | u32(!(abs<f32>(single(fb(h, u))) < 9.223372036854775808e18)); }

// @ts-ignore: decorator
@inline export function fcvt_d_w_value(h: usize, u: usize): f64 { return <f64><i32>xb(h, u); }

// @ts-ignore: decorator
@inline export function fcvt_s_w_value(h: usize, u: usize): f32 { return <f32><i32>xb(h, u); }

// @ts-ignore: decorator
@inline export function fcvt_d_wu_value(h: usize, u: usize): f64 { return <f64><u32>xb(h, u); }

// @ts-ignore: decorator
@inline export function fcvt_d_l_value(h: usize, u: usize): f64 { return <f64>xb(h, u); }

// @ts-ignore: decorator
@inline export function fcvt_s_d_value(h: usize, u: usize): f32 { return <f32>double(fb(h, u)); }

// @ts-ignore: decorator
@inline export function fcvt_d_s_value(h: usize, u: usize): f64 { return <f64>single(fb(h, u)); }

// @ts-ignore: decorator
@inline export function nan(v: f64): u32 { return u32(v != v); }
