// Generated from src/isa/table by src/isa/generate-main.ts: do not edit.

import { OP_COUNT } from "./ops.generated";

export const OP_ADD_THEN_C_LD: u16 = 266;
export const OP_ADD_THEN_LBU: u16 = 267;
export const OP_ADD_THEN_SB: u16 = 268;
export const OP_ADDI_THEN_ADDI: u16 = 269;
export const OP_ADDI_THEN_BEQ: u16 = 270;
export const OP_ADDI_THEN_BGEU: u16 = 271;
export const OP_ADDI_THEN_BLTU: u16 = 272;
export const OP_ADDI_THEN_C_ADDI: u16 = 273;
export const OP_ADDI_THEN_C_ADDIW: u16 = 274;
export const OP_ADDI_THEN_LD: u16 = 275;
export const OP_ADDIW_THEN_ADDIW: u16 = 276;
export const OP_ADDIW_THEN_C_ADDIW: u16 = 277;
export const OP_ADDW_THEN_ADDW: u16 = 278;
export const OP_ADDW_THEN_SLLIW: u16 = 279;
export const OP_ADDW_THEN_SRLIW: u16 = 280;
export const OP_ADDW_THEN_XOR: u16 = 281;
export const OP_AND_THEN_AND: u16 = 282;
export const OP_AND_THEN_SLTU: u16 = 283;
export const OP_AND_THEN_XOR: u16 = 284;
export const OP_AUIPC_THEN_JALR: u16 = 285;
export const OP_C_ADD_THEN_BEQ: u16 = 286;
export const OP_C_ADD_THEN_BGEU: u16 = 287;
export const OP_C_ADD_THEN_BLTU: u16 = 288;
export const OP_C_ADD_THEN_BNE: u16 = 289;
export const OP_C_ADD_THEN_C_ADD: u16 = 290;
export const OP_C_ADD_THEN_C_ADDIW: u16 = 291;
export const OP_C_ADD_THEN_C_JR: u16 = 292;
export const OP_C_ADD_THEN_C_LD: u16 = 293;
export const OP_C_ADD_THEN_C_LW: u16 = 294;
export const OP_C_ADD_THEN_C_MV: u16 = 295;
export const OP_C_ADD_THEN_LD: u16 = 296;
export const OP_C_ADD_THEN_SD: u16 = 297;
export const OP_C_ADD_THEN_SLLI: u16 = 298;
export const OP_C_ADD_THEN_SLTU: u16 = 299;
export const OP_C_ADD_THEN_SUB: u16 = 300;
export const OP_C_ADDI_THEN_BEQ: u16 = 301;
export const OP_C_ADDI_THEN_BLTU: u16 = 302;
export const OP_C_ADDI_THEN_BNE: u16 = 303;
export const OP_C_ADDI_THEN_C_ADDI: u16 = 304;
export const OP_C_ADDI_THEN_C_J: u16 = 305;
export const OP_C_ADDI_THEN_C_JR: u16 = 306;
export const OP_C_ADDI_THEN_C_MV: u16 = 307;
export const OP_C_ADDI_THEN_C_SDSP: u16 = 308;
export const OP_C_ADDI_THEN_C_SLLI: u16 = 309;
export const OP_C_ADDI_THEN_MUL: u16 = 310;
export const OP_C_ADDI_THEN_SB: u16 = 311;
export const OP_C_ADDI_THEN_SD: u16 = 312;
export const OP_C_ADDI_THEN_SW: u16 = 313;
export const OP_C_ADDI16SP_THEN_C_JR: u16 = 314;
export const OP_C_ADDI16SP_THEN_C_SDSP: u16 = 315;
export const OP_C_ADDIW_THEN_ADDIW: u16 = 316;
export const OP_C_ADDIW_THEN_BNE: u16 = 317;
export const OP_C_ADDIW_THEN_C_ADD: u16 = 318;
export const OP_C_ADDIW_THEN_C_ADDI: u16 = 319;
export const OP_C_ADDIW_THEN_C_MV: u16 = 320;
export const OP_C_ADDW_THEN_XOR: u16 = 321;
export const OP_C_AND_THEN_SLLI: u16 = 322;
export const OP_C_ANDI_THEN_C_BNEZ: u16 = 323;
export const OP_C_LD_THEN_C_ADD: u16 = 324;
export const OP_C_LD_THEN_C_ADDI: u16 = 325;
export const OP_C_LD_THEN_C_ADDIW: u16 = 326;
export const OP_C_LD_THEN_C_BNEZ: u16 = 327;
export const OP_C_LD_THEN_C_LD: u16 = 328;
export const OP_C_LD_THEN_LD: u16 = 329;
export const OP_C_LDSP_THEN_C_ADDI16SP: u16 = 330;
export const OP_C_LDSP_THEN_C_LDSP: u16 = 331;
export const OP_C_LDSP_THEN_C_MV: u16 = 332;
export const OP_C_LW_THEN_C_ADD: u16 = 333;
export const OP_C_LW_THEN_C_ADDI: u16 = 334;
export const OP_C_LW_THEN_C_J: u16 = 335;
export const OP_C_LW_THEN_SRLIW: u16 = 336;
export const OP_C_MV_THEN_ADDI: u16 = 337;
export const OP_C_MV_THEN_ADDIW: u16 = 338;
export const OP_C_MV_THEN_BGE: u16 = 339;
export const OP_C_MV_THEN_BLTU: u16 = 340;
export const OP_C_MV_THEN_C_ADDI: u16 = 341;
export const OP_C_MV_THEN_C_LDSP: u16 = 342;
export const OP_C_MV_THEN_C_LI: u16 = 343;
export const OP_C_MV_THEN_C_MV: u16 = 344;
export const OP_C_MV_THEN_JAL: u16 = 345;
export const OP_C_SD_THEN_C_ADDI: u16 = 346;
export const OP_C_SDSP_THEN_C_ADDI4SPN: u16 = 347;
export const OP_C_SDSP_THEN_C_MV: u16 = 348;
export const OP_C_SDSP_THEN_C_SDSP: u16 = 349;
export const OP_C_SLLI_THEN_ADD: u16 = 350;
export const OP_C_SLLI_THEN_C_ADD: u16 = 351;
export const OP_C_SRLI_THEN_C_ADD: u16 = 352;
export const OP_C_SRLI_THEN_C_OR: u16 = 353;
export const OP_C_SRLI_THEN_C_SRLI: u16 = 354;
export const OP_C_XOR_THEN_C_SD: u16 = 355;
export const OP_C_XOR_THEN_MUL: u16 = 356;
export const OP_C_XOR_THEN_SLLI: u16 = 357;
export const OP_C_XOR_THEN_SRLI: u16 = 358;
export const OP_LBU_THEN_C_ADDI: u16 = 359;
export const OP_LBU_THEN_C_ANDI: u16 = 360;
export const OP_LBU_THEN_C_BNEZ: u16 = 361;
export const OP_LBU_THEN_LBU: u16 = 362;
export const OP_LD_THEN_BLTU: u16 = 363;
export const OP_LD_THEN_BNE: u16 = 364;
export const OP_LD_THEN_C_ADDI: u16 = 365;
export const OP_LD_THEN_C_LD: u16 = 366;
export const OP_LD_THEN_C_MV: u16 = 367;
export const OP_LD_THEN_LD: u16 = 368;
export const OP_LD_THEN_SD: u16 = 369;
export const OP_LD_THEN_SUB: u16 = 370;
export const OP_MUL_THEN_C_ADD: u16 = 371;
export const OP_MUL_THEN_MUL: u16 = 372;
export const OP_MUL_THEN_MULHU: u16 = 373;
export const OP_MUL_THEN_SLLI: u16 = 374;
export const OP_OR_THEN_ADDW: u16 = 375;
export const OP_OR_THEN_C_ADD: u16 = 376;
export const OP_OR_THEN_OR: u16 = 377;
export const OP_OR_THEN_SRLIW: u16 = 378;
export const OP_OR_THEN_XOR: u16 = 379;
export const OP_SB_THEN_BNE: u16 = 380;
export const OP_SB_THEN_C_ADD: u16 = 381;
export const OP_SB_THEN_C_ADDI: u16 = 382;
export const OP_SD_THEN_ADDI: u16 = 383;
export const OP_SD_THEN_BNE: u16 = 384;
export const OP_SD_THEN_C_ADD: u16 = 385;
export const OP_SD_THEN_C_ADDI: u16 = 386;
export const OP_SD_THEN_C_ADDIW: u16 = 387;
export const OP_SD_THEN_C_LW: u16 = 388;
export const OP_SD_THEN_C_MV: u16 = 389;
export const OP_SD_THEN_SD: u16 = 390;
export const OP_SLLI_THEN_C_ADD: u16 = 391;
export const OP_SLLI_THEN_C_SRLI: u16 = 392;
export const OP_SLLI_THEN_C_XOR: u16 = 393;
export const OP_SLLI_THEN_SRLI: u16 = 394;
export const OP_SLLI_THEN_XOR: u16 = 395;
export const OP_SLLIW_THEN_OR: u16 = 396;
export const OP_SLLIW_THEN_SLLIW: u16 = 397;
export const OP_SLLIW_THEN_SRLIW: u16 = 398;
export const OP_SLLIW_THEN_XOR: u16 = 399;
export const OP_SLTIU_THEN_AND: u16 = 400;
export const OP_SLTU_THEN_C_ADD: u16 = 401;
export const OP_SLTU_THEN_C_SD: u16 = 402;
export const OP_SLTU_THEN_OR: u16 = 403;
export const OP_SRLI_THEN_C_ADD: u16 = 404;
export const OP_SRLI_THEN_C_SLLI: u16 = 405;
export const OP_SRLI_THEN_C_SRLI: u16 = 406;
export const OP_SRLI_THEN_C_XOR: u16 = 407;
export const OP_SRLI_THEN_MUL: u16 = 408;
export const OP_SRLIW_THEN_OR: u16 = 409;
export const OP_SRLIW_THEN_SLLIW: u16 = 410;
export const OP_SRLIW_THEN_SRLIW: u16 = 411;
export const OP_SRLIW_THEN_XOR: u16 = 412;
export const OP_SUB_THEN_C_SLLI: u16 = 413;
export const OP_SUB_THEN_SLTIU: u16 = 414;
export const OP_SUBW_THEN_SLLI: u16 = 415;
export const OP_SW_THEN_C_ADDI: u16 = 416;
export const OP_XOR_THEN_ADDW: u16 = 417;
export const OP_XOR_THEN_C_ADDW: u16 = 418;
export const OP_XOR_THEN_C_XOR: u16 = 419;
export const OP_XOR_THEN_MUL: u16 = 420;
export const OP_XOR_THEN_OR: u16 = 421;
export const OP_XOR_THEN_SLLIW: u16 = 422;
export const OP_XOR_THEN_SRLI: u16 = 423;
export const OP_XOR_THEN_SRLIW: u16 = 424;
export const OP_XOR_THEN_XOR: u16 = 425;

