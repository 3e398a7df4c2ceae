/**
 * One instruction as WebAssembly.
 */

import {
  OP_ADD, OP_ADD_UW, OP_ADDI, OP_ADDIW, OP_ADDW, OP_AND, OP_ANDI, OP_ANDN, OP_AUIPC, OP_BCLR, OP_BCLRI, OP_BEXT, OP_BEXTI,
  OP_BINV, OP_BINVI, OP_BSET, OP_BSETI, OP_CLZ, OP_CLZW, OP_CPOP, OP_CPOPW, OP_CTZ, OP_CTZW, OP_CZERO_EQZ, OP_CZERO_NEZ, OP_DIV,
  OP_DIVU, OP_DIVUW, OP_DIVW, OP_FENCE, OP_FENCE_I, OP_LB, OP_LBU, OP_LD, OP_LH, OP_LHU, OP_LUI, OP_LW, OP_LWU, OP_MAX, OP_MAXU,
  OP_MIN, OP_MINU, OP_MUL, OP_MULH, OP_MULHSU, OP_MULHU, OP_MULW, OP_OR, OP_ORI, OP_ORN, OP_PAUSE, OP_REM, OP_REMU, OP_REMUW,
  OP_REMW, OP_ROL, OP_ROLW, OP_ROR, OP_RORI, OP_RORIW, OP_RORW, OP_SB, OP_SD, OP_SEXT_B, OP_SEXT_H, OP_SH, OP_SH1ADD,
  OP_SH1ADD_UW, OP_SH2ADD, OP_SH2ADD_UW, OP_SH3ADD, OP_SH3ADD_UW, OP_SLL, OP_SLLI, OP_SLLI_UW, OP_SLLIW, OP_SLLW, OP_SLT,
  OP_SLTI, OP_SLTIU, OP_SLTU, OP_SRA, OP_SRAI, OP_SRAIW, OP_SRAW, OP_SRL, OP_SRLI, OP_SRLIW, OP_SRLW, OP_SUB, OP_SUBW, OP_SW,
  OP_XNOR, OP_XOR, OP_XORI, OP_ZEXT_H,
} from "../isa/ops.generated";
import {
  access, byte, ELSE, END, get, hint, I32_ADD, I32_AND, I32_CLZ, I32_CTZ, I32_EQZ, I32_MUL, I32_OR, I32_POPCNT, I32_ROTL,
  I32_ROTR, I32_SHL, I32_SHR_S, I32_SHR_U, I32_SUB, I32_WRAP, I32_XOR, i32c, I64, I64_ADD, I64_AND, I64_CLZ, I64_CTZ, I64_DIV_S,
  I64_DIV_U, I64_EQZ, I64_EXTEND16_S, I64_EXTEND8_S, I64_EXTEND_I32_S, I64_EXTEND_I32_U, I64_GT_S, I64_GT_U, I64_LOAD,
  I64_LOAD16_S, I64_LOAD16_U, I64_LOAD32_S, I64_LOAD32_U, I64_LOAD8_S, I64_LOAD8_U, I64_LT_S, I64_LT_U, I64_MUL, I64_OR,
  I64_POPCNT, I64_REM_S, I64_REM_U, I64_ROTL, I64_ROTR, I64_SHL, I64_SHR_S, I64_SHR_U, I64_STORE, I64_STORE16, I64_STORE32,
  I64_STORE8, I64_SUB, I64_XOR, i64c, IF, SELECT, set, size, tee,
} from "./emit";
import { lowerFp } from "./lower-fp";
import { find, linear, within } from "./accesses";
import { end, endWord, isFresh, L_PAGE, L_TEMP, lowerCall, need, SINK, words, x } from "./parts";
import { op, opA, opB, opImm } from "./region";
import { lowerRotation, lowerShift } from "./shifts";

function binary(code: u8): void {
  x(opB);
  x(<u32>opImm);
  byte(code);
  end();
}

function immediate(code: u8): void {
  x(opB);
  i64c(opImm);
  byte(code);
  end();
}

function compare(code: u8, isImmediate: bool): void {
  x(opB);
  if (isImmediate) i64c(opImm);
  else x(<u32>opImm);
  byte(code);
  byte(I64_EXTEND_I32_U);
  end();
}

function word(code: u8, isImmediate: bool): void {
  x(opB);
  byte(I32_WRAP);
  if (isImmediate) {
    i32c(opImm);
  } else {
    x(<u32>opImm);
    byte(I32_WRAP);
  }
  byte(code);
  endWord();
}

