/** Fused multiply-add in line: by relaxed SIMD where its one rounding was found to be exact, else by parts. */

import { DEV_MACHINE, M_FLAGS, MF_FMA } from "../abi";
import {
  byte, ELSE, END, F32, F32_REINTERPRET, F64, get, hint, I32_AND, I32_NE, I32_OR, I32_WRAP, i32c, I64_REINTERPRET, IF, SELECT,
  set, tee, unsigned,
} from "./emit";
import {
  F32_ABS, F32_ADD, F32_DEMOTE, F32_MUL, F32_NEG, F32_SUB, F64_EQ, F64_GT, F64_PROMOTE, f64c, finish, is, is64, isZero,
  needLimit, roundsOtherwise, second, SIMD, third, ZERO_FACTOR,
} from "./fp-ways";
import { f, L_R, lowerCall, s } from "./parts";
import { opB } from "./region";

function splat(r: u32, negated: bool): void {
  f(r);
  if (negated) is64(F32_NEG);
  byte(SIMD);
  byte(0x14);
}

/** ±x × y ± z with one rounding, by relaxed SIMD's multiply-add. */
function fuseFast(negateProduct: bool, negateAddend: bool): void {
  splat(opB, negateProduct);
  splat(second(), false);
  splat(third(), negateAddend);
  byte(SIMD);
  unsigned(0x107);
  byte(SIMD);
  byte(0x21);
  byte(0);
}

// Locals of `fuse`.
const L_P: u32 = L_R + 1; // the product rounded
const L_SUM: u32 = L_R + 2;
const L_XV: u32 = L_R + 3;
const L_XH: u32 = L_R + 4;
const L_XL: u32 = L_R + 5;
const L_YH: u32 = L_R + 6;
const L_YL: u32 = L_R + 7;
const L_REST: u32 = L_R + 8; // what the product lost
const L_LOST: u32 = L_R + 9; // what the sum lost

/** Splits a number in two halves (Veltkamp). */
function split(high: u32, lower: u32, v: u32, r: i32): void {
  if (r < 0) get(v);
  else f(r);
  f64c(134217729);
  is64(F32_MUL);
  tee(high);
  get(high);
  if (r < 0) get(v);
  else f(r);
  is64(F32_SUB);
  is64(F32_SUB);
  set(high);
  if (r < 0) get(v);
  else f(r);
  get(high);
  is64(F32_SUB);
  set(lower);
}

function product(a: u32, b: u32): void {
  get(a);
  get(b);
  is64(F32_MUL);
}

/** The same without: as fp/nearest's `fusedNearest64`, which says why. NaN where this can't tell. */
function fuse(negateProduct: bool, negateAddend: bool): void {
  f(opB);
  if (negateProduct) is64(F32_NEG);
  tee(L_XV);
  f(second());
  is64(F32_MUL);
  tee(L_P);
  f(third());
  if (negateAddend) is64(F32_NEG);
  tee(L_R); // z, until the result is there
  is64(F32_ADD);
  set(L_SUM);
  split(L_XH, L_XL, L_XV, -1);
  split(L_YH, L_YL, 0, second());
  product(L_XL, L_YL);
  get(L_P);
  product(L_XH, L_YH);
  is64(F32_SUB);
  product(L_XL, L_YH);
  is64(F32_SUB);
  product(L_XH, L_YL);
  is64(F32_SUB);
  is64(F32_SUB);
  set(L_REST);
  // lost = (p - (sum - q)) + (z - q), q = sum - p
  get(L_P);
  get(L_SUM);
  get(L_SUM);
  get(L_P);
  is64(F32_SUB);
  tee(L_LOST);
  is64(F32_SUB);
  is64(F32_SUB);
  get(L_R);
  get(L_LOST);
  is64(F32_SUB);
  is64(F32_ADD);
  tee(L_LOST);
  get(L_REST);
  is64(F32_ADD);
  set(L_XH); // tail
  get(L_SUM);
  get(L_XH);
  f64c(0.9999999999999998);
  is64(F32_MUL);
  is64(F32_ADD);
  tee(L_R);
  get(L_SUM);
  get(L_XH);
  f64c(1.0000000000000002);
  is64(F32_MUL);
  is64(F32_ADD);
  byte(F64_EQ);
  get(L_P);
  is64(F32_ABS);
  f64c(1.0e-289);
  byte(F64_GT);
  byte(I32_AND);
  hint(1);
  byte(IF);
  byte(F64);
  get(L_R);
  byte(ELSE);
  fuseRest();
  byte(END);
}

/** The seldom cases: a product of zero, one that is too small, a tail without an error. */
function fuseRest(): void {
  get(L_SUM);
  get(L_SUM);
  get(L_XH);
  is64(F32_ADD);
  f64c(NaN);
  get(L_REST);
  f64c(0);
  byte(F64_EQ);
  get(L_LOST);
  f64c(0);
  byte(F64_EQ);
  byte(I32_OR);
  get(L_P);
  is64(F32_ABS);
  f64c(1.0e-289);
  byte(F64_GT);
  byte(I32_AND);
  byte(SELECT);
  isZero(opB, F64);
  isZero(second(), F64);
  byte(I32_OR);
  byte(SELECT);
}

export function fused(offset: i32, negateProduct: bool, negateAddend: bool): void {
  if (roundsOtherwise()) {
    lowerCall(offset);
    return;
  }
  needLimit();
  if (load<u32>(DEV_MACHINE, M_FLAGS) & MF_FMA) fuseFast(negateProduct, negateAddend);
  else fuse(negateProduct, negateAddend);
  finish(F64, ZERO_FACTOR, offset);
}

/** By way of binary64, where the product is exact: NaN if rounding twice isn't safe (fp/nearest's `narrowsSafely`). */
export function fusedSingle(offset: i32, negateProduct: bool, negateAddend: bool): void {
  if (roundsOtherwise()) {
    lowerCall(offset);
    return;
  }
  needLimit();
  s(opB);
  if (negateProduct) is(F32_NEG);
  byte(F64_PROMOTE);
  s(second());
  byte(F64_PROMOTE);
  is64(F32_MUL);
  s(third());
  if (negateAddend) is(F32_NEG);
  byte(F64_PROMOTE);
  is64(F32_ADD);
  tee(L_R);
  byte(F32_DEMOTE);
  i32c(0x7fc0_0000);
  byte(F32_REINTERPRET);
  get(L_R);
  byte(I64_REINTERPRET);
  byte(I32_WRAP);
  i32c(0x1fff_ffff);
  byte(I32_AND);
  i32c(0x1000_0000);
  byte(I32_NE);
  byte(SELECT);
  finish(F32, ZERO_FACTOR, offset);
}
