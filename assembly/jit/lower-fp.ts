/**
 * F and D in line, where WebAssembly's arithmetic gives the same bits and raises
 * the same flags (see fp/fast): rounding to nearest, NX raised already, a plain
 * result. Everything else goes to the interpreter's handler.
 */

import { DEV_MACHINE, H_F, H_JIT_VALUE, H_X, M_FLAGS, MF_FMA, TLB_STORE } from "../abi";
import {
  OP_FADD_D, OP_FADD_S, OP_FCVT_D_L, OP_FCVT_D_LU, OP_FCVT_D_S, OP_FCVT_D_W, OP_FCVT_D_WU, OP_FCVT_L_D, OP_FCVT_L_S,
  OP_FCVT_LU_D, OP_FCVT_LU_S, OP_FCVT_S_D, OP_FCVT_S_L, OP_FCVT_S_LU, OP_FCVT_S_W, OP_FCVT_S_WU, OP_FCVT_W_D, OP_FCVT_W_S,
  OP_FCVT_WU_D, OP_FCVT_WU_S, OP_FDIV_D, OP_FDIV_S, OP_FEQ_D, OP_FEQ_S, OP_FLD, OP_FLE_D, OP_FLE_S, OP_FLT_D, OP_FLT_S, OP_FLW,
  OP_FMADD_D, OP_FMADD_S, OP_FMAX_D, OP_FMAX_S, OP_FMIN_D, OP_FMIN_S, OP_FMSUB_D, OP_FMSUB_S, OP_FMUL_D, OP_FMUL_S, OP_FMV_D_X,
  OP_FMV_W_X, OP_FMV_X_D, OP_FMV_X_W, OP_FNMADD_D, OP_FNMADD_S, OP_FNMSUB_D, OP_FNMSUB_S, OP_FSD, OP_FSGNJ_D, OP_FSGNJ_S,
  OP_FSGNJN_D, OP_FSGNJN_S, OP_FSGNJX_D, OP_FSGNJX_S, OP_FSQRT_D, OP_FSQRT_S, OP_FSUB_D, OP_FSUB_S, OP_FSW,
} from "../isa/ops.generated";
import {
  access, byte, ELSE, END, F32, F32_LOAD, F32_REINTERPRET, F64, F64_LOAD, F64_REINTERPRET, F64_STORE, get, hint, I32_AND,
  I32_LOAD, I32_LT_U, I32_NE, I32_OR, I32_REINTERPRET, I32_SHL, I32_STORE, I32_SUB, I32_WRAP, i32c, I64, I64_AND,
  I64_EXTEND_I32_S, I64_EXTEND_I32_U, I64_LOAD, I64_REINTERPRET, I64_SHR_U, I64_XOR, i64c, IF, SELECT, set, tee, unsigned, VOID,
} from "./emit";
import {
  callHandler, end, f, fp, FP_DIRTY, FP_LIMIT, FP_ON, L_HART, L_LIMIT, L_R, L_R32, learn, leaveUnlessHit, linear, loadLimit, low,
  lowerCall, need, needLow, needS, pushFs, s, setF, setS, x,
} from "./parts";
import { op, opA, opB, opImm } from "./region";

