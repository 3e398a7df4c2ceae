// Generated from src/isa/table by src/isa/generate-main.ts: do not edit.

import {
  OP_ADD, OP_ADDI, OP_ADDIW, OP_ADDW, OP_ADD_UW, OP_AMOADD_D, OP_AMOADD_W, OP_AMOAND_D, OP_AMOAND_W,
  OP_AMOMAXU_D, OP_AMOMAXU_W, OP_AMOMAX_D, OP_AMOMAX_W, OP_AMOMINU_D, OP_AMOMINU_W, OP_AMOMIN_D, OP_AMOMIN_W,
  OP_AMOOR_D, OP_AMOOR_W, OP_AMOSWAP_D, OP_AMOSWAP_W, OP_AMOXOR_D, OP_AMOXOR_W, OP_AND, OP_ANDI, OP_ANDN,
  OP_AUIPC, OP_BCLR, OP_BCLRI, OP_BEQ, OP_BEXT, OP_BEXTI, OP_BGE, OP_BGEU, OP_BINV, OP_BINVI, OP_BLT, OP_BLTU,
  OP_BNE, OP_BSET, OP_BSETI, OP_CBO_CLEAN, OP_CBO_FLUSH, OP_CBO_INVAL, OP_CBO_ZERO, OP_CLZ, OP_CLZW, OP_CPOP,
  OP_CPOPW, OP_CSRRC, OP_CSRRCI, OP_CSRRS, OP_CSRRSI, OP_CSRRW, OP_CSRRWI, OP_CTZ, OP_CTZW, OP_CZERO_EQZ,
  OP_CZERO_NEZ, OP_C_ADD, OP_C_ADDI, OP_C_ADDI16SP, OP_C_ADDI4SPN, OP_C_ADDIW, OP_C_ADDW, OP_C_AND, OP_C_ANDI,
  OP_C_BEQZ, OP_C_BNEZ, OP_C_EBREAK, OP_C_FLD, OP_C_FLDSP, OP_C_FSD, OP_C_FSDSP, OP_C_J, OP_C_JALR, OP_C_JR,
  OP_C_LD, OP_C_LDSP, OP_C_LI, OP_C_LUI, OP_C_LW, OP_C_LWSP, OP_C_MV, OP_C_NOP, OP_C_OR, OP_C_SD, OP_C_SDSP,
  OP_C_SLLI, OP_C_SRAI, OP_C_SRLI, OP_C_SUB, OP_C_SUBW, OP_C_SW, OP_C_SWSP, OP_C_XOR, OP_DIV, OP_DIVU,
  OP_DIVUW, OP_DIVW, OP_EBREAK, OP_ECALL, OP_FADD_D, OP_FADD_S, OP_FCLASS_D, OP_FCLASS_S, OP_FCVT_D_L,
  OP_FCVT_D_LU, OP_FCVT_D_S, OP_FCVT_D_W, OP_FCVT_D_WU, OP_FCVT_LU_D, OP_FCVT_LU_S, OP_FCVT_L_D, OP_FCVT_L_S,
  OP_FCVT_S_D, OP_FCVT_S_L, OP_FCVT_S_LU, OP_FCVT_S_W, OP_FCVT_S_WU, OP_FCVT_WU_D, OP_FCVT_WU_S, OP_FCVT_W_D,
  OP_FCVT_W_S, OP_FDIV_D, OP_FDIV_S, OP_FENCE, OP_FENCE_I, OP_FENCE_TSO, OP_FEQ_D, OP_FEQ_S, OP_FLD, OP_FLE_D,
  OP_FLE_S, OP_FLT_D, OP_FLT_S, OP_FLW, OP_FMADD_D, OP_FMADD_S, OP_FMAX_D, OP_FMAX_S, OP_FMIN_D, OP_FMIN_S,
  OP_FMSUB_D, OP_FMSUB_S, OP_FMUL_D, OP_FMUL_S, OP_FMV_D_X, OP_FMV_W_X, OP_FMV_X_D, OP_FMV_X_W, OP_FNMADD_D,
  OP_FNMADD_S, OP_FNMSUB_D, OP_FNMSUB_S, OP_FSD, OP_FSGNJN_D, OP_FSGNJN_S, OP_FSGNJX_D, OP_FSGNJX_S,
  OP_FSGNJ_D, OP_FSGNJ_S, OP_FSQRT_D, OP_FSQRT_S, OP_FSUB_D, OP_FSUB_S, OP_FSW, OP_ILLEGAL, OP_ILLEGAL_C,
  OP_JAL, OP_JALR, OP_LB, OP_LBU, OP_LD, OP_LH, OP_LHU, OP_LR_D, OP_LR_W, OP_LUI, OP_LW, OP_LWU, OP_MAX,
  OP_MAXU, OP_MIN, OP_MINU, OP_MRET, OP_MUL, OP_MULH, OP_MULHSU, OP_MULHU, OP_MULW, OP_OR, OP_ORC_B, OP_ORI,
  OP_ORN, OP_PAUSE, OP_REM, OP_REMU, OP_REMUW, OP_REMW, OP_REV8, OP_ROL, OP_ROLW, OP_ROR, OP_RORI, OP_RORIW,
  OP_RORW, OP_SB, OP_SC_D, OP_SC_W, OP_SD, OP_SEXT_B, OP_SEXT_H, OP_SFENCE_INVAL_IR, OP_SFENCE_VMA,
  OP_SFENCE_W_INVAL, OP_SH, OP_SH1ADD, OP_SH1ADD_UW, OP_SH2ADD, OP_SH2ADD_UW, OP_SH3ADD, OP_SH3ADD_UW,
  OP_SINVAL_VMA, OP_SLL, OP_SLLI, OP_SLLIW, OP_SLLI_UW, OP_SLLW, OP_SLT, OP_SLTI, OP_SLTIU, OP_SLTU, OP_SRA,
  OP_SRAI, OP_SRAIW, OP_SRAW, OP_SRET, OP_SRL, OP_SRLI, OP_SRLIW, OP_SRLW, OP_SUB, OP_SUBW, OP_SW, OP_WFI,
  OP_XNOR, OP_XOR, OP_XORI, OP_ZEXT_H,
} from "./ops.generated";

