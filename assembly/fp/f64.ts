/**
 * The computations of the D extension on the bits of binary64 values: exact
 * results in every rounding mode, flags by `raise`. `rm` is RM_*. Integers are
 * whole registers. Source: Unprivileged manual, "D".
 */

import { add, divide, multiply, squareRoot, subtract } from "./arithmetic";
import { classify, equal, less, lessOrEqual, maximum, minimum } from "./compare";
import { fromI64, fromU64, narrow, toI32, toI64, toU32, toU64, widen } from "./convert";
import { fused64 } from "./fma";

export function f64Add(a: u64, b: u64, rm: u32): u64 {
  return add<f64>(a, b, rm);
}

export function f64Sub(a: u64, b: u64, rm: u32): u64 {
  return subtract<f64>(a, b, rm);
}

export function f64Mul(a: u64, b: u64, rm: u32): u64 {
  return multiply<f64>(a, b, rm);
}

export function f64Div(a: u64, b: u64, rm: u32): u64 {
  return divide<f64>(a, b, rm);
}

export function f64Sqrt(a: u64, rm: u32): u64 {
  return squareRoot<f64>(a, rm);
}

/** a × b + c; flip the signs of a and c for the other three. */
export function f64Fma(a: u64, b: u64, c: u64, rm: u32): u64 {
  return fused64(a, b, c, rm);
}

export function f64Min(a: u64, b: u64): u64 {
  return minimum<f64>(a, b);
}

export function f64Max(a: u64, b: u64): u64 {
  return maximum<f64>(a, b);
}

export function f64Eq(a: u64, b: u64): i64 {
  return equal<f64>(a, b);
}

export function f64Lt(a: u64, b: u64): i64 {
  return less<f64>(a, b);
}

export function f64Le(a: u64, b: u64): i64 {
  return lessOrEqual<f64>(a, b);
}

export function f64Class(a: u64): i64 {
  return classify<f64>(a);
}

/** Sign-extended from 32 bits. */
export function f64ToI32(a: u64, rm: u32): i64 {
  return toI32<f64>(a, rm);
}

/** Sign-extended from 32 bits, though unsigned. */
export function f64ToU32(a: u64, rm: u32): i64 {
  return toU32<f64>(a, rm);
}

export function f64ToI64(a: u64, rm: u32): i64 {
  return toI64<f64>(a, rm);
}

/** The unsigned result's bits. */
export function f64ToU64(a: u64, rm: u32): i64 {
  return toU64<f64>(a, rm);
}

/** From the register's lower 32 bits; always exact. */
export function f64FromI32(a: i64, rm: u32): u64 {
  return reinterpret<u64>(<f64><i32>a);
}

/** From the register's lower 32 bits; always exact. */
export function f64FromU32(a: i64, rm: u32): u64 {
  return reinterpret<u64>(<f64><u32>a);
}

export function f64FromI64(a: i64, rm: u32): u64 {
  return fromI64<f64>(a, rm);
}

export function f64FromU64(a: i64, rm: u32): u64 {
  return fromU64<f64>(a, rm);
}

export function f64ToF32(a: u64, rm: u32): u32 {
  return <u32>narrow(a, rm);
}

export function f32ToF64(a: u32): u64 {
  return widen(a);
}