/** Of each instruction's op: its number among those that come first in a pair, or 0. */
const FIRST_CLASS = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24, 23, 0, 0, 27,
  0, 37, 28, 2, 0, 31, 0, 0, 0, 29, 33, 0, 3, 30, 34, 0, 1, 35, 0, 0, 32, 38, 0, 0, 26, 5, 4, 36, 0, 0,
  0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 16, 14, 0, 0, 18, 0, 8, 10, 0, 9, 0, 21, 0, 13, 0, 22, 0, 12, 0, 11, 0, 0, 0, 0, 0, 0, 20, 0,
  0, 15, 0, 17, 0, 0, 7, 0, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0,
]);

/** The same of those that come second. */
const SECOND_CLASS = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 37, 0, 5, 0, 19, 0, 0, 0, 35, 0, 7, 0, 6, 0, 18, 0, 0, 0, 10, 2, 0, 0, 3,
  0, 31, 24, 4, 0, 48, 0, 0, 0, 25, 43, 0, 11, 13, 14, 0, 39, 26, 0, 0, 17, 15, 0, 0, 46, 16, 12, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 30, 0, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 38, 0, 22, 1, 0, 0, 42, 0, 8, 9, 36, 33, 0, 41, 0, 44, 0, 47, 40, 0, 0, 49, 27, 0, 0, 0, 32, 0,
  29, 0, 0, 34, 21, 23, 0, 0, 20, 0, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0,
]);