/** Operands of the micro-op decoded last; an illegal instruction's bits are in dImm. */
export let dA: u32 = 0;
export let dB: u32 = 0;
export let dImm: i32 = 0;

// @ts-ignore: decorator
@inline
function destination(register: u32): u32 {
  return register ? register : 32;
}

function illegal(raw: u32, op: u16): u16 {
  dA = 0;
  dB = 0;
  dImm = <i32>raw;
  return op;
}

function loadOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((<i32>raw >> 20));
  return op;
}

function fLoadOperands(raw: u32, op: u16): u16 {
  dA = (raw >> 7 & 0x1f);
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((<i32>raw >> 20));
  return op;
}

function noneOperands(op: u16): u16 {
  dA = 0;
  dB = 0;
  dImm = 0;
  return op;
}

function cacheBlockOperands(raw: u32, op: u16): u16 {
  dA = 0;
  dB = (raw >> 15 & 0x1f);
  dImm = 0;
  return op;
}

function shiftOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((raw >> 20 & 0x3f));
  return op;
}

function rUnaryOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = (raw >> 15 & 0x1f);
  dImm = 0;
  return op;
}

function uOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = 0;
  dImm = <i32>((<i32>raw & -4096));
  return op;
}

function shiftWOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((raw >> 20 & 0x1f));
  return op;
}

function storeOperands(raw: u32, op: u16): u16 {
  dA = (raw >> 20 & 0x1f);
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((<i32>((((raw >> 25 & 0x7f) << 5) | (raw >> 7 & 0x1f)) << 20) >> 20));
  return op;
}

function amoOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((raw >> 20 & 0x1f) | (raw >> 25 & 1) << 8 | (raw >> 26 & 1) << 9);
  return op;
}

function lrOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((raw >> 25 & 1) << 8 | (raw >> 26 & 1) << 9);
  return op;
}

function fFusedOperands(raw: u32, op: u16): u16 {
  dA = (raw >> 7 & 0x1f);
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((raw >> 20 & 0x1f) | (raw >> 27 & 0x1f) << 8 | (raw >> 12 & 7) << 16);
  return op;
}

function fRoundOperands(raw: u32, op: u16): u16 {
  dA = (raw >> 7 & 0x1f);
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((raw >> 20 & 0x1f) | (raw >> 12 & 7) << 16);
  return op;
}

function fExactOperands(raw: u32, op: u16): u16 {
  dA = (raw >> 7 & 0x1f);
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((raw >> 20 & 0x1f));
  return op;
}

function fRoundUnaryOperands(raw: u32, op: u16): u16 {
  dA = (raw >> 7 & 0x1f);
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((raw >> 12 & 7) << 16);
  return op;
}

function fToIntOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((raw >> 12 & 7) << 16);
  return op;
}

function fBitsFromIntOperands(raw: u32, op: u16): u16 {
  dA = (raw >> 7 & 0x1f);
  dB = (raw >> 15 & 0x1f);
  dImm = 0;
  return op;
}

function branchOperands(raw: u32, op: u16): u16 {
  dA = (raw >> 15 & 0x1f);
  dB = (raw >> 20 & 0x1f);
  dImm = <i32>((<i32>((((raw >> 31 & 1) << 12) | ((raw >> 25 & 0x3f) << 5) | ((raw >> 8 & 0xf) << 1) | ((raw >> 7 & 1) << 11)) << 19) >> 19));
  return op;
}

function jalOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = 0;
  dImm = <i32>((<i32>((((raw >> 31 & 1) << 20) | ((raw >> 21 & 0x3ff) << 1) | ((raw >> 20 & 1) << 11) | (raw & 0xff000)) << 11) >> 11));
  return op;
}

function addressSpaceOperands(raw: u32, op: u16): u16 {
  dA = 0;
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((raw >> 20 & 0x1f));
  return op;
}

function csrOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = (raw >> 15 & 0x1f);
  dImm = <i32>((raw >> 20 & 0xfff));
  return op;
}

function cAddSp4Operands(raw: u32, op: u16): u16 {
  dA = ((raw >> 2 & 7) + 8);
  dB = 2;
  dImm = <i32>((((raw >> 11 & 3) << 4) | ((raw >> 7 & 0xf) << 6) | ((raw >> 6 & 1) << 2) | ((raw >> 5 & 1) << 3)));
  return op;
}

function cFldOperands(raw: u32, op: u16): u16 {
  dA = ((raw >> 2 & 7) + 8);
  dB = ((raw >> 7 & 7) + 8);
  dImm = <i32>((((raw >> 10 & 7) << 3) | ((raw >> 5 & 3) << 6)));
  return op;
}

