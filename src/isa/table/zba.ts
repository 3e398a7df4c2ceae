import { R, SHIFT } from "../format.ts";
import { ALU, type Row, section } from "../row.ts";

const row = section("Zba", "Unprivileged, B: Zba, Address Generation");

/** Address generation. */
export const zba: readonly Row[] = [
  row("sh1add", R, "0010000 ----- ----- 010 ----- 0110011", ALU),
  row("sh2add", R, "0010000 ----- ----- 100 ----- 0110011", ALU),
  row("sh3add", R, "0010000 ----- ----- 110 ----- 0110011", ALU),
  row("add.uw", R, "0000100 ----- ----- 000 ----- 0111011", ALU),
  row("sh1add.uw", R, "0010000 ----- ----- 010 ----- 0111011", ALU),
  row("sh2add.uw", R, "0010000 ----- ----- 100 ----- 0111011", ALU),
  row("sh3add.uw", R, "0010000 ----- ----- 110 ----- 0111011", ALU),
  row("slli.uw", SHIFT, "000010 ------ ----- 001 ----- 0011011", ALU),
];
