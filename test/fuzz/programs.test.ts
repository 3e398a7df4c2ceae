/** A bounded share of the proof: random programs and floating point, the same every time, against QEMU. */

import { describe, expect, test } from "vitest";
import { ENGINES as ENGINE_NAMES } from "../../src/core/engine.ts";
import { ENGINES, type Engine, interpret } from "../../src/fuzz/engines.ts";
import { FLOAT_BATCH, fuzzFloat } from "../../src/fuzz/float.ts";
import { generate } from "../../src/fuzz/generate.ts";
import { RAM_BASE } from "../../src/fuzz/harness.ts";
import { buildImage } from "../../src/fuzz/image.ts";
import { PAGE } from "../../src/fuzz/program.ts";
import { fuzzPrograms, optionsFor } from "../../src/fuzz/programs.ts";
import { seeded } from "../../src/fuzz/random.ts";
import { encode } from "../../src/isa/encode.ts";
import { newestQemu } from "../../src/oracle/qemu.ts";
import { coreModule } from "../support/core.ts";

const module = await coreModule();
const qemu = await newestQemu(() => {});
const quiet = () => {};
const settings = { seed: 1, minutes: 1, programs: 800, modes: ["M", "S", "U"] as const, failures: 3 };

// Both at once are compared elsewhere, without QEMU.
describe.each(ENGINE_NAMES.filter((name) => name !== "both"))("on the engine %s", (name) => {
  const engine = ENGINES[name](module);

  test("random programs end as on QEMU", { timeout: 90_000 }, async () => {
    const { failures, programs, instructions } = await fuzzPrograms(settings, engine, qemu, quiet);
    expect(failures.map(({ text }) => text)).toEqual([]);
    expect(programs).toBe(settings.programs);
    expect(instructions).toBeGreaterThan(1_500_000);
  });

  test("floating point on hard operands gives the values and flags of QEMU", { timeout: 60_000 }, async () => {
    const { wrong, operations } = await fuzzFloat(3, FLOAT_BATCH, engine, qemu, quiet);
    expect(wrong).toEqual([]);
    expect(operations).toBeGreaterThan(1_000_000);
  });
});

/** Takes xor for or. */
const faulty: Engine = (image) => {
  const bytes = image.bytes.slice();
  const view = new DataView(bytes.buffer);
  const replaced = new Map<number, number>();
  const [xor, or] = [encode("xor", { rd: 0, rs1: 0, rs2: 0 }), encode("or", { rd: 0, rs1: 0, rs2: 0 })];
  for (const { code, emitted } of image.slots) {
    const words = new DataView(emitted.bytes.buffer);
    for (let at = 0; at < emitted.bytes.length - 4; at += (words.getUint16(at, true) & 3) === 3 ? 4 : 2) {
      const [page, offset] = [Math.floor((emitted.origin + at) / PAGE), (emitted.origin + at) % PAGE];
      const raw = words.getUint32(at, true);
      if ((raw & 0xfe00_707f) >>> 0 !== xor || offset > PAGE - 4) continue;
      const address = code[page]! - RAM_BASE + offset;
      replaced.set(address, raw);
      view.setUint32(address, raw ^ xor ^ or, true);
    }
  }
  const outcome = interpret(module, { ...image, bytes });
  const after = new DataView(outcome.ram.buffer, outcome.ram.byteOffset);
  for (const [at, raw] of replaced) after.setUint32(at, raw, true);
  return outcome;
};

test("an engine that is wrong is found out, and the program made small", { timeout: 120_000 }, async () => {
  const { failures } = await fuzzPrograms({ ...settings, programs: 100, failures: 1 }, faulty, qemu, quiet);
  expect(failures).toHaveLength(1);
  const { program, text } = failures[0]!;
  expect(program.body.length).toBeLessThanOrEqual(2);
  expect(JSON.stringify(program.body)).toContain('"xor"');
  expect(text).toMatch(/ {2}xor \w+,\w+,\w+\n/);
  expect(text).toMatch(/run 0: \w+ should be 0x[0-9a-f]+, is 0x[0-9a-f]+/);
});

test("run(n) is exact on every mix of instructions: slices of any size end in the same memory", () => {
  const options = optionsFor(qemu, ["M", "S", "U"]);
  const image = buildImage(Array.from({ length: 60 }, (_, i) => generate(9000 + i, options)));
  const whole = Buffer.from(interpret(module, image).ram);
  for (const most of [7, 100, 5000]) {
    const random = seeded(most);
    const cut = interpret(module, image, () => 1 + (random() % most));
    expect(cut.stuck).toBeUndefined();
    // minstret is in there as well.
    expect(Buffer.from(cut.ram).equals(whole)).toBe(true);
  }
});
