/**
 * F and D in line, where WebAssembly's arithmetic gives the same bits and raises
 * the same flags (see fp/fast): rounding to nearest, NX set already, a plain
 * result. Everything else goes to the interpreter's handler.
 */

import { H_F, H_FCSR, H_MSTATUS, TLB_STORE } from "../abi";
import {
  OP_FADD_D, OP_FADD_S, OP_FDIV_D, OP_FDIV_S, OP_FEQ_D, OP_FLD, OP_FLE_D, OP_FLT_D, OP_FLW, OP_FMUL_D, OP_FMUL_S, OP_FMV_D_X,
  OP_FMV_X_D, OP_FSD, OP_FSGNJ_D, OP_FSGNJN_D, OP_FSGNJX_D, OP_FSQRT_D, OP_FSQRT_S, OP_FSUB_D, OP_FSUB_S, OP_FSW, OP_FCVT_D_W,
} from "../isa/ops.generated";
import {
  access, BLOCK, branch, BR_IF, byte, END, get, I32_AND, I32_EQZ, I32_GE_U, I32_LOAD, I32_NE, I32_OR, I32_SHL, I32_STORE, I32_SUB,
  I32_WRAP, I64_AND, I64_EXTEND_I32_U, I64_GE_U, I64_LOAD, I64_LOAD32_U, I64_OR, I64_SHL, I64_STORE, I64_STORE32, I64_SUB, I64_XOR,
  hint, i32c, i64c, tee, unsigned, VOID,
} from "./emit";
import {
  address, dirty, end, hits, know, L_HART, L_STATUS, L_TEMP, linear, lowerCall, lowerCallSeldom, need, pending, ready, x,
} from "./parts";
import { op, opA, opB, opImm } from "./region";

const F64_LOAD: u8 = 0x2b;
const F32_LOAD: u8 = 0x2a;
const F64_EQ: u8 = 0x61;
const F64_LT: u8 = 0x63;
const F64_LE: u8 = 0x65;
const F32_SQRT: u8 = 0x91;
const F64_SQRT: u8 = 0x9f;
const F64_CONVERT_I32_S: u8 = 0xb7;
const I32_REINTERPRET: u8 = 0xbc;
const I64_REINTERPRET: u8 = 0xbd;

const FS: i32 = 0x6000;
const SIGN: i64 = 1 << 63;
const BOX: i64 = 0xffff_ffff << 32;

/** To the handler, if what is on the stack is not 0. */
function slowIf(): void {
  hint(0);
  byte(BR_IF);
  unsigned(0);
}

/** What was dirty before the instruction. */
let opened: u32 = 0;

/** Opens the two blocks: a branch to label 0 goes to the handler. */
function open(): void {
  opened = dirty;
  byte(BLOCK);
  byte(VOID);
  byte(BLOCK);
  byte(VOID);
  get(L_HART);
  access(I32_LOAD, H_MSTATUS);
  i32c(FS);
  byte(I32_AND);
  byte(I32_EQZ);
  slowIf();
}

function close(offset: i32): void {
  branch(1);
  byte(END);
  // On this way the destination hasn't been written yet.
  const written = dirty;
  know(ready, opened, pending);
  lowerCallSeldom(offset);
  know(ready, written, pending);
  byte(END);
}

/** mstatus.FS is dirty. */
function fsDirty(): void {
  get(L_HART);
  get(L_HART);
  access(I32_LOAD, H_MSTATUS);
  i32c(FS);
  byte(I32_OR);
  access(I32_STORE, H_MSTATUS);
}

// @ts-ignore: decorator
@inline function fAt(r: u32): u32 { return H_F + r * 8; }

function loadFloat(size: u32, offset: i32): void {
  need(opB);
  open();
  address();
  hits(0, size);
  byte(I32_EQZ);
  slowIf();
  get(L_HART);
  linear(0);
  if (size == 8) {
    access(I64_LOAD, 0);
  } else {
    access(I64_LOAD32_U, 0);
    i64c(BOX);
    byte(I64_OR);
  }
  access(I64_STORE, fAt(opA));
  fsDirty();
  close(offset);
}

function storeFloat(size: u32, offset: i32): void {
  need(opB);
  open();
  address();
  hits(TLB_STORE, size);
  byte(I32_EQZ);
  slowIf();
  linear(TLB_STORE);
  get(L_HART);
  access(I64_LOAD, fAt(opA));
  access(size == 8 ? I64_STORE : I64_STORE32, 0);
  close(offset);
}

/** Static or dynamic rounding to nearest even, and NX set: else the handler. */
function nearest(): void {
  const rm = <u32>opImm >> 16 & 7;
  get(L_HART);
  access(I32_LOAD, H_FCSR);
  i32c(rm == 7 ? 0xe1 : 1);
  byte(I32_AND);
  i32c(1);
  byte(I32_NE);
  slowIf();
}

function roundsOtherwise(): bool {
  const rm = <u32>opImm >> 16 & 7;
  return rm != 0 && rm != 7;
}

function double(code: u8, operands: u32, offset: i32): void {
  if (roundsOtherwise()) {
    lowerCall(offset);
    return;
  }
  open();
  nearest();
  get(L_HART);
  access(F64_LOAD, fAt(opB));
  if (operands == 2) {
    get(L_HART);
    access(F64_LOAD, fAt(<u32>opImm & 31));
  }
  byte(code);
  byte(I64_REINTERPRET);
  tee(L_TEMP);
  // Exponent field within 2..2046, as fp/fast has it.
  i64c(1);
  byte(I64_SHL);
  i64c(<i64>2 << 53);
  byte(I64_SUB);
  i64c(<i64>2045 << 53);
  byte(I64_GE_U);
  slowIf();
  get(L_HART);
  get(L_TEMP);
  access(I64_STORE, fAt(opA));
  fsDirty();
  close(offset);
}

