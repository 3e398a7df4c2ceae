// Generated from src/isa/table by src/isa/generate-main.ts: do not edit.

import {
  OP_C_ADDI4SPN, OP_ADDI, OP_C_FLD, OP_FLD, OP_C_LW, OP_LW, OP_C_LD, OP_LD, OP_C_FSD, OP_FSD, OP_C_SW, OP_SW, OP_C_SD, OP_SD, OP_C_NOP, OP_C_ADDI, OP_C_ADDIW, OP_ADDIW, OP_C_LI, OP_C_ADDI16SP, OP_C_LUI, OP_LUI, OP_C_SRLI, OP_SRLI, OP_C_SRAI, OP_SRAI, OP_C_ANDI, OP_ANDI, OP_C_SUB, OP_SUB, OP_C_XOR, OP_XOR, OP_C_OR, OP_OR, OP_C_AND, OP_AND, OP_C_SUBW, OP_SUBW, OP_C_ADDW, OP_ADDW, OP_C_J, OP_JAL, OP_C_BEQZ, OP_BEQ, OP_C_BNEZ, OP_BNE, OP_C_SLLI, OP_SLLI, OP_C_FLDSP, OP_C_LWSP, OP_C_LDSP, OP_C_JR, OP_JALR, OP_C_MV, OP_C_EBREAK, OP_EBREAK, OP_C_JALR, OP_C_ADD, OP_ADD, OP_C_FSDSP, OP_C_SWSP, OP_C_SDSP,
} from "./ops.generated";

/** The instruction that a compressed one expands to; others are themselves. */
export function baseOf(op: u16): u16 {
  switch (<i32>op) {
    case OP_C_ADDI4SPN: return OP_ADDI;
    case OP_C_FLD: return OP_FLD;
    case OP_C_LW: return OP_LW;
    case OP_C_LD: return OP_LD;
    case OP_C_FSD: return OP_FSD;
    case OP_C_SW: return OP_SW;
    case OP_C_SD: return OP_SD;
    case OP_C_NOP: return OP_ADDI;
    case OP_C_ADDI: return OP_ADDI;
    case OP_C_ADDIW: return OP_ADDIW;
    case OP_C_LI: return OP_ADDI;
    case OP_C_ADDI16SP: return OP_ADDI;
    case OP_C_LUI: return OP_LUI;
    case OP_C_SRLI: return OP_SRLI;
    case OP_C_SRAI: return OP_SRAI;
    case OP_C_ANDI: return OP_ANDI;
    case OP_C_SUB: return OP_SUB;
    case OP_C_XOR: return OP_XOR;
    case OP_C_OR: return OP_OR;
    case OP_C_AND: return OP_AND;
    case OP_C_SUBW: return OP_SUBW;
    case OP_C_ADDW: return OP_ADDW;
    case OP_C_J: return OP_JAL;
    case OP_C_BEQZ: return OP_BEQ;
    case OP_C_BNEZ: return OP_BNE;
    case OP_C_SLLI: return OP_SLLI;
    case OP_C_FLDSP: return OP_FLD;
    case OP_C_LWSP: return OP_LW;
    case OP_C_LDSP: return OP_LD;
    case OP_C_JR: return OP_JALR;
    case OP_C_MV: return OP_ADDI;
    case OP_C_EBREAK: return OP_EBREAK;
    case OP_C_JALR: return OP_JALR;
    case OP_C_ADD: return OP_ADD;
    case OP_C_FSDSP: return OP_FSD;
    case OP_C_SWSP: return OP_SW;
    case OP_C_SDSP: return OP_SD;
    default: return op;
  }
}

// Which fields of a micro-op are registers; of compressed instructions, ask for their base.
export const READS_A: u16 = 1;
export const READS_B: u16 = 2;
export const READS_C: u16 = 4;
export const WRITES_A: u16 = 8;
export const CSR: u16 = 16;
export const READS_F_A: u16 = 32;
export const READS_F_B: u16 = 64;
export const READS_F_C: u16 = 128;
export const READS_F_D: u16 = 256;
export const WRITES_F_A: u16 = 512;
export const ROUNDS: u16 = 1024;

const SHAPES: usize = memory.data<u16>([
  0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 10, 10, 10, 10, 10, 10, 10, 10,
  3, 3, 3, 3, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14,
  0, 0, 0, 0, 0, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 10, 14, 10, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14,
  14, 14, 14, 14, 14, 14, 14, 14, 514, 34, 1984, 1984, 1984, 1984, 1728, 1728, 1728, 1728, 1600, 704, 704, 704, 704, 704, 1096, 1096, 1096, 1096, 1538, 1538, 1538, 1538,
  72, 514, 200, 200, 200, 72, 514, 34, 1984, 1984, 1984, 1984, 1728, 1728, 1728, 1728, 1600, 704, 704, 704, 704, 704, 1600, 1600, 1096, 1096, 1096, 1096, 1538, 1538, 1538, 1538,
  72, 514, 200, 200, 200, 72, 8, 514, 10, 10, 34, 3, 3, 0, 8, 8, 8, 0, 8, 8, 8, 8, 12, 12, 12, 12, 12, 12, 0, 0, 1, 1,
  1, 1, 8, 512, 8, 8, 2, 10, 0, 2, 12, 32, 1, 1, 26, 26, 26, 24, 24, 24, 0, 14, 14, 14, 14, 14, 14, 14, 10, 14, 14, 14,
  10, 10, 10, 10, 10, 10, 14, 14, 14, 14, 10, 10, 10, 14, 14, 10, 14, 14, 10, 10, 10, 14, 10, 14, 10, 14, 10, 14, 10, 14, 14, 2,
  2, 2, 2, 0, 0, 0, 6, 6, 0, 0,
]);

export function shapeOf(op: u16): u16 {
  return load<u16>(SHAPES + (<u32>op << 1));
}
