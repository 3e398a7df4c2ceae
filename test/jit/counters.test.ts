/** What is counted of compiled code. */

import { expect, test } from "vitest";
import type { EngineName } from "../../src/core/engine.ts";
import { Assembler } from "../support/assembler.ts";
import { makeMachine } from "../support/machine.ts";

/** Instructions of a loop without end that each engine says compiled code has retired, of so many in all. */
function compiled(engine: EngineName, slices: number, slice: number): number {
  const a = new Assembler().label("loop").op("addi", { rd: 10, rs1: 10, imm: 1 });
  const machine = makeMachine({ engine }).load(a.to("loop", "jal", { rd: 0 }));
  machine.run(slices * slice, 0, () => slice);
  const { core } = machine;
  const { abi } = core;
  return Number(core.hartU64(0, abi.H_COUNTERS + abi.CT_COMPILED * 8));
}

test("the interpreter has retired none by compiled code", () => expect(compiled("interpreter", 10, 1000)).toBe(0));

test("a loop that is compiled after two slices retires all of the others by it", () => {
  const count = compiled("jit", 10, 1000);
  expect(count).toBeGreaterThan(7500);
  expect(count).toBeLessThanOrEqual(8000);
});
