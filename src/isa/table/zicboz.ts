import { CACHE_BLOCK } from "../format.ts";
import { type Row, SLOW, section } from "../row.ts";

const row = section("Zicboz", "Unprivileged, CMO: Cache-Block Zero Instructions");

/** Cache-block zero. */
export const zicboz: readonly Row[] = [row("cbo.zero", CACHE_BLOCK, "000000000100 ----- 010 00000 0001111", SLOW)];
