/**
 * Operand formats of the 32-bit instructions: fields, assembly operands and the
 * micro-op they decode to.
 *
 * A micro-op is { op u16, a u8, b u8, imm i32 }. As an integer destination x0
 * is SINK, a register slot that nobody reads.
 */

import { type Field, register, signed, unsigned } from "./field.ts";

/** The register slot that stands for x0 as a destination. */
export const SINK = 32;

/**
 * Names an operand; in assembly syntax it also says how the operand is printed.
 * `target` is a displacement in bytes, `upper` the value that lui loads, a
 * multiple of 4096; the rest are the numbers in the assembly text.
 */
export type Operand =
  | "rd"
  | "rs1"
  | "rs2"
  | "fd"
  | "fs1"
  | "fs2"
  | "fs3"
  | "imm"
  | "shamt"
  | "target"
  | "upper"
  | "csr"
  | "zimm"
  | "rm"
  | "pred"
  | "succ"
  | "aq"
  | "rl"
  | "hint";

export interface Format {
  readonly name: string;
  readonly fields: Readonly<Partial<Record<Operand, Field>>>;
  /** Operands as the assembler takes them; every operand name stands for its text. */
  readonly syntax: string;
  /** A number, or an operand; in `a`, operand rd is a destination and maps x0 to SINK. */
  readonly a: number | Operand;
  readonly b: number | Operand;
  /** The sum of these operands, each shifted left. */
  readonly imm: readonly (readonly [operand: Operand, shift: number])[];
}

export function format(
  name: string,
  fields: Format["fields"],
  syntax: string,
  a: Format["a"],
  b: Format["b"],
  ...imm: (Operand | readonly [Operand, number])[]
): Format {
  return { name, fields, syntax, a, b, imm: imm.map((part) => (typeof part === "string" ? [part, 0] : part)) };
}

const rd = register(11);
const rs1 = register(19);
const rs2 = register(24);
const rs3 = register(31);
const rm = unsigned([14, "2:0"]);
const aq = unsigned([26, "0"]);
const rl = unsigned([25, "0"]);
const immI = signed([31, "11:0"]);
const immS = signed([31, "11:5"], [11, "4:0"]);
const immB = signed([31, "12|10:5"], [11, "4:1|11"]);
const immU = signed([31, "31:12"]);
const immJ = signed([31, "20|10:1|11|19:12"]);
const csr = unsigned([31, "11:0"]);

// Integer
export const R = format("r", { rd, rs1, rs2 }, "rd,rs1,rs2", "rd", "rs1", "rs2");
export const R_UNARY = format("rUnary", { rd, rs1 }, "rd,rs1", "rd", "rs1");
export const I = format("i", { rd, rs1, imm: immI }, "rd,rs1,imm", "rd", "rs1", "imm");
export const SHIFT = format("shift", { rd, rs1, shamt: unsigned([25, "5:0"]) }, "rd,rs1,shamt", "rd", "rs1", "shamt");
export const SHIFT_W = format(
  "shiftW",
  { rd, rs1, shamt: unsigned([24, "4:0"]) },
  "rd,rs1,shamt",
  "rd",
  "rs1",
  "shamt",
);
export const LOAD = format("load", { rd, rs1, imm: immI }, "rd,imm(rs1)", "rd", "rs1", "imm");
export const JALR = format("jalr", { rd, rs1, imm: immI }, "rd,imm(rs1)", "rd", "rs1", "imm");
export const STORE = format("store", { rs1, rs2, imm: immS }, "rs2,imm(rs1)", "rs2", "rs1", "imm");
export const BRANCH = format("branch", { rs1, rs2, target: immB }, "rs1,rs2,target", "rs1", "rs2", "target");
export const U = format("u", { rd, upper: immU }, "rd,upper", "rd", 0, "upper");
export const JAL = format("jal", { rd, target: immJ }, "rd,target", "rd", 0, "target");

// Atomics
export const AMO = format("amo", { rd, rs1, rs2, aq, rl }, "rd,rs2,(rs1)", "rd", "rs1", "rs2", ["rl", 8], ["aq", 9]);
export const LR = format("lr", { rd, rs1, aq, rl }, "rd,(rs1)", "rd", "rs1", ["rl", 8], ["aq", 9]);

// System
export const NONE = format("none", {}, "", 0, 0);
export const FENCE = format("fence", { pred: unsigned([27, "3:0"]), succ: unsigned([23, "3:0"]) }, "pred,succ", 0, 0);
export const CSR = format("csr", { rd, rs1, csr }, "rd,csr,rs1", "rd", "rs1", "csr");
export const CSR_IMM = format("csrImm", { rd, zimm: unsigned([19, "4:0"]), csr }, "rd,csr,zimm", "rd", "zimm", "csr");
export const ADDRESS_SPACE = format("addressSpace", { rs1, rs2 }, "rs1,rs2", 0, "rs1", "rs2");
export const CACHE_BLOCK = format("cacheBlock", { rs1 }, "(rs1)", 0, "rs1");

// Floating point: rm stays in the micro-op, its reserved values trap when executed.
const [fd, fs1, fs2, fs3] = [rd, rs1, rs2, rs3];
export const F_LOAD = format("fLoad", { fd, rs1, imm: immI }, "fd,imm(rs1)", "fd", "rs1", "imm");
export const F_STORE = format("fStore", { fs2, rs1, imm: immS }, "fs2,imm(rs1)", "fs2", "rs1", "imm");
export const F_FUSED = format(
  "fFused",
  { fd, fs1, fs2, fs3, rm },
  "fd,fs1,fs2,fs3,rm",
  "fd",
  "fs1",
  "fs2",
  ["fs3", 8],
  ["rm", 16],
);
export const F_ROUND = format("fRound", { fd, fs1, fs2, rm }, "fd,fs1,fs2,rm", "fd", "fs1", "fs2", ["rm", 16]);
export const F_ROUND_UNARY = format("fRoundUnary", { fd, fs1, rm }, "fd,fs1,rm", "fd", "fs1", ["rm", 16]);
export const F_EXACT = format("fExact", { fd, fs1, fs2 }, "fd,fs1,fs2", "fd", "fs1", "fs2");
export const F_COMPARE = format("fCompare", { rd, fs1, fs2 }, "rd,fs1,fs2", "rd", "fs1", "fs2");
export const F_TO_INT = format("fToInt", { rd, fs1, rm }, "rd,fs1,rm", "rd", "fs1", ["rm", 16]);
export const F_FROM_INT = format("fFromInt", { fd, rs1, rm }, "fd,rs1,rm", "fd", "rs1", ["rm", 16]);
export const F_BITS_TO_INT = format("fBitsToInt", { rd, fs1 }, "rd,fs1", "rd", "fs1");
export const F_BITS_FROM_INT = format("fBitsFromInt", { fd, rs1 }, "fd,rs1", "fd", "rs1");
