/** A breakpoint stops a hart that was in compiled code before it was set, and one whose code arrives after. */

import { expect, test } from "vitest";
import { compileNow } from "../../src/core/jit.ts";
import { Assembler } from "../support/assembler.ts";
import { machineOf } from "../support/machine.ts";

const [T0, A0] = [5, 10] as const;

test.each(["before", "after"] as const)("compiled code that comes %s the breakpoint", (when) => {
  const program = new Assembler();
  program.label("loop").op("addi", { rd: A0, rs1: A0, imm: 1 });
  program.label("inside").op("xor", { rd: T0, rs1: T0, rs2: A0 }).to("loop", "jal", { rd: 0 });
  const arrivals: (() => void)[] = [];
  const machine = machineOf(program, {
    engine: "jit",
    compile: (bytes, done) => arrivals.push(() => compileNow(bytes, done)),
  });
  const { core } = machine;
  const { abi, calls, view } = core;
  view.setUint32(abi.DEV_MACHINE + abi.M_JIT_HOT, 1, true);
  const inside = BigInt(program.addressOf("inside"));
  const arrive = () => {
    for (const one of arrivals.splice(0)) one();
  };
  for (let i = 0; i < 10; i++) expect(calls.run(0, 1001)).toBe(abi.RUN_BUDGET);
  expect(arrivals).toHaveLength(1);
  if (when === "before") arrive();
  for (let i = 0; i < 10; i++) expect(calls.run(0, 1001)).toBe(abi.RUN_BUDGET);
  calls.debugBreak(inside);
  arrive();
  expect(calls.run(0, 1001)).toBe(abi.RUN_DEBUG);
  expect(machine.pc()).toBe(inside);
  expect(core.machineU32(abi.M_JIT_STALE)).toBe(when === "after" ? 1 : 0);
  // It stops there every time round.
  calls.debugPass(0);
  expect(calls.run(0, 1001)).toBe(abi.RUN_DEBUG);
  expect(machine.pc()).toBe(inside);
});
