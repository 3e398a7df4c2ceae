/**
 * Fused multiply-add (IEEE 754-2019, 5.4.1), rounded once, on bit patterns. The
 * other three of its family are this one with signs flipped by the caller.
 */

import {
  bias, exponent, infinity, invalid, isNaN, isSignalling, isSpecial, magnitude, propagateNaN, sign, signBit, significand,
} from "./format";
import { roundPack } from "./round";
import { FLAG_NV, raise, RM_RDN } from "./state";
import { mulHigh, shiftRightSticky } from "./wide";

/** a × b + c when one of them is infinite or NaN. */
function fusedSpecial<T>(a: u64, b: u64, c: u64): u64 {
  // ∞ × 0 is invalid even if c is a quiet NaN (Unprivileged manual, "F").
  const undefined = (magnitude<T>(a) == infinity<T>() && magnitude<T>(b) == 0) ||
    (magnitude<T>(b) == infinity<T>() && magnitude<T>(a) == 0);
  if (undefined) return invalid<T>();
  if (isNaN<T>(a) || isNaN<T>(b) || isNaN<T>(c)) {
    if (isSignalling<T>(c)) raise(FLAG_NV);
    return propagateNaN<T>(a, b);
  }
  if (!isSpecial<T>(a) && !isSpecial<T>(b)) return c;
  const product = ((a ^ b) & signBit<T>()) | infinity<T>();
  if (isSpecial<T>(c) && c != product) return invalid<T>();
  return product;
}

/** a × b + c when a or b is zero and all are finite. */
// @ts-ignore: decorator
@inline
function fusedZero<T>(a: u64, b: u64, c: u64, rm: u32): u64 {
  if (magnitude<T>(c) != 0 || ((a ^ b ^ c) & signBit<T>()) == 0) return c;
  return rm == RM_RDN ? signBit<T>() : 0;
}

/** a × b + c, binary32: the product has 48 bits, so 64 leave room for the sum's guard and sticky. */
export function fused32(a: u64, b: u64, c: u64, rm: u32): u64 {
  if (isSpecial<f32>(a) || isSpecial<f32>(b) || isSpecial<f32>(c)) return fusedSpecial<f32>(a, b, c);
  if (magnitude<f32>(a) == 0 || magnitude<f32>(b) == 0) return fusedZero<f32>(a, b, c, rm);
  let s = significand<f32>(a);
  let t = significand<f32>(b);
  const zs = <i32>clz(s) - 1;
  const zt = <i32>clz(t) - 1;
  let e = exponent<f32>(a) - zs + exponent<f32>(b) - zt - bias<f32>();
  s = ((s << zs) >> 31) * ((t << zt) >> 31); // 16 zeros below
  if (<i64>s < 0) {
    s >>= 1;
    e++;
  }
  let negative = sign<f32>(a ^ b);
  if (magnitude<f32>(c) != 0) {
    t = significand<f32>(c);
    const zc = <i32>clz(t) - 1;
    t <<= zc;
    const distance = e - (exponent<f32>(c) - zc);
    if (distance >= 0) {
      t = shiftRightSticky(t, distance);
    } else {
      s = shiftRightSticky(s, -distance);
      e -= distance;
    }
    if (negative == sign<f32>(c)) {
      s += t;
    } else if (s < t) {
      s = t - s;
      negative ^= 1;
    } else {
      s -= t;
      if (s == 0) return rm == RM_RDN ? signBit<f32>() : 0;
    }
    if (<i64>s < 0) {
      s = (s >> 1) | (s & 1);
      e++;
    }
    const shift = <i32>clz(s) - 1;
    s <<= shift;
    e -= shift;
  }
  return roundPack<f32>(negative, e, s, rm);
}

/** a × b + c, binary64: the sum is formed in 128 bits, (s, sl) and (t, tl). */
export function fused64(a: u64, b: u64, c: u64, rm: u32): u64 {
  if (isSpecial<f64>(a) || isSpecial<f64>(b) || isSpecial<f64>(c)) return fusedSpecial<f64>(a, b, c);
  if (magnitude<f64>(a) == 0 || magnitude<f64>(b) == 0) return fusedZero<f64>(a, b, c, rm);
  let s = significand<f64>(a);
  let t = significand<f64>(b);
  const zs = <i32>clz(s) - 1;
  const zt = <i32>clz(t) - 1;
  let e = exponent<f64>(a) - zs + exponent<f64>(b) - zt - bias<f64>();
  s <<= zs + 1;
  t <<= zt + 1;
  let sl = s * t; // 22 zeros at its end
  s = mulHigh(s, t);
  if (<i64>s < 0) {
    sl = (sl >> 1) | (s << 63);
    s >>= 1;
    e++;
  }
  let negative = sign<f64>(a ^ b);
  if (magnitude<f64>(c) != 0) {
    t = significand<f64>(c);
    const zc = <i32>clz(t) - 1;
    t <<= zc;
    let tl: u64 = 0;
    const distance = e - (exponent<f64>(c) - zc);
    // The smaller one's last bit is sticky. Only a shift beyond the zeros at its
    // end makes that matter, and then at most one leading bit cancels.
    if (distance > 63) {
      tl = shiftRightSticky(t, distance - 64);
      t = 0;
    } else if (distance > 0) {
      tl = t << (64 - distance);
      t >>= distance;
    } else if (distance < -63) {
      // Below c's guard bits: only that it isn't zero matters.
      sl = 1;
      s = 0;
      e -= distance;
    } else if (distance < 0) {
      const lost = u64((sl << (64 + distance)) != 0);
      sl = (sl >> -distance) | (s << (64 + distance)) | lost;
      s >>= -distance;
      e -= distance;
    }
    if (negative == sign<f64>(c)) {
      sl += tl;
      s += t + u64(sl < tl);
    } else {
      if (s < t || (s == t && sl < tl)) {
        negative ^= 1;
        const high = s;
        const low = sl;
        s = t;
        sl = tl;
        t = high;
        tl = low;
      }
      s -= t + u64(sl < tl);
      sl -= tl;
      if ((s | sl) == 0) return rm == RM_RDN ? signBit<f64>() : 0;
      if (s == 0) {
        s = sl;
        sl = 0;
        e -= 64;
      }
    }
    if (<i64>s < 0) {
      sl |= s & 1;
      s >>= 1;
      e++;
    } else {
      const shift = <i32>clz(s) - 1;
      if (shift > 0) {
        s = (s << shift) | (sl >> (64 - shift));
        sl <<= shift;
        e -= shift;
      }
    }
  }
  return roundPack<f64>(negative, e, s | u64(sl != 0), rm);
}