function cLwOperands(raw: u32, op: u16): u16 {
  dA = ((raw >> 2 & 7) + 8);
  dB = ((raw >> 7 & 7) + 8);
  dImm = <i32>((((raw >> 10 & 7) << 3) | ((raw >> 6 & 1) << 2) | ((raw >> 5 & 1) << 6)));
  return op;
}

function cNopOperands(raw: u32, op: u16): u16 {
  dA = 32;
  dB = 0;
  dImm = <i32>((<i32>((((raw >> 12 & 1) << 5) | (raw >> 2 & 0x1f)) << 26) >> 26));
  return op;
}

function cAddImmOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = (raw >> 7 & 0x1f);
  dImm = <i32>((<i32>((((raw >> 12 & 1) << 5) | (raw >> 2 & 0x1f)) << 26) >> 26));
  return op;
}

function cLoadImmOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = 0;
  dImm = <i32>((<i32>((((raw >> 12 & 1) << 5) | (raw >> 2 & 0x1f)) << 26) >> 26));
  return op;
}

function cAddSpOperands(raw: u32, op: u16): u16 {
  dA = 2;
  dB = 2;
  dImm = <i32>((<i32>((((raw >> 12 & 1) << 9) | ((raw >> 6 & 1) << 4) | ((raw >> 5 & 1) << 6) | ((raw >> 3 & 3) << 7) | ((raw >> 2 & 1) << 5)) << 22) >> 22));
  return op;
}

function cUpperOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = 0;
  dImm = <i32>((<i32>((((raw >> 12 & 1) << 17) | ((raw >> 2 & 0x1f) << 12)) << 14) >> 14));
  return op;
}

function cShiftSmallOperands(raw: u32, op: u16): u16 {
  dA = ((raw >> 7 & 7) + 8);
  dB = ((raw >> 7 & 7) + 8);
  dImm = <i32>((((raw >> 12 & 1) << 5) | (raw >> 2 & 0x1f)));
  return op;
}

function cAndImmOperands(raw: u32, op: u16): u16 {
  dA = ((raw >> 7 & 7) + 8);
  dB = ((raw >> 7 & 7) + 8);
  dImm = <i32>((<i32>((((raw >> 12 & 1) << 5) | (raw >> 2 & 0x1f)) << 26) >> 26));
  return op;
}

function cArithOperands(raw: u32, op: u16): u16 {
  dA = ((raw >> 7 & 7) + 8);
  dB = ((raw >> 7 & 7) + 8);
  dImm = <i32>(((raw >> 2 & 7) + 8));
  return op;
}

function cJumpOperands(raw: u32, op: u16): u16 {
  dA = 32;
  dB = 0;
  dImm = <i32>((<i32>((((raw >> 12 & 1) << 11) | ((raw >> 11 & 1) << 4) | ((raw >> 9 & 3) << 8) | ((raw >> 8 & 1) << 10) | ((raw >> 7 & 1) << 6) | ((raw >> 6 & 1) << 7) | ((raw >> 3 & 7) << 1) | ((raw >> 2 & 1) << 5)) << 20) >> 20));
  return op;
}

function cBranchOperands(raw: u32, op: u16): u16 {
  dA = ((raw >> 7 & 7) + 8);
  dB = 0;
  dImm = <i32>((<i32>((((raw >> 12 & 1) << 8) | ((raw >> 10 & 3) << 3) | ((raw >> 5 & 3) << 6) | ((raw >> 3 & 3) << 1) | ((raw >> 2 & 1) << 5)) << 23) >> 23));
  return op;
}

function cShiftOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = (raw >> 7 & 0x1f);
  dImm = <i32>((((raw >> 12 & 1) << 5) | (raw >> 2 & 0x1f)));
  return op;
}

function cFldSpOperands(raw: u32, op: u16): u16 {
  dA = (raw >> 7 & 0x1f);
  dB = 2;
  dImm = <i32>((((raw >> 12 & 1) << 5) | ((raw >> 5 & 3) << 3) | ((raw >> 2 & 7) << 6)));
  return op;
}

function cLwSpOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = 2;
  dImm = <i32>((((raw >> 12 & 1) << 5) | ((raw >> 4 & 7) << 2) | ((raw >> 2 & 3) << 6)));
  return op;
}

function cLdSpOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = 2;
  dImm = <i32>((((raw >> 12 & 1) << 5) | ((raw >> 5 & 3) << 3) | ((raw >> 2 & 7) << 6)));
  return op;
}

function cJumpRegOperands(raw: u32, op: u16): u16 {
  dA = 32;
  dB = (raw >> 7 & 0x1f);
  dImm = 0;
  return op;
}

function cMoveOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = (raw >> 2 & 0x1f);
  dImm = 0;
  return op;
}

function cCallRegOperands(raw: u32, op: u16): u16 {
  dA = 1;
  dB = (raw >> 7 & 0x1f);
  dImm = 0;
  return op;
}

function cAddOperands(raw: u32, op: u16): u16 {
  dA = destination((raw >> 7 & 0x1f));
  dB = (raw >> 7 & 0x1f);
  dImm = <i32>((raw >> 2 & 0x1f));
  return op;
}

function cFsdSpOperands(raw: u32, op: u16): u16 {
  dA = (raw >> 2 & 0x1f);
  dB = 2;
  dImm = <i32>((((raw >> 10 & 7) << 3) | ((raw >> 7 & 7) << 6)));
  return op;
}

