import { R, SHIFT } from "../format.ts";
import { ALU, type Row, section } from "../row.ts";

const row = section("Zbs", "Unprivileged, B: Zbs, Single-bit Instructions");

/** Single-bit instructions. */
export const zbs: readonly Row[] = [
  row("bclr", R, "0100100 ----- ----- 001 ----- 0110011", ALU),
  row("bclri", SHIFT, "010010 ------ ----- 001 ----- 0010011", ALU),
  row("bext", R, "0100100 ----- ----- 101 ----- 0110011", ALU),
  row("bexti", SHIFT, "010010 ------ ----- 101 ----- 0010011", ALU),
  row("binv", R, "0110100 ----- ----- 001 ----- 0110011", ALU),
  row("binvi", SHIFT, "011010 ------ ----- 001 ----- 0010011", ALU),
  row("bset", R, "0010100 ----- ----- 001 ----- 0110011", ALU),
  row("bseti", SHIFT, "001010 ------ ----- 001 ----- 0010011", ALU),
];
