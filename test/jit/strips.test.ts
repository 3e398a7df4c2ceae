/** Loops along memory: rounds without looks into the TLB, up to where a pointer leaves its page. */

import { expect, test } from "vitest";
import { A, AddressSpace, D, R, V, W } from "../../src/fuzz/paging.ts";
import { Assembler } from "../support/assembler.ts";
import { counter, runBoth } from "../support/engines.ts";
import { RAM_BASE, type TestMachine } from "../support/machine.ts";

const [S0, S1, T0, T1, T2, A0, A1] = [8, 9, 5, 6, 7, 10, 11] as const;
const ROUNDS = 3000;

interface Walk {
  readonly from: number;
  readonly by: number;
  readonly second?: number;
  readonly rounds?: number;
}

/**
 * `body` in a loop of one block whose pointer s0 moves by a constant; s1 counts, a1 is a second pointer. Data are
 * reached by way of page tables.
 */
function walk({ from, by, second = 0, rounds = ROUNDS }: Walk, body: (program: Assembler) => void): Assembler {
  const program = new Assembler(RAM_BASE);
  for (const [csr, value] of AS_S) program.li(T0, value).op("csrrs", { rd: 0, rs1: T0, csr });
  program.li(T2, 20).label("again").li(S0, from).li(A1, second).li(S1, rounds).label("loop");
  body(program);
  program.op("addi", { rd: S0, rs1: S0, imm: by }).op("addi", { rd: S1, rs1: S1, imm: -1 });
  program.to("loop", "bne", { rs1: S1, rs2: 0 });
  program.op("addi", { rd: T2, rs1: T2, imm: -1 }).to("again", "bne", { rs1: T2, rs2: 0 });
  return program.label("end").to("end", "jal", { rd: 0 });
}

const DATA = RAM_BASE + 0x10_0000;
const PAGES = 600;
const TABLES = RAM_BASE + 0x200_0000;
/** satp, pmpaddr0, pmpcfg0, mstatus: loads and stores are done as by S-mode (Privileged, 3.1.6.3), which may go anywhere. */
const AS_S: readonly (readonly [number, bigint])[] = [
  [0x180, (8n << 60n) | BigInt(TABLES / 4096)],
  [0x3b0, (1n << 54n) - 1n],
  [0x3a0, 0x1fn],
  [0x300, (1n << 17n) | (1n << 11n)],
];

/** Data in runs of pages that are in reverse: with one page each, none is beside its neighbour. */
function reversed(machine: TestMachine, run = 1): void {
  let next = TABLES;
  const space = new AddressSpace(
    {
      page: () => {
        next += 4096;
        return next - 4096;
      },
      read: (address) => machine.readU64(address),
      write: (address, value) => machine.writeU64(address, value),
    },
    3,
  );
  for (let i = 0; i < PAGES; i++) {
    const physical = DATA + (PAGES - run - (i - (i % run)) + (i % run)) * 4096;
    space.map(BigInt(DATA + i * 4096), physical, BigInt(V | R | W | A | D));
  }
}

const both = (program: Assembler, registers: readonly number[], run?: number) =>
  runBoth(program, registers, (machine) => reversed(machine, run));

const sum = (program: Assembler) => program.op("add", { rd: A0, rs1: A0, rs2: T0 });
/** Fills what is read, then reads it. */
const filled = (program: Assembler) =>
  sum(program.op("ld", { rd: T0, rs1: S0, imm: 0 }).op("sd", { rs1: S0, rs2: S1, imm: 8 }));

test.each([1, 2, 4, 8, 12, 24, 40, 64, 72, 120, 128, 136, 768, 1024, 2040])("steps of %i bytes, up and down", (by) => {
  for (const step of [by, -by]) {
    const width =
      by % 8 === 0 ? ["ld", "sd"] : by % 4 === 0 ? ["lw", "sw"] : by % 2 === 0 ? ["lh", "sh"] : ["lbu", "sb"];
    const rounds = Math.min(ROUNDS, Math.floor(0x8_0000 / by));
    for (const end of [0, 0x7f8, 0xff8]) {
      const from = DATA + (step < 0 ? 0x8_0000 : 0) + end;
      const machine = both(
        walk({ from, by: step, rounds }, (program) => {
          sum(program.op(width[0]!, { rd: T0, rs1: S0, imm: 0 })).op("add", { rd: T1, rs1: A0, rs2: S1 });
          program.op(width[1]!, { rs1: S0, rs2: T1, imm: 0 });
        }),
        [A0, T0, T1, S0],
      );
      expect(counter(machine, "CT_COMPILED")).toBeGreaterThan(rounds * 18 * 5);
    }
  }
});

