/** What the generator makes: every instruction, the same from the same seed, of a kind that ends. */

import { expect, test } from "vitest";
import { writeElf } from "../../src/fuzz/elf.ts";
import { generate } from "../../src/fuzz/generate.ts";
import type { Options } from "../../src/fuzz/generator.ts";
import { RAM_BASE } from "../../src/fuzz/harness.ts";
import { buildImage, MAX_PROGRAMS } from "../../src/fuzz/image.ts";
import { DATA_KINDS, type Node } from "../../src/fuzz/program.ts";
import { fromJson, toJson } from "../../src/fuzz/report.ts";
import { rowsOf } from "../../src/fuzz/rows.ts";
import { disassemble } from "../../src/isa/disassemble.ts";
import { rows } from "../../src/isa/table/index.ts";
import { readElf } from "../../src/machine/elf.ts";

const options: Options = { length: 60, runs: 2, without: new Set(), modes: ["M", "S", "U"], data: DATA_KINDS };

function* namesOf(nodes: readonly Node[]): Generator<string> {
  for (const node of nodes) {
    if (node.kind === "op") yield node.name;
    if (node.kind === "group") yield* namesOf(node.ops);
    if (node.kind === "return") yield node.mode === "M" ? "mret" : "sret";
    if ("op" in node) yield node.op.name;
    if ("body" in node) yield* namesOf(node.body);
  }
}

test("every instruction of the table comes up, but for those that have no end", () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 1500; seed++) for (const name of namesOf(generate(seed, options).body)) seen.add(name);
  const never = new Set(rowsOf("never").map((row) => row.name));
  expect(rows.map((row) => row.name).filter((name) => !seen.has(name))).toEqual([...never]);
});

test("what is left out doesn't come up", () => {
  const without = new Set(["Zicond", "Zicbom", "Zicboz", "ctzw"]);
  for (let seed = 0; seed < 300; seed++) {
    for (const name of namesOf(generate(seed, { ...options, without }).body))
      expect(name).not.toMatch(/^(czero|cbo\.|ctzw)/);
  }
});

test("a seed gives one program, and an image of any number of them fits", () => {
  expect(toJson(generate(7, options))).toBe(toJson(generate(7, options)));
  expect(toJson(generate(7, options))).not.toBe(toJson(generate(8, options)));
  const programs = Array.from({ length: MAX_PROGRAMS }, (_, seed) => generate(seed, options));
  expect(buildImage(programs).slots).toHaveLength(MAX_PROGRAMS);
  expect(() => buildImage([...programs, programs[0]!])).toThrow(RangeError);
});

test("a program comes back from JSON as it was", () => {
  for (let seed = 0; seed < 20; seed++) {
    const program = generate(seed, options);
    expect(fromJson(toJson(program))).toEqual(program);
  }
});

test("images are ELF executables", () => {
  const { bytes } = buildImage([generate(1, options)]);
  const elf = readElf(writeElf(RAM_BASE, bytes));
  expect(elf.entry).toBe(BigInt(RAM_BASE));
  expect(elf.segments.map(({ physical, size }) => [physical, size])).toEqual([[BigInt(RAM_BASE), bytes.length]]);
  expect(Buffer.from(elf.segments[0]!.bytes).equals(bytes)).toBe(true);
  expect(disassemble(new DataView(bytes.buffer).getUint32(0, true), 0n)).toBe("csrrs\tt0,mhartid,zero");
});
