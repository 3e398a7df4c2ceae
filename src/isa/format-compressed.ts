/** Operand formats of the 16-bit instructions; they give the micro-op of the instruction they expand to. */

import { register, signed, smallRegister, unsigned } from "./field.ts";
import { format, SINK } from "./format.ts";

const SP = 2;
const RA = 1;

const full = register(11);
const second = register(6);
const low = smallRegister(4);
const high = smallRegister(9);
const imm6 = signed([12, "5"], [6, "4:0"]);
const shamt = unsigned([12, "5"], [6, "4:0"]);
const word = unsigned([12, "5:3"], [6, "2|6"]);
const double = unsigned([12, "5:3"], [6, "7:6"]);
const wordSp = unsigned([12, "5"], [6, "4:2|7:6"]);
const doubleSp = unsigned([12, "5"], [6, "4:3|8:6"]);
const storeWordSp = unsigned([12, "5:2|7:6"]);
const storeDoubleSp = unsigned([12, "5:3|8:6"]);

export const C_NONE = format("cNone", {}, "", 0, 0);
export const C_NOP = format("cNop", { hint: imm6 }, "hint", SINK, 0, "hint");
export const C_ADD_IMM = format("cAddImm", { rd: full, imm: imm6 }, "rd,imm", "rd", "rd", "imm");
export const C_LOAD_IMM = format("cLoadImm", { rd: full, imm: imm6 }, "rd,imm", "rd", 0, "imm");
export const C_UPPER = format(
  "cUpper",
  { rd: full, upper: signed([12, "17"], [6, "16:12"]) },
  "rd,upper",
  "rd",
  0,
  "upper",
);
export const C_ADD_SP = format("cAddSp", { imm: signed([12, "9"], [6, "4|6|8:7|5"]) }, "sp,imm", SP, SP, "imm");
export const C_ADD_SP4 = format(
  "cAddSp4",
  { rd: low, imm: unsigned([12, "5:4|9:6|2|3"]) },
  "rd,sp,imm",
  "rd",
  SP,
  "imm",
);
export const C_SHIFT = format("cShift", { rd: full, shamt }, "rd,shamt", "rd", "rd", "shamt");
export const C_SHIFT_SMALL = format("cShiftSmall", { rd: high, shamt }, "rd,shamt", "rd", "rd", "shamt");
export const C_AND_IMM = format("cAndImm", { rd: high, imm: imm6 }, "rd,imm", "rd", "rd", "imm");
export const C_ARITH = format("cArith", { rd: high, rs2: low }, "rd,rs2", "rd", "rd", "rs2");
export const C_MOVE = format("cMove", { rd: full, rs2: second }, "rd,rs2", "rd", "rs2");
export const C_ADD = format("cAdd", { rd: full, rs2: second }, "rd,rs2", "rd", "rd", "rs2");

export const C_JUMP = format("cJump", { target: signed([12, "11|4|9:8|10|6|7|3:1|5"]) }, "target", SINK, 0, "target");
export const C_BRANCH = format(
  "cBranch",
  { rs1: high, target: signed([12, "8|4:3"], [6, "7:6|2:1|5"]) },
  "rs1,target",
  "rs1",
  0,
  "target",
);
export const C_JUMP_REG = format("cJumpReg", { rs1: full }, "rs1", SINK, "rs1");
export const C_CALL_REG = format("cCallReg", { rs1: full }, "rs1", RA, "rs1");

const loadSmall = "rd,imm(rs1)";
const storeSmall = "rs2,imm(rs1)";
export const C_LW = format("cLw", { rd: low, rs1: high, imm: word }, loadSmall, "rd", "rs1", "imm");
export const C_LD = format("cLd", { rd: low, rs1: high, imm: double }, loadSmall, "rd", "rs1", "imm");
export const C_FLD = format("cFld", { fd: low, rs1: high, imm: double }, "fd,imm(rs1)", "fd", "rs1", "imm");
export const C_SW = format("cSw", { rs2: low, rs1: high, imm: word }, storeSmall, "rs2", "rs1", "imm");
export const C_SD = format("cSd", { rs2: low, rs1: high, imm: double }, storeSmall, "rs2", "rs1", "imm");
export const C_FSD = format("cFsd", { fs2: low, rs1: high, imm: double }, "fs2,imm(rs1)", "fs2", "rs1", "imm");
export const C_LWSP = format("cLwSp", { rd: full, imm: wordSp }, "rd,imm(sp)", "rd", SP, "imm");
export const C_LDSP = format("cLdSp", { rd: full, imm: doubleSp }, "rd,imm(sp)", "rd", SP, "imm");
export const C_FLDSP = format("cFldSp", { fd: full, imm: doubleSp }, "fd,imm(sp)", "fd", SP, "imm");
export const C_SWSP = format("cSwSp", { rs2: second, imm: storeWordSp }, "rs2,imm(sp)", "rs2", SP, "imm");
export const C_SDSP = format("cSdSp", { rs2: second, imm: storeDoubleSp }, "rs2,imm(sp)", "rs2", SP, "imm");
export const C_FSDSP = format("cFsdSp", { fs2: second, imm: storeDoubleSp }, "fs2,imm(sp)", "fs2", SP, "imm");