function cSwSpOperands(raw: u32, op: u16): u16 {
  dA = (raw >> 2 & 0x1f);
  dB = 2;
  dImm = <i32>((((raw >> 9 & 0xf) << 2) | ((raw >> 7 & 3) << 6)));
  return op;
}

/**
 * Decodes an instruction whose two low bits are set.
 * @returns its op, or OP_ILLEGAL
 */
export function decode32(raw: u32): u16 {
  switch (raw >> 2 & 0x1f) {
    case 0: {
      switch (raw >> 12 & 7) {
        case 0: return loadOperands(raw, OP_LB);
        case 1: return loadOperands(raw, OP_LH);
        case 2: return loadOperands(raw, OP_LW);
        case 3: return loadOperands(raw, OP_LD);
        case 4: return loadOperands(raw, OP_LBU);
        case 5: return loadOperands(raw, OP_LHU);
        case 6: return loadOperands(raw, OP_LWU);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 1: {
      switch (raw >> 12 & 7) {
        case 2: return fLoadOperands(raw, OP_FLW);
        case 3: return fLoadOperands(raw, OP_FLD);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 3: {
      switch (raw >> 12 & 7) {
        case 0: {
          if ((raw & 0xffff8f80) == 0x1000000) {
            return noneOperands(OP_PAUSE);
          }
          if ((raw & 0xfff00000) == 0x83300000) {
            return noneOperands(OP_FENCE_TSO);
          }
          return noneOperands(OP_FENCE);
        }
        case 1: return noneOperands(OP_FENCE_I);
        case 2: {
          switch (raw >> 20 & 0xfff) {
            case 0: return (raw & 0xf80) != 0 ? illegal(raw, OP_ILLEGAL) : cacheBlockOperands(raw, OP_CBO_INVAL);
            case 1: return (raw & 0xf80) != 0 ? illegal(raw, OP_ILLEGAL) : cacheBlockOperands(raw, OP_CBO_CLEAN);
            case 2: return (raw & 0xf80) != 0 ? illegal(raw, OP_ILLEGAL) : cacheBlockOperands(raw, OP_CBO_FLUSH);
            case 4: return (raw & 0xf80) != 0 ? illegal(raw, OP_ILLEGAL) : cacheBlockOperands(raw, OP_CBO_ZERO);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 4: {
      switch (raw >> 12 & 7) {
        case 0: return loadOperands(raw, OP_ADDI);
        case 1: {
          switch (raw >> 26 & 0x3f) {
            case 0: return shiftOperands(raw, OP_SLLI);
            case 0xa: return shiftOperands(raw, OP_BSETI);
            case 0x12: return shiftOperands(raw, OP_BCLRI);
            case 0x18: {
              switch (raw >> 20 & 0x3f) {
                case 0: return rUnaryOperands(raw, OP_CLZ);
                case 1: return rUnaryOperands(raw, OP_CTZ);
                case 2: return rUnaryOperands(raw, OP_CPOP);
                case 4: return rUnaryOperands(raw, OP_SEXT_B);
                case 5: return rUnaryOperands(raw, OP_SEXT_H);
                default: return illegal(raw, OP_ILLEGAL);
              }
            }
            case 0x1a: return shiftOperands(raw, OP_BINVI);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 2: return loadOperands(raw, OP_SLTI);
        case 3: return loadOperands(raw, OP_SLTIU);
        case 4: return loadOperands(raw, OP_XORI);
        case 5: {
          switch (raw >> 26 & 0x3f) {
            case 0: return shiftOperands(raw, OP_SRLI);
            case 0xa: return (raw & 0x3f00000) != 0x700000 ? illegal(raw, OP_ILLEGAL) : rUnaryOperands(raw, OP_ORC_B);
            case 0x10: return shiftOperands(raw, OP_SRAI);
            case 0x12: return shiftOperands(raw, OP_BEXTI);
            case 0x18: return shiftOperands(raw, OP_RORI);
            case 0x1a: return (raw & 0x3f00000) != 0x3800000 ? illegal(raw, OP_ILLEGAL) : rUnaryOperands(raw, OP_REV8);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 6: return loadOperands(raw, OP_ORI);
        case 7: return loadOperands(raw, OP_ANDI);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 5: return uOperands(raw, OP_AUIPC);
    case 6: {
      switch (raw >> 12 & 7) {
        case 0: return loadOperands(raw, OP_ADDIW);
        case 1: {
          switch (raw >> 26 & 0x3f) {
            case 0: return (raw & 0x2000000) != 0 ? illegal(raw, OP_ILLEGAL) : shiftWOperands(raw, OP_SLLIW);
            case 2: return shiftOperands(raw, OP_SLLI_UW);
            case 0x18: {
              switch (raw >> 20 & 0x3f) {
                case 0: return rUnaryOperands(raw, OP_CLZW);
                case 1: return rUnaryOperands(raw, OP_CTZW);
                case 2: return rUnaryOperands(raw, OP_CPOPW);
                default: return illegal(raw, OP_ILLEGAL);
              }
            }
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 5: {
          switch (raw >> 25 & 0x7f) {
            case 0: return shiftWOperands(raw, OP_SRLIW);
            case 0x20: return shiftWOperands(raw, OP_SRAIW);
            case 0x30: return shiftWOperands(raw, OP_RORIW);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 8: {
      switch (raw >> 12 & 7) {
        case 0: return storeOperands(raw, OP_SB);
        case 1: return storeOperands(raw, OP_SH);
        case 2: return storeOperands(raw, OP_SW);
        case 3: return storeOperands(raw, OP_SD);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 9: {
      switch (raw >> 12 & 7) {
        case 2: return storeOperands(raw, OP_FSW);
        case 3: return storeOperands(raw, OP_FSD);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 0xb: {
      switch (raw >> 12 & 7) {
        case 2: {
          switch (raw >> 27 & 0x1f) {
            case 0: return amoOperands(raw, OP_AMOADD_W);
            case 1: return amoOperands(raw, OP_AMOSWAP_W);
            case 2: return (raw & 0x1f00000) != 0 ? illegal(raw, OP_ILLEGAL) : lrOperands(raw, OP_LR_W);
            case 3: return amoOperands(raw, OP_SC_W);
            case 4: return amoOperands(raw, OP_AMOXOR_W);
            case 8: return amoOperands(raw, OP_AMOOR_W);
            case 0xc: return amoOperands(raw, OP_AMOAND_W);
            case 0x10: return amoOperands(raw, OP_AMOMIN_W);
            case 0x14: return amoOperands(raw, OP_AMOMAX_W);
            case 0x18: return amoOperands(raw, OP_AMOMINU_W);
            case 0x1c: return amoOperands(raw, OP_AMOMAXU_W);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 3: {
          switch (raw >> 27 & 0x1f) {
            case 0: return amoOperands(raw, OP_AMOADD_D);
            case 1: return amoOperands(raw, OP_AMOSWAP_D);
            case 2: return (raw & 0x1f00000) != 0 ? illegal(raw, OP_ILLEGAL) : lrOperands(raw, OP_LR_D);
            case 3: return amoOperands(raw, OP_SC_D);
            case 4: return amoOperands(raw, OP_AMOXOR_D);
            case 8: return amoOperands(raw, OP_AMOOR_D);
            case 0xc: return amoOperands(raw, OP_AMOAND_D);
            case 0x10: return amoOperands(raw, OP_AMOMIN_D);
            case 0x14: return amoOperands(raw, OP_AMOMAX_D);
            case 0x18: return amoOperands(raw, OP_AMOMINU_D);
            case 0x1c: return amoOperands(raw, OP_AMOMAXU_D);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 0xc: {
      switch (raw >> 12 & 7) {
        case 0: {
          switch (raw >> 25 & 0x7f) {
            case 0: return shiftWOperands(raw, OP_ADD);
            case 1: return shiftWOperands(raw, OP_MUL);
            case 0x20: return shiftWOperands(raw, OP_SUB);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 1: {
          switch (raw >> 25 & 0x7f) {
            case 0: return shiftWOperands(raw, OP_SLL);
            case 1: return shiftWOperands(raw, OP_MULH);
            case 0x14: return shiftWOperands(raw, OP_BSET);
            case 0x24: return shiftWOperands(raw, OP_BCLR);
            case 0x30: return shiftWOperands(raw, OP_ROL);
            case 0x34: return shiftWOperands(raw, OP_BINV);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 2: {
          switch (raw >> 25 & 0x7f) {
            case 0: return shiftWOperands(raw, OP_SLT);
            case 1: return shiftWOperands(raw, OP_MULHSU);
            case 0x10: return shiftWOperands(raw, OP_SH1ADD);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 3: {
          switch (raw >> 25 & 0x7f) {
            case 0: return shiftWOperands(raw, OP_SLTU);
            case 1: return shiftWOperands(raw, OP_MULHU);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 4: {
          switch (raw >> 25 & 0x7f) {
            case 0: return shiftWOperands(raw, OP_XOR);
            case 1: return shiftWOperands(raw, OP_DIV);
            case 5: return shiftWOperands(raw, OP_MIN);
            case 0x10: return shiftWOperands(raw, OP_SH2ADD);
            case 0x20: return shiftWOperands(raw, OP_XNOR);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 5: {
          switch (raw >> 25 & 0x7f) {
            case 0: return shiftWOperands(raw, OP_SRL);
            case 1: return shiftWOperands(raw, OP_DIVU);
            case 5: return shiftWOperands(raw, OP_MINU);
            case 7: return shiftWOperands(raw, OP_CZERO_EQZ);
            case 0x20: return shiftWOperands(raw, OP_SRA);
            case 0x24: return shiftWOperands(raw, OP_BEXT);
            case 0x30: return shiftWOperands(raw, OP_ROR);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 6: {
          switch (raw >> 25 & 0x7f) {
            case 0: return shiftWOperands(raw, OP_OR);
            case 1: return shiftWOperands(raw, OP_REM);
            case 5: return shiftWOperands(raw, OP_MAX);
            case 0x10: return shiftWOperands(raw, OP_SH3ADD);
            case 0x20: return shiftWOperands(raw, OP_ORN);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 7: {
          switch (raw >> 25 & 0x7f) {
            case 0: return shiftWOperands(raw, OP_AND);
            case 1: return shiftWOperands(raw, OP_REMU);
            case 5: return shiftWOperands(raw, OP_MAXU);
            case 7: return shiftWOperands(raw, OP_CZERO_NEZ);
            case 0x20: return shiftWOperands(raw, OP_ANDN);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 0xd: return uOperands(raw, OP_LUI);
    case 0xe: {
      switch (raw >> 12 & 7) {
        case 0: {
          switch (raw >> 25 & 0x7f) {
            case 0: return shiftWOperands(raw, OP_ADDW);
            case 1: return shiftWOperands(raw, OP_MULW);
            case 4: return shiftWOperands(raw, OP_ADD_UW);
            case 0x20: return shiftWOperands(raw, OP_SUBW);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 1: {
          switch (raw >> 25 & 0x7f) {
            case 0: return shiftWOperands(raw, OP_SLLW);
            case 0x30: return shiftWOperands(raw, OP_ROLW);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 2: return (raw & 0xfe000000) != 0x20000000 ? illegal(raw, OP_ILLEGAL) : shiftWOperands(raw, OP_SH1ADD_UW);
        case 4: {
          switch (raw >> 25 & 0x7f) {
            case 1: return shiftWOperands(raw, OP_DIVW);
            case 4: return (raw & 0x1f00000) != 0 ? illegal(raw, OP_ILLEGAL) : rUnaryOperands(raw, OP_ZEXT_H);
            case 0x10: return shiftWOperands(raw, OP_SH2ADD_UW);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 5: {
          switch (raw >> 25 & 0x7f) {
            case 0: return shiftWOperands(raw, OP_SRLW);
            case 1: return shiftWOperands(raw, OP_DIVUW);
            case 0x20: return shiftWOperands(raw, OP_SRAW);
            case 0x30: return shiftWOperands(raw, OP_RORW);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 6: {
          switch (raw >> 25 & 0x7f) {
            case 1: return shiftWOperands(raw, OP_REMW);
            case 0x10: return shiftWOperands(raw, OP_SH3ADD_UW);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 7: return (raw & 0xfe000000) != 0x2000000 ? illegal(raw, OP_ILLEGAL) : shiftWOperands(raw, OP_REMUW);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 0x10: {
      switch (raw >> 25 & 3) {
        case 0: return fFusedOperands(raw, OP_FMADD_S);
        case 1: return fFusedOperands(raw, OP_FMADD_D);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 0x11: {
      switch (raw >> 25 & 3) {
        case 0: return fFusedOperands(raw, OP_FMSUB_S);
        case 1: return fFusedOperands(raw, OP_FMSUB_D);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 0x12: {
      switch (raw >> 25 & 3) {
        case 0: return fFusedOperands(raw, OP_FNMSUB_S);
        case 1: return fFusedOperands(raw, OP_FNMSUB_D);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 0x13: {
      switch (raw >> 25 & 3) {
        case 0: return fFusedOperands(raw, OP_FNMADD_S);
        case 1: return fFusedOperands(raw, OP_FNMADD_D);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 0x14: {
      switch (raw >> 25 & 0x7f) {
        case 0: return fRoundOperands(raw, OP_FADD_S);
        case 1: return fRoundOperands(raw, OP_FADD_D);
        case 4: return fRoundOperands(raw, OP_FSUB_S);
        case 5: return fRoundOperands(raw, OP_FSUB_D);
        case 8: return fRoundOperands(raw, OP_FMUL_S);
        case 9: return fRoundOperands(raw, OP_FMUL_D);
        case 0xc: return fRoundOperands(raw, OP_FDIV_S);
        case 0xd: return fRoundOperands(raw, OP_FDIV_D);
        case 0x10: {
          switch (raw >> 12 & 7) {
            case 0: return fExactOperands(raw, OP_FSGNJ_S);
            case 1: return fExactOperands(raw, OP_FSGNJN_S);
            case 2: return fExactOperands(raw, OP_FSGNJX_S);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 0x11: {
          switch (raw >> 12 & 7) {
            case 0: return fExactOperands(raw, OP_FSGNJ_D);
            case 1: return fExactOperands(raw, OP_FSGNJN_D);
            case 2: return fExactOperands(raw, OP_FSGNJX_D);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 0x14: {
          switch (raw >> 12 & 7) {
            case 0: return fExactOperands(raw, OP_FMIN_S);
            case 1: return fExactOperands(raw, OP_FMAX_S);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 0x15: {
          switch (raw >> 12 & 7) {
            case 0: return fExactOperands(raw, OP_FMIN_D);
            case 1: return fExactOperands(raw, OP_FMAX_D);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 0x20: return (raw & 0x1f00000) != 0x100000 ? illegal(raw, OP_ILLEGAL) : fRoundUnaryOperands(raw, OP_FCVT_S_D);
        case 0x21: return (raw & 0x1f00000) != 0 ? illegal(raw, OP_ILLEGAL) : fRoundUnaryOperands(raw, OP_FCVT_D_S);
        case 0x2c: return (raw & 0x1f00000) != 0 ? illegal(raw, OP_ILLEGAL) : fRoundUnaryOperands(raw, OP_FSQRT_S);
        case 0x2d: return (raw & 0x1f00000) != 0 ? illegal(raw, OP_ILLEGAL) : fRoundUnaryOperands(raw, OP_FSQRT_D);
        case 0x50: {
          switch (raw >> 12 & 7) {
            case 0: return shiftWOperands(raw, OP_FLE_S);
            case 1: return shiftWOperands(raw, OP_FLT_S);
            case 2: return shiftWOperands(raw, OP_FEQ_S);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 0x51: {
          switch (raw >> 12 & 7) {
            case 0: return shiftWOperands(raw, OP_FLE_D);
            case 1: return shiftWOperands(raw, OP_FLT_D);
            case 2: return shiftWOperands(raw, OP_FEQ_D);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 0x60: {
          switch (raw >> 20 & 0x1f) {
            case 0: return fToIntOperands(raw, OP_FCVT_W_S);
            case 1: return fToIntOperands(raw, OP_FCVT_WU_S);
            case 2: return fToIntOperands(raw, OP_FCVT_L_S);
            case 3: return fToIntOperands(raw, OP_FCVT_LU_S);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 0x61: {
          switch (raw >> 20 & 0x1f) {
            case 0: return fToIntOperands(raw, OP_FCVT_W_D);
            case 1: return fToIntOperands(raw, OP_FCVT_WU_D);
            case 2: return fToIntOperands(raw, OP_FCVT_L_D);
            case 3: return fToIntOperands(raw, OP_FCVT_LU_D);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 0x68: {
          switch (raw >> 20 & 0x1f) {
            case 0: return fRoundUnaryOperands(raw, OP_FCVT_S_W);
            case 1: return fRoundUnaryOperands(raw, OP_FCVT_S_WU);
            case 2: return fRoundUnaryOperands(raw, OP_FCVT_S_L);
            case 3: return fRoundUnaryOperands(raw, OP_FCVT_S_LU);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 0x69: {
          switch (raw >> 20 & 0x1f) {
            case 0: return fRoundUnaryOperands(raw, OP_FCVT_D_W);
            case 1: return fRoundUnaryOperands(raw, OP_FCVT_D_WU);
            case 2: return fRoundUnaryOperands(raw, OP_FCVT_D_L);
            case 3: return fRoundUnaryOperands(raw, OP_FCVT_D_LU);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 0x70: {
          switch (raw >> 12 & 7) {
            case 0: return (raw & 0x1f00000) != 0 ? illegal(raw, OP_ILLEGAL) : rUnaryOperands(raw, OP_FMV_X_W);
            case 1: return (raw & 0x1f00000) != 0 ? illegal(raw, OP_ILLEGAL) : rUnaryOperands(raw, OP_FCLASS_S);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 0x71: {
          switch (raw >> 12 & 7) {
            case 0: return (raw & 0x1f00000) != 0 ? illegal(raw, OP_ILLEGAL) : rUnaryOperands(raw, OP_FMV_X_D);
            case 1: return (raw & 0x1f00000) != 0 ? illegal(raw, OP_ILLEGAL) : rUnaryOperands(raw, OP_FCLASS_D);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 0x78: return (raw & 0x1f07000) != 0 ? illegal(raw, OP_ILLEGAL) : fBitsFromIntOperands(raw, OP_FMV_W_X);
        case 0x79: return (raw & 0x1f07000) != 0 ? illegal(raw, OP_ILLEGAL) : fBitsFromIntOperands(raw, OP_FMV_D_X);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 0x18: {
      switch (raw >> 12 & 7) {
        case 0: return branchOperands(raw, OP_BEQ);
        case 1: return branchOperands(raw, OP_BNE);
        case 4: return branchOperands(raw, OP_BLT);
        case 5: return branchOperands(raw, OP_BGE);
        case 6: return branchOperands(raw, OP_BLTU);
        case 7: return branchOperands(raw, OP_BGEU);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    case 0x19: return (raw & 0x7000) != 0 ? illegal(raw, OP_ILLEGAL) : loadOperands(raw, OP_JALR);
    case 0x1b: return jalOperands(raw, OP_JAL);
    case 0x1c: {
      switch (raw >> 12 & 7) {
        case 0: {
          switch (raw >> 25 & 0x7f) {
            case 0: {
              switch (raw >> 15 & 0x3ff) {
                case 0: return (raw & 0xf80) != 0 ? illegal(raw, OP_ILLEGAL) : noneOperands(OP_ECALL);
                case 0x20: return (raw & 0xf80) != 0 ? illegal(raw, OP_ILLEGAL) : noneOperands(OP_EBREAK);
                default: return illegal(raw, OP_ILLEGAL);
              }
            }
            case 8: {
              switch (raw >> 15 & 0x3ff) {
                case 0x40: return (raw & 0xf80) != 0 ? illegal(raw, OP_ILLEGAL) : noneOperands(OP_SRET);
                case 0xa0: return (raw & 0xf80) != 0 ? illegal(raw, OP_ILLEGAL) : noneOperands(OP_WFI);
                default: return illegal(raw, OP_ILLEGAL);
              }
            }
            case 9: return (raw & 0xf80) != 0 ? illegal(raw, OP_ILLEGAL) : addressSpaceOperands(raw, OP_SFENCE_VMA);
            case 0xb: return (raw & 0xf80) != 0 ? illegal(raw, OP_ILLEGAL) : addressSpaceOperands(raw, OP_SINVAL_VMA);
            case 0xc: {
              switch (raw >> 15 & 0x3ff) {
                case 0: return (raw & 0xf80) != 0 ? illegal(raw, OP_ILLEGAL) : noneOperands(OP_SFENCE_W_INVAL);
                case 0x20: return (raw & 0xf80) != 0 ? illegal(raw, OP_ILLEGAL) : noneOperands(OP_SFENCE_INVAL_IR);
                default: return illegal(raw, OP_ILLEGAL);
              }
            }
            case 0x18: return (raw & 0x1ff8f80) != 0x200000 ? illegal(raw, OP_ILLEGAL) : noneOperands(OP_MRET);
            default: return illegal(raw, OP_ILLEGAL);
          }
        }
        case 1: return csrOperands(raw, OP_CSRRW);
        case 2: return csrOperands(raw, OP_CSRRS);
        case 3: return csrOperands(raw, OP_CSRRC);
        case 5: return csrOperands(raw, OP_CSRRWI);
        case 6: return csrOperands(raw, OP_CSRRSI);
        case 7: return csrOperands(raw, OP_CSRRCI);
        default: return illegal(raw, OP_ILLEGAL);
      }
    }
    default: return illegal(raw, OP_ILLEGAL);
  }
}

/**
 * Decodes a compressed instruction; the upper half of `raw` is 0.
 * @returns its op, or OP_ILLEGAL_C
 */
export function decode16(raw: u32): u16 {
  switch (raw >> 0 & 3) {
    case 0: {
      switch (raw >> 13 & 7) {
        case 0: return !(raw & 0x1fe0) ? illegal(raw, OP_ILLEGAL_C) : cAddSp4Operands(raw, OP_C_ADDI4SPN);
        case 1: return cFldOperands(raw, OP_C_FLD);
        case 2: return cLwOperands(raw, OP_C_LW);
        case 3: return cFldOperands(raw, OP_C_LD);
        case 5: return cFldOperands(raw, OP_C_FSD);
        case 6: return cLwOperands(raw, OP_C_SW);
        case 7: return cFldOperands(raw, OP_C_SD);
        default: return illegal(raw, OP_ILLEGAL_C);
      }
    }
    case 1: {
      switch (raw >> 13 & 7) {
        case 0: {
          if ((raw & 0xf80) == 0) {
            return cNopOperands(raw, OP_C_NOP);
          }
          return cAddImmOperands(raw, OP_C_ADDI);
        }
        case 1: return !(raw & 0xf80) ? illegal(raw, OP_ILLEGAL_C) : cAddImmOperands(raw, OP_C_ADDIW);
        case 2: return cLoadImmOperands(raw, OP_C_LI);
        case 3: {
          if ((raw & 0xf80) == 0x100) {
            return !(raw & 0x107c) ? illegal(raw, OP_ILLEGAL_C) : cAddSpOperands(raw, OP_C_ADDI16SP);
          }
          return !(raw & 0x107c) ? illegal(raw, OP_ILLEGAL_C) : cUpperOperands(raw, OP_C_LUI);
        }
        case 4: {
          switch (raw >> 10 & 3) {
            case 0: return cShiftSmallOperands(raw, OP_C_SRLI);
            case 1: return cShiftSmallOperands(raw, OP_C_SRAI);
            case 2: return cAndImmOperands(raw, OP_C_ANDI);
            case 3: {
              switch (raw >> 12 & 1) {
                case 0: {
                  switch (raw >> 5 & 3) {
                    case 0: return cArithOperands(raw, OP_C_SUB);
                    case 1: return cArithOperands(raw, OP_C_XOR);
                    case 2: return cArithOperands(raw, OP_C_OR);
                    case 3: return cArithOperands(raw, OP_C_AND);
                    default: return illegal(raw, OP_ILLEGAL_C);
                  }
                }
                case 1: {
                  switch (raw >> 5 & 3) {
                    case 0: return cArithOperands(raw, OP_C_SUBW);
                    case 1: return cArithOperands(raw, OP_C_ADDW);
                    default: return illegal(raw, OP_ILLEGAL_C);
                  }
                }
                default: return illegal(raw, OP_ILLEGAL_C);
              }
            }
            default: return illegal(raw, OP_ILLEGAL_C);
          }
        }
        case 5: return cJumpOperands(raw, OP_C_J);
        case 6: return cBranchOperands(raw, OP_C_BEQZ);
        case 7: return cBranchOperands(raw, OP_C_BNEZ);
        default: return illegal(raw, OP_ILLEGAL_C);
      }
    }
    case 2: {
      switch (raw >> 13 & 7) {
        case 0: return cShiftOperands(raw, OP_C_SLLI);
        case 1: return cFldSpOperands(raw, OP_C_FLDSP);
        case 2: return !(raw & 0xf80) ? illegal(raw, OP_ILLEGAL_C) : cLwSpOperands(raw, OP_C_LWSP);
        case 3: return !(raw & 0xf80) ? illegal(raw, OP_ILLEGAL_C) : cLdSpOperands(raw, OP_C_LDSP);
        case 4: {
          switch (raw >> 12 & 1) {
            case 0: {
              if ((raw & 0x7c) == 0) {
                return !(raw & 0xf80) ? illegal(raw, OP_ILLEGAL_C) : cJumpRegOperands(raw, OP_C_JR);
              }
              return cMoveOperands(raw, OP_C_MV);
            }
            case 1: {
              if ((raw & 0xffc) == 0) {
                return noneOperands(OP_C_EBREAK);
              }
              if ((raw & 0x7c) == 0) {
                return cCallRegOperands(raw, OP_C_JALR);
              }
              return cAddOperands(raw, OP_C_ADD);
            }
            default: return illegal(raw, OP_ILLEGAL_C);
          }
        }
        case 5: return cFsdSpOperands(raw, OP_C_FSDSP);
        case 6: return cSwSpOperands(raw, OP_C_SWSP);
        case 7: return cFsdSpOperands(raw, OP_C_SDSP);
        default: return illegal(raw, OP_ILLEGAL_C);
      }
    }
    default: return illegal(raw, OP_ILLEGAL_C);
  }
}
