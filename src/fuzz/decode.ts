/** The suite of decoding: our disassembler against GNU objdump, on any words. */

import { csrName } from "../isa/csr-names.ts";
import { type Decoded, decode } from "../isa/decode.ts";
import { disassemble } from "../isa/disassemble.ts";
import { rows } from "../isa/table/index.ts";
import { type Listed, listWords } from "../oracle/binutils.ts";
import { chance, choose, type Random, seeded } from "./random.ts";

/** What came of a comparison. */
export interface Decoding {
  readonly compared: number;
  /** Legal by the manual, although binutils 2.40 doesn't know the encoding. */
  readonly beyond: number;
  /** What differs: the bits, our text, theirs. */
  readonly wrong: readonly string[];
}

/** Objdump's text with the targets and the few names that we write otherwise. */
function normalise({ raw, text }: Listed): string {
  return text
    .replace(/\b([0-9a-f]+) <[^>]*>/, "0x$1")
    .replace(/^(c\.s[lr][la]i)64\t(\w+)$/, "$1\t$2,0x0") // shifts by 0 are named after RV128
    .replace(/^c\.addi\tzero,0$/, "c.nop")
    .replace(/^c\.addi\tzero,/, "c.nop\t")
    .replace(/^c\.unimp$/, ".2byte")
    .replace(/^c\.addi16sp\tsp,0$/, ".2byte") // reserved
    .replace(/^(uret|hret|sfence\.vm(\t\w+)?)$/, ".4byte") // withdrawn
    .replace(/^hinval\.[gv]vma\t.*/, ".4byte") // the hypervisor extension's, which comes with Svinval there
    .replace(/^(csrr\w+\t\w+),\w+/, `$1,${csrName(raw >>> 20)}`) // the names have their own test
    .replace(/^\.([24])byte.*/, (_, size) => `.${size}byte\t0x${raw.toString(16)}`);
}

function beyondGnu({ row, operands }: Decoded, raw: number): boolean {
  if (row.extension === "Zicond") return true; // from 2.41 on
  // Reserved fields of fences are to be ignored.
  if (row.name === "fence") return raw >>> 28 !== 0 || (raw & 0x000f8f80) !== 0;
  if (row.name === "fence.i") return (raw & 0xffff8f80) !== 0;
  if (row.name === "fence.tso") return (raw & 0x000f8f80) !== 0;
  // Exact conversions take any rounding mode.
  return ["fcvt.d.w", "fcvt.d.wu", "fcvt.d.s"].includes(row.name) && operands.rm !== 0;
}

/** Without the exact conversions' rounding mode, which objdump never prints. */
function ours(raw: number, pc: bigint): string {
  const text = disassemble(raw, pc);
  return /^fcvt\.d\.(w|wu|s)\t/.test(text) ? text.replace(/,rne$/, "") : text;
}

/** Is each legal or not as objdump has it, and does it read the same? */
export function compareWords(words: Iterable<number>): Decoding {
  const wrong: string[] = [];
  let beyond = 0;
  const listed = listWords(words);
  for (const line of listed) {
    const theirs = normalise(line);
    if (theirs === ours(line.raw, line.pc)) continue;
    const decoded = decode(line.raw);
    if (decoded && theirs.startsWith(".4byte") && beyondGnu(decoded, line.raw)) beyond++;
    else wrong.push(`${line.raw.toString(16)}: ${ours(line.raw, line.pc)} | ${theirs}`);
  }
  return { compared: listed.length, beyond, wrong };
}

/** Longer encodings would put objdump out of step. */
const isWord = (raw: number): boolean => (raw & 3) === 3 && (raw & 0x1c) !== 0x1c;
const long = rows.filter((row) => row.size === 4);

/** Half of them any words, half a bit away from an instruction or none. */
function randomWord(random: Random): number {
  for (;;) {
    let raw = (random() | 3) >>> 0;
    if (chance(random, 2)) {
      const row = choose(random, long);
      raw = (row.match | (random() & ~row.mask)) >>> 0;
      if (!chance(random, 4)) raw = (raw ^ (1 << (random() % 32))) >>> 0;
    }
    if (isWord(raw)) return raw;
  }
}

const PART = 100_000;

/** @param say hears how it goes */
export function fuzzDecode(seed: number, words: number, say: (line: string) => void): Decoding {
  const random = seeded(seed);
  const total = { compared: 0, beyond: 0, wrong: [] as string[] };
  while (total.compared < words) {
    const count = Math.min(PART, words - total.compared);
    const part = compareWords(Array.from({ length: count }, () => randomWord(random)));
    total.compared += part.compared;
    total.beyond += part.beyond;
    total.wrong.push(...part.wrong);
    say(`${total.compared} words, ${total.wrong.length} differ`);
    if (part.compared !== count || total.wrong.length > PART) break;
  }
  return total;
}
