// Generated from src/isa/table by src/isa/generate-main.ts: do not edit.

import {
  H_INSTRET, H_INSTRET_END, H_TLB_FETCH, HANDLERS, ST_BUDGET, ST_EVENT, ST_JUMP, ST_OK, ST_STEP, TLB_FETCH, TLB_STORE,
} from "../abi";
import { A, illegal, IMM, rd, setPc, setX, xa, xb } from "../hart/state";
import {
  OP_BREAK, OP_CROSS, OP_DECODE, OP_ILLEGAL, OP_ILLEGAL_C, OP_PAGE_END, OP_LUI, OP_AUIPC, OP_JAL, OP_JAL_FAR, OP_BEQ, OP_BEQ_FAR, OP_BNE, OP_BNE_FAR, OP_BLT, OP_BLT_FAR, OP_BGE, OP_BGE_FAR, OP_BLTU, OP_BLTU_FAR, OP_BGEU, OP_BGEU_FAR, OP_JALR, OP_LB, OP_LH, OP_LW, OP_LD, OP_LBU, OP_LHU, OP_LWU, OP_SB, OP_SH, OP_SW, OP_SD, OP_ADDI, OP_SLTI, OP_SLTIU, OP_XORI, OP_ORI, OP_ANDI, OP_SLLI, OP_SRLI, OP_SRAI, OP_ADDIW, OP_SLLIW, OP_SRLIW, OP_SRAIW, OP_ADD, OP_SUB, OP_SLL, OP_SLT, OP_SLTU, OP_XOR, OP_SRL, OP_SRA, OP_OR, OP_AND, OP_ADDW, OP_SUBW, OP_SLLW, OP_SRLW, OP_SRAW, OP_FENCE, OP_FENCE_TSO, OP_PAUSE, OP_ECALL, OP_EBREAK, OP_MUL, OP_MULH, OP_MULHSU, OP_MULHU, OP_MULW, OP_DIV, OP_DIVU, OP_REM, OP_REMU, OP_DIVW, OP_DIVUW, OP_REMW, OP_REMUW, OP_LR_W, OP_SC_W, OP_LR_D, OP_SC_D, OP_AMOSWAP_W, OP_AMOADD_W, OP_AMOXOR_W, OP_AMOAND_W, OP_AMOOR_W, OP_AMOMIN_W, OP_AMOMAX_W, OP_AMOMINU_W, OP_AMOMAXU_W, OP_AMOSWAP_D, OP_AMOADD_D, OP_AMOXOR_D, OP_AMOAND_D, OP_AMOOR_D, OP_AMOMIN_D, OP_AMOMAX_D, OP_AMOMINU_D, OP_AMOMAXU_D, OP_FLW, OP_FSW, OP_FMADD_S, OP_FMSUB_S, OP_FNMSUB_S, OP_FNMADD_S, OP_FADD_S, OP_FSUB_S, OP_FMUL_S, OP_FDIV_S, OP_FSQRT_S, OP_FMIN_S, OP_FMAX_S, OP_FSGNJ_S, OP_FSGNJN_S, OP_FSGNJX_S, OP_FCVT_W_S, OP_FCVT_WU_S, OP_FCVT_L_S, OP_FCVT_LU_S, OP_FCVT_S_W, OP_FCVT_S_WU, OP_FCVT_S_L, OP_FCVT_S_LU, OP_FMV_X_W, OP_FMV_W_X, OP_FEQ_S, OP_FLT_S, OP_FLE_S, OP_FCLASS_S, OP_FLD, OP_FSD, OP_FMADD_D, OP_FMSUB_D, OP_FNMSUB_D, OP_FNMADD_D, OP_FADD_D, OP_FSUB_D, OP_FMUL_D, OP_FDIV_D, OP_FSQRT_D, OP_FMIN_D, OP_FMAX_D, OP_FSGNJ_D, OP_FSGNJN_D, OP_FSGNJX_D, OP_FCVT_S_D, OP_FCVT_D_S, OP_FCVT_W_D, OP_FCVT_WU_D, OP_FCVT_L_D, OP_FCVT_LU_D, OP_FCVT_D_W, OP_FCVT_D_WU, OP_FCVT_D_L, OP_FCVT_D_LU, OP_FMV_X_D, OP_FMV_D_X, OP_FEQ_D, OP_FLT_D, OP_FLE_D, OP_FCLASS_D, OP_C_ADDI4SPN, OP_C_FLD, OP_C_LW, OP_C_LD, OP_C_FSD, OP_C_SW, OP_C_SD, OP_C_NOP, OP_C_ADDI, OP_C_ADDIW, OP_C_LI, OP_C_ADDI16SP, OP_C_LUI, OP_C_SRLI, OP_C_SRAI, OP_C_ANDI, OP_C_SUB, OP_C_XOR, OP_C_OR, OP_C_AND, OP_C_SUBW, OP_C_ADDW, OP_C_J, OP_C_J_FAR, OP_C_BEQZ, OP_C_BEQZ_FAR, OP_C_BNEZ, OP_C_BNEZ_FAR, OP_C_SLLI, OP_C_FLDSP, OP_C_LWSP, OP_C_LDSP, OP_C_JR, OP_C_MV, OP_C_EBREAK, OP_C_JALR, OP_C_ADD, OP_C_FSDSP, OP_C_SWSP, OP_C_SDSP, OP_CSRRW, OP_CSRRS, OP_CSRRC, OP_CSRRWI, OP_CSRRSI, OP_CSRRCI, OP_FENCE_I, OP_SH1ADD, OP_SH2ADD, OP_SH3ADD, OP_ADD_UW, OP_SH1ADD_UW, OP_SH2ADD_UW, OP_SH3ADD_UW, OP_SLLI_UW, OP_ANDN, OP_ORN, OP_XNOR, OP_CLZ, OP_CTZ, OP_CPOP, OP_CLZW, OP_CTZW, OP_CPOPW, OP_MAX, OP_MAXU, OP_MIN, OP_MINU, OP_SEXT_B, OP_SEXT_H, OP_ZEXT_H, OP_ROL, OP_ROR, OP_RORI, OP_ROLW, OP_RORW, OP_RORIW, OP_ORC_B, OP_REV8, OP_BCLR, OP_BCLRI, OP_BEXT, OP_BEXTI, OP_BINV, OP_BINVI, OP_BSET, OP_BSETI, OP_CZERO_EQZ, OP_CZERO_NEZ, OP_CBO_INVAL, OP_CBO_CLEAN, OP_CBO_FLUSH, OP_CBO_ZERO, OP_MRET, OP_WFI, OP_SRET, OP_SFENCE_VMA, OP_SINVAL_VMA, OP_SFENCE_W_INVAL, OP_SFENCE_INVAL_IR,
} from "../isa/ops.generated";
import { fetchedSlots, fetchSlow } from "../mmu/access";
import { tlbIndex } from "../mmu/tlb";
import { decodeSlot } from "./decode";
import { entry, loadMiss, SIGN, storeMiss, tagged } from "./memory";
import { lr_w, sc_w, lr_d, sc_d, amoswap_w, amoadd_w, amoxor_w, amoand_w, amoor_w, amomin_w, amomax_w, amominu_w, amomaxu_w, amoswap_d, amoadd_d, amoxor_d, amoand_d, amoor_d, amomin_d, amomax_d, amominu_d, amomaxu_d } from "./a";
import { fld, fsd, fmadd_d, fmsub_d, fnmsub_d, fnmadd_d, fadd_d, fsub_d, fmul_d, fdiv_d, fsqrt_d, fmin_d, fmax_d, fsgnj_d, fsgnjn_d, fsgnjx_d, fcvt_s_d, fcvt_d_s, fcvt_w_d, fcvt_wu_d, fcvt_l_d, fcvt_lu_d, fcvt_d_w, fcvt_d_wu, fcvt_d_l, fcvt_d_lu, fmv_x_d, fmv_d_x, feq_d, flt_d, fle_d, fclass_d } from "./d";
import { flw, fsw, fmadd_s, fmsub_s, fnmsub_s, fnmadd_s, fadd_s, fsub_s, fmul_s, fdiv_s, fsqrt_s, fmin_s, fmax_s, fsgnj_s, fsgnjn_s, fsgnjx_s, fcvt_w_s, fcvt_wu_s, fcvt_l_s, fcvt_lu_s, fcvt_s_w, fcvt_s_wu, fcvt_s_l, fcvt_s_lu, fmv_x_w, fmv_w_x, feq_s, flt_s, fle_s, fclass_s } from "./f";
import { lui, auipc, beq, bne, blt, bge, bltu, bgeu, addi, slti, sltiu, xori, ori, andi, slli, srli, srai, addiw, slliw, srliw, sraiw, add, sub, sll, slt, sltu, xor, srl, sra, or, and, addw, subw, sllw, srlw, sraw, fence, fence_tso, pause, ecall, ebreak, fence_i } from "./i";
import { mul, mulh, mulhsu, mulhu, mulw, div, divu, rem, remu, divw, divuw, remw, remuw } from "./m";
import { mret, wfi, sret, sfence_vma, sinval_vma, sfence_w_inval, sfence_inval_ir } from "./priv";
import { sh1add, sh2add, sh3add, add_uw, sh1add_uw, sh2add_uw, sh3add_uw, slli_uw } from "./zba";
import { andn, orn, xnor, clz, ctz, cpop, clzw, ctzw, cpopw, max, maxu, min, minu, sext_b, sext_h, zext_h, rol, ror, rori, rolw, rorw, roriw, orc_b, rev8 } from "./zbb";
import { bclr, bclri, bext, bexti, binv, binvi, bset, bseti } from "./zbs";
import { cbo_inval, cbo_clean, cbo_flush, cbo_zero } from "./zicbo";
import { czero_eqz, czero_nez } from "./zicond";
import { csrrw, csrrs, csrrc, csrrwi, csrrsi, csrrci } from "./zicsr";

