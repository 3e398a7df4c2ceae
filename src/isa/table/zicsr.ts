import { CSR, CSR_IMM } from "../format.ts";
import { type Row, SYSTEM, section } from "../row.ts";

const row = section("Zicsr", "Unprivileged, Zicsr: CSR Instructions");

/** Control and status registers. */
export const zicsr: readonly Row[] = [
  row("csrrw", CSR, "------------ ----- 001 ----- 1110011", SYSTEM),
  row("csrrs", CSR, "------------ ----- 010 ----- 1110011", SYSTEM),
  row("csrrc", CSR, "------------ ----- 011 ----- 1110011", SYSTEM),
  row("csrrwi", CSR_IMM, "------------ ----- 101 ----- 1110011", SYSTEM),
  row("csrrsi", CSR_IMM, "------------ ----- 110 ----- 1110011", SYSTEM),
  row("csrrci", CSR_IMM, "------------ ----- 111 ----- 1110011", SYSTEM),
];
