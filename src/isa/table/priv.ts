import { ADDRESS_SPACE, NONE } from "../format.ts";
import { type Row, SYSTEM, section } from "../row.ts";

const machine = section("Priv", "Privileged, Machine-Mode Privileged Instructions");
const supervisor = section("Priv", "Privileged, Supervisor Instructions");

/** Privileged instructions. */
export const priv: readonly Row[] = [
  machine("mret", NONE, "0011000 00010 00000 000 00000 1110011", SYSTEM),
  machine("wfi", NONE, "0001000 00101 00000 000 00000 1110011", SYSTEM),
  supervisor("sret", NONE, "0001000 00010 00000 000 00000 1110011", SYSTEM),
  supervisor("sfence.vma", ADDRESS_SPACE, "0001001 ----- ----- 000 00000 1110011", SYSTEM),
];