// @ts-ignore: decorator
@inline function handle(op: u16, handler: (h: usize, u: usize, n: i32) => i32): void {
  store<u32>(HANDLERS + (<u32>op << 2), handler.index);
}

/** Fills the table of handlers that are called. */
export function fillHandlers(): void {
  handle(OP_FENCE_TSO, (h: usize, u: usize, n: i32): i32 => { fence_tso(h, u); return ST_OK; });
  handle(OP_PAUSE, (h: usize, u: usize, n: i32): i32 => { pause(h, u); return ST_OK; });
  handle(OP_ECALL, ecall);
  handle(OP_EBREAK, ebreak);
  handle(OP_MULH, (h: usize, u: usize, n: i32): i32 => { mulh(h, u); return ST_OK; });
  handle(OP_MULHSU, (h: usize, u: usize, n: i32): i32 => { mulhsu(h, u); return ST_OK; });
  handle(OP_MULHU, (h: usize, u: usize, n: i32): i32 => { mulhu(h, u); return ST_OK; });
  handle(OP_DIV, (h: usize, u: usize, n: i32): i32 => { div(h, u); return ST_OK; });
  handle(OP_DIVU, (h: usize, u: usize, n: i32): i32 => { divu(h, u); return ST_OK; });
  handle(OP_REM, (h: usize, u: usize, n: i32): i32 => { rem(h, u); return ST_OK; });
  handle(OP_REMU, (h: usize, u: usize, n: i32): i32 => { remu(h, u); return ST_OK; });
  handle(OP_DIVW, (h: usize, u: usize, n: i32): i32 => { divw(h, u); return ST_OK; });
  handle(OP_DIVUW, (h: usize, u: usize, n: i32): i32 => { divuw(h, u); return ST_OK; });
  handle(OP_REMW, (h: usize, u: usize, n: i32): i32 => { remw(h, u); return ST_OK; });
  handle(OP_REMUW, (h: usize, u: usize, n: i32): i32 => { remuw(h, u); return ST_OK; });
  handle(OP_LR_W, lr_w);
  handle(OP_SC_W, sc_w);
  handle(OP_LR_D, lr_d);
  handle(OP_SC_D, sc_d);
  handle(OP_AMOSWAP_W, amoswap_w);
  handle(OP_AMOADD_W, amoadd_w);
  handle(OP_AMOXOR_W, amoxor_w);
  handle(OP_AMOAND_W, amoand_w);
  handle(OP_AMOOR_W, amoor_w);
  handle(OP_AMOMIN_W, amomin_w);
  handle(OP_AMOMAX_W, amomax_w);
  handle(OP_AMOMINU_W, amominu_w);
  handle(OP_AMOMAXU_W, amomaxu_w);
  handle(OP_AMOSWAP_D, amoswap_d);
  handle(OP_AMOADD_D, amoadd_d);
  handle(OP_AMOXOR_D, amoxor_d);
  handle(OP_AMOAND_D, amoand_d);
  handle(OP_AMOOR_D, amoor_d);
  handle(OP_AMOMIN_D, amomin_d);
  handle(OP_AMOMAX_D, amomax_d);
  handle(OP_AMOMINU_D, amominu_d);
  handle(OP_AMOMAXU_D, amomaxu_d);
  handle(OP_FLW, flw);
  handle(OP_FSW, fsw);
  handle(OP_FMADD_S, fmadd_s);
  handle(OP_FMSUB_S, fmsub_s);
  handle(OP_FNMSUB_S, fnmsub_s);
  handle(OP_FNMADD_S, fnmadd_s);
  handle(OP_FADD_S, fadd_s);
  handle(OP_FSUB_S, fsub_s);
  handle(OP_FMUL_S, fmul_s);
  handle(OP_FDIV_S, fdiv_s);
  handle(OP_FSQRT_S, fsqrt_s);
  handle(OP_FMIN_S, fmin_s);
  handle(OP_FMAX_S, fmax_s);
  handle(OP_FSGNJ_S, fsgnj_s);
  handle(OP_FSGNJN_S, fsgnjn_s);
  handle(OP_FSGNJX_S, fsgnjx_s);
  handle(OP_FCVT_W_S, fcvt_w_s);
  handle(OP_FCVT_WU_S, fcvt_wu_s);
  handle(OP_FCVT_L_S, fcvt_l_s);
  handle(OP_FCVT_LU_S, fcvt_lu_s);
  handle(OP_FCVT_S_W, fcvt_s_w);
  handle(OP_FCVT_S_WU, fcvt_s_wu);
  handle(OP_FCVT_S_L, fcvt_s_l);
  handle(OP_FCVT_S_LU, fcvt_s_lu);
  handle(OP_FMV_X_W, fmv_x_w);
  handle(OP_FMV_W_X, fmv_w_x);
  handle(OP_FEQ_S, feq_s);
  handle(OP_FLT_S, flt_s);
  handle(OP_FLE_S, fle_s);
  handle(OP_FCLASS_S, fclass_s);
  handle(OP_FLD, fld);
  handle(OP_FSD, fsd);
  handle(OP_FMADD_D, fmadd_d);
  handle(OP_FMSUB_D, fmsub_d);
  handle(OP_FNMSUB_D, fnmsub_d);
  handle(OP_FNMADD_D, fnmadd_d);
  handle(OP_FADD_D, fadd_d);
  handle(OP_FSUB_D, fsub_d);
  handle(OP_FMUL_D, fmul_d);
  handle(OP_FDIV_D, fdiv_d);
  handle(OP_FSQRT_D, fsqrt_d);
  handle(OP_FMIN_D, fmin_d);
  handle(OP_FMAX_D, fmax_d);
  handle(OP_FSGNJ_D, fsgnj_d);
  handle(OP_FSGNJN_D, fsgnjn_d);
  handle(OP_FSGNJX_D, fsgnjx_d);
  handle(OP_FCVT_S_D, fcvt_s_d);
  handle(OP_FCVT_D_S, fcvt_d_s);
  handle(OP_FCVT_W_D, fcvt_w_d);
  handle(OP_FCVT_WU_D, fcvt_wu_d);
  handle(OP_FCVT_L_D, fcvt_l_d);
  handle(OP_FCVT_LU_D, fcvt_lu_d);
  handle(OP_FCVT_D_W, fcvt_d_w);
  handle(OP_FCVT_D_WU, fcvt_d_wu);
  handle(OP_FCVT_D_L, fcvt_d_l);
  handle(OP_FCVT_D_LU, fcvt_d_lu);
  handle(OP_FMV_X_D, fmv_x_d);
  handle(OP_FMV_D_X, fmv_d_x);
  handle(OP_FEQ_D, feq_d);
  handle(OP_FLT_D, flt_d);
  handle(OP_FLE_D, fle_d);
  handle(OP_FCLASS_D, fclass_d);
  handle(OP_C_FLD, fld);
  handle(OP_C_FSD, fsd);
  handle(OP_C_FLDSP, fld);
  handle(OP_C_EBREAK, ebreak);
  handle(OP_C_FSDSP, fsd);
  handle(OP_CSRRW, csrrw);
  handle(OP_CSRRS, csrrs);
  handle(OP_CSRRC, csrrc);
  handle(OP_CSRRWI, csrrwi);
  handle(OP_CSRRSI, csrrsi);
  handle(OP_CSRRCI, csrrci);
  handle(OP_FENCE_I, fence_i);
  handle(OP_SH1ADD_UW, (h: usize, u: usize, n: i32): i32 => { sh1add_uw(h, u); return ST_OK; });
  handle(OP_SH2ADD_UW, (h: usize, u: usize, n: i32): i32 => { sh2add_uw(h, u); return ST_OK; });
  handle(OP_SH3ADD_UW, (h: usize, u: usize, n: i32): i32 => { sh3add_uw(h, u); return ST_OK; });
  handle(OP_ORN, (h: usize, u: usize, n: i32): i32 => { orn(h, u); return ST_OK; });
  handle(OP_XNOR, (h: usize, u: usize, n: i32): i32 => { xnor(h, u); return ST_OK; });
  handle(OP_CLZ, (h: usize, u: usize, n: i32): i32 => { clz(h, u); return ST_OK; });
  handle(OP_CTZ, (h: usize, u: usize, n: i32): i32 => { ctz(h, u); return ST_OK; });
  handle(OP_CPOP, (h: usize, u: usize, n: i32): i32 => { cpop(h, u); return ST_OK; });
  handle(OP_CLZW, (h: usize, u: usize, n: i32): i32 => { clzw(h, u); return ST_OK; });
  handle(OP_CTZW, (h: usize, u: usize, n: i32): i32 => { ctzw(h, u); return ST_OK; });
  handle(OP_CPOPW, (h: usize, u: usize, n: i32): i32 => { cpopw(h, u); return ST_OK; });
  handle(OP_MAX, (h: usize, u: usize, n: i32): i32 => { max(h, u); return ST_OK; });
  handle(OP_MAXU, (h: usize, u: usize, n: i32): i32 => { maxu(h, u); return ST_OK; });
  handle(OP_MIN, (h: usize, u: usize, n: i32): i32 => { min(h, u); return ST_OK; });
  handle(OP_MINU, (h: usize, u: usize, n: i32): i32 => { minu(h, u); return ST_OK; });
  handle(OP_ROL, (h: usize, u: usize, n: i32): i32 => { rol(h, u); return ST_OK; });
  handle(OP_ROR, (h: usize, u: usize, n: i32): i32 => { ror(h, u); return ST_OK; });
  handle(OP_ROLW, (h: usize, u: usize, n: i32): i32 => { rolw(h, u); return ST_OK; });
  handle(OP_RORW, (h: usize, u: usize, n: i32): i32 => { rorw(h, u); return ST_OK; });
  handle(OP_ORC_B, (h: usize, u: usize, n: i32): i32 => { orc_b(h, u); return ST_OK; });
  handle(OP_REV8, (h: usize, u: usize, n: i32): i32 => { rev8(h, u); return ST_OK; });
  handle(OP_BCLR, (h: usize, u: usize, n: i32): i32 => { bclr(h, u); return ST_OK; });
  handle(OP_BCLRI, (h: usize, u: usize, n: i32): i32 => { bclri(h, u); return ST_OK; });
  handle(OP_BEXT, (h: usize, u: usize, n: i32): i32 => { bext(h, u); return ST_OK; });
  handle(OP_BEXTI, (h: usize, u: usize, n: i32): i32 => { bexti(h, u); return ST_OK; });
  handle(OP_BINV, (h: usize, u: usize, n: i32): i32 => { binv(h, u); return ST_OK; });
  handle(OP_BINVI, (h: usize, u: usize, n: i32): i32 => { binvi(h, u); return ST_OK; });
  handle(OP_BSET, (h: usize, u: usize, n: i32): i32 => { bset(h, u); return ST_OK; });
  handle(OP_BSETI, (h: usize, u: usize, n: i32): i32 => { bseti(h, u); return ST_OK; });
  handle(OP_CBO_INVAL, cbo_inval);
  handle(OP_CBO_CLEAN, cbo_clean);
  handle(OP_CBO_FLUSH, cbo_flush);
  handle(OP_CBO_ZERO, cbo_zero);
  handle(OP_MRET, mret);
  handle(OP_WFI, wfi);
  handle(OP_SRET, sret);
  handle(OP_SFENCE_VMA, sfence_vma);
  handle(OP_SINVAL_VMA, sinval_vma);
  handle(OP_SFENCE_W_INVAL, sfence_w_inval);
  handle(OP_SFENCE_INVAL_IR, sfence_inval_ir);
}

