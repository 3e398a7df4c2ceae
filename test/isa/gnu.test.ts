import { expect, test } from "vitest";
import { compareWords, type Decoding } from "../../src/fuzz/decode.ts";
import { csrName } from "../../src/isa/csr-names.ts";
import { rows } from "../../src/isa/table/index.ts";
import { listWords } from "../../src/oracle/binutils.ts";
import { operandSamples, rawOf } from "./operands.ts";
import { seeded } from "./random.ts";

function compare(words: Iterable<number>): Omit<Decoding, "wrong"> {
  const { wrong, ...counts } = compareWords(words);
  expect(wrong.slice(0, 20), `${wrong.length} differ`).toEqual([]);
  return counts;
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
