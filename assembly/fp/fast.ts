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
import { FLAG_NX } from "./state";

// @ts-ignore: decorator
@inline
function double(a: u64): f64 {
  return reinterpret<f64>(a);
}

// @ts-ignore: decorator
@inline
function single(a: u32): f32 {
  return reinterpret<f32>(a);
}

/** Exponent field within 2..2046: one compare of the bits without the sign. */
// @ts-ignore: decorator
@inline
function plain64(r: u64): bool {
  return (r << 1) - (<u64>2 << 53) < <u64>2045 << 53;
}

/** Exponent field within 2..254. */
// @ts-ignore: decorator
@inline
function plain32(r: u32): bool {
  return (r << 1) - (<u32>2 << 24) < <u32>253 << 24;
}

/** The rounding error of x + y (Knuth, TAOCP 2, 4.2.2, theorem C); NaN if that overflows on the way. */
// @ts-ignore: decorator
@inline
function sumError<T>(x: T, y: T, sum: T): T {
  // @ts-ignore: T is f32 or f64
  const z = sum - x;
  // @ts-ignore: T is f32 or f64
  return (x - (sum - z)) + (y - z);
}

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

/** Exponent field within 623..1423: products and their halves' products neither over- nor underflow. */
// @ts-ignore: decorator
@inline
function moderate64(a: u64): bool {
  return (a << 1) - (<u64>623 << 53) < <u64>801 << 53;
}

/** The leading 26 bits of x (Veltkamp's splitting; Dekker, Numer. Math. 18, 1971). */
// @ts-ignore: decorator
@inline
function upperHalf(x: f64): f64 {
  const scaled = x * 134217729; // 2^27 + 1
  return scaled - (scaled - x);
}

/**
 * WebAssembly has no fused operation, so this forms the exact a × b + c as a sum
 * of binary64 numbers, merges the small ones rounding to odd, and rounds that to
 * nearest: Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums:
 * proved algorithms using rounding to odd", IEEE Trans. Computers 57 (2008).
 */
export function f64FmaFast(a: u64, b: u64, c: u64, rm: u32, flags: u32): u64 {
  if (rm == 0 && moderate64(a) && moderate64(b)) {
    const x = double(a);
    const y = double(b);
    // x × y = product + rest
    const xh = upperHalf(x);
    const xl = x - xh;
    const yh = upperHalf(y);
    const yl = y - yh;
    const product = x * y;
    const rest = xl * yl - (((product - xh * yh) - xl * yh) - xh * yl);
    // x × y + c = high + (low + lowest)
    const middle = double(c) + rest;
    const lowest = sumError<f64>(double(c), rest, middle);
    const high = product + middle;
    const low = sumError<f64>(product, middle, high);
    let tail = low + lowest;
    const lost = sumError<f64>(low, lowest, tail);
    if (lost != 0) {
      // To odd: of the two neighbours, the one whose last bit is set.
      const bits = reinterpret<u64>(tail);
      if ((bits & 1) == 0) tail = double((lost > 0) == (tail > 0) ? bits + 1 : bits - 1);
    }
    const sum = high + tail;
    const r = reinterpret<u64>(sum);
    // A NaN or infinity on the way shows in the result.
    if (plain64(r) && ((flags & FLAG_NX) != 0 || (lost == 0 && sumError<f64>(high, tail, sum) == 0))) return r;
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

/**
 * By way of binary64, where the product is exact and the sum is rounded once. To
 * round that again to binary32 does no harm unless it lies midway between two
 * binary32 numbers: rounding is monotonic, so else it is on the sum's own side.
 */
export function f32FmaFast(a: u32, b: u32, c: u32, rm: u32, flags: u32): u32 {
  if (rm == 0) {
    const product = <f64>single(a) * <f64>single(b);
    const sum = product + <f64>single(c);
    const r = reinterpret<u32>(<f32>sum);
    if (plain32(r)) {
      if ((flags & FLAG_NX) != 0) {
        if ((reinterpret<u64>(sum) & 0x1fff_ffff) != 0x1000_0000) return r;
      } else if (<f64>single(r) == sum && sumError<f64>(product, <f64>single(c), sum) == 0) {
        return r;
      }
    }
  }
  return f32Fma(a, b, c, rm);
}