/** Fused op, or 0, by class of the first and of the second. */
const PAIRS = memory.data<u16>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 266, 267, 268, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 269, 270, 271, 272, 273, 274, 275, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 277, 0, 276, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 278, 279, 280, 281, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 284, 282, 283, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 285, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 293, 0, 0, 0, 286, 287, 288, 0, 291,
  296, 0, 0, 0, 0, 0, 0, 299, 0, 289, 290, 292, 294, 295, 297, 298, 300, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 311, 0, 301, 0, 302, 304, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 303,
  0, 306, 0, 307, 312, 0, 0, 305, 308, 309, 310, 313, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 314, 0, 0, 0, 0, 0, 0, 315, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 319, 0, 0, 316, 0, 0, 0,
  0, 0, 0, 0, 317, 318, 0, 0, 320, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 321, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 322, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 323,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 328, 0, 0, 0, 0, 0, 0, 325, 326, 329, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 324, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 327, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 332, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 330, 331, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 334, 0, 0, 0, 0, 0,
  336, 0, 0, 0, 0, 0, 333, 0, 0, 0, 0, 0, 0, 335, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 337, 0, 0, 340, 341, 0, 0, 338, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 344, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 342, 339, 343, 345, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 346,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 348, 0, 0, 0,
  0, 349, 0, 0, 0, 0, 0, 0, 0, 0, 0, 347, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 351, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 350, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 352, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 353, 354, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 357, 0, 0, 0, 0, 356, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 355,
  358, 0, 0, 0, 0, 0, 0, 0, 0, 362, 0, 0, 0, 0, 0, 359, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 361, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 360, 0, 0, 0, 0, 0, 0, 366, 0, 0, 0, 0, 0,
  363, 365, 0, 368, 0, 0, 0, 0, 0, 0, 0, 0, 364, 0, 0, 0, 367, 369, 0, 370, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 371,
  0, 0, 0, 0, 374, 0, 0, 0, 0, 372, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 373, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 375, 0, 378, 379, 0, 0, 0, 0, 376, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 377, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 382, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 380, 381, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 383, 0, 0, 0, 386, 387, 0, 0, 0, 0, 0, 0, 0, 0, 0, 384, 385, 0, 388, 389, 390, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 395, 0, 0, 0, 0, 391, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 392, 0, 394, 0, 0,
  0, 393, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 397, 398, 399, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 396, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 400, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 401, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 402, 0, 0, 0, 403, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 404, 0, 0, 0, 0, 0, 0, 0, 0, 405, 408, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 406, 0, 0, 0,
  0, 0, 407, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 410, 411, 412, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 409, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 413, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 414, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 415, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 416, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 417, 422, 424, 425, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 420, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 423, 0, 0, 421, 419, 0, 418,
]);

