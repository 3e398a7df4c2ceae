/** Comparison, minimum, maximum and classification on bit patterns: nothing here rounds. */

import {
  canonicalNaN, fractionBits, fromBits, infinity, isNaN, isSignalling, magnitude, signBit,
} from "./format";
import { FLAG_NV, raise } from "./state";

/** 1 if a = b; quiet: only a signalling NaN raises NV. */
// @ts-ignore: decorator
@inline
export function equal<T>(a: u64, b: u64): i64 {
  if (isNaN<T>(a) || isNaN<T>(b)) {
    if (isSignalling<T>(a) || isSignalling<T>(b)) raise(FLAG_NV);
    return 0;
  }
  return i64(fromBits<T>(a) == fromBits<T>(b));
}

/** 1 if a < b; any NaN raises NV. */
// @ts-ignore: decorator
@inline
export function less<T>(a: u64, b: u64): i64 {
  if (isNaN<T>(a) || isNaN<T>(b)) raise(FLAG_NV);
  return i64(fromBits<T>(a) < fromBits<T>(b));
}

/** 1 if a ≤ b; any NaN raises NV. */
// @ts-ignore: decorator
@inline
export function lessOrEqual<T>(a: u64, b: u64): i64 {
  if (isNaN<T>(a) || isNaN<T>(b)) raise(FLAG_NV);
  return i64(fromBits<T>(a) <= fromBits<T>(b));
}

/** Total order of numbers' bits with −0 < +0. */
// @ts-ignore: decorator
@inline
function before<T>(a: u64, b: u64): bool {
  if (((a ^ b) & signBit<T>()) != 0) return (a & signBit<T>()) != 0;
  return (a & signBit<T>()) != 0 ? a > b : a < b;
}

/** The operand that `minimumNumber` (or `maximumNumber`) selects (IEEE 754-2019, 9.6). */
// @ts-ignore: decorator
@inline
function select<T>(a: u64, b: u64, smaller: bool): u64 {
  if (isNaN<T>(a) || isNaN<T>(b)) {
    if (isSignalling<T>(a) || isSignalling<T>(b)) raise(FLAG_NV);
    if (!isNaN<T>(a)) return a;
    return isNaN<T>(b) ? canonicalNaN<T>() : b;
  }
  return before<T>(a, b) == smaller ? a : b;
}

export function minimum<T>(a: u64, b: u64): u64 {
  return select<T>(a, b, true);
}

export function maximum<T>(a: u64, b: u64): u64 {
  return select<T>(a, b, false);
}

/** The fclass mask: one of ten bits (Unprivileged manual, "F", table "Format of result of FCLASS"). */
export function classify<T>(a: u64): i64 {
  if (isNaN<T>(a)) return isSignalling<T>(a) ? 1 << 8 : 1 << 9;
  const m = magnitude<T>(a);
  // Distance from zero: 0 zero, 1 subnormal, 2 normal, 3 infinity.
  const kind = i64(m != 0) + i64(m >> fractionBits<T>() != 0) + i64(m == infinity<T>());
  return (a & signBit<T>()) != 0 ? <i64>1 << (3 - kind) : <i64>1 << (4 + kind);
}