const F32_EQ: u8 = 0x5b;
const F32_LT: u8 = 0x5d;
const F32_LE: u8 = 0x5f;
const F64_EQ: u8 = 0x61;
const F64_NE: u8 = 0x62;
const F64_LT: u8 = 0x63;
const F64_GT: u8 = 0x64;
const F64_LE: u8 = 0x65;
// Of binary32; the same of binary64 is 14 further.
const F32_ABS: u8 = 0x8b;
const F32_NEG: u8 = 0x8c;
const F32_SQRT: u8 = 0x91;
const F32_ADD: u8 = 0x92;
const F32_SUB: u8 = 0x93;
const F32_MUL: u8 = 0x94;
const F32_DIV: u8 = 0x95;
const F32_MIN: u8 = 0x96;
const F32_MAX: u8 = 0x97;
const F32_COPYSIGN: u8 = 0x98;
const TO_64: u8 = 14;
const I32_TRUNC_F64_S: u8 = 0xaa;
const I32_TRUNC_F64_U: u8 = 0xab;
const I64_TRUNC_F64_S: u8 = 0xb0;
const I64_TRUNC_F64_U: u8 = 0xb1;
const F32_CONVERT_I32_S: u8 = 0xb2;
const F32_CONVERT_I32_U: u8 = 0xb3;
const F32_CONVERT_I64_S: u8 = 0xb4;
const F32_CONVERT_I64_U: u8 = 0xb5;
const F32_DEMOTE: u8 = 0xb6;
const F64_CONVERT_I32_S: u8 = 0xb7;
const F64_CONVERT_I32_U: u8 = 0xb8;
const F64_CONVERT_I64_S: u8 = 0xb9;
const F64_CONVERT_I64_U: u8 = 0xba;
const F64_PROMOTE: u8 = 0xbb;
const F64_CONST: u8 = 0x44;
const SIMD: u8 = 0xfd;

const RNE: u32 = 0;
const RTZ: u32 = 1;
const DYNAMIC: u32 = 7;

// @ts-ignore: decorator
@inline function second(): u32 { return <u32>opImm & 31; }
// @ts-ignore: decorator
@inline function third(): u32 { return <u32>opImm >> 8 & 31; }
// @ts-ignore: decorator
@inline function mode(): u32 { return <u32>opImm >> 16 & 7; }
// @ts-ignore: decorator
@inline function is(code: u8): void { byte(code); }
// @ts-ignore: decorator
@inline function is64(code: u8): void { byte(code + TO_64); }

function f64c(v: f64): void {
  byte(F64_CONST);
  const bits = reinterpret<u64>(v);
  for (let i: u32 = 0; i < 64; i += 8) byte(<u32>(bits >> i) & 0xff);
}

// ---- The handler's ways ------------------------------------------------------------------

