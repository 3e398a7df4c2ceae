/** `wardian profile` on small guests. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { encode } from "../../src/isa/encode.ts";
import { exits, program, put, scratch, wardian } from "./run.ts";

const dir = scratch();
const LOOP = put(
  dir,
  "loop.bin",
  program(encode("addi", { rd: 10, rs1: 10, imm: 1 }), encode("jal", { rd: 0, target: -4 })),
);
const bare = ["profile", "--bios", "none", "--memory", "16M", "--kernel"];

/** The percentages of the first table, by what they are of. */
function kinds(stdout: string): Map<string, number> {
  const table = stdout.split("\n\n")[1]!;
  return new Map([...table.matchAll(/ s +([\d.]+) % {2}(.*)/g)].map(([, percent, kind]) => [kind!, Number(percent)]));
}

test("a loop's time is the interpreter's, and the percentages make a whole", async () => {
  const { status, stdout, stderr } = await wardian([...bare, LOOP, "--seconds", "1", "--engine", "interpreter"]);
  expect([status, stderr]).toEqual([0, ""]);
  const percent = kinds(stdout);
  expect(percent.size).toBe(10);
  expect([...percent.values()].reduce((sum, one) => sum + one)).toBeCloseTo(100, 0);
  expect(percent.get("interpreter, with decoding")).toBeGreaterThan(50);
  expect(percent.get("compiled code")).toBe(0);
  expect(stdout).toContain("exec/dispatch.generated/interpret");
  expect(stdout).not.toContain("Compiled regions");
});

test("with the JIT it is compiled code's, which is shown", async () => {
  const raw = join(dir, "raw.cpuprofile");
  const jit = ["--engine", "jit", "--regions", "1", "--code", "--raw", raw];
  const { status, stdout, stderr } = await wardian([...bare, LOOP, "--seconds", "1", ...jit]);
  expect([status, stderr]).toEqual([0, ""]);
  expect(kinds(stdout).get("compiled code")).toBeGreaterThan(50);
  expect(stdout).toMatch(
    /Compiled regions \(\d+ were seen\):\n.* r_80000000 {2}page 0x80000000 \+ 0x0, virtual 0x80000000/,
  );
  expect(stdout).toContain("  80000000  addi a0,a0,1\n  80000004  jal zero,0x80000000\n");
  expect(stdout).toContain("local.set $a0 (i64.add (local.get $a0) (i64.const 1))");
  expect(JSON.parse(readFileSync(raw, "utf8")).nodes.length).toBeGreaterThan(10);
});

test("a guest that ends by itself gives its code, and its profile", async () => {
  const { status, stdout } = await wardian([...bare, put(dir, "fails.bin", exits((7 << 16) | 0x3333))]);
  expect(status).toBe(7);
  expect(stdout).toMatch(/^At work for /);
});

describe("one sentence for", () => {
  const cases: [string, string[], RegExp][] = [
    ["an unknown flag", ["profile", "hello", "--secs", "1"], /unknown option '--secs'/],
    ["a bad time", ["profile", "hello", "--seconds", "-1"], /seconds/],
    ["a bad number of regions", ["profile", "hello", "--regions", "some"], /whole number/],
    ["the engine both", ["profile", "hello", "--engine", "both"], /engine both can't be profiled/],
    ["a profile that can't be written", ["profile", "hello", "--raw", dir], /profile .*directory/],
    ["a missing image", ["profile", "nowhere"], /no image and no file called nowhere/],
  ];
  test.each(cases)("%s", async (_, args, about) => {
    const { status, stdout, stderr } = await wardian(args);
    expect(stderr).toMatch(about);
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
    expect([status, stdout]).toEqual([1, ""]);
  });
});
