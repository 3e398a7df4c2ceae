import { R } from "../format.ts";
import { ALU, type Row, section } from "../row.ts";

const multiply = section("M", "Unprivileged, M: Multiplication Operations");
const divide = section("M", "Unprivileged, M: Division Operations");

/** Integer multiplication and division. */
export const m: readonly Row[] = [
  multiply("mul", R, "0000001 ----- ----- 000 ----- 0110011", ALU),
  multiply("mulh", R, "0000001 ----- ----- 001 ----- 0110011", ALU),
  multiply("mulhsu", R, "0000001 ----- ----- 010 ----- 0110011", ALU),
  multiply("mulhu", R, "0000001 ----- ----- 011 ----- 0110011", ALU),
  multiply("mulw", R, "0000001 ----- ----- 000 ----- 0111011", ALU),
  divide("div", R, "0000001 ----- ----- 100 ----- 0110011", ALU),
  divide("divu", R, "0000001 ----- ----- 101 ----- 0110011", ALU),
  divide("rem", R, "0000001 ----- ----- 110 ----- 0110011", ALU),
  divide("remu", R, "0000001 ----- ----- 111 ----- 0110011", ALU),
  divide("divw", R, "0000001 ----- ----- 100 ----- 0111011", ALU),
  divide("divuw", R, "0000001 ----- ----- 101 ----- 0111011", ALU),
  divide("remw", R, "0000001 ----- ----- 110 ----- 0111011", ALU),
  divide("remuw", R, "0000001 ----- ----- 111 ----- 0111011", ALU),
];
