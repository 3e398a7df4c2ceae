import { ADDRESS_SPACE, NONE } from "../format.ts";
import { type Row, SYSTEM, section } from "../row.ts";

const row = section("Svinval", "Privileged, Svinval: Fine-Grained Address-Translation Cache Invalidation");

/** Fine-grained address-translation cache invalidation. */
export const svinval: readonly Row[] = [
  row("sinval.vma", ADDRESS_SPACE, "0001011 ----- ----- 000 00000 1110011", SYSTEM),
  row("sfence.w.inval", NONE, "0001100 00000 00000 000 00000 1110011", SYSTEM),
  row("sfence.inval.ir", NONE, "0001100 00001 00000 000 00000 1110011", SYSTEM),
];
