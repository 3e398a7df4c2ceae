/** Jumps through registers, as of jump tables: their targets become a part of the region. */

import { expect, test } from "vitest";
import { Assembler } from "../support/assembler.ts";
import { counter, runBoth } from "../support/engines.ts";
import { RAM_BASE } from "../support/machine.ts";

const [S0, S1, S2, T0, T1, A0, A1] = [8, 9, 18, 5, 6, 10, 11] as const;
const ROUNDS = 40_000;
const FAR = RAM_BASE + 0x5000;

/** Pseudo-random numbers in a0: by a multiplier of Knuth's. */
const step = (program: Assembler): Assembler =>
  program.op("mul", { rd: A0, rs1: A0, rs2: S2 }).op("addi", { rd: A0, rs1: A0, imm: 1443 });

/**
 * A loop that jumps to one of `cases`; each works on a1. Those from `far` on are in
 * another page. After half of the rounds all jumps lead where none led before.
 */
function machine(cases: number, far: number): Assembler {
  const program = new Assembler(RAM_BASE).li(S1, ROUNDS).li(A0, 99).li(A1, 1).li(S2, 0x5851_f42d).la(S0, "table");
  program.label("loop");
  step(program)
    .op("srli", { rd: T0, rs1: A0, shamt: 40 })
    .op("andi", { rd: T0, rs1: T0, imm: cases / 2 - 1 });
  program
    .li(T1, ROUNDS / 2)
    .to("first", "blt", { rs1: S1, rs2: T1 })
    .op("addi", { rd: T0, rs1: T0, imm: cases / 2 });
  program.label("first").op("slli", { rd: T0, rs1: T0, shamt: 3 }).op("add", { rd: T0, rs1: T0, rs2: S0 });
  program.op("ld", { rd: T0, rs1: T0, imm: 0 }).op("jalr", { rd: 0, rs1: T0, imm: 0 });
  program.label("next").op("addi", { rd: S1, rs1: S1, imm: -1 }).to("loop", "bne", { rs1: S1, rs2: 0 });
  program.label("end").to("end", "jal", { rd: 0 });
  for (let i = 0; i < cases; i++) {
    if (i === far) program.org(FAR);
    program.label(`case${i}`).op("xori", { rd: A1, rs1: A1, imm: 13 * i + 5 });
    if (i % 3 === 0) program.op("slli", { rd: T0, rs1: A1, shamt: 5 }).op("add", { rd: A1, rs1: A1, rs2: T0 });
    if (i % 4 === 1) program.op("sd", { rs2: A1, rs1: S0, imm: -16 }).op("lwu", { rd: T0, rs1: S0, imm: -16 });
    if (i % 4 === 1) program.op("add", { rd: A1, rs1: A1, rs2: T0 });
    program.to("next", "jal", { rd: 0 });
  }
  program.org(FAR + 0x1010).label("table");
  for (let i = 0; i < cases; i++) program.raw(program.addressOf(`case${i}`), 8);
  return program;
}

test.each([
  ["one target after another", 2, 2],
  ["eight targets, then eight others", 16, 16],
  ["sixty-four targets", 128, 128],
  ["targets in two pages", 16, 4],
])("%s", (_, cases, far) => {
  const program = machine(cases, far);
  const jit = runBoth(program, [A0, A1, T0]);
  const retired = Number(jit.field("H_INSTRET"));
  expect(counter(jit, "CT_COMPILED")).toBeGreaterThan(retired * 0.8);
});

test("a jump whose table is written over by other addresses", () => {
  const program = new Assembler(RAM_BASE).li(S1, ROUNDS).li(A1, 0).la(S0, "one").la(S2, "two").label("loop");
  program.op("jalr", { rd: 0, rs1: S0, imm: 0 });
  program.label("one").op("addi", { rd: A1, rs1: A1, imm: 3 }).to("next", "jal", { rd: 0 });
  program.label("two").op("addi", { rd: A1, rs1: A1, imm: 1000 });
  program.label("next").op("addi", { rd: S1, rs1: S1, imm: -1 }).li(T1, 5000);
  program.to("same", "bge", { rs1: S1, rs2: T1 }).op("addi", { rd: S0, rs1: S2, imm: 0 });
  program.label("same").to("loop", "bne", { rs1: S1, rs2: 0 }).label("end").to("end", "jal", { rd: 0 });
  const jit = runBoth(program, [A1]);
  expect(jit.x(A1)).toBe(BigInt((ROUNDS - 5000) * 3 + 3 + 4999 * 1000));
});
