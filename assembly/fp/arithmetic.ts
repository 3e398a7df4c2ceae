/**
 * Addition, multiplication, division and square root (IEEE 754-2019, 5.4.1),
 * correctly rounded in every mode, on bit patterns.
 */

import {
  bias, exponent, fromBits, guardBits, infinity, invalid, isNaN, isSpecial, magnitude, propagateNaN, sign, signBit,
  significand, toBits,
} from "./format";
import { roundPack } from "./round";
import { FLAG_DZ, FLAG_NX, raise, RM_RDN, RM_RTZ, RM_RUP } from "./state";
import { divideHigh, mulHigh, remainder, shiftRightSticky } from "./wide";

function addSpecial<T>(a: u64, b: u64): u64 {
  if (isNaN<T>(a) || isNaN<T>(b)) return propagateNaN<T>(a, b);
  if (!isSpecial<T>(a)) return b;
  // Infinities of opposite signs.
  if (isSpecial<T>(b) && a != b) return invalid<T>();
  return a;
}

/** a + b. */
export function add<T>(a: u64, b: u64, rm: u32): u64 {
  if (isSpecial<T>(a) || isSpecial<T>(b)) return addSpecial<T>(a, b);
  if (magnitude<T>(a) < magnitude<T>(b)) {
    const swap = a;
    a = b;
    b = swap;
  }
  let e = exponent<T>(a);
  let s = significand<T>(a);
  // A one is lost only when more than `guardBits` places apart, and then the
  // difference loses at most one leading bit: the sticky bit stays below half.
  const t = shiftRightSticky(significand<T>(b), e - exponent<T>(b));
  if (((a ^ b) & signBit<T>()) == 0) {
    s += t;
    if (s == 0) return a;
    if (<i64>s < 0) {
      s = (s >> 1) | (s & 1);
      e++;
    }
  } else {
    s -= t;
    if (s == 0) return rm == RM_RDN ? signBit<T>() : 0;
  }
  const shift = <i32>clz(s) - 1;
  return roundPack<T>(sign<T>(a), e - shift, s << shift, rm);
}

/** a − b. */
// @ts-ignore: decorator
@inline
export function subtract<T>(a: u64, b: u64, rm: u32): u64 {
  return add<T>(a, b ^ signBit<T>(), rm);
}

/** a × b. */
export function multiply<T>(a: u64, b: u64, rm: u32): u64 {
  const zero = magnitude<T>(a) == 0 || magnitude<T>(b) == 0;
  if (isSpecial<T>(a) || isSpecial<T>(b)) {
    if (isNaN<T>(a) || isNaN<T>(b)) return propagateNaN<T>(a, b);
    if (zero) return invalid<T>();
    return ((a ^ b) & signBit<T>()) | infinity<T>();
  }
  if (zero) return (a ^ b) & signBit<T>();
  let s = significand<T>(a);
  let t = significand<T>(b);
  const zs = <i32>clz(s) - 1;
  const zt = <i32>clz(t) - 1;
  s <<= zs;
  t <<= zt;
  let e = exponent<T>(a) - zs + exponent<T>(b) - zt - bias<T>();
  if (sizeof<T>() == 4) {
    // 24 × 24 bits: exact, leading one in bit 62 or 63, zeros below.
    s = (s >> 31) * (t >> 31);
  } else {
    // Leading one of the product's upper half in bit 62 or 63.
    s <<= 1;
    t <<= 1;
    s = mulHigh(s, t) | u64(s * t != 0);
  }
  if (<i64>s < 0) {
    s = (s >> 1) | (s & 1);
    e++;
  }
  return roundPack<T>(sign<T>(a ^ b), e, s, rm);
}

function divideSpecial<T>(a: u64, b: u64): u64 {
  const negative = (a ^ b) & signBit<T>();
  if (isNaN<T>(a) || isNaN<T>(b)) return propagateNaN<T>(a, b);
  if (isSpecial<T>(a)) return isSpecial<T>(b) ? invalid<T>() : negative | infinity<T>();
  if (isSpecial<T>(b)) return negative;
  if (magnitude<T>(b) != 0) return negative;
  if (magnitude<T>(a) == 0) return invalid<T>();
  raise(FLAG_DZ);
  return negative | infinity<T>();
}

/** a ÷ b. */
export function divide<T>(a: u64, b: u64, rm: u32): u64 {
  if (isSpecial<T>(a) || isSpecial<T>(b) || magnitude<T>(a) == 0 || magnitude<T>(b) == 0) return divideSpecial<T>(a, b);
  let s = significand<T>(a);
  let t = significand<T>(b);
  const zs = <i32>clz(s) - 1;
  const zt = <i32>clz(t) - 1;
  s <<= zs;
  t <<= zt;
  let e = exponent<T>(a) - zs - exponent<T>(b) + zt + bias<T>();
  if (s < t) {
    s <<= 1;
    e--;
  }
  // Now 1 ≤ s/t < 2; the quotient wanted is s/t × 2^62.
  if (sizeof<T>() == 4) {
    t >>= guardBits<T>();
    const quotient = s / t;
    s = (quotient << 23) | u64(quotient * t != s);
  } else {
    s = divideHigh(s >> 1, t << 1);
    s |= u64(remainder != 0);
  }
  return roundPack<T>(sign<T>(a ^ b), e, s, rm);
}

/** Sign of root² − a: −1, 0 or 1. `root` is √a rounded to nearest. */
// @ts-ignore: decorator
@inline
function compareSquare<T>(root: u64, a: u64): i32 {
  if (sizeof<T>() == 4) {
    const r = <f64>reinterpret<f32>(<u32>root); // its square is exact in binary64
    const x = <f64>reinterpret<f32>(<u32>a);
    return i32(r * r > x) - i32(r * r < x);
  }
  const r = significand<T>(root); // a root is never subnormal
  const s = significand<T>(a);
  const zeros = <i32>clz(s) - 1;
  // In units of the square's last place, a is its significand × 2^61, 2^62 or 2^63.
  const shift = <u64>(exponent<T>(a) - zeros + bias<T>() - 2 * exponent<T>(root) + 62);
  const high = (s << zeros) >> (64 - shift);
  const low = (s << zeros) << shift;
  const squareHigh = mulHigh(r, r);
  const squareLow = r * r;
  if (squareHigh != high) return squareHigh > high ? 1 : -1;
  return i32(squareLow > low) - i32(squareLow < low);
}

/** √a. */
export function squareRoot<T extends number>(a: u64, rm: u32): u64 {
  if (isNaN<T>(a)) return propagateNaN<T>(a, a);
  if (magnitude<T>(a) == 0) return a;
  if ((a & signBit<T>()) != 0) return invalid<T>();
  if (isSpecial<T>(a)) return a;
  // WebAssembly's square root is rounded to nearest, and √a is never a tie. Its
  // exact square tells on which side of √a it lies.
  const root = toBits<T>(sqrt<T>(fromBits<T>(a)));
  const side = compareSquare<T>(root, a);
  if (side == 0) return root;
  raise(FLAG_NX);
  if (side > 0) return root - u64(rm == RM_RTZ || rm == RM_RDN);
  return root + u64(rm == RM_RUP);
}