/** By the handler; pushes what it has left in the destination. */
function slow(result: u8, offset: i32): void {
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
function done(result: u8): void {
  if (result == I64) end();
  else if (result == F64) setF(opA);
  else if (result == F32) setS(opA);
}

/** A condition is on the stack: if it doesn't hold, the handler does all. Then comes the value, and `close`. */
function open(result: u8): void {
  hint(1);
  byte(IF);
  byte(result);
}

function close(result: u8, offset: i32): void {
  byte(ELSE);
  slow(result, offset);
  byte(END);
  done(result);
}

/** As `open`, if it isn't known that FP is on or dirty. */
function openState(result: u8, wanted: u32): bool {
  if (fp & wanted) return false;
  // As good a test within loops, and without a load.
  if (fp & FP_LIMIT) get(L_LIMIT);
  else pushFs(wanted);
  open(result);
  return true;
}

/** The handler has trapped if FP was off, and has made it dirty if it wrote an f register. */
function closeState(opened: bool, result: u8, wanted: u32, offset: i32): void {
  if (opened) close(result, offset);
  else done(result);
  learn(wanted & FP_DIRTY ? FP_ON | FP_DIRTY : FP_ON);
}

function needLimit(): void {
  if (!(fp & FP_LIMIT)) loadLimit();
}

/** WebAssembly rounds to nearest even; the limit knows about frm. */
function roundsOtherwise(): bool {
  return mode() != RNE && mode() != DYNAMIC;
}

// ---- Loads and stores ------------------------------------------------------------------

function loadFloat(result: u8, size: u32, offset: i32): void {
  need(opB);
  const opened = openState(result, FP_DIRTY);
  leaveUnlessHit(0, size, offset);
  linear(0);
  access(result == F64 ? F64_LOAD : F32_LOAD, 0);
  closeState(opened, result, FP_DIRTY, offset);
}

function storeFloat(size: u32, offset: i32): void {
  need(opB);
  if (size == 8) need(32 + opA);
  else needLow(opA);
  const opened = openState(VOID, FP_ON);
  leaveUnlessHit(TLB_STORE, size, offset);
  linear(TLB_STORE);
  if (size == 8) {
    f(opA);
    access(F64_STORE, 0);
  } else {
    low(opA);
    access(I32_STORE, 0);
  }
  closeState(opened, VOID, FP_ON, offset);
}

// ---- Arithmetic ------------------------------------------------------------------------

/**
 * Is the result in L_R or L_R32 plain, and does nothing hang on flags and rounding?
 * Both formats have one limit, 253 exponents of binary32: of binary64 these are
 * 2024, from field 12 on.
 */
function plain(result: u8): void {
  if (result == F64) {
    get(L_R);
    byte(I64_REINTERPRET);
    i64c(31);
    byte(I64_SHR_U);
    byte(I32_WRAP); // without the sign
    i32c(12 << 21);
  } else {
    get(L_R32);
    byte(I32_REINTERPRET);
    i32c(1);
    byte(I32_SHL);
    i32c(2 << 24);
  }
  byte(I32_SUB);
  get(L_LIMIT);
  byte(I32_LT_U);
}

/** How a zero comes about without an exception: */
const ZERO_ANYHOW: u32 = 0; //  always, as sums and roots
const ZERO_FACTOR: u32 = 1; //  one of the first two operands is zero
const ZERO_FIRST: u32 = 2; //   the first is
const ZERO_NEVER: u32 = 3;

function isZero(r: u32, result: u8): void {
  if (result == F64) {
    f(r);
  } else {
    s(r);
    byte(F64_PROMOTE);
  }
  f64c(0);
  byte(F64_EQ);
}

/** The result is on the stack: it is the destination's if it is plain, or an exact zero. */
function finish(result: u8, zero: u32, offset: i32): void {
  const local = result == F64 ? L_R : L_R32;
  set(local);
  plain(result);
  hint(1);
  byte(IF);
  byte(result);
  get(local);
  byte(ELSE);
  if (zero != ZERO_NEVER) {
    get(local);
    if (result == F32) byte(F64_PROMOTE);
    f64c(0);
    byte(F64_EQ);
    get(L_LIMIT);
    i32c(0);
    byte(I32_NE);
    byte(I32_AND);
    if (zero != ZERO_ANYHOW) {
      isZero(opB, result);
      if (zero == ZERO_FACTOR) {
        isZero(second(), result);
        byte(I32_OR);
      }
      byte(I32_AND);
    }
    byte(IF);
    byte(result);
    get(local);
    byte(ELSE);
  }
  slow(result, offset);
  if (zero != ZERO_NEVER) byte(END);
  byte(END);
  done(result);
  learn(FP_ON | FP_DIRTY);
}

function arithmetic(code: u8, result: u8, operands: u32, zero: u32, offset: i32): void {
  if (roundsOtherwise()) {
    lowerCall(offset);
    return;
  }
  needLimit();
  if (result == F64) {
    f(opB);
    if (operands == 2) f(second());
    is64(code);
  } else {
    s(opB);
    if (operands == 2) s(second());
    is(code);
  }
  finish(result, zero, offset);
}

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

function fused(offset: i32, negateProduct: bool, negateAddend: bool): void {
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
function fusedSingle(offset: i32, negateProduct: bool, negateAddend: bool): void {
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

// ---- Signs, least and greatest, comparisons ----------------------------------------------

const SIGN_COPY: u32 = 0;
const SIGN_NOT: u32 = 1;
const SIGN_XOR: u32 = 2;

function push(result: u8, r: u32): void {
  if (result == F64) f(r);
  else s(r);
}

function sign(how: u32, result: u8, offset: i32): void {
  const more: u8 = result == F64 ? TO_64 : 0;
  prepare(result);
  const opened = openState(result, FP_DIRTY);
  push(result, opB);
  if (opB == second()) {
    if (how != SIGN_COPY) byte((how == SIGN_NOT ? F32_NEG : F32_ABS) + more);
  } else if (how == SIGN_XOR && result == F64) {
    byte(I64_REINTERPRET);
    f(second());
    byte(I64_REINTERPRET);
    i64c(<i64>1 << 63);
    byte(I64_AND);
    byte(I64_XOR);
    byte(F64_REINTERPRET);
  } else if (how == SIGN_XOR) {
    byte(I32_REINTERPRET);
    s(second());
    byte(I32_REINTERPRET);
    i32c(1 << 31);
    byte(I32_AND);
    byte(0x73);
    byte(F32_REINTERPRET);
  } else {
    push(result, second());
    if (how == SIGN_NOT) byte(F32_NEG + more);
    byte(F32_COPYSIGN + more);
  }
  closeState(opened, result, FP_DIRTY, offset);
}

/** The two operands can be pushed in conditional code. */
function prepare(result: u8): void {
  if (result == F64) {
    need(32 + opB);
    need(32 + second());
  } else {
    needS(opB);
    needS(second());
  }
}

function pushOrdered(result: u8): void {
  for (let i: u32 = 0; i < 2; i++) {
    const r = i ? second() : opB;
    push(result, r);
    push(result, r);
    byte(result == F64 ? F64_EQ : F32_EQ);
  }
  byte(I32_AND);
}

/** Of numbers; NaNs go to the handler, which knows the flags. */
function extreme(code: u8, result: u8, offset: i32): void {
  prepare(result);
  pushOrdered(result);
  if (!(fp & FP_DIRTY)) {
    pushFs(FP_DIRTY);
    byte(I32_AND);
  }
  open(result);
  push(result, opB);
  push(result, second());
  byte(result == F64 ? code + TO_64 : code);
  close(result, offset);
  learn(FP_ON | FP_DIRTY);
}

function compare(code: u8, result: u8, offset: i32): void {
  prepare(result);
  pushOrdered(result);
  if (!(fp & FP_ON)) {
    pushFs(FP_ON);
    i32c(0);
    byte(I32_NE);
    byte(I32_AND);
  }
  open(I64);
  push(result, opB);
  push(result, second());
  byte(code);
  byte(I64_EXTEND_I32_U);
  close(I64, offset);
  learn(FP_ON);
}

// ---- Conversions and moves -----------------------------------------------------------------

/** From an integer, rounded. */
function fromInteger(code: u8, isWord: bool, result: u8, offset: i32): void {
  if (roundsOtherwise()) {
    lowerCall(offset);
    return;
  }
  needLimit();
  pushInteger(code, isWord);
  // Zero is exact, whatever comes of it.
  set(result == F64 ? L_R : L_R32);
  get(L_LIMIT);
  i32c(0);
  byte(I32_NE);
  open(result);
  get(result == F64 ? L_R : L_R32);
  close(result, offset);
  learn(FP_ON | FP_DIRTY);
}

function pushInteger(code: u8, isWord: bool): void {
  x(opB);
  if (isWord) byte(I32_WRAP);
  byte(code);
}

/** To binary64 from a word: exact. */
function fromWord(code: u8, offset: i32): void {
  if (mode() > 4) {
    fromInteger(code, true, F64, offset);
    return;
  }
  need(opB);
  const opened = openState(F64, FP_DIRTY);
  pushInteger(code, true);
  closeState(opened, F64, FP_DIRTY, offset);
}

/** Towards zero, as C does, within (least, most); it may be inexact, so NX must be raised. */
function toInteger(code: u8, result: u8, least: f64, most: f64, isWord: bool, offset: i32): void {
  if (mode() != RTZ) {
    lowerCall(offset);
    return;
  }
  needLimit();
  push(result, opB);
  if (result == F32) byte(F64_PROMOTE);
  tee(L_R);
  f64c(least);
  byte(F64_GT);
  get(L_R);
  f64c(most);
  byte(F64_LT);
  byte(I32_AND);
  get(L_LIMIT);
  i32c(0);
  byte(I32_NE);
  byte(I32_AND);
  open(I64);
  get(L_R);
  byte(code);
  if (isWord) byte(I64_EXTEND_I32_S);
  close(I64, offset);
  learn(FP_ON);
}

function demote(offset: i32): void {
  if (roundsOtherwise()) {
    lowerCall(offset);
    return;
  }
  needLimit();
  f(opB);
  byte(F32_DEMOTE);
  finish(F32, ZERO_NEVER, offset);
}

/** Exact, but for NaNs. */
function promote(offset: i32): void {
  if (mode() > 4) {
    lowerCall(offset);
    return;
  }
  s(opB);
  byte(F64_PROMOTE);
  tee(L_R);
  get(L_R);
  byte(F64_EQ);
  if (!(fp & FP_DIRTY)) {
    pushFs(FP_DIRTY);
    byte(I32_AND);
  }
  open(F64);
  get(L_R);
  close(F64, offset);
  learn(FP_ON | FP_DIRTY);
}

function bitsToInteger(isWord: bool, offset: i32): void {
  if (isWord) needLow(opB);
  else need(32 + opB);
  const opened = openState(I64, FP_ON);
  if (isWord) {
    low(opB);
    byte(I64_EXTEND_I32_S);
  } else {
    f(opB);
    byte(I64_REINTERPRET);
  }
  closeState(opened, I64, FP_ON, offset);
}

function bitsFromInteger(result: u8, offset: i32): void {
  need(opB);
  const opened = openState(result, FP_DIRTY);
  x(opB);
  if (result == F32) byte(I32_WRAP);
  byte(result == F32 ? F32_REINTERPRET : F64_REINTERPRET);
  closeState(opened, result, FP_DIRTY, offset);
}

/** @returns false: not one of these */
export function lowerFp(offset: i32): bool {
  return lowerMove(offset) || lowerArithmetic(offset) || lowerConversion(offset);
}

function lowerMove(offset: i32): bool {
  switch (<i32>op) {
    case OP_FLD: loadFloat(F64, 8, offset); return true;
    case OP_FLW: loadFloat(F32, 4, offset); return true;
    case OP_FSD: storeFloat(8, offset); return true;
    case OP_FSW: storeFloat(4, offset); return true;
    case OP_FSGNJ_D: sign(SIGN_COPY, F64, offset); return true;
    case OP_FSGNJN_D: sign(SIGN_NOT, F64, offset); return true;
    case OP_FSGNJX_D: sign(SIGN_XOR, F64, offset); return true;
    case OP_FSGNJ_S: sign(SIGN_COPY, F32, offset); return true;
    case OP_FSGNJN_S: sign(SIGN_NOT, F32, offset); return true;
    case OP_FSGNJX_S: sign(SIGN_XOR, F32, offset); return true;
    case OP_FMV_X_D: bitsToInteger(false, offset); return true;
    case OP_FMV_X_W: bitsToInteger(true, offset); return true;
    case OP_FMV_D_X: bitsFromInteger(F64, offset); return true;
    case OP_FMV_W_X: bitsFromInteger(F32, offset); return true;
    default: return false;
  }
}

function lowerArithmetic(offset: i32): bool {
  switch (<i32>op) {
    case OP_FADD_D: arithmetic(F32_ADD, F64, 2, ZERO_ANYHOW, offset); return true;
    case OP_FSUB_D: arithmetic(F32_SUB, F64, 2, ZERO_ANYHOW, offset); return true;
    case OP_FMUL_D: arithmetic(F32_MUL, F64, 2, ZERO_FACTOR, offset); return true;
    case OP_FDIV_D: arithmetic(F32_DIV, F64, 2, ZERO_FIRST, offset); return true;
    case OP_FSQRT_D: arithmetic(F32_SQRT, F64, 1, ZERO_ANYHOW, offset); return true;
    case OP_FADD_S: arithmetic(F32_ADD, F32, 2, ZERO_ANYHOW, offset); return true;
    case OP_FSUB_S: arithmetic(F32_SUB, F32, 2, ZERO_ANYHOW, offset); return true;
    case OP_FMUL_S: arithmetic(F32_MUL, F32, 2, ZERO_FACTOR, offset); return true;
    case OP_FDIV_S: arithmetic(F32_DIV, F32, 2, ZERO_FIRST, offset); return true;
    case OP_FSQRT_S: arithmetic(F32_SQRT, F32, 1, ZERO_ANYHOW, offset); return true;
    case OP_FMADD_D: fused(offset, false, false); return true;
    case OP_FMSUB_D: fused(offset, false, true); return true;
    case OP_FNMSUB_D: fused(offset, true, false); return true;
    case OP_FNMADD_D: fused(offset, true, true); return true;
    case OP_FMADD_S: fusedSingle(offset, false, false); return true;
    case OP_FMSUB_S: fusedSingle(offset, false, true); return true;
    case OP_FNMSUB_S: fusedSingle(offset, true, false); return true;
    case OP_FNMADD_S: fusedSingle(offset, true, true); return true;
    case OP_FMIN_D: extreme(F32_MIN, F64, offset); return true;
    case OP_FMAX_D: extreme(F32_MAX, F64, offset); return true;
    case OP_FMIN_S: extreme(F32_MIN, F32, offset); return true;
    case OP_FMAX_S: extreme(F32_MAX, F32, offset); return true;
    case OP_FEQ_D: compare(F64_EQ, F64, offset); return true;
    case OP_FLT_D: compare(F64_LT, F64, offset); return true;
    case OP_FLE_D: compare(F64_LE, F64, offset); return true;
    case OP_FEQ_S: compare(F32_EQ, F32, offset); return true;
    case OP_FLT_S: compare(F32_LT, F32, offset); return true;
    case OP_FLE_S: compare(F32_LE, F32, offset); return true;
    default: return false;
  }
}

const TWO_31: f64 = 2147483648;
const TWO_32: f64 = 4294967296;
const TWO_63: f64 = 9.223372036854775808e18;
const TWO_64: f64 = 1.8446744073709552e19;
/** The binary64 numbers above -2^63 are all within the range, and so is it. */
const BELOW_63: f64 = -9.223372036854777856e18;

function lowerConversion(offset: i32): bool {
  switch (<i32>op) {
    case OP_FCVT_D_S: promote(offset); return true;
    case OP_FCVT_S_D: demote(offset); return true;
    case OP_FCVT_D_W: fromWord(F64_CONVERT_I32_S, offset); return true;
    case OP_FCVT_D_WU: fromWord(F64_CONVERT_I32_U, offset); return true;
    case OP_FCVT_D_L: fromInteger(F64_CONVERT_I64_S, false, F64, offset); return true;
    case OP_FCVT_D_LU: fromInteger(F64_CONVERT_I64_U, false, F64, offset); return true;
    case OP_FCVT_S_W: fromInteger(F32_CONVERT_I32_S, true, F32, offset); return true;
    case OP_FCVT_S_WU: fromInteger(F32_CONVERT_I32_U, true, F32, offset); return true;
    case OP_FCVT_S_L: fromInteger(F32_CONVERT_I64_S, false, F32, offset); return true;
    case OP_FCVT_S_LU: fromInteger(F32_CONVERT_I64_U, false, F32, offset); return true;
    case OP_FCVT_W_D: toInteger(I32_TRUNC_F64_S, F64, -TWO_31 - 1, TWO_31, true, offset); return true;
    case OP_FCVT_WU_D: toInteger(I32_TRUNC_F64_U, F64, -1, TWO_32, true, offset); return true;
    case OP_FCVT_L_D: toInteger(I64_TRUNC_F64_S, F64, BELOW_63, TWO_63, false, offset); return true;
    case OP_FCVT_LU_D: toInteger(I64_TRUNC_F64_U, F64, -1, TWO_64, false, offset); return true;
    case OP_FCVT_W_S: toInteger(I32_TRUNC_F64_S, F32, -TWO_31 - 1, TWO_31, true, offset); return true;
    case OP_FCVT_WU_S: toInteger(I32_TRUNC_F64_U, F32, -1, TWO_32, true, offset); return true;
    case OP_FCVT_L_S: toInteger(I64_TRUNC_F64_S, F32, BELOW_63, TWO_63, false, offset); return true;
    case OP_FCVT_LU_S: toInteger(I64_TRUNC_F64_U, F32, -1, TWO_64, false, offset); return true;
    default: return false;
  }
}