/**
 * A bitwise operation. Of words, one of which was just extended, it is done before
 * that: often what comes of it is only used as a word again.
 */
function bitwise(code: u8, wordCode: u8): void {
  const c = <u32>opImm;
  const isWord = (words >> opB & words >> c & 1) != 0;
  if (!isWord || !(isFresh(opB) || isFresh(c))) {
    binary(code);
    return;
  }
  x(opB);
  byte(I32_WRAP);
  x(c);
  byte(I32_WRAP);
  byte(wordCode);
  endWord();
}

function unary(code: u8): void {
  x(opB);
  byte(code);
  end();
}

/** x[opImm] + (x[opB] << shift), of the low word only if `unsigned`. */
function shiftAdd(shift: u32, isWord: bool): void {
  x(<u32>opImm);
  x(opB);
  if (isWord) {
    byte(I32_WRAP);
    byte(I64_EXTEND_I32_U);
  }
  if (shift) {
    i64c(shift);
    byte(I64_SHL);
  }
  byte(I64_ADD);
  end();
}

function inverted(code: u8): void {
  x(opB);
  x(<u32>opImm);
  i64c(-1);
  byte(I64_XOR);
  byte(code);
  end();
}

function choose(code: u8): void {
  x(opB);
  x(<u32>opImm);
  x(opB);
  x(<u32>opImm);
  byte(code);
  byte(SELECT);
  end();
}

function zeroIf(whenZero: bool): void {
  i64c(0);
  x(opB);
  x(<u32>opImm);
  byte(I64_EQZ);
  if (!whenZero) {
    i32c(1);
    byte(I32_XOR);
  }
  byte(SELECT);
  end();
}

/** A count of the low word's bits. */
function countWord(code: u8): void {
  x(opB);
  byte(I32_WRAP);
  byte(code);
  byte(I64_EXTEND_I32_U);
  end();
}

/** The bit whose number is an immediate or in a register, by `code` into x[opB]; 63 in the number counts alone. */
function bit(code: u8, isImmediate: bool, isInverted: bool): void {
  x(opB);
  i64c(1);
  if (isImmediate) i64c(opImm);
  else x(<u32>opImm);
  byte(I64_SHL);
  if (isInverted) {
    i64c(-1);
    byte(I64_XOR);
  }
  byte(code);
  end();
}

function lowHalf(r: u32): void {
  x(r);
  i64c(0xffff_ffff);
  byte(I64_AND);
}

function highHalf(r: u32): void {
  x(r);
  i64c(32);
  byte(I64_SHR_U);
}

/** Takes x[factor] from the value on the stack, if x[sign] is negative. */
function correct(sign: u32, factor: u32): void {
  x(sign);
  i64c(63);
  byte(I64_SHR_S);
  x(factor);
  byte(I64_AND);
  byte(I64_SUB);
}

/** The high half of a product, by halves, as exec/m has it. */
function multiplyHigh(signedB: bool, signedC: bool): void {
  const b = opB;
  const c = <u32>opImm;
  highHalf(b);
  lowHalf(c);
  byte(I64_MUL);
  lowHalf(b);
  lowHalf(c);
  byte(I64_MUL);
  i64c(32);
  byte(I64_SHR_U);
  byte(I64_ADD);
  set(L_TEMP); // mid
  lowHalf(b);
  highHalf(c);
  byte(I64_MUL);
  get(L_TEMP);
  i64c(0xffff_ffff);
  byte(I64_AND);
  byte(I64_ADD);
  i64c(32);
  byte(I64_SHR_U);
  highHalf(b);
  highHalf(c);
  byte(I64_MUL);
  byte(I64_ADD);
  get(L_TEMP);
  i64c(32);
  byte(I64_SHR_U);
  byte(I64_ADD);
  if (signedB) correct(b, c);
  if (signedC) correct(c, b);
  end();
}

/** Division never traps: by zero it gives all ones, and overflow the dividend (Unprivileged, M). */
function divide(code: u8, isRemainder: bool, isSigned: bool): void {
  need(opB);
  need(<u32>opImm);
  // Divisors 0 and, with signs, -1.
  x(<u32>opImm);
  i64c(isSigned ? 1 : 0);
  byte(I64_ADD);
  i64c(isSigned ? 2 : 1);
  byte(I64_LT_U);
  hint(0);
  byte(IF);
  byte(I64);
  if (isRemainder) {
    i64c(0);
    x(opB);
  } else {
    i64c(0);
    x(opB);
    byte(I64_SUB);
    i64c(-1);
  }
  x(<u32>opImm);
  byte(I64_EQZ);
  byte(I32_EQZ);
  byte(SELECT);
  byte(ELSE);
  x(opB);
  x(<u32>opImm);
  byte(code);
  byte(END);
  end();
}

