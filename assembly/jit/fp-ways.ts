/**
 * What the lowering of floating point shares: the operators, the handler's way
 * beside the one in line, and what a result must be like to stay in line.
 */

import { H_F, H_JIT_VALUE, H_X } from "../abi";
import {
  access, byte, ELSE, END, F32, F32_LOAD, F64, F64_LOAD, get, hint, I32_AND, I32_LOAD, I32_LT_U, I32_NE, I32_OR, I32_REINTERPRET,
  I32_SHL, I32_SUB, I32_WRAP, i32c, I64, I64_LOAD, I64_REINTERPRET, I64_SHR_U, i64c, IF, set, VOID,
} from "./emit";
import {
  callHandler, end, f, fp, FP_DIRTY, FP_LIMIT, FP_ON, L_HART, L_LIMIT, L_R, L_R32, learn, loadLimit, pushFs, s, setF, setS,
} from "./parts";
import { opA, opB, opImm } from "./region";

export const F32_EQ: u8 = 0x5b;
export const F32_LT: u8 = 0x5d;
export const F32_LE: u8 = 0x5f;
export const F64_EQ: u8 = 0x61;
export const F64_LT: u8 = 0x63;
export const F64_GT: u8 = 0x64;
export const F64_LE: u8 = 0x65;
// Of binary32; the same of binary64 is 14 further.
export const F32_ABS: u8 = 0x8b;
export const F32_NEG: u8 = 0x8c;
export const F32_SQRT: u8 = 0x91;
export const F32_ADD: u8 = 0x92;
export const F32_SUB: u8 = 0x93;
export const F32_MUL: u8 = 0x94;
export const F32_DIV: u8 = 0x95;
export const F32_MIN: u8 = 0x96;
export const F32_MAX: u8 = 0x97;
export const F32_COPYSIGN: u8 = 0x98;
export const TO_64: u8 = 14;
export const I32_TRUNC_F64_S: u8 = 0xaa;
export const I32_TRUNC_F64_U: u8 = 0xab;
export const I64_TRUNC_F64_S: u8 = 0xb0;
export const I64_TRUNC_F64_U: u8 = 0xb1;
export const F32_CONVERT_I32_S: u8 = 0xb2;
export const F32_CONVERT_I32_U: u8 = 0xb3;
export const F32_CONVERT_I64_S: u8 = 0xb4;
export const F32_CONVERT_I64_U: u8 = 0xb5;
export const F32_DEMOTE: u8 = 0xb6;
export const F64_CONVERT_I32_S: u8 = 0xb7;
export const F64_CONVERT_I32_U: u8 = 0xb8;
export const F64_CONVERT_I64_S: u8 = 0xb9;
export const F64_CONVERT_I64_U: u8 = 0xba;
export const F64_PROMOTE: u8 = 0xbb;
export const F64_CONST: u8 = 0x44;
export const SIMD: u8 = 0xfd;

export const RNE: u32 = 0;
export const RTZ: u32 = 1;
export const DYNAMIC: u32 = 7;

// @ts-ignore: decorator
@inline export function second(): u32 { return <u32>opImm & 31; }
// @ts-ignore: decorator
@inline export function third(): u32 { return <u32>opImm >> 8 & 31; }
// @ts-ignore: decorator
@inline export function mode(): u32 { return <u32>opImm >> 16 & 7; }
// @ts-ignore: decorator
@inline export function is(code: u8): void { byte(code); }
// @ts-ignore: decorator
@inline export function is64(code: u8): void { byte(code + TO_64); }

export function f64c(v: f64): void {
  byte(F64_CONST);
  const bits = reinterpret<u64>(v);
  for (let i: u32 = 0; i < 64; i += 8) byte(<u32>(bits >> i) & 0xff);
}

// ---- The handler's ways ------------------------------------------------------------------

/** By the handler; pushes what it has left in the destination. */
export function slow(result: u8, offset: i32): void {
  callHandler(offset);
  if (fp & FP_LIMIT) {
    get(L_HART);
    access(I32_LOAD, H_JIT_VALUE);
    set(L_LIMIT);
  }
  if (result == VOID) return;
  get(L_HART);
  if (result == I64) access(I64_LOAD, H_X + opA * 8);
  else access(result == F64 ? F64_LOAD : F32_LOAD, H_F + opA * 8);
}

