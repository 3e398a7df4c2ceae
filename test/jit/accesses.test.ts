/** Loads and stores that share one look into the TLB, and pages that share a place in it. */

import { expect, test } from "vitest";
import { Assembler } from "../support/assembler.ts";
import { counter, runBoth } from "../support/engines.ts";
import { RAM_BASE } from "../support/machine.ts";

const [S0, S1, T0, T1, A0, A1] = [8, 9, 5, 6, 10, 11] as const;
const ROUNDS = 20_000;

/** `body` in a loop of ROUNDS rounds that counts in s1; bases are in s0 and a1. */
function loop(first: number, second: number, body: (program: Assembler) => void): Assembler {
  const program = new Assembler(RAM_BASE).li(S0, first).li(A1, second).li(S1, ROUNDS).label("loop");
  body(program);
  program.op("addi", { rd: S1, rs1: S1, imm: -1 }).to("loop", "bne", { rs1: S1, rs2: 0 });
  return program.label("end").to("end", "jal", { rd: 0 });
}

/** Words, halves and doublewords of one structure: what was stored is read again, beside and above one another. */
function structure(program: Assembler): void {
  program.op("sd", { rs2: S1, rs1: S0, imm: -16 }).op("sw", { rs2: A0, rs1: S0, imm: 4 });
  program.op("lbu", { rd: T0, rs1: S0, imm: -15 }).op("addi", { rd: T1, rs1: S0, imm: 24 });
  program.op("add", { rd: A0, rs1: A0, rs2: T0 }).op("sh", { rs2: A0, rs1: T1, imm: -18 });
  program.op("ld", { rd: T0, rs1: T1, imm: -24 }).op("xor", { rd: A0, rs1: A0, rs2: T0 });
  program.op("lw", { rd: T0, rs1: S0, imm: -16 }).op("add", { rd: A0, rs1: A0, rs2: T0 });
}

test("a structure within a page", () => {
  const machine = runBoth(loop(RAM_BASE + 0x2000 + 16, 0, structure), [A0, T0]);
  expect(counter(machine, "CT_COMPILED")).toBeGreaterThan(ROUNDS * 11);
});

test("a structure across two pages: it is translated again, and stays in compiled code", () => {
  const machine = runBoth(loop(RAM_BASE + 0x3000, 0, structure), [A0, T0]);
  expect(machine.core.machineU32(machine.core.abi.M_JIT_TOTAL)).toBe(2);
  expect(counter(machine, "CT_COMPILED")).toBeGreaterThan(ROUNDS * 10);
});

test("a structure that isn't aligned: its accesses are the interpreter's", () => {
  runBoth(loop(RAM_BASE + 0x2000 + 17, 0, structure), [A0, T0]);
});

test("a structure that walks over pages", () => {
  runBoth(
    loop(RAM_BASE + 0x8000, 0, (program) => {
      structure(program);
      program.op("addi", { rd: S0, rs1: S0, imm: 24 });
    }),
    [A0, T0],
  );
});

test("two pages that have the same place in the TLB", () => {
  const far = 4096 * 4096;
  const machine = runBoth(
    loop(RAM_BASE + 0x2000, RAM_BASE + 0x2000 + far, (program) => {
      program.op("sd", { rs2: S1, rs1: S0, imm: 0 }).op("sd", { rs2: A0, rs1: A1, imm: 8 });
      program.op("ld", { rd: T0, rs1: A1, imm: 0 }).op("ld", { rd: T1, rs1: S0, imm: 8 });
      program.op("ld", { rd: T1, rs1: S0, imm: 0 }).op("add", { rd: A0, rs1: A0, rs2: T1 });
    }),
    [A0, T0, T1],
  );
  expect(counter(machine, "CT_TLB_MISS")).toBeLessThan(20);
});
