/** What the TLB remembers, and how it forgets: many pages, pages that share a place, pages that become code. */

import { describe, expect, test } from "vitest";
import { encode } from "../../src/isa/encode.ts";
import { Assembler } from "../support/assembler.ts";
import { open, writeCsr } from "../support/attempt.ts";
import { makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";

const [ROOT, MIDDLE, LEAVES] = [RAM_BASE + 0x1_0000, RAM_BASE + 0x1_1000, RAM_BASE + 0x1_2000];
/** Two pages of data. */
const DATA = RAM_BASE + 0x4_0000;
const SATP = 0x180;
const MSTATUS = 0x300;

const pte = (address: number, flags: number) => BigInt(address / 4096) * 1024n + BigInt(flags);
const LEAF = 0xcf;

/** A machine in M-mode whose loads and stores are those of S-mode under Sv39, by MPRV; the first leaf table is at LEAVES. */
function ready(): TestMachine {
  const machine = open(makeMachine({ ramSize: 0x80_0000 }));
  machine.writeU64(ROOT, pte(MIDDLE, 1));
  machine.writeU64(MIDDLE, pte(LEAVES, 1));
  writeCsr(machine, SATP, (8n << 60n) | BigInt(ROOT / 4096));
  writeCsr(machine, MSTATUS, (1n << 17n) | (1n << 11n));
  return machine;
}

/** Runs a program to its end. @returns x10 */
function sum(machine: TestMachine, program: Assembler, most: number): bigint {
  program.label("end").to("end", "jal", { rd: 0 });
  machine.write(program.origin, program.bytes());
  machine.setPc(program.origin);
  machine.run(most);
  expect(machine.pc()).toBe(BigInt(program.addressOf("end")));
  return machine.x(10);
}

const start = () => new Assembler(RAM_BASE + 0x2_0000).li(10, 0);

/** A loop of x6 rounds. */
function rounds(program: Assembler, name: string, count: number, body: () => void): void {
  program.li(6, count).label(name);
  body();
  program.op("addi", { rd: 6, rs1: 6, imm: -1 }).to(name, "bne", { rs1: 6, rs2: 0 });
}

describe("sfence.vma of everything", () => {
  // Up to a thousand entries are forgotten one by one.
  test.each([2, 700, 1500])("each of %s pages is looked up again", (count) => {
    const machine = ready();
    for (let i = 0; i < 3; i++) {
      const table = LEAVES + 0x1000 * (i + 1);
      machine.writeU64(MIDDLE + 8 * (i + 1), pte(table, 1));
      machine.writeU64(LEAVES + 8 * (i + 1), pte(table, LEAF)); // which the program sees from 0x1000 on
    }
    machine.writeU64(DATA, 1n);
    machine.writeU64(DATA + 0x1000, 2n);
    const program = start().li(28, 4096);
    [0, 0x1000, 0].forEach((page, round) => {
      program.li(5, 0x1000).li(7, Number(pte(DATA + page, LEAF)));
      rounds(program, `map${round}`, count, () =>
        program.op("sd", { rs1: 5, rs2: 7, imm: 0 }).op("addi", { rd: 5, rs1: 5, imm: 8 }),
      );
      program.op("sfence.vma", { rs1: 0, rs2: 0 }).li(5, 0x20_0000);
      rounds(program, `read${round}`, count, () =>
        program
          .op("ld", { rd: 7, rs1: 5, imm: 0 })
          .op("add", { rd: 10, rs1: 10, rs2: 7 })
          .op("add", { rd: 5, rs1: 5, rs2: 28 }),
      );
    });
    expect(sum(machine, program, count * 40 + 100)).toBe(BigInt(count * 4));
  });
});

test("pages that share their places are told apart, in whichever order they are used and moved", () => {
  const machine = ready();
  machine.writeU64(LEAVES + 8 * 0x20, pte(LEAVES, LEAF)); // leaf tables, which the program sees from 0x2_0000 on
  const values: bigint[][] = [];
  const at: number[] = [];
  const page = (i: number, which: number) => DATA + (i * 2 + which) * 0x1000;
  const program = start();
  for (let i = 0; i < 4; i++) {
    const table = LEAVES + i * 0x1000;
    machine.writeU64(MIDDLE + i * 32, pte(table, 1));
    machine.writeU64(LEAVES + 8 * (0x20 + i), pte(table, LEAF));
    machine.writeU64(table + 8, pte(page(i, 0), LEAF));
    values.push([BigInt(10 * i), BigInt(10 * i + 5)]);
    at.push(0);
    for (const which of [0, 1]) machine.writeU64(page(i, which), values[i]![which]!);
    program.li(20 + i, 0x1000 + i * 0x80_0000).li(24 + i, 0x2_0000 + i * 0x1000 + 8);
  }
  let seed = 1;
  let expected = 0n;
  let instructions = 0;
  for (let round = 0; round < 1500; round++) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    const i = (seed >>> 16) & 3;
    const kind = (seed >>> 20) & 15;
    instructions += 12;
    if (kind === 0) {
      at[i]! ^= 1;
      program
        .li(7, Number(pte(page(i, at[i]!), LEAF)))
        .op("sd", { rs1: 24 + i, rs2: 7, imm: 0 })
        .op("sfence.vma", { rs1: 0, rs2: 0 });
    } else if (kind < 6) {
      values[i]![at[i]!]! += BigInt(round);
      program
        .op("ld", { rd: 7, rs1: 20 + i, imm: 0 })
        .op("addi", { rd: 7, rs1: 7, imm: round })
        .op("sd", { rs1: 20 + i, rs2: 7, imm: 0 });
    } else {
      expected += values[i]![at[i]!]!;
      program.op("ld", { rd: 7, rs1: 20 + i, imm: 0 }).op("add", { rd: 10, rs1: 10, rs2: 7 });
    }
  }
  expect(sum(machine, program, instructions)).toBe(expected);
});

test.each([10, 1500])("a page's code is seen when it is written after %s other pages", (count) => {
  const machine = open(makeMachine({ ramSize: 0x200_0000 }));
  const code = RAM_BASE + 0x10_0000;
  const program = start()
    .li(28, 4096)
    .li(20, code)
    .li(21, code + 0x100_0000);
  machine.write(code + 4, new Uint8Array(Uint32Array.of(encode("jalr", { rd: 0, rs1: 1, imm: 0 })).buffer));
  for (const [round, value] of [100, 20, 3].entries()) {
    program.li(7, encode("addi", { rd: 10, rs1: 10, imm: value })).op("sw", { rs1: 20, rs2: 7, imm: 0 });
    // This one takes its place: it is in its second one then.
    program.op("sd", { rs1: 21, rs2: 0, imm: 0 }).op("addi", { rd: 5, rs1: 20, imm: 0 });
    rounds(program, `store${round}`, count, () =>
      program.op("add", { rd: 5, rs1: 5, rs2: 28 }).op("sd", { rs1: 5, rs2: 0, imm: 0 }),
    );
    // Now the page holds code: among the entries of so many others its own for stores goes.
    program.op("fence.i").op("jalr", { rd: 1, rs1: 20, imm: 0 });
  }
  expect(sum(machine, program, count * 15 + 200)).toBe(123n);
});