/** Of words, by the division of their extended values: that can't overflow. */
function divideWord(code: u8, isRemainder: bool, isSigned: bool): void {
  const extend = isSigned ? I64_EXTEND_I32_S : I64_EXTEND_I32_U;
  need(opB);
  x(<u32>opImm);
  byte(I32_WRAP);
  byte(extend);
  tee(L_TEMP);
  byte(I64_EQZ);
  hint(0);
  byte(IF);
  byte(I64);
  if (isRemainder) x(opB);
  else i64c(-1);
  byte(ELSE);
  x(opB);
  byte(I32_WRAP);
  byte(extend);
  get(L_TEMP);
  byte(code);
  byte(END);
  byte(I32_WRAP);
  byte(I64_EXTEND_I32_S);
  end();
}

function lowerLoad(size: u32, code: u8, offset: i32): void {
  find(size, offset);
  linear();
  access(code, within);
  end();
}

function lowerStore(size: u32, code: u8, offset: i32): void {
  need(opA);
  find(size, offset);
  linear();
  x(opA);
  access(code, within);
}

/**
 * Translates the instruction that region's `fetch` has decoded.
 * @param offset  its place in the page
 */
export function lower(offset: i32): void {
  switch (<i32>op) {
    case OP_FENCE: case OP_FENCE_I: case OP_PAUSE: return;
    case OP_LB: lowerLoad(1, I64_LOAD8_S, offset); return;
    case OP_LH: lowerLoad(2, I64_LOAD16_S, offset); return;
    case OP_LW: lowerLoad(4, I64_LOAD32_S, offset); return;
    case OP_LD: lowerLoad(8, I64_LOAD, offset); return;
    case OP_LBU: lowerLoad(1, I64_LOAD8_U, offset); return;
    case OP_LHU: lowerLoad(2, I64_LOAD16_U, offset); return;
    case OP_LWU: lowerLoad(4, I64_LOAD32_U, offset); return;
    case OP_SB: lowerStore(1, I64_STORE8, offset); return;
    case OP_SH: lowerStore(2, I64_STORE16, offset); return;
    case OP_SW: lowerStore(4, I64_STORE32, offset); return;
    case OP_SD: lowerStore(8, I64_STORE, offset); return;
  }
  if (opA == SINK && pure(op)) return;
  switch (<i32>op) {
    case OP_LUI: i64c(opImm); end(); return;
    case OP_AUIPC: get(L_PAGE); i64c(<i64>opImm + offset); byte(I64_ADD); end(); return;
    case OP_ADDI:
      if (opImm) {
        immediate(I64_ADD);
      } else {
              x(opB);
        end();
      }
      return;
    case OP_SLTI: compare(I64_LT_S, true); return;
    case OP_SLTIU: compare(I64_LT_U, true); return;
    case OP_XORI: immediate(I64_XOR); return;
    case OP_ORI: immediate(I64_OR); return;
    case OP_ANDI: immediate(I64_AND); return;
    case OP_SLLI: case OP_SRLI: case OP_SLLIW: case OP_SRLIW: lowerShift(); return;
    case OP_SRAI: immediate(I64_SHR_S); return;
    case OP_ADDIW:
      if (opImm || !(words >> opB & 1)) {
        word(I32_ADD, true);
      } else {
        x(opB);
        end();
      }
      return;
    case OP_SRAIW: word(I32_SHR_S, true); return;
    case OP_ADD: binary(I64_ADD); return;
    case OP_SUB: binary(I64_SUB); return;
    case OP_SLL: binary(I64_SHL); return;
    case OP_SLT: compare(I64_LT_S, false); return;
    case OP_SLTU: compare(I64_LT_U, false); return;
    case OP_XOR: bitwise(I64_XOR, I32_XOR); return;
    case OP_SRL: binary(I64_SHR_U); return;
    case OP_SRA: binary(I64_SHR_S); return;
    case OP_OR: if (!lowerRotation()) bitwise(I64_OR, I32_OR); return;
    case OP_AND: bitwise(I64_AND, I32_AND); return;
    case OP_ADDW: word(I32_ADD, false); return;
    case OP_SUBW: word(I32_SUB, false); return;
    case OP_SLLW: word(I32_SHL, false); return;
    case OP_SRLW: word(I32_SHR_U, false); return;
    case OP_SRAW: word(I32_SHR_S, false); return;
    case OP_MUL: binary(I64_MUL); return;
    case OP_MULW: word(I32_MUL, false); return;
    case OP_SH1ADD: shiftAdd(1, false); return;
    case OP_SH2ADD: shiftAdd(2, false); return;
    case OP_SH3ADD: shiftAdd(3, false); return;
    case OP_ADD_UW: shiftAdd(0, true); return;
    case OP_SH1ADD_UW: shiftAdd(1, true); return;
    case OP_SH2ADD_UW: shiftAdd(2, true); return;
    case OP_SH3ADD_UW: shiftAdd(3, true); return;
    case OP_SLLI_UW: x(opB); byte(I32_WRAP); byte(I64_EXTEND_I32_U); i64c(opImm); byte(I64_SHL); end(); return;
    case OP_ANDN: inverted(I64_AND); return;
    case OP_ORN: inverted(I64_OR); return;
    case OP_XNOR: inverted(I64_XOR); return;
    case OP_MAX: choose(I64_GT_S); return;
    case OP_MAXU: choose(I64_GT_U); return;
    case OP_MIN: choose(I64_LT_S); return;
    case OP_MINU: choose(I64_LT_U); return;
    case OP_CLZ: unary(I64_CLZ); return;
    case OP_CTZ: unary(I64_CTZ); return;
    case OP_CPOP: unary(I64_POPCNT); return;
    case OP_SEXT_B: unary(I64_EXTEND8_S); return;
    case OP_SEXT_H: unary(I64_EXTEND16_S); return;
    case OP_ZEXT_H: x(opB); i64c(0xffff); byte(I64_AND); end(); return;
    case OP_ROL: binary(I64_ROTL); return;
    case OP_ROR: binary(I64_ROTR); return;
    case OP_RORI: immediate(I64_ROTR); return;
    case OP_RORIW: word(I32_ROTR, true); return;
    case OP_BEXT: x(opB); x(<u32>opImm); byte(I64_SHR_U); i64c(1); byte(I64_AND); end(); return;
    case OP_BEXTI: x(opB); i64c(opImm); byte(I64_SHR_U); i64c(1); byte(I64_AND); end(); return;
    case OP_BSET: bit(I64_OR, false, false); return;
    case OP_BSETI: bit(I64_OR, true, false); return;
    case OP_BCLR: bit(I64_AND, false, true); return;
    case OP_BCLRI: bit(I64_AND, true, true); return;
    case OP_BINV: bit(I64_XOR, false, false); return;
    case OP_BINVI: bit(I64_XOR, true, false); return;
    case OP_CLZW: countWord(I32_CLZ); return;
    case OP_CTZW: countWord(I32_CTZ); return;
    case OP_CPOPW: countWord(I32_POPCNT); return;
    case OP_ROLW: word(I32_ROTL, false); return;
    case OP_RORW: word(I32_ROTR, false); return;
    case OP_MULH: multiplyHigh(true, true); return;
    case OP_MULHSU: multiplyHigh(true, false); return;
    case OP_MULHU: multiplyHigh(false, false); return;
    case OP_DIV: divide(I64_DIV_S, false, true); return;
    case OP_DIVU: divide(I64_DIV_U, false, false); return;
    case OP_REM: divide(I64_REM_S, true, true); return;
    case OP_REMU: divide(I64_REM_U, true, false); return;
    case OP_DIVW: divideWord(I64_DIV_S, false, true); return;
    case OP_DIVUW: divideWord(I64_DIV_U, false, false); return;
    case OP_REMW: divideWord(I64_REM_S, true, true); return;
    case OP_REMUW: divideWord(I64_REM_U, true, false); return;
    case OP_CZERO_EQZ: zeroIf(true); return;
    case OP_CZERO_NEZ: zeroIf(false); return;
    default: if (!lowerFp(offset)) lowerCall(offset);
  }
}

/** Of those lowered in line: nothing but the destination changes. */
function pure(o: u16): bool {
  switch (<i32>o) {
    case OP_LUI: case OP_AUIPC: case OP_ADDI: case OP_SLTI: case OP_SLTIU: case OP_XORI: case OP_ORI: case OP_ANDI:
    case OP_SLLI: case OP_SRLI: case OP_SRAI: case OP_ADDIW: case OP_ADD: case OP_SUB: case OP_SLT: case OP_SLTU: case OP_ADDW:
    case OP_AND: case OP_OR: case OP_XOR:
      return true;
    default:
      return false;
  }
}
