import { R } from "../format.ts";
import { ALU, type Row, section } from "../row.ts";

const row = section("Zicond", "Unprivileged, Zicond: Integer Conditional Operations");

/** Integer conditional operations. */
export const zicond: readonly Row[] = [
  row("czero.eqz", R, "0000111 ----- ----- 101 ----- 0110011", ALU),
  row("czero.nez", R, "0000111 ----- ----- 111 ----- 0110011", ALU),
];
