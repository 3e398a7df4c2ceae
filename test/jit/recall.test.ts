/** Regions from earlier runs: what they do is what the interpreter does, whatever is kept. */

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import type { CodeCache, CodeRecord } from "../../src/core/code-cache.ts";
import { generate } from "../../src/fuzz/generate.ts";
import type { Options } from "../../src/fuzz/generator.ts";
import { buildImage } from "../../src/fuzz/image.ts";
import { lockstep } from "../../src/fuzz/lockstep.ts";
import { DATA_KINDS } from "../../src/fuzz/program.ts";
import { seeded } from "../isa/random.ts";
import { Assembler } from "../support/assembler.ts";
import { MemoryCodeCache } from "../support/code-cache.ts";
import { coreModule } from "../support/core.ts";
import { makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";

const module = await coreModule();
const options: Options = {
  length: 100,
  runs: 2,
  hot: true,
  without: new Set(),
  modes: ["M", "S", "U"],
  data: DATA_KINDS,
};

/** Random programs with a cache that `change` has been at. */
function runs(seeds: readonly number[], change: (cache: MemoryCodeCache) => CodeCache): number {
  let recalled = 0;
  for (const seed of seeds) {
    const harts = 1 + (seed % 2);
    const image = buildImage(
      [seed, seed + 100].map((each) => generate(each, options)),
      { harts },
    );
    const cache = new MemoryCodeCache();
    const run = (slicing: number, used: CodeCache) => lockstep(module, image, { harts, slicing }, image, used);
    expect(run(seed, cache).mismatch).toBeUndefined();
    const changed = change(cache);
    for (let again = 1; again <= 2; again++) {
      const hot = run(seed + again, changed);
      expect(hot.mismatch).toBeUndefined();
      recalled += hot.recalled;
    }
  }
  return recalled;
}

test("random programs run as in the interpreter when they are hot from the start", { timeout: 120_000 }, () => {
  expect(runs([1, 2, 3, 4], (cache) => cache)).toBeGreaterThan(100);
});

test("what is kept of them may be anything but their modules", { timeout: 120_000 }, () => {
  const random = seeded(9);
  const spoiled = (profile: Uint8Array): Uint8Array => {
    const bytes = profile.slice();
    // Its length, its entries, what was executed, its notes: anywhere.
    for (let i = 0; i < 60; i++) bytes[random() % bytes.length] = random();
    return random() % 4 ? bytes : bytes.slice(0, random() % bytes.length);
  };
  const spoil = (cache: MemoryCodeCache) => {
    for (const [key, { profile }] of cache.records) cache.records.set(key, { profile: spoiled(profile) });
    return cache;
  };
  runs([5, 6, 7, 8, 9, 10], spoil);
});

const [A0, A1, S0, T0] = [10, 11, 8, 5] as const;

/** Calls a function of its page, and one of another, many times; and jumps by a table. */
function program(rounds: number): Assembler {
  const a = new Assembler(RAM_BASE).li(S0, rounds).li(A0, 1);
  a.label("loop").to("near", "jal", { rd: 1 }).to("far", "jal", { rd: 1 });
  a.op("addi", { rd: S0, rs1: S0, imm: -1 }).to("loop", "bne", { rs1: S0, rs2: 0 });
  a.label("end").to("end", "jal", { rd: 0 });
  a.label("near").op("addi", { rd: A0, rs1: A0, imm: 5 }).op("slli", { rd: T0, rs1: A0, shamt: 3 });
  a.op("xor", { rd: A0, rs1: A0, rs2: T0 }).op("jalr", { rd: 0, rs1: 1, imm: 0 });
  a.org(RAM_BASE + 0x1000)
    .label("far")
    .op("add", { rd: A1, rs1: A1, rs2: A0 });
  return a.op("jalr", { rd: 0, rs1: 1, imm: 0 });
}

function run(cache: CodeCache, rounds = 3000, hot = 64): { machine: TestMachine; compiled: number } {
  const machine = makeMachine({ engine: "jit", cache });
  const { core } = machine;
  core.view.setUint32(core.abi.DEV_MACHINE + core.abi.M_JIT_HOT, hot, true);
  const a = program(rounds);
  machine.load(a);
  while (machine.pc() !== BigInt(a.addressOf("end"))) expect(core.calls.run(0, 1000)).toBe(core.abi.RUN_BUDGET);
  return { machine, compiled: Number(core.hartU64(0, core.abi.H_COUNTERS + core.abi.CT_COMPILED * 8)) };
}

/** Runs until what is kept stays as it is. */
function settle(cache: MemoryCodeCache): void {
  for (let i = 0; i < 5; i++) run(cache);
}

const results = ({ machine }: { machine: TestMachine }) => [machine.x(A0), machine.x(A1)];
const recalled = ({ machine: { core } }: { machine: TestMachine }) => core.machineU32(core.abi.M_JIT_RECALLED);

test("modules of a page become one when it is met again, and that is kept from then on", () => {
  const cache = new MemoryCodeCache();
  const cold = run(cache);
  expect(recalled(cold)).toBe(0);
  const warm = run(cache);
  expect(results(warm)).toEqual(results(cold));
  expect(recalled(warm)).toBeGreaterThanOrEqual(2);
  expect(warm.compiled).toBeGreaterThan(cold.compiled);
  settle(cache);
  expect([...cache.records.values()].every(({ module }) => module !== undefined)).toBe(true);
  // Nothing is added for ever.
  const before = new Map(cache.records);
  const hot = run(cache);
  expect(results(hot)).toEqual(results(cold));
  expect(hot.machine.core.machineU32(hot.machine.core.abi.M_JIT_MODULES)).toBe(before.size);
  expect([...cache.records]).toEqual([...before]);
});

test("a page with other bytes is another page", () => {
  const cache = new MemoryCodeCache();
  run(cache);
  const keys = [...cache.records.keys()];
  const other = run(cache, 3001);
  // The constant is in the first page; the other page is the same.
  const cold = run(new MemoryCodeCache(), 3001);
  expect(results(other)).toEqual(results(cold));
  expect(recalled(other)).toBeGreaterThan(0);
  const page = other.machine.read(RAM_BASE, 4096);
  expect(cache.records.has(createHash("sha256").update(page).digest("hex"))).toBe(true);
  expect(cache.records.size).toBe(keys.length + 1);
});

test.each<[string, (record: CodeRecord) => CodeRecord]>([
  ["no module", ({ profile }) => ({ profile, module: new Uint8Array(100) })],
  ["a module that ends too early", ({ profile, module }) => ({ profile, module: module!.slice(0, -5) })],
  [
    "a module without its functions",
    ({ profile }) => ({ profile, module: Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0) }),
  ],
  ["no profile", ({ module }) => ({ profile: new Uint8Array(), module: module! })],
  ["a profile that is too long", ({ module }) => ({ profile: new Uint8Array(5000), module: module! })],
])("of a record with %s nothing is used, and the guest runs on", (_, spoil) => {
  const cache = new MemoryCodeCache();
  const cold = run(cache);
  settle(cache);
  for (const [key, record] of cache.records) cache.records.set(key, spoil(record));
  const after = run(cache);
  expect(results(after)).toEqual(results(cold));
  expect(recalled(after)).toBe(0);
});