/** Which op each fused one starts with. */
const FIRST_OF = memory.data<u16>([
  49, 49, 49, 36, 36, 36, 36, 36, 36, 36, 45, 45, 59, 59, 59, 59, 58, 58, 58, 9, 202, 202, 202, 202, 202,
  202, 202, 202, 202, 202, 202, 202, 202, 202, 202, 174, 174, 174, 174, 174, 174, 174, 174, 174, 174, 174,
  174, 174, 177, 177, 175, 175, 175, 175, 175, 187, 185, 181, 169, 169, 169, 169, 169, 169, 197, 197, 197,
  168, 168, 168, 168, 199, 199, 199, 199, 199, 199, 199, 199, 199, 172, 205, 205, 205, 194, 194, 179, 179,
  179, 183, 183, 183, 183, 29, 29, 29, 29, 28, 28, 28, 28, 28, 28, 28, 28, 69, 69, 69, 69, 57, 57, 57, 57,
  57, 32, 32, 32, 35, 35, 35, 35, 35, 35, 35, 35, 42, 42, 42, 42, 42, 46, 46, 46, 46, 38, 53, 53, 53, 43,
  43, 43, 43, 43, 47, 47, 47, 47, 50, 50, 60, 34, 54, 54, 54, 54, 54, 54, 54, 54, 54,
]);

/** Does any pair start with this op? */
// @ts-ignore: decorator
@inline export function startsPair(op: u16): bool { return op < OP_COUNT && load<u8>(FIRST_CLASS + op) != 0; }

/** The op itself, or what a fused one starts with. */
// @ts-ignore: decorator
@inline export function unfused(op: u16): u16 {
  return op < OP_COUNT ? op : load<u16>(FIRST_OF + (<usize>(op - OP_COUNT) << 1));
}

/** The op for two instructions, neither fused already; 0: there is none. */
export function fusionOf(first: u16, second: u16): u16 {
  const row = <usize>load<u8>(FIRST_CLASS + first) * 50;
  return load<u16>(PAIRS + ((row + load<u8>(SECOND_CLASS + second)) << 1));
}
