import { CACHE_BLOCK } from "../format.ts";
import { type Row, SLOW, section } from "../row.ts";

const row = section("Zicbom", "Unprivileged, CMO: Cache-Block Management Instructions");

/** Cache-block management. */
export const zicbom: readonly Row[] = [
  row("cbo.inval", CACHE_BLOCK, "000000000000 ----- 010 00000 0001111", SLOW),
  row("cbo.clean", CACHE_BLOCK, "000000000001 ----- 010 00000 0001111", SLOW),
  row("cbo.flush", CACHE_BLOCK, "000000000010 ----- 010 00000 0001111", SLOW),
];