/**
 * Executes up to `n` instructions; H_INSTRET_END must hold what H_INSTRET will
 * be after all of them. On return H_PC and H_INSTRET are true.
 * @param page   the slots of the page that holds the pc (UOP_SLOTS × 8 bytes)
 * @param u      the slot of the pc
 * @param vbase  virtual address of the page
 * @returns      ST_*, never ST_OK
 */
export function execute(h: usize, n: i32, page: usize, u: usize, vbase: u64): i32 {
  let st: i32 = ST_OK;
  let target: u64 = 0;
  let step: u32 = 16;
  let va: u64 = 0;
  let e: usize = 0;
  for (;;) {
    if (n == 0) {
      setPc(h, vbase + ((u - page) >> 2));
      store<u64>(h, load<u64>(h, H_INSTRET_END), H_INSTRET);
      return ST_BUDGET;
    }
    n--;
    switch (<i32>load<u16>(u)) {
      case OP_DECODE: n++; decodeSlot(page, u); continue;
      case OP_PAGE_END: n++; target = vbase + 4096; break;
      case OP_CROSS: case OP_BREAK: st = ST_STEP; break;
      case OP_ILLEGAL: case OP_ILLEGAL_C: st = illegal(h); break;
      case OP_LUI: lui(h, u); u += 16; continue;
      case OP_AUIPC: auipc(h, u, vbase); u += 16; continue;
      case OP_JAL: setX(h, A(u), <i64>(vbase + ((u - page) >> 2) + 4)); u += IMM(u); continue;
      case OP_JAL_FAR: setX(h, A(u), <i64>(vbase + ((u - page) >> 2) + 4)); target = vbase + <i64>IMM(u); break;
      case OP_BEQ: u += select<usize>(IMM(u), 16, beq(h, u)); continue;
      case OP_BEQ_FAR: if (beq(h, u)) { target = vbase + <i64>IMM(u); break; } u += 16; continue;
      case OP_BNE: u += select<usize>(IMM(u), 16, bne(h, u)); continue;
      case OP_BNE_FAR: if (bne(h, u)) { target = vbase + <i64>IMM(u); break; } u += 16; continue;
      case OP_BLT: u += select<usize>(IMM(u), 16, blt(h, u)); continue;
      case OP_BLT_FAR: if (blt(h, u)) { target = vbase + <i64>IMM(u); break; } u += 16; continue;
      case OP_BGE: u += select<usize>(IMM(u), 16, bge(h, u)); continue;
      case OP_BGE_FAR: if (bge(h, u)) { target = vbase + <i64>IMM(u); break; } u += 16; continue;
      case OP_BLTU: u += select<usize>(IMM(u), 16, bltu(h, u)); continue;
      case OP_BLTU_FAR: if (bltu(h, u)) { target = vbase + <i64>IMM(u); break; } u += 16; continue;
      case OP_BGEU: u += select<usize>(IMM(u), 16, bgeu(h, u)); continue;
      case OP_BGEU_FAR: if (bgeu(h, u)) { target = vbase + <i64>IMM(u); break; } u += 16; continue;
      case OP_JALR: target = <u64>(xb(h, u) + IMM(u)) & ~1; setX(h, A(u), <i64>(vbase + ((u - page) >> 2) + 4)); break;
      case OP_LB: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e) == tagged(va, 1)) { rd(h, u, <i64>load<i8>(<u32>va + load<u32>(e, 8))); u += 16; continue; } st = loadMiss(h, u, n, SIGN | 1); if (st) break; u += 16; continue;
      case OP_LH: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e) == tagged(va, 2)) { rd(h, u, <i64>load<i16>(<u32>va + load<u32>(e, 8))); u += 16; continue; } st = loadMiss(h, u, n, SIGN | 2); if (st) break; u += 16; continue;
      case OP_LW: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e) == tagged(va, 4)) { rd(h, u, <i64>load<i32>(<u32>va + load<u32>(e, 8))); u += 16; continue; } st = loadMiss(h, u, n, SIGN | 4); if (st) break; u += 16; continue;
      case OP_LD: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e) == tagged(va, 8)) { rd(h, u, <i64>load<i64>(<u32>va + load<u32>(e, 8))); u += 16; continue; } st = loadMiss(h, u, n, 8); if (st) break; u += 16; continue;
      case OP_LBU: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e) == tagged(va, 1)) { rd(h, u, <i64>load<u8>(<u32>va + load<u32>(e, 8))); u += 16; continue; } st = loadMiss(h, u, n, 1); if (st) break; u += 16; continue;
      case OP_LHU: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e) == tagged(va, 2)) { rd(h, u, <i64>load<u16>(<u32>va + load<u32>(e, 8))); u += 16; continue; } st = loadMiss(h, u, n, 2); if (st) break; u += 16; continue;
      case OP_LWU: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e) == tagged(va, 4)) { rd(h, u, <i64>load<u32>(<u32>va + load<u32>(e, 8))); u += 16; continue; } st = loadMiss(h, u, n, 4); if (st) break; u += 16; continue;
      case OP_SB: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e, TLB_STORE) == tagged(va, 1)) { store<u8>(<u32>va + load<u32>(e, TLB_STORE + 8), <u8>xa(h, u)); u += 16; continue; } st = storeMiss(h, u, n, 1); if (st) break; u += 16; continue;
      case OP_SH: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e, TLB_STORE) == tagged(va, 2)) { store<u16>(<u32>va + load<u32>(e, TLB_STORE + 8), <u16>xa(h, u)); u += 16; continue; } st = storeMiss(h, u, n, 2); if (st) break; u += 16; continue;
      case OP_SW: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e, TLB_STORE) == tagged(va, 4)) { store<u32>(<u32>va + load<u32>(e, TLB_STORE + 8), <u32>xa(h, u)); u += 16; continue; } st = storeMiss(h, u, n, 4); if (st) break; u += 16; continue;
      case OP_SD: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e, TLB_STORE) == tagged(va, 8)) { store<u64>(<u32>va + load<u32>(e, TLB_STORE + 8), <u64>xa(h, u)); u += 16; continue; } st = storeMiss(h, u, n, 8); if (st) break; u += 16; continue;
      case OP_ADDI: addi(h, u); u += 16; continue;
      case OP_SLTI: slti(h, u); u += 16; continue;
      case OP_SLTIU: sltiu(h, u); u += 16; continue;
      case OP_XORI: xori(h, u); u += 16; continue;
      case OP_ORI: ori(h, u); u += 16; continue;
      case OP_ANDI: andi(h, u); u += 16; continue;
      case OP_SLLI: slli(h, u); u += 16; continue;
      case OP_SRLI: srli(h, u); u += 16; continue;
      case OP_SRAI: srai(h, u); u += 16; continue;
      case OP_ADDIW: addiw(h, u); u += 16; continue;
      case OP_SLLIW: slliw(h, u); u += 16; continue;
      case OP_SRLIW: srliw(h, u); u += 16; continue;
      case OP_SRAIW: sraiw(h, u); u += 16; continue;
      case OP_ADD: add(h, u); u += 16; continue;
      case OP_SUB: sub(h, u); u += 16; continue;
      case OP_SLL: sll(h, u); u += 16; continue;
      case OP_SLT: slt(h, u); u += 16; continue;
      case OP_SLTU: sltu(h, u); u += 16; continue;
      case OP_XOR: xor(h, u); u += 16; continue;
      case OP_SRL: srl(h, u); u += 16; continue;
      case OP_SRA: sra(h, u); u += 16; continue;
      case OP_OR: or(h, u); u += 16; continue;
      case OP_AND: and(h, u); u += 16; continue;
      case OP_ADDW: addw(h, u); u += 16; continue;
      case OP_SUBW: subw(h, u); u += 16; continue;
      case OP_SLLW: sllw(h, u); u += 16; continue;
      case OP_SRLW: srlw(h, u); u += 16; continue;
      case OP_SRAW: sraw(h, u); u += 16; continue;
      case OP_FENCE: fence(h, u); u += 16; continue;
      case OP_MUL: mul(h, u); u += 16; continue;
      case OP_MULW: mulw(h, u); u += 16; continue;
      case OP_C_ADDI4SPN: addi(h, u); u += 8; continue;
      case OP_C_LW: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e) == tagged(va, 4)) { rd(h, u, <i64>load<i32>(<u32>va + load<u32>(e, 8))); u += 8; continue; } st = loadMiss(h, u, n, SIGN | 4); if (st) { step = 8; break; } u += 8; continue;
      case OP_C_LD: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e) == tagged(va, 8)) { rd(h, u, <i64>load<i64>(<u32>va + load<u32>(e, 8))); u += 8; continue; } st = loadMiss(h, u, n, 8); if (st) { step = 8; break; } u += 8; continue;
      case OP_C_SW: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e, TLB_STORE) == tagged(va, 4)) { store<u32>(<u32>va + load<u32>(e, TLB_STORE + 8), <u32>xa(h, u)); u += 8; continue; } st = storeMiss(h, u, n, 4); if (st) { step = 8; break; } u += 8; continue;
      case OP_C_SD: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e, TLB_STORE) == tagged(va, 8)) { store<u64>(<u32>va + load<u32>(e, TLB_STORE + 8), <u64>xa(h, u)); u += 8; continue; } st = storeMiss(h, u, n, 8); if (st) { step = 8; break; } u += 8; continue;
      case OP_C_NOP: addi(h, u); u += 8; continue;
      case OP_C_ADDI: addi(h, u); u += 8; continue;
      case OP_C_ADDIW: addiw(h, u); u += 8; continue;
      case OP_C_LI: addi(h, u); u += 8; continue;
      case OP_C_ADDI16SP: addi(h, u); u += 8; continue;
      case OP_C_LUI: lui(h, u); u += 8; continue;
      case OP_C_SRLI: srli(h, u); u += 8; continue;
      case OP_C_SRAI: srai(h, u); u += 8; continue;
      case OP_C_ANDI: andi(h, u); u += 8; continue;
      case OP_C_SUB: sub(h, u); u += 8; continue;
      case OP_C_XOR: xor(h, u); u += 8; continue;
      case OP_C_OR: or(h, u); u += 8; continue;
      case OP_C_AND: and(h, u); u += 8; continue;
      case OP_C_SUBW: subw(h, u); u += 8; continue;
      case OP_C_ADDW: addw(h, u); u += 8; continue;
      case OP_C_J: setX(h, A(u), <i64>(vbase + ((u - page) >> 2) + 2)); u += IMM(u); continue;
      case OP_C_J_FAR: setX(h, A(u), <i64>(vbase + ((u - page) >> 2) + 2)); target = vbase + <i64>IMM(u); break;
      case OP_C_BEQZ: u += select<usize>(IMM(u), 8, beq(h, u)); continue;
      case OP_C_BEQZ_FAR: if (beq(h, u)) { target = vbase + <i64>IMM(u); break; } u += 8; continue;
      case OP_C_BNEZ: u += select<usize>(IMM(u), 8, bne(h, u)); continue;
      case OP_C_BNEZ_FAR: if (bne(h, u)) { target = vbase + <i64>IMM(u); break; } u += 8; continue;
      case OP_C_SLLI: slli(h, u); u += 8; continue;
      case OP_C_LWSP: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e) == tagged(va, 4)) { rd(h, u, <i64>load<i32>(<u32>va + load<u32>(e, 8))); u += 8; continue; } st = loadMiss(h, u, n, SIGN | 4); if (st) { step = 8; break; } u += 8; continue;
      case OP_C_LDSP: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e) == tagged(va, 8)) { rd(h, u, <i64>load<i64>(<u32>va + load<u32>(e, 8))); u += 8; continue; } st = loadMiss(h, u, n, 8); if (st) { step = 8; break; } u += 8; continue;
      case OP_C_JR: target = <u64>(xb(h, u) + IMM(u)) & ~1; setX(h, A(u), <i64>(vbase + ((u - page) >> 2) + 2)); break;
      case OP_C_MV: addi(h, u); u += 8; continue;
      case OP_C_JALR: target = <u64>(xb(h, u) + IMM(u)) & ~1; setX(h, A(u), <i64>(vbase + ((u - page) >> 2) + 2)); break;
      case OP_C_ADD: add(h, u); u += 8; continue;
      case OP_C_SWSP: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e, TLB_STORE) == tagged(va, 4)) { store<u32>(<u32>va + load<u32>(e, TLB_STORE + 8), <u32>xa(h, u)); u += 8; continue; } st = storeMiss(h, u, n, 4); if (st) { step = 8; break; } u += 8; continue;
      case OP_C_SDSP: va = <u64>(xb(h, u) + IMM(u)); e = entry(h, va); if (load<u64>(e, TLB_STORE) == tagged(va, 8)) { store<u64>(<u32>va + load<u32>(e, TLB_STORE + 8), <u64>xa(h, u)); u += 8; continue; } st = storeMiss(h, u, n, 8); if (st) { step = 8; break; } u += 8; continue;
      case OP_SH1ADD: sh1add(h, u); u += 16; continue;
      case OP_SH2ADD: sh2add(h, u); u += 16; continue;
      case OP_SH3ADD: sh3add(h, u); u += 16; continue;
      case OP_ADD_UW: add_uw(h, u); u += 16; continue;
      case OP_SLLI_UW: slli_uw(h, u); u += 16; continue;
      case OP_ANDN: andn(h, u); u += 16; continue;
      case OP_SEXT_B: sext_b(h, u); u += 16; continue;
      case OP_SEXT_H: sext_h(h, u); u += 16; continue;
      case OP_ZEXT_H: zext_h(h, u); u += 16; continue;
      case OP_RORI: rori(h, u); u += 16; continue;
      case OP_RORIW: roriw(h, u); u += 16; continue;
      case OP_CZERO_EQZ: czero_eqz(h, u); u += 16; continue;
      case OP_CZERO_NEZ: czero_nez(h, u); u += 16; continue;
      case OP_FENCE_TSO:
      case OP_PAUSE:
      case OP_ECALL:
      case OP_EBREAK:
      case OP_MULH:
      case OP_MULHSU:
      case OP_MULHU:
      case OP_DIV:
      case OP_DIVU:
      case OP_REM:
      case OP_REMU:
      case OP_DIVW:
      case OP_DIVUW:
      case OP_REMW:
      case OP_REMUW:
      case OP_LR_W:
      case OP_SC_W:
      case OP_LR_D:
      case OP_SC_D:
      case OP_AMOSWAP_W:
      case OP_AMOADD_W:
      case OP_AMOXOR_W:
      case OP_AMOAND_W:
      case OP_AMOOR_W:
      case OP_AMOMIN_W:
      case OP_AMOMAX_W:
      case OP_AMOMINU_W:
      case OP_AMOMAXU_W:
      case OP_AMOSWAP_D:
      case OP_AMOADD_D:
      case OP_AMOXOR_D:
      case OP_AMOAND_D:
      case OP_AMOOR_D:
      case OP_AMOMIN_D:
      case OP_AMOMAX_D:
      case OP_AMOMINU_D:
      case OP_AMOMAXU_D:
      case OP_FLW:
      case OP_FSW:
      case OP_FMADD_S:
      case OP_FMSUB_S:
      case OP_FNMSUB_S:
      case OP_FNMADD_S:
      case OP_FADD_S:
      case OP_FSUB_S:
      case OP_FMUL_S:
      case OP_FDIV_S:
      case OP_FSQRT_S:
      case OP_FMIN_S:
      case OP_FMAX_S:
      case OP_FSGNJ_S:
      case OP_FSGNJN_S:
      case OP_FSGNJX_S:
      case OP_FCVT_W_S:
      case OP_FCVT_WU_S:
      case OP_FCVT_L_S:
      case OP_FCVT_LU_S:
      case OP_FCVT_S_W:
      case OP_FCVT_S_WU:
      case OP_FCVT_S_L:
      case OP_FCVT_S_LU:
      case OP_FMV_X_W:
      case OP_FMV_W_X:
      case OP_FEQ_S:
      case OP_FLT_S:
      case OP_FLE_S:
      case OP_FCLASS_S:
      case OP_FLD:
      case OP_FSD:
      case OP_FMADD_D:
      case OP_FMSUB_D:
      case OP_FNMSUB_D:
      case OP_FNMADD_D:
      case OP_FADD_D:
      case OP_FSUB_D:
      case OP_FMUL_D:
      case OP_FDIV_D:
      case OP_FSQRT_D:
      case OP_FMIN_D:
      case OP_FMAX_D:
      case OP_FSGNJ_D:
      case OP_FSGNJN_D:
      case OP_FSGNJX_D:
      case OP_FCVT_S_D:
      case OP_FCVT_D_S:
      case OP_FCVT_W_D:
      case OP_FCVT_WU_D:
      case OP_FCVT_L_D:
      case OP_FCVT_LU_D:
      case OP_FCVT_D_W:
      case OP_FCVT_D_WU:
      case OP_FCVT_D_L:
      case OP_FCVT_D_LU:
      case OP_FMV_X_D:
      case OP_FMV_D_X:
      case OP_FEQ_D:
      case OP_FLT_D:
      case OP_FLE_D:
      case OP_FCLASS_D:
      case OP_CSRRW:
      case OP_CSRRS:
      case OP_CSRRC:
      case OP_CSRRWI:
      case OP_CSRRSI:
      case OP_CSRRCI:
      case OP_FENCE_I:
      case OP_SH1ADD_UW:
      case OP_SH2ADD_UW:
      case OP_SH3ADD_UW:
      case OP_ORN:
      case OP_XNOR:
      case OP_CLZ:
      case OP_CTZ:
      case OP_CPOP:
      case OP_CLZW:
      case OP_CTZW:
      case OP_CPOPW:
      case OP_MAX:
      case OP_MAXU:
      case OP_MIN:
      case OP_MINU:
      case OP_ROL:
      case OP_ROR:
      case OP_ROLW:
      case OP_RORW:
      case OP_ORC_B:
      case OP_REV8:
      case OP_BCLR:
      case OP_BCLRI:
      case OP_BEXT:
      case OP_BEXTI:
      case OP_BINV:
      case OP_BINVI:
      case OP_BSET:
      case OP_BSETI:
      case OP_CBO_INVAL:
      case OP_CBO_CLEAN:
      case OP_CBO_FLUSH:
      case OP_CBO_ZERO:
      case OP_MRET:
      case OP_WFI:
      case OP_SRET:
      case OP_SFENCE_VMA:
      case OP_SINVAL_VMA:
      case OP_SFENCE_W_INVAL:
      case OP_SFENCE_INVAL_IR:
        st = call_indirect<i32>(load<u32>(HANDLERS + (<u32>load<u16>(u) << 2)), h, u, n); if (st) break; u += 16; continue;
      case OP_C_FLD:
      case OP_C_FSD:
      case OP_C_FLDSP:
      case OP_C_EBREAK:
      case OP_C_FSDSP:
        st = call_indirect<i32>(load<u32>(HANDLERS + (<u32>load<u16>(u) << 2)), h, u, n); if (st) { step = 8; break; } u += 8; continue;
      default: st = illegal(h);
    }
    if (st == ST_OK) {
      // A jump to `target`.
      const at = target & ~4095;
      if (at != vbase) {
        e = load<u32>(h, H_TLB_FETCH) + TLB_FETCH + tlbIndex(target);
        if (load<u64>(e) == at) {
          page = load<u32>(e, 8);
        } else {
          if (n == 0) st = ST_BUDGET;
          else st = fetchSlow(h, target);
          if (st) {
            setPc(h, target);
            store<u64>(h, load<u64>(h, H_INSTRET_END) - n, H_INSTRET);
            return st;
          }
          page = fetchedSlots;
        }
        vbase = at;
      }
      u = page + ((<usize>target & 4095) << 2);
      continue;
    }
    if (st == ST_EVENT) u += step; // it has retired, and the next one is due
    else if (st != ST_JUMP) n++; // it has not
    if (st != ST_JUMP) setPc(h, vbase + ((u - page) >> 2));
    store<u64>(h, load<u64>(h, H_INSTRET_END) - n, H_INSTRET);
    return st;
  }
}
