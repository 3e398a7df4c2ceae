/**
 * The computations of the F extension on the bits of binary32 values: exact
 * results in every rounding mode, flags by `raise`. `rm` is RM_*. Integers are
 * whole registers; boxing in 64-bit registers is the caller's. Conversions
 * between the formats are in f64. Source: Unprivileged manual, "F".
 */

import { add, divide, multiply, squareRoot, subtract } from "./arithmetic";
import { classify, equal, less, lessOrEqual, maximum, minimum } from "./compare";
import { fromI64, fromU64, toI32, toI64, toU32, toU64 } from "./convert";
import { fused32 } from "./fma";

export function f32Add(a: u32, b: u32, rm: u32): u32 {
  return <u32>add<f32>(a, b, rm);
}

export function f32Sub(a: u32, b: u32, rm: u32): u32 {
  return <u32>subtract<f32>(a, b, rm);
}

export function f32Mul(a: u32, b: u32, rm: u32): u32 {
  return <u32>multiply<f32>(a, b, rm);
}

export function f32Div(a: u32, b: u32, rm: u32): u32 {
  return <u32>divide<f32>(a, b, rm);
}

export function f32Sqrt(a: u32, rm: u32): u32 {
  return <u32>squareRoot<f32>(a, rm);
}

/** a × b + c; flip the signs of a and c for the other three. */
export function f32Fma(a: u32, b: u32, c: u32, rm: u32): u32 {
  return <u32>fused32(a, b, c, rm);
}

export function f32Min(a: u32, b: u32): u32 {
  return <u32>minimum<f32>(a, b);
}

export function f32Max(a: u32, b: u32): u32 {
  return <u32>maximum<f32>(a, b);
}

export function f32Eq(a: u32, b: u32): i64 {
  return equal<f32>(a, b);
}

export function f32Lt(a: u32, b: u32): i64 {
  return less<f32>(a, b);
}

export function f32Le(a: u32, b: u32): i64 {
  return lessOrEqual<f32>(a, b);
}

export function f32Class(a: u32): i64 {
  return classify<f32>(a);
}

/** Sign-extended from 32 bits. */
export function f32ToI32(a: u32, rm: u32): i64 {
  return toI32<f32>(a, rm);
}

/** Sign-extended from 32 bits, though unsigned. */
export function f32ToU32(a: u32, rm: u32): i64 {
  return toU32<f32>(a, rm);
}

export function f32ToI64(a: u32, rm: u32): i64 {
  return toI64<f32>(a, rm);
}

/** The unsigned result's bits. */
export function f32ToU64(a: u32, rm: u32): i64 {
  return toU64<f32>(a, rm);
}

/** From the register's lower 32 bits. */
export function f32FromI32(a: i64, rm: u32): u32 {
  return <u32>fromI64<f32>(<i64><i32>a, rm);
}

/** From the register's lower 32 bits. */
export function f32FromU32(a: i64, rm: u32): u32 {
  return <u32>fromU64<f32>(<i64><u32>a, rm);
}

export function f32FromI64(a: i64, rm: u32): u32 {
  return <u32>fromI64<f32>(a, rm);
}

export function f32FromU64(a: i64, rm: u32): u32 {
  return <u32>fromU64<f32>(a, rm);
}
