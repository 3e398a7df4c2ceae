/**
 * The same arithmetic by way of WebAssembly's own, where that gives the same bits
 * and raises the same flags. `flags` is the guest's fflags: once NX is set there,
 * an operation that could raise nothing but NX needs no exact computation.
 *
 * WebAssembly rounds to nearest even, so only that mode qualifies. A finite result
 * of two or more times the smallest normal number tells that no operand was a NaN
 * or infinity (but in a division's divisor, where the result would be zero) and
 * that nothing over- or underflowed. The rest goes to the exact functions.
 */

import { f32Add, f32Div, f32Fma, f32Mul, f32Sqrt, f32Sub } from "./f32";
import { f64Add, f64Div, f64Fma, f64Mul, f64Sqrt, f64Sub } from "./f64";
import { double, fusedNearest64, plain32, plain64, narrowsSafely, single, sumError } from "./nearest";
import { FLAG_NX } from "./state";

/** Enough zeros at the ends of two normal numbers' fractions for their product to be exact. */
// @ts-ignore: decorator
@inline
function shortProduct(a: u64, b: u64): bool {
  const hidden: u64 = <u64>1 << 52;
  return ctz(a | hidden) + ctz(b | hidden) >= 53;
}

export function f64AddFast(a: u64, b: u64, rm: u32, flags: u32): u64 {
  if (rm == 0) {
    const sum = double(a) + double(b);
    const r = reinterpret<u64>(sum);
    if (plain64(r) && ((flags & FLAG_NX) != 0 || sumError<f64>(double(a), double(b), sum) == 0)) return r;
  }
  return f64Add(a, b, rm);
}

export function f64SubFast(a: u64, b: u64, rm: u32, flags: u32): u64 {
  if (rm == 0) {
    const sum = double(a) - double(b);
    const r = reinterpret<u64>(sum);
    if (plain64(r) && ((flags & FLAG_NX) != 0 || sumError<f64>(double(a), -double(b), sum) == 0)) return r;
  }
  return f64Sub(a, b, rm);
}

export function f64MulFast(a: u64, b: u64, rm: u32, flags: u32): u64 {
  if (rm == 0) {
    const r = reinterpret<u64>(double(a) * double(b));
    if (plain64(r) && ((flags & FLAG_NX) != 0 || shortProduct(a, b))) return r;
  }
  return f64Mul(a, b, rm);
}

export function f64DivFast(a: u64, b: u64, rm: u32, flags: u32): u64 {
  if (rm == 0) {
    const quotient = double(a) / double(b);
    const r = reinterpret<u64>(quotient);
    if (plain64(r)) {
      if ((flags & FLAG_NX) != 0) return r;
      if (plain64(a) && shortProduct(r, b) && quotient * double(b) == double(a)) return r;
    }
  }
  return f64Div(a, b, rm);
}

export function f64SqrtFast(a: u64, rm: u32, flags: u32): u64 {
  if (rm == 0 && (flags & FLAG_NX) != 0) {
    const r = reinterpret<u64>(sqrt<f64>(double(a)));
    if (plain64(r)) return r;
  }
  return f64Sqrt(a, rm);
}

/** WebAssembly has no fused operation; see `fusedNearest64`. */
export function f64FmaFast(a: u64, b: u64, c: u64, rm: u32, flags: u32): u64 {
  if (rm == 0) {
    const r = reinterpret<u64>(fusedNearest64(double(a), double(b), double(c), (flags & FLAG_NX) == 0));
    if (plain64(r)) return r;
  }
  return f64Fma(a, b, c, rm);
}

export function f32AddFast(a: u32, b: u32, rm: u32, flags: u32): u32 {
  if (rm == 0) {
    const sum = single(a) + single(b);
    const r = reinterpret<u32>(sum);
    if (plain32(r) && ((flags & FLAG_NX) != 0 || sumError<f32>(single(a), single(b), sum) == 0)) return r;
  }
  return f32Add(a, b, rm);
}

export function f32SubFast(a: u32, b: u32, rm: u32, flags: u32): u32 {
  if (rm == 0) {
    const sum = single(a) - single(b);
    const r = reinterpret<u32>(sum);
    if (plain32(r) && ((flags & FLAG_NX) != 0 || sumError<f32>(single(a), -single(b), sum) == 0)) return r;
  }
  return f32Sub(a, b, rm);
}

// A product of two binary32 numbers is exact in binary64, which so tells whether
// a binary32 result is exact.

export function f32MulFast(a: u32, b: u32, rm: u32, flags: u32): u32 {
  if (rm == 0) {
    const product = single(a) * single(b);
    const r = reinterpret<u32>(product);
    if (plain32(r) && ((flags & FLAG_NX) != 0 || <f64>single(a) * <f64>single(b) == <f64>product)) return r;
  }
  return f32Mul(a, b, rm);
}

export function f32DivFast(a: u32, b: u32, rm: u32, flags: u32): u32 {
  if (rm == 0) {
    const quotient = single(a) / single(b);
    const r = reinterpret<u32>(quotient);
    if (plain32(r) && ((flags & FLAG_NX) != 0 || <f64>quotient * <f64>single(b) == <f64>single(a))) return r;
  }
  return f32Div(a, b, rm);
}

export function f32SqrtFast(a: u32, rm: u32, flags: u32): u32 {
  if (rm == 0) {
    const root = sqrt<f32>(single(a));
    const r = reinterpret<u32>(root);
    if (plain32(r) && ((flags & FLAG_NX) != 0 || <f64>root * <f64>root == <f64>single(a))) return r;
  }
  return f32Sqrt(a, rm);
}

/** By way of binary64, where the product is exact and the sum is rounded once. */
export function f32FmaFast(a: u32, b: u32, c: u32, rm: u32, flags: u32): u32 {
  if (rm == 0) {
    const product = <f64>single(a) * <f64>single(b);
    const sum = product + <f64>single(c);
    const r = reinterpret<u32>(<f32>sum);
    if (plain32(r)) {
      const inexact = (flags & FLAG_NX) != 0;
      if (inexact && narrowsSafely(sum)) return r;
      if ((inexact || <f64>single(r) == sum) && sumError<f64>(product, <f64>single(c), sum) == 0) return r;
    }
  }
  return f32Fma(a, b, c, rm);
}
