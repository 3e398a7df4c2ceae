import { expect, test } from "vitest";
import { csrName } from "../../src/isa/csr-names.ts";
import { type Decoded, decode } from "../../src/isa/decode.ts";
import { disassemble } from "../../src/isa/disassemble.ts";
import { rows } from "../../src/isa/table/index.ts";
import { type Listed, listWords } from "./gnu.ts";
import { operandSamples, rawOf } from "./operands.ts";
import { seeded } from "./random.ts";

/** Objdump's text with the targets and the few names that we write otherwise. */
function normalise({ raw, text }: Listed): string {
  return text
    .replace(/\b([0-9a-f]+) <[^>]*>/, "0x$1")
    .replace(/^(c\.s[lr][la]i)64\t(\w+)$/, "$1\t$2,0x0") // shifts by 0 are named after RV128
    .replace(/^c\.addi\tzero,0$/, "c.nop")
    .replace(/^c\.addi\tzero,/, "c.nop\t")
    .replace(/^c\.unimp$/, ".2byte")
    .replace(/^c\.addi16sp\tsp,0$/, ".2byte") // reserved
    .replace(/^(uret|hret|sfence\.vm)$/, ".4byte") // withdrawn
    .replace(/^(csrr\w+\t\w+),\w+/, `$1,${csrName(raw >>> 20)}`) // the names have their own test
    .replace(/^\.([24])byte.*/, (_, size) => `.${size}byte\t0x${raw.toString(16)}`);
}

/** Legal by the manual, although binutils 2.40 doesn't know the encoding. */
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

function compare(words: Iterable<number>): { compared: number; beyond: number } {
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
  expect(wrong.slice(0, 20), `${wrong.length} differ`).toEqual([]);
  return { compared: listed.length, beyond };
}

test("every compressed encoding reads as objdump says", () => {
  const words = Array.from({ length: 0x10000 }, (_, raw) => raw).filter((raw) => (raw & 3) !== 3);
  expect(compare(words)).toEqual({ compared: 0xc000, beyond: 0 });
});

test("every row reads as objdump says, with extreme and random operands", () => {
  const random = seeded(2);
  const words = rows.flatMap((row) => operandSamples(row, random, 60).map((operands) => rawOf(row, operands)));
  const { compared, beyond } = compare(words);
  expect(compared).toBe(words.length);
  expect(beyond).toBeLessThan(words.length / 50);
});

test("random words are legal, and read, as objdump says", () => {
  const random = seeded(3);
  const words: number[] = [];
  while (words.length < 50_000) {
    const raw = (random() | 3) >>> 0;
    if ((raw & 0x1c) !== 0x1c) words.push(raw); // longer encodings put objdump out of step
  }
  expect(compare(words).compared).toBe(words.length);
});

test("words next to a legal one are legal, and read, as objdump says", () => {
  const random = seeded(4);
  const words: number[] = [];
  for (const row of rows) {
    if (row.size === 2) continue;
    for (let n = 0; n < 250; n++) {
      const raw = ((row.match | (random() & ~row.mask)) ^ (1 << (random() % 32))) >>> 0;
      if ((raw & 3) === 3 && (raw & 0x1c) !== 0x1c) words.push(raw);
    }
  }
  expect(compare(words).compared).toBe(words.length);
});

test("control and status registers have the names that objdump gives them", () => {
  const csrrs = 0x2573;
  const theirs = listWords(Array.from({ length: 4096 }, (_, csr) => csr * 2 ** 20 + csrrs)).map(
    ({ text }) => text.split(",")[1]!,
  );
  const known = new Set(theirs);
  theirs.forEach((name, csr) => {
    // Registers with the upper halves of others are RV32's.
    const upperHalf = name.endsWith("h") && known.has(name.slice(0, -1));
    if (!upperHalf) expect(csrName(csr)).toBe(name);
  });
});
