/** A bounded share of the proof that the JIT does what the interpreter does: random hot programs, always the same. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fuzzEngines, replay } from "../../src/fuzz/engine-programs.ts";
import { generate } from "../../src/fuzz/generate.ts";
import type { Options } from "../../src/fuzz/generator.ts";
import { RAM_BASE } from "../../src/fuzz/harness.ts";
import { buildImage } from "../../src/fuzz/image.ts";
import { lockstep } from "../../src/fuzz/lockstep.ts";
import { DATA_KINDS, INPUT_REGISTERS, type Node, type Program } from "../../src/fuzz/program.ts";
import { coreModule } from "../support/core.ts";

const module = await coreModule();
const FIXTURES = new URL("fixtures/", import.meta.url);
const options: Options = {
  length: 100,
  runs: 2,
  hot: true,
  without: new Set(),
  modes: ["M", "S", "U"],
  data: DATA_KINDS,
};

test("the JIT and the interpreter agree on hot programs at every instant", { timeout: 60_000 }, async () => {
  const settings = { seed: 3, minutes: 1, instructions: 10_000_000, failures: 3, modes: ["M", "S", "U"] as const };
  const { failures, instructions, regions } = await fuzzEngines(settings, module, () => {});
  expect(failures.map(({ text }) => text)).toEqual([]);
  expect(instructions).toBeGreaterThanOrEqual(10_000_000);
  expect(regions).toBeGreaterThan(500);
});

test("what differs is found: a register's value in one run, with the hart and the program", () => {
  const programs = [3, 4, 5].map((seed) => generate(seed, options));
  for (const harts of [1, 2]) {
    const image = buildImage(programs, { harts });
    const course = { harts, slicing: 9 };
    expect(lockstep(module, image, course).mismatch).toBeUndefined();
    const bytes = image.bytes.slice();
    // f7 of the second program's second run.
    bytes[image.slots[1]!.inputs - RAM_BASE + (INPUT_REGISTERS + 32 + 7) * 8]! ^= 1;
    const { mismatch } = lockstep(module, image, course, { ...image, bytes });
    expect(mismatch?.index).toBeLessThanOrEqual(1);
    expect(mismatch?.lines.join("\n")).toMatch(/(f7 should be 0x\w+, is 0x\w+|memory at 0x8\w+ should be)/);
  }
});

test("hot programs have every shape that there is, and copies for remapping", () => {
  const kinds = new Set<string>();
  const visit = (nodes: readonly Node[]): void => {
    for (const node of nodes) {
      kinds.add(node.kind);
      if ("body" in node) visit(node.body);
    }
  };
  const programs: Program[] = Array.from({ length: 200 }, (_, seed) => generate(seed, options));
  for (const { body, functions } of programs) {
    visit(body);
    for (const callee of functions!) visit(callee.body);
  }
  for (const kind of "loop tangle rare recursion call table datum patch indirect return".split(" "))
    expect(kinds).toContain(kind);
  expect(programs.some(({ remap }) => remap !== undefined)).toBe(true);
});

const kept = existsSync(FIXTURES) ? readdirSync(FIXTURES).filter((name) => name.startsWith("engines-")) : [];
test.runIf(kept.length > 0).each(kept)("what once differed is the same: %s", (name) => {
  expect(replay(readFileSync(new URL(name, FIXTURES), "utf8"), module)).toBeUndefined();
});
