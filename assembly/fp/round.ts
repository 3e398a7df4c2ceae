/** Rounding from the working form (see format) to a format. */

import { bias, exponentMax, fractionBits, guardBits, infinity, signBit } from "./format";
import { FLAG_NX, FLAG_OF, FLAG_UF, raise, RM_RDN, RM_RMM, RM_RNE, RM_RUP } from "./state";
import { shiftRightSticky } from "./wide";

const CARRY: u64 = <u64>1 << 63;

/**
 * Rounds s × 2^(e − bias − 62) and returns its bits; raises NX, UF, OF as due.
 * `s` is normalised (bit 62 set, bit 63 clear), bit 0 sticky; `e` is any biased
 * exponent. Tininess is detected after rounding (Unprivileged manual, "F").
 */
export function roundPack<T>(negative: u64, e: i32, s: u64, rm: u32): u64 {
  const guard = guardBits<T>();
  const mask: u64 = (<u64>1 << guard) - 1;
  const half: u64 = <u64>1 << (guard - 1);
  let add = half;
  if (rm != RM_RNE && rm != RM_RMM) add = rm == (negative ? RM_RDN : RM_RUP) ? mask : 0;

  if (<u32>(e - 1) >= <u32>(exponentMax<T>() - 2)) {
    if (e <= 0) {
      // Tiny unless rounding with an unbounded exponent would reach the smallest normal.
      const tiny = e < 0 || s + add < CARRY;
      s = shiftRightSticky(s, 1 - e);
      e = 1;
      if (tiny && (s & mask) != 0) raise(FLAG_UF);
    } else if (e >= exponentMax<T>() || s + add >= CARRY) {
      raise(FLAG_OF | FLAG_NX);
      // Away from zero: infinity. Towards it: the largest finite number, one below.
      return (negative ? signBit<T>() : 0) | (infinity<T>() - u64(add == 0));
    }
  }
  const lost = s & mask;
  if (lost != 0) raise(FLAG_NX);
  s = (s + add) >> guard;
  if (rm == RM_RNE && lost == half) s &= ~(<u64>1);
  // The hidden bit adds one to the exponent field; a carry from rounding, or a
  // subnormal that rounded up to a normal, does so too.
  return (negative ? signBit<T>() : 0) | ((<u64>(e - 1) << fractionBits<T>()) + s);
}

/** The correctly rounded value of an integer `m`, negated if `negative`. */
export function roundInteger<T>(negative: u64, m: u64, rm: u32): u64 {
  if (m == 0) return 0;
  const zeros = <i32>clz(m);
  const s = zeros == 0 ? (m >> 1) | (m & 1) : m << (zeros - 1);
  return roundPack<T>(negative, bias<T>() + 63 - zeros, s, rm);
}
