/** Conversions to and from integers and between the formats, on bit patterns. */

import {
  bias, canonicalNaN, exponent, fractionBits, infinity, isNaN, isSignalling, isSpecial, sign, significand,
} from "./format";
import { roundInteger, roundPack } from "./round";
import { FLAG_NV, FLAG_NX, raise, RM_RDN, RM_RMM, RM_RNE, RM_RUP } from "./state";

const HALF: u64 = <u64>1 << 63;

/**
 * The integer next to a number in mode `rm`, as a two's complement 64-bit value.
 * Outside [−below, above] the nearer end and NV; NaN counts as above.
 */
// @ts-ignore: decorator
@inline
function toInteger<T>(a: u64, rm: u32, below: u64, above: u64): u64 {
  const negative = sign<T>(a);
  // Exponent of the significand's leading one.
  const e = exponent<T>(a) - bias<T>();
  if (e > 63) {
    // Also infinities and NaNs.
    raise(FLAG_NV);
    return negative != 0 && !isNaN<T>(a) ? 0 - below : above;
  }
  const s = significand<T>(a);
  let m: u64;
  let lost: u64 = 0; // the fraction, in units of 2^-64
  if (e == 63) {
    m = s << 1;
  } else if (e >= fractionBits<T>()) {
    m = s >> (62 - e);
  } else if (e < -1) {
    m = 0;
    lost = u64(s != 0);
  } else {
    m = e < 0 ? 0 : s >> (62 - e);
    lost = s << (2 + e);
  }
  if (lost != 0) {
    if (rm == RM_RNE) m += u64(lost > HALF) | (u64(lost == HALF) & m);
    else if (rm == RM_RMM) m += u64(lost >= HALF);
    else m += u64(rm == (negative ? RM_RDN : RM_RUP));
  }
  if (m > (negative ? below : above)) {
    raise(FLAG_NV);
    return negative ? 0 - below : above;
  }
  if (lost != 0) raise(FLAG_NX);
  return negative ? 0 - m : m;
}

/** Results of the 32-bit conversions are sign-extended, unsigned ones too (Unprivileged manual, "F"). */
export function toI32<T>(a: u64, rm: u32): i64 {
  return <i64>toInteger<T>(a, rm, 0x8000_0000, 0x7fff_ffff);
}

export function toU32<T>(a: u64, rm: u32): i64 {
  return <i64><i32>toInteger<T>(a, rm, 0, 0xffff_ffff);
}

export function toI64<T>(a: u64, rm: u32): i64 {
  return <i64>toInteger<T>(a, rm, HALF, HALF - 1);
}

export function toU64<T>(a: u64, rm: u32): i64 {
  return <i64>toInteger<T>(a, rm, 0, u64.MAX_VALUE);
}

// From integers. The 32-bit ones look at the lower half of the register only.

export function fromI64<T>(a: i64, rm: u32): u64 {
  return roundInteger<T>(u64(a < 0), a < 0 ? 0 - <u64>a : <u64>a, rm);
}

export function fromU64<T>(a: i64, rm: u32): u64 {
  return roundInteger<T>(0, <u64>a, rm);
}

/** binary64 to binary32. */
export function narrow(a: u64, rm: u32): u64 {
  if (isSpecial<f64>(a)) {
    if (!isNaN<f64>(a)) return (sign<f64>(a) << 31) | infinity<f32>();
    if (isSignalling<f64>(a)) raise(FLAG_NV);
    return canonicalNaN<f32>();
  }
  const s = significand<f64>(a);
  if (s == 0) return sign<f64>(a) << 31;
  const shift = <i32>clz(s) - 1;
  return roundPack<f32>(sign<f64>(a), exponent<f64>(a) - shift - bias<f64>() + bias<f32>(), s << shift, rm);
}

/** binary32 to binary64: always exact. */
export function widen(a: u64): u64 {
  if (isNaN<f32>(a)) {
    if (isSignalling<f32>(a)) raise(FLAG_NV);
    return canonicalNaN<f64>();
  }
  return reinterpret<u64>(<f64>reinterpret<f32>(<u32>a));
}
