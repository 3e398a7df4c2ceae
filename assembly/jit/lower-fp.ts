/**
 * F and D in line, where WebAssembly's arithmetic gives the same bits and raises
 * the same flags (see fp/fast): rounding to nearest, NX raised already, a plain
 * result. Everything else goes to the interpreter's handler.
 */

import {
  OP_FADD_D, OP_FADD_S, OP_FCVT_D_L, OP_FCVT_D_LU, OP_FCVT_D_S, OP_FCVT_D_W, OP_FCVT_D_WU, OP_FCVT_L_D, OP_FCVT_L_S,
  OP_FCVT_LU_D, OP_FCVT_LU_S, OP_FCVT_S_D, OP_FCVT_S_L, OP_FCVT_S_LU, OP_FCVT_S_W, OP_FCVT_S_WU, OP_FCVT_W_D, OP_FCVT_W_S,
  OP_FCVT_WU_D, OP_FCVT_WU_S, OP_FDIV_D, OP_FDIV_S, OP_FEQ_D, OP_FEQ_S, OP_FLD, OP_FLE_D, OP_FLE_S, OP_FLT_D, OP_FLT_S, OP_FLW,
  OP_FMADD_D, OP_FMADD_S, OP_FMAX_D, OP_FMAX_S, OP_FMIN_D, OP_FMIN_S, OP_FMSUB_D, OP_FMSUB_S, OP_FMUL_D, OP_FMUL_S, OP_FMV_D_X,
  OP_FMV_W_X, OP_FMV_X_D, OP_FMV_X_W, OP_FNMADD_D, OP_FNMADD_S, OP_FNMSUB_D, OP_FNMSUB_S, OP_FSD, OP_FSGNJ_D, OP_FSGNJ_S,
  OP_FSGNJN_D, OP_FSGNJN_S, OP_FSGNJX_D, OP_FSGNJX_S, OP_FSQRT_D, OP_FSQRT_S, OP_FSUB_D, OP_FSUB_S, OP_FSW,
} from "../isa/ops.generated";
import { find, linear, within } from "./accesses";
import {
  access, byte, F32, F32_LOAD, F32_REINTERPRET, F64, F64_LOAD, F64_REINTERPRET, F64_STORE, get, I32_AND, I32_NE, I32_REINTERPRET,
  I32_STORE, I32_WRAP, i32c, I64, I64_AND, I64_EXTEND_I32_S, I64_EXTEND_I32_U, I64_REINTERPRET, I64_XOR, i64c, set, tee, VOID,
} from "./emit";
import {
  close, closeState, F32_ABS, F32_ADD, F32_CONVERT_I32_S, F32_CONVERT_I32_U, F32_CONVERT_I64_S, F32_CONVERT_I64_U, F32_COPYSIGN,
  F32_DEMOTE, F32_DIV, F32_EQ, F32_LE, F32_LT, F32_MAX, F32_MIN, F32_MUL, F32_NEG, F32_SQRT, F32_SUB, F64_CONVERT_I32_S,
  F64_CONVERT_I32_U, F64_CONVERT_I64_S, F64_CONVERT_I64_U, F64_EQ, F64_GT, F64_LE, F64_LT, F64_PROMOTE, f64c, finish,
  I32_TRUNC_F64_S, I32_TRUNC_F64_U, I64_TRUNC_F64_S, I64_TRUNC_F64_U, is, is64, mode, needLimit, open, openState,
  roundsOtherwise, RTZ, second, TO_64, ZERO_ANYHOW, ZERO_FACTOR, ZERO_FIRST, ZERO_NEVER,
} from "./fp-ways";
import { fused, fusedSingle } from "./lower-fused";
import {
  f, fp, FP_DIRTY, FP_ON, L_LIMIT, L_R, L_R32, learn, low, lowerCall, need, needLow, needS, pushFs, s, x,
} from "./parts";
import { op, opA, opB } from "./region";

// ---- Loads and stores ------------------------------------------------------------------

function loadFloat(result: u8, size: u32, offset: i32): void {
  need(opB);
  find(size, offset);
  const opened = openState(result, FP_DIRTY);
  linear();
  access(result == F64 ? F64_LOAD : F32_LOAD, within);
  closeState(opened, result, FP_DIRTY, offset);
}

function storeFloat(size: u32, offset: i32): void {
  need(opB);
  if (size == 8) need(32 + opA);
  else needLow(opA);
  find(size, offset);
  const opened = openState(VOID, FP_ON);
  linear();
  if (size == 8) {
    f(opA);
    access(F64_STORE, within);
  } else {
    low(opA);
    access(I32_STORE, within);
  }
  closeState(opened, VOID, FP_ON, offset);
}

// ---- Arithmetic ------------------------------------------------------------------------

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