/** The handler takes what isn't boxed. */
function boxed(r: u32): void {
  get(L_HART);
  access(I32_LOAD, fAt(r) + 4);
  i32c(-1);
  byte(I32_NE);
  slowIf();
}

function single(code: u8, operands: u32, offset: i32): void {
  if (roundsOtherwise()) {
    lowerCall(offset);
    return;
  }
  open();
  nearest();
  boxed(opB);
  if (operands == 2) boxed(<u32>opImm & 31);
  get(L_HART);
  access(F32_LOAD, fAt(opB));
  if (operands == 2) {
    get(L_HART);
    access(F32_LOAD, fAt(<u32>opImm & 31));
  }
  byte(code);
  byte(I32_REINTERPRET);
  tee(L_STATUS);
  i32c(1);
  byte(I32_SHL);
  i32c(2 << 24);
  byte(I32_SUB);
  i32c(<i32>(<u32>253 << 24));
  byte(I32_GE_U);
  slowIf();
  get(L_HART);
  get(L_STATUS);
  byte(I64_EXTEND_I32_U);
  i64c(BOX);
  byte(I64_OR);
  access(I64_STORE, fAt(opA));
  fsDirty();
  close(offset);
}

/** Comparisons of numbers; NaNs go to the handler, which knows the flags. */
function compareDouble(code: u8, offset: i32): void {
  open();
  for (let i: u32 = 0; i < 2; i++) {
    const r = i ? <u32>opImm & 31 : opB;
    get(L_HART);
    access(F64_LOAD, fAt(r));
    get(L_HART);
    access(F64_LOAD, fAt(r));
    byte(F64_EQ);
    byte(I32_EQZ);
    slowIf();
  }
  get(L_HART);
  access(F64_LOAD, fAt(opB));
  get(L_HART);
  access(F64_LOAD, fAt(<u32>opImm & 31));
  byte(code);
  byte(I64_EXTEND_I32_U);
  end();
  close(offset);
}

const SIGN_COPY: u32 = 0;
const SIGN_NOT: u32 = 1;
const SIGN_XOR: u32 = 2;

function signDouble(how: u32, offset: i32): void {
  open();
  get(L_HART);
  get(L_HART);
  access(I64_LOAD, fAt(opB));
  if (how != SIGN_XOR) {
    i64c(~SIGN);
    byte(I64_AND);
  }
  get(L_HART);
  access(I64_LOAD, fAt(<u32>opImm & 31));
  if (how == SIGN_NOT) {
    i64c(-1);
    byte(I64_XOR);
  }
  i64c(SIGN);
  byte(I64_AND);
  byte(how == SIGN_XOR ? I64_XOR : I64_OR);
  access(I64_STORE, fAt(opA));
  fsDirty();
  close(offset);
}

/** @returns false: not one of these */
export function lowerFp(offset: i32): bool {
  switch (<i32>op) {
    case OP_FLD: loadFloat(8, offset); return true;
    case OP_FLW: loadFloat(4, offset); return true;
    case OP_FSD: storeFloat(8, offset); return true;
    case OP_FSW: storeFloat(4, offset); return true;
    case OP_FADD_D: double(0xa0, 2, offset); return true;
    case OP_FSUB_D: double(0xa1, 2, offset); return true;
    case OP_FMUL_D: double(0xa2, 2, offset); return true;
    case OP_FDIV_D: double(0xa3, 2, offset); return true;
    case OP_FSQRT_D: double(F64_SQRT, 1, offset); return true;
    case OP_FADD_S: single(0x92, 2, offset); return true;
    case OP_FSUB_S: single(0x93, 2, offset); return true;
    case OP_FMUL_S: single(0x94, 2, offset); return true;
    case OP_FDIV_S: single(0x95, 2, offset); return true;
    case OP_FSQRT_S: single(F32_SQRT, 1, offset); return true;
    case OP_FEQ_D: compareDouble(F64_EQ, offset); return true;
    case OP_FLT_D: compareDouble(F64_LT, offset); return true;
    case OP_FLE_D: compareDouble(F64_LE, offset); return true;
    case OP_FSGNJ_D: signDouble(SIGN_COPY, offset); return true;
    case OP_FSGNJN_D: signDouble(SIGN_NOT, offset); return true;
    case OP_FSGNJX_D: signDouble(SIGN_XOR, offset); return true;
    case OP_FMV_X_D:
      open();
      get(L_HART);
      access(I64_LOAD, fAt(opB));
      end();
      close(offset);
      return true;
    case OP_FMV_D_X:
      need(opB);
      open();
      get(L_HART);
      x(opB);
      access(I64_STORE, fAt(opA));
      fsDirty();
      close(offset);
      return true;
    case OP_FCVT_D_W: // exact, whatever the rounding mode; a reserved one is the handler's to refuse
      if ((<u32>opImm >> 16 & 7) != 0 && (<u32>opImm >> 16 & 7) != 1) return false;
      need(opB);
      open();
      get(L_HART);
      x(opB);
      byte(I32_WRAP);
      byte(F64_CONVERT_I32_S);
      byte(I64_REINTERPRET);
      access(I64_STORE, fAt(opA));
      fsDirty();
      close(offset);
      return true;
    default:
      return false;
  }
}
