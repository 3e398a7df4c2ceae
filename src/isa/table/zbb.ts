import { R, R_UNARY, SHIFT, SHIFT_W } from "../format.ts";
import { ALU, type Row, section } from "../row.ts";

const row = section("Zbb", "Unprivileged, B: Zbb, Basic Bit-Manipulation");

/** Basic bit manipulation. */
export const zbb: readonly Row[] = [
  row("andn", R, "0100000 ----- ----- 111 ----- 0110011", ALU),
  row("orn", R, "0100000 ----- ----- 110 ----- 0110011", ALU),
  row("xnor", R, "0100000 ----- ----- 100 ----- 0110011", ALU),
  row("clz", R_UNARY, "0110000 00000 ----- 001 ----- 0010011", ALU),
  row("ctz", R_UNARY, "0110000 00001 ----- 001 ----- 0010011", ALU),
  row("cpop", R_UNARY, "0110000 00010 ----- 001 ----- 0010011", ALU),
  row("clzw", R_UNARY, "0110000 00000 ----- 001 ----- 0011011", ALU),
  row("ctzw", R_UNARY, "0110000 00001 ----- 001 ----- 0011011", ALU),
  row("cpopw", R_UNARY, "0110000 00010 ----- 001 ----- 0011011", ALU),
  row("max", R, "0000101 ----- ----- 110 ----- 0110011", ALU),
  row("maxu", R, "0000101 ----- ----- 111 ----- 0110011", ALU),
  row("min", R, "0000101 ----- ----- 100 ----- 0110011", ALU),
  row("minu", R, "0000101 ----- ----- 101 ----- 0110011", ALU),
  row("sext.b", R_UNARY, "0110000 00100 ----- 001 ----- 0010011", ALU),
  row("sext.h", R_UNARY, "0110000 00101 ----- 001 ----- 0010011", ALU),
  row("zext.h", R_UNARY, "0000100 00000 ----- 100 ----- 0111011", ALU),
  row("rol", R, "0110000 ----- ----- 001 ----- 0110011", ALU),
  row("ror", R, "0110000 ----- ----- 101 ----- 0110011", ALU),
  row("rori", SHIFT, "011000 ------ ----- 101 ----- 0010011", ALU),
  row("rolw", R, "0110000 ----- ----- 001 ----- 0111011", ALU),
  row("rorw", R, "0110000 ----- ----- 101 ----- 0111011", ALU),
  row("roriw", SHIFT_W, "0110000 ----- ----- 101 ----- 0011011", ALU),
  row("orc.b", R_UNARY, "0010100 00111 ----- 101 ----- 0010011", ALU),
  row("rev8", R_UNARY, "0110101 11000 ----- 101 ----- 0010011", ALU),
];
