import { AMO, LR } from "../format.ts";
import { type Row, SLOW, section } from "../row.ts";

const reserved = section("A", "Unprivileged, A: Load-Reserved/Store-Conditional Instructions");
const atomic = section("A", "Unprivileged, A: Atomic Memory Operations");

/** Atomic instructions: Zalrsc and Zaamo. */
export const a: readonly Row[] = [
  reserved("lr.w", LR, "00010 - - 00000 ----- 010 ----- 0101111", SLOW),
  reserved("sc.w", AMO, "00011 - - ----- ----- 010 ----- 0101111", SLOW),
  reserved("lr.d", LR, "00010 - - 00000 ----- 011 ----- 0101111", SLOW),
  reserved("sc.d", AMO, "00011 - - ----- ----- 011 ----- 0101111", SLOW),
  atomic("amoswap.w", AMO, "00001 - - ----- ----- 010 ----- 0101111", SLOW),
  atomic("amoadd.w", AMO, "00000 - - ----- ----- 010 ----- 0101111", SLOW),
  atomic("amoxor.w", AMO, "00100 - - ----- ----- 010 ----- 0101111", SLOW),
  atomic("amoand.w", AMO, "01100 - - ----- ----- 010 ----- 0101111", SLOW),
  atomic("amoor.w", AMO, "01000 - - ----- ----- 010 ----- 0101111", SLOW),
  atomic("amomin.w", AMO, "10000 - - ----- ----- 010 ----- 0101111", SLOW),
  atomic("amomax.w", AMO, "10100 - - ----- ----- 010 ----- 0101111", SLOW),
  atomic("amominu.w", AMO, "11000 - - ----- ----- 010 ----- 0101111", SLOW),
  atomic("amomaxu.w", AMO, "11100 - - ----- ----- 010 ----- 0101111", SLOW),
  atomic("amoswap.d", AMO, "00001 - - ----- ----- 011 ----- 0101111", SLOW),
  atomic("amoadd.d", AMO, "00000 - - ----- ----- 011 ----- 0101111", SLOW),
  atomic("amoxor.d", AMO, "00100 - - ----- ----- 011 ----- 0101111", SLOW),
  atomic("amoand.d", AMO, "01100 - - ----- ----- 011 ----- 0101111", SLOW),
  atomic("amoor.d", AMO, "01000 - - ----- ----- 011 ----- 0101111", SLOW),
  atomic("amomin.d", AMO, "10000 - - ----- ----- 011 ----- 0101111", SLOW),
  atomic("amomax.d", AMO, "10100 - - ----- ----- 011 ----- 0101111", SLOW),
  atomic("amominu.d", AMO, "11000 - - ----- ----- 011 ----- 0101111", SLOW),
  atomic("amomaxu.d", AMO, "11100 - - ----- ----- 011 ----- 0101111", SLOW),
];