test.each([
  136, 256, 768, 1000, 2040,
])("steps of %i bytes, where some pages are neighbours, and one behind the other", (by) => {
  for (const run of [1, 5, 20])
    for (const step of [by, -by])
      for (const end of [0, 0x7f8, 0xff8]) {
        const from = DATA + 0x1_0000 + (step < 0 ? 0x8_0000 : 0) + end;
        both(
          walk({ from, by: step, second: from - 16 * step, rounds: Math.floor(0x8_0000 / by) }, (program) => {
            program.op("xor", { rd: T1, rs1: A0, rs2: S1 }).op("sd", { rs1: S0, rs2: T1, imm: 0 });
            sum(program.op("ld", { rd: T0, rs1: A1, imm: 0 })).op("addi", { rd: A1, rs1: A1, imm: step });
          }),
          [A0, T0, T1, S0, A1],
          run,
        );
      }
});

test("a structure of which parts lie before the pointer, and which moves in the middle of the round", () => {
  both(
    walk({ from: DATA + 0x10, by: 16, second: 0 }, (program) => {
      program.op("sd", { rs1: S0, rs2: S1, imm: -16 }).op("lw", { rd: T0, rs1: S0, imm: -12 });
      program.op("addi", { rd: S0, rs1: S0, imm: 32 }).op("sh", { rs1: S0, rs2: A0, imm: -38 });
      sum(program.op("lbu", { rd: T1, rs1: S0, imm: -48 }).op("add", { rd: T0, rs1: T0, rs2: T1 }));
      program.op("addi", { rd: S0, rs1: S0, imm: -24 });
    }),
    [A0, T0, T1, S0],
  );
});

test("a pointer that moves by what doesn't keep it aligned", () => {
  both(walk({ from: DATA, by: 12 }, filled), [A0, T0]);
  both(walk({ from: DATA + 4, by: 8 }, filled), [A0, T0]);
});

test("two pointers against one another, in the same pages", () => {
  const machine = both(
    walk({ from: DATA, by: 8, second: DATA + ROUNDS * 8 }, (program) => {
      sum(program.op("ld", { rd: T0, rs1: S0, imm: 0 })).op("add", { rd: T1, rs1: T0, rs2: S1 });
      program.op("sd", { rs1: A1, rs2: T1, imm: -8 }).op("addi", { rd: A1, rs1: A1, imm: -8 });
    }),
    [A0, T0, T1, A1],
  );
  expect(counter(machine, "CT_TLB_MISS")).toBeLessThan(200);
});

test("a place that stays, and one that is found anew in each round", () => {
  both(
    walk({ from: DATA, by: 8, second: DATA + 0x1f_0000 }, (program) => {
      program.op("ld", { rd: T0, rs1: A1, imm: 16 }).op("add", { rd: T0, rs1: T0, rs2: S1 });
      program.op("sd", { rs1: A1, rs2: T0, imm: 16 }).op("slli", { rd: T1, rs1: T0, shamt: 50 });
      program.op("srli", { rd: T1, rs1: T1, shamt: 47 }).op("add", { rd: T1, rs1: T1, rs2: A1 });
      program.op("sd", { rs1: T1, rs2: S1, imm: 24 }).op("sd", { rs1: S0, rs2: T0, imm: 0 });
      sum(program.op("ld", { rd: T0, rs1: T1, imm: 24 }));
    }),
    [A0, T0, T1],
  );
});

test("more pointers than have strips", () => {
  const pointers = [12, 13, 14, 15, 16, 17];
  both(
    walk({ from: DATA, by: 8 }, (program) => {
      for (const [i, pointer] of pointers.entries()) {
        program
          .op("addi", { rd: pointer, rs1: pointer, imm: 8 * (i + 1) })
          .op("slli", { rd: T1, rs1: pointer, shamt: 44 });
        program.op("srli", { rd: T1, rs1: T1, shamt: 44 }).op("add", { rd: T1, rs1: T1, rs2: S0 });
        sum(program.op("ld", { rd: T0, rs1: T1, imm: 0 })).op("sd", { rs1: S0, rs2: A0, imm: 8 * i });
      }
    }),
    [A0, T0, T1, ...pointers],
  );
});

test("code is written over by a loop that runs into it", () => {
  // The loop stores the instruction that is there already, or another, into its own page and the next one.
  const program = new Assembler(RAM_BASE).li(S0, RAM_BASE).li(S1, 900).li(A0, 0x13).label("loop");
  program.op("lw", { rd: T0, rs1: S0, imm: 0 }).op("sw", { rs1: S0, rs2: T0, imm: 0 });
  program.op("add", { rd: A0, rs1: A0, rs2: T0 }).op("addi", { rd: S0, rs1: S0, imm: 4 });
  program.op("addi", { rd: S1, rs1: S1, imm: -1 }).to("loop", "bne", { rs1: S1, rs2: 0 });
  runBoth(program.label("end").to("end", "jal", { rd: 0 }), [A0, T0, S0]);
});
