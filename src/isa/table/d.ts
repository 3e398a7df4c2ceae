import {
  F_BITS_FROM_INT,
  F_BITS_TO_INT,
  F_COMPARE,
  F_EXACT,
  F_FROM_INT,
  F_FUSED,
  F_LOAD,
  F_ROUND,
  F_ROUND_UNARY,
  F_STORE,
  F_TO_INT,
} from "../format.ts";
import { ACCESS, type Row, section } from "../row.ts";

const memory = section("D", "Unprivileged, D: Double-Precision Load and Store Instructions");
const compute = section("D", "Unprivileged, D: Double-Precision Floating-Point Computational Instructions");
const convert = section("D", "Unprivileged, D: Double-Precision Floating-Point Conversion and Move Instructions");
const compare = section("D", "Unprivileged, D: Double-Precision Floating-Point Compare Instructions");
const classify = section("D", "Unprivileged, D: Double-Precision Floating-Point Classify Instruction");

/** Double-precision floating point. */
export const d: readonly Row[] = [
  memory("fld", F_LOAD, "------------ ----- 011 ----- 0000111", ACCESS),
  memory("fsd", F_STORE, "------- ----- ----- 011 ----- 0100111", ACCESS),
  compute("fmadd.d", F_FUSED, "----- 01 ----- ----- --- ----- 1000011", ACCESS),
  compute("fmsub.d", F_FUSED, "----- 01 ----- ----- --- ----- 1000111", ACCESS),
  compute("fnmsub.d", F_FUSED, "----- 01 ----- ----- --- ----- 1001011", ACCESS),
  compute("fnmadd.d", F_FUSED, "----- 01 ----- ----- --- ----- 1001111", ACCESS),
  compute("fadd.d", F_ROUND, "00000 01 ----- ----- --- ----- 1010011", ACCESS),
  compute("fsub.d", F_ROUND, "00001 01 ----- ----- --- ----- 1010011", ACCESS),
  compute("fmul.d", F_ROUND, "00010 01 ----- ----- --- ----- 1010011", ACCESS),
  compute("fdiv.d", F_ROUND, "00011 01 ----- ----- --- ----- 1010011", ACCESS),
  compute("fsqrt.d", F_ROUND_UNARY, "01011 01 00000 ----- --- ----- 1010011", ACCESS),
  compute("fmin.d", F_EXACT, "00101 01 ----- ----- 000 ----- 1010011", ACCESS),
  compute("fmax.d", F_EXACT, "00101 01 ----- ----- 001 ----- 1010011", ACCESS),
  convert("fsgnj.d", F_EXACT, "00100 01 ----- ----- 000 ----- 1010011", ACCESS),
  convert("fsgnjn.d", F_EXACT, "00100 01 ----- ----- 001 ----- 1010011", ACCESS),
  convert("fsgnjx.d", F_EXACT, "00100 01 ----- ----- 010 ----- 1010011", ACCESS),
  convert("fcvt.s.d", F_ROUND_UNARY, "01000 00 00001 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.d.s", F_ROUND_UNARY, "01000 01 00000 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.w.d", F_TO_INT, "11000 01 00000 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.wu.d", F_TO_INT, "11000 01 00001 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.l.d", F_TO_INT, "11000 01 00010 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.lu.d", F_TO_INT, "11000 01 00011 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.d.w", F_FROM_INT, "11010 01 00000 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.d.wu", F_FROM_INT, "11010 01 00001 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.d.l", F_FROM_INT, "11010 01 00010 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.d.lu", F_FROM_INT, "11010 01 00011 ----- --- ----- 1010011", ACCESS),
  convert("fmv.x.d", F_BITS_TO_INT, "11100 01 00000 ----- 000 ----- 1010011", ACCESS),
  convert("fmv.d.x", F_BITS_FROM_INT, "11110 01 00000 ----- 000 ----- 1010011", ACCESS),
  compare("feq.d", F_COMPARE, "10100 01 ----- ----- 010 ----- 1010011", ACCESS),
  compare("flt.d", F_COMPARE, "10100 01 ----- ----- 001 ----- 1010011", ACCESS),
  compare("fle.d", F_COMPARE, "10100 01 ----- ----- 000 ----- 1010011", ACCESS),
  classify("fclass.d", F_BITS_TO_INT, "11100 01 00000 ----- 001 ----- 1010011", ACCESS),
];
