/**
 * The interchange formats binary32 and binary64 (IEEE 754-2019, 3.4), as generic
 * functions: `T` is `f32` or `f64` and only picks constants at compile time. Bits
 * of either format travel as a u64, the upper half zero for binary32.
 *
 * The working form of a finite number is (sign, exponent, significand): biased
 * exponent `e` and 64-bit significand `s` stand for s × 2^(e − bias − 62), so that
 * a normal number's leading one is bit 62. That leaves bit 63 for a carry, and
 * below the format's last place there are 10 bits (binary64) or 39 (binary32) for
 * guard and sticky.
 */

import { FLAG_NV, raise } from "./state";

/** Fraction bits: 23 or 52. */
// @ts-ignore: decorator
@inline
export function fractionBits<T>(): i32 {
  return sizeof<T>() == 4 ? 23 : 52;
}

/** The exponent field of infinities and NaNs: 0xff or 0x7ff. */
// @ts-ignore: decorator
@inline
export function exponentMax<T>(): i32 {
  return sizeof<T>() == 4 ? 0xff : 0x7ff;
}

/** 127 or 1023. */
// @ts-ignore: decorator
@inline
export function bias<T>(): i32 {
  return exponentMax<T>() >> 1;
}

/** Significand bits below the format's last place: 39 or 10. */
// @ts-ignore: decorator
@inline
export function guardBits<T>(): i32 {
  return 62 - fractionBits<T>();
}

/** The sign bit alone. */
// @ts-ignore: decorator
@inline
export function signBit<T>(): u64 {
  return sizeof<T>() == 4 ? <u64>1 << 31 : <u64>1 << 63;
}

/** Bits of +infinity. */
// @ts-ignore: decorator
@inline
export function infinity<T>(): u64 {
  return <u64>exponentMax<T>() << fractionBits<T>();
}

/** The fraction's top bit: set in quiet NaNs. */
// @ts-ignore: decorator
@inline
function quietBit<T>(): u64 {
  return sizeof<T>() == 4 ? <u64>1 << 22 : <u64>1 << 51;
}

/** Bits of the canonical NaN: positive, quiet, no payload. */
// @ts-ignore: decorator
@inline
export function canonicalNaN<T>(): u64 {
  return infinity<T>() | quietBit<T>();
}

/** Bits without the sign. */
// @ts-ignore: decorator
@inline
export function magnitude<T>(a: u64): u64 {
  return a & (signBit<T>() - 1);
}

/** 1 when the sign bit is set. */
// @ts-ignore: decorator
@inline
export function sign<T>(a: u64): u64 {
  return (a & signBit<T>()) >> (sizeof<T>() * 8 - 1);
}

/** True for infinities and NaNs. */
// @ts-ignore: decorator
@inline
export function isSpecial<T>(a: u64): bool {
  return magnitude<T>(a) >= infinity<T>();
}

// @ts-ignore: decorator
@inline
export function isNaN<T>(a: u64): bool {
  return magnitude<T>(a) > infinity<T>();
}

/** A NaN with its quiet bit clear. */
// @ts-ignore: decorator
@inline
export function isSignalling<T>(a: u64): bool {
  return isNaN<T>(a) && (a & quietBit<T>()) == 0;
}

/** Biased exponent of a finite number; subnormals have that of the smallest normal. */
// @ts-ignore: decorator
@inline
export function exponent<T>(a: u64): i32 {
  const field = <i32>(magnitude<T>(a) >> fractionBits<T>());
  return field + i32(field == 0);
}

/** Significand of a finite number; its leading one is below bit 62 for subnormals. */
// @ts-ignore: decorator
@inline
export function significand<T>(a: u64): u64 {
  const hidden = <u64>1 << fractionBits<T>();
  return ((a & (hidden - 1)) | (magnitude<T>(a) >= hidden ? hidden : 0)) << guardBits<T>();
}

/** The value of some bits. */
// @ts-ignore: decorator
@inline
export function fromBits<T>(a: u64): T {
  return sizeof<T>() == 4 ? <T>reinterpret<f32>(<u32>a) : <T>reinterpret<f64>(a);
}

/** The bits of a value. A NaN's are the engine's choice: don't rely on them. */
// @ts-ignore: decorator
@inline
export function toBits<T>(a: T): u64 {
  return sizeof<T>() == 4 ? <u64>reinterpret<u32>(<f32>a) : reinterpret<u64>(<f64>a);
}

/**
 * The result of an operation with a NaN among its operands: the canonical NaN
 * (RISC-V propagates no payloads); a signalling operand raises NV.
 */
export function propagateNaN<T>(a: u64, b: u64): u64 {
  if (isSignalling<T>(a) || isSignalling<T>(b)) raise(FLAG_NV);
  return canonicalNaN<T>();
}

/** The result of an invalid operation: NV and the canonical NaN. */
export function invalid<T>(): u64 {
  raise(FLAG_NV);
  return canonicalNaN<T>();
}