/** The value on the stack is the destination's. */
export function done(result: u8): void {
  if (result == I64) end();
  else if (result == F64) setF(opA);
  else if (result == F32) setS(opA);
}

/** A condition is on the stack: if it doesn't hold, the handler does all. Then comes the value, and `close`. */
export function open(result: u8): void {
  hint(1);
  byte(IF);
  byte(result);
}

export function close(result: u8, offset: i32): void {
  byte(ELSE);
  slow(result, offset);
  byte(END);
  done(result);
}

/** As `open`, if it isn't known that FP is on or dirty. */
export function openState(result: u8, wanted: u32): bool {
  if (fp & wanted) return false;
  // As good a test within loops, and without a load.
  if (fp & FP_LIMIT) get(L_LIMIT);
  else pushFs(wanted);
  open(result);
  return true;
}

/** The handler has trapped if FP was off, and has made it dirty if it wrote an f register. */
export function closeState(opened: bool, result: u8, wanted: u32, offset: i32): void {
  if (opened) close(result, offset);
  else done(result);
  learn(wanted & FP_DIRTY ? FP_ON | FP_DIRTY : FP_ON);
}

export function needLimit(): void {
  if (!(fp & FP_LIMIT)) loadLimit();
}

/** WebAssembly rounds to nearest even; the limit knows about frm. */
export function roundsOtherwise(): bool {
  return mode() != RNE && mode() != DYNAMIC;
}

// ---- Results ---------------------------------------------------------------------------

/** Pushes a number's exponent, from bit 24 of binary32 or bit 21 of binary64 on, and below it some of its fraction. */
export function pushExponent(local: u32, result: u8): void {
  get(local);
  if (result == F64) {
    byte(I64_REINTERPRET);
    i64c(31);
    byte(I64_SHR_U);
    byte(I32_WRAP); // without the sign
  } else {
    byte(I32_REINTERPRET);
    i32c(1);
    byte(I32_SHL);
  }
}

/** What that is at least of a result that surely hasn't underflowed. */
export function leastExponent(result: u8): i32 {
  return result == F64 ? 12 << 21 : 2 << 24;
}

/**
 * Is the result in a local plain, and does nothing hang on flags and rounding?
 * Both formats have one limit, 253 exponents of binary32: of binary64 these are
 * 2024, from field 12 on.
 * @param tiny  what is below the normal numbers is exact as well: they are from field 0 on
 */
export function plain(local: u32, result: u8, tiny: bool): void {
  pushExponent(local, result);
  if (!tiny) {
    i32c(leastExponent(result));
    byte(I32_SUB);
  }
  get(L_LIMIT);
  byte(I32_LT_U);
}

/** How a zero comes about without an exception: */
export const ZERO_ANYHOW: u32 = 0; //  always, and whatever is below the normal numbers, as sums and roots
export const ZERO_FACTOR: u32 = 1; //  one of the first two operands is zero
export const ZERO_FIRST: u32 = 2; //   the first is
export const ZERO_NEVER: u32 = 3;

export function isZero(r: u32, result: u8): void {
  if (result == F64) {
    f(r);
  } else {
    s(r);
    byte(F64_PROMOTE);
  }
  f64c(0);
  byte(F64_EQ);
}

/** Is the result zero because of its operands, and does nothing hang on flags? */
export function isExactZero(local: u32, result: u8, zero: u32): void {
  get(local);
  if (result == F32) byte(F64_PROMOTE);
  f64c(0);
  byte(F64_EQ);
  get(L_LIMIT);
  i32c(0);
  byte(I32_NE);
  byte(I32_AND);
  isZero(opB, result);
  if (zero == ZERO_FACTOR) {
    isZero(second(), result);
    byte(I32_OR);
  }
  byte(I32_AND);
}

/** The result is on the stack: it is the destination's if it is plain, or an exact zero. */
export function finish(result: u8, zero: u32, offset: i32): void {
  const local = result == F64 ? L_R : L_R32;
  set(local);
  plain(local, result, zero == ZERO_ANYHOW);
  hint(1);
  byte(IF);
  byte(result);
  get(local);
  byte(ELSE);
  const zeros = zero == ZERO_FACTOR || zero == ZERO_FIRST;
  if (zeros) {
    isExactZero(local, result, zero);
    byte(IF);
    byte(result);
    get(local);
    byte(ELSE);
  }
  slow(result, offset);
  if (zeros) byte(END);
  byte(END);
  done(result);
  learn(FP_ON | FP_DIRTY);
}
