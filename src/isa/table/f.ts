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

const memory = section("F", "Unprivileged, F: Single-Precision Load and Store Instructions");
const compute = section("F", "Unprivileged, F: Single-Precision Floating-Point Computational Instructions");
const convert = section("F", "Unprivileged, F: Single-Precision Floating-Point Conversion and Move Instructions");
const compare = section("F", "Unprivileged, F: Single-Precision Floating-Point Compare Instructions");
const classify = section("F", "Unprivileged, F: Single-Precision Floating-Point Classify Instruction");

/** Single-precision floating point. */
export const f: readonly Row[] = [
  memory("flw", F_LOAD, "------------ ----- 010 ----- 0000111", ACCESS),
  memory("fsw", F_STORE, "------- ----- ----- 010 ----- 0100111", ACCESS),
  compute("fmadd.s", F_FUSED, "----- 00 ----- ----- --- ----- 1000011", ACCESS),
  compute("fmsub.s", F_FUSED, "----- 00 ----- ----- --- ----- 1000111", ACCESS),
  compute("fnmsub.s", F_FUSED, "----- 00 ----- ----- --- ----- 1001011", ACCESS),
  compute("fnmadd.s", F_FUSED, "----- 00 ----- ----- --- ----- 1001111", ACCESS),
  compute("fadd.s", F_ROUND, "00000 00 ----- ----- --- ----- 1010011", ACCESS),
  compute("fsub.s", F_ROUND, "00001 00 ----- ----- --- ----- 1010011", ACCESS),
  compute("fmul.s", F_ROUND, "00010 00 ----- ----- --- ----- 1010011", ACCESS),
  compute("fdiv.s", F_ROUND, "00011 00 ----- ----- --- ----- 1010011", ACCESS),
  compute("fsqrt.s", F_ROUND_UNARY, "01011 00 00000 ----- --- ----- 1010011", ACCESS),
  compute("fmin.s", F_EXACT, "00101 00 ----- ----- 000 ----- 1010011", ACCESS),
  compute("fmax.s", F_EXACT, "00101 00 ----- ----- 001 ----- 1010011", ACCESS),
  convert("fsgnj.s", F_EXACT, "00100 00 ----- ----- 000 ----- 1010011", ACCESS),
  convert("fsgnjn.s", F_EXACT, "00100 00 ----- ----- 001 ----- 1010011", ACCESS),
  convert("fsgnjx.s", F_EXACT, "00100 00 ----- ----- 010 ----- 1010011", ACCESS),
  convert("fcvt.w.s", F_TO_INT, "11000 00 00000 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.wu.s", F_TO_INT, "11000 00 00001 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.l.s", F_TO_INT, "11000 00 00010 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.lu.s", F_TO_INT, "11000 00 00011 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.s.w", F_FROM_INT, "11010 00 00000 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.s.wu", F_FROM_INT, "11010 00 00001 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.s.l", F_FROM_INT, "11010 00 00010 ----- --- ----- 1010011", ACCESS),
  convert("fcvt.s.lu", F_FROM_INT, "11010 00 00011 ----- --- ----- 1010011", ACCESS),
  convert("fmv.x.w", F_BITS_TO_INT, "11100 00 00000 ----- 000 ----- 1010011", ACCESS),
  convert("fmv.w.x", F_BITS_FROM_INT, "11110 00 00000 ----- 000 ----- 1010011", ACCESS),
  compare("feq.s", F_COMPARE, "10100 00 ----- ----- 010 ----- 1010011", ACCESS),
  compare("flt.s", F_COMPARE, "10100 00 ----- ----- 001 ----- 1010011", ACCESS),
  compare("fle.s", F_COMPARE, "10100 00 ----- ----- 000 ----- 1010011", ACCESS),
  classify("fclass.s", F_BITS_TO_INT, "11100 00 00000 ----- 001 ----- 1010011", ACCESS),
];
