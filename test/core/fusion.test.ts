/** Fused pairs act as their two instructions do one by one, and notice when either changes. */

import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { encode } from "../../src/isa/encode.ts";
import { numberFusions } from "../../src/isa/fusion.ts";
import { numberOps } from "../../src/isa/ops.ts";
import type { Row } from "../../src/isa/row.ts";
import { rows } from "../../src/isa/table/index.ts";
import { operandSamples, rawOf } from "../isa/operands.ts";
import { seeded } from "../isa/random.ts";
import { makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";

const OP_COUNT = numberOps(rows).at(-1)!.id + 1;
const fusions = numberFusions(rows, OP_COUNT);
const CODE = RAM_BASE + 0x800;
/** Where traps go: a jump to itself. */
const HANDLER = RAM_BASE + 0x100;
const DATA = RAM_BASE + 0x4000;

/** The micro-op that the page's slot at `address` holds. */
function opAt(machine: TestMachine, address: number): number {
  const { abi, view } = machine.core;
  const page = Math.floor((machine.linear(address, 2) - abi.RAM!) / 4096);
  return view.getUint16(view.getUint32(abi.CODE_OF! + page * 4, true) + (address % 4096) * 4, true);
}

function bytesOf(row: Row, raw: number): number[] {
  return Array.from({ length: row.size }, (_, i) => (raw >>> (8 * i)) & 0xff);
}

/** Registers of which most point into RAM, so that loads and stores get through the TLB. */
function prepare(machine: TestMachine, random: () => number): void {
  for (let i = 1; i < 32; i++) {
    const value = random() % 4 ? DATA + (random() % 64) * 16 : random();
    machine.core.setX(0, i, BigInt(value));
  }
  machine.write(DATA - 0x1000, new Uint8Array(0x3000).fill(random() & 0xff));
  machine.core.calls.resetAll();
  machine.setField("H_MTVEC", BigInt(HANDLER));
  machine.setPc(CODE);
}

function stateOf(machine: TestMachine): unknown {
  const registers = Array.from({ length: 32 }, (_, i) => machine.x(i));
  const named = ["H_PC", "H_INSTRET", "H_MCAUSE", "H_MTVAL", "H_MEPC"].map((name) => machine.field(name));
  return {
    registers,
    named,
    data: createHash("sha256")
      .update(machine.read(DATA - 0x1000, 0x3000))
      .digest("hex"),
  };
}

/** Pairs are the interpreter's: where compiled code begins there are none. */
const interpreter = () => makeMachine({ engine: "interpreter" });

describe("every pair", () => {
  const [together, apart] = [interpreter(), interpreter()];
  for (const machine of [together, apart]) machine.writeU64(HANDLER, BigInt(encode("jal", { rd: 0, target: 0 })));

  test.each(fusions.map((fusion) => [fusion.name, fusion] as const))("%s", (_, { first, second, id }) => {
    const random = seeded(id);
    const firsts = operandSamples(first, random, 10);
    const seconds = operandSamples(second, random, 10);
    let fused = 0;
    for (let i = 0; i < 16; i++) {
      const code = Uint8Array.from([
        ...bytesOf(first, rawOf(first, firsts[i % firsts.length]!)),
        ...bytesOf(second, rawOf(second, seconds[(i * 5) % seconds.length]!)),
      ]);
      const seed = random();
      for (const machine of [together, apart]) {
        prepare(machine, seeded(seed));
        machine.write(CODE, code);
      }
      // Twice: the first time fills the TLB and decodes.
      for (let round = 0; round < 2; round++) {
        for (const machine of [together, apart]) machine.setPc(CODE);
        together.run(2);
        apart.run(2, 0, () => 1);
        expect(stateOf(together)).toEqual(stateOf(apart));
      }
      if (opAt(together, CODE) === id) fused++;
    }
    expect(fused).toBeGreaterThan(0);
  });
});

describe("code that changes", () => {
  const LENGTH = 24;
  const word = (value: number) => encode("c.addi", { rd: 10, imm: value });

  test.each([2, 4, 8])("is seen wherever %i bytes of it are written", (size) => {
    const machine = makeMachine();
    const values = Array.from({ length: LENGTH }, (_, i) => (i % 15) + 1);
    machine.write(CODE, new Uint8Array(Uint16Array.from(values, word).buffer));
    const sumFrom = (start: number) => {
      machine.core.setX(0, 10, 0n);
      machine.setPc(CODE + 2 * start);
      machine.core.calls.run(0, LENGTH - start);
      expect(machine.pc()).toBe(BigInt(CODE + 2 * LENGTH));
      return Number(BigInt.asIntN(64, machine.x(10)));
    };
    const expected = (start: number) => values.slice(start).reduce((sum, value) => sum + value, 0);
    for (let start = 0; start < 4; start++) {
      for (let at = 0; at + size / 2 <= LENGTH; at++) {
        expect(sumFrom(start)).toBe(expected(start));
        for (let i = at; i < at + size / 2; i++) values[i] = -(((values[i]! + 40) % 17) + 1);
        machine.write(CODE + 2 * at, new Uint8Array(Uint16Array.from(values.slice(at, at + size / 2), word).buffer));
        expect(sumFrom(start), `after a write at ${at}, from ${start}`).toBe(expected(start));
      }
    }
  });

  test("a fused op is one of the list", () => {
    const machine = interpreter();
    machine.write(CODE, new Uint8Array(Uint16Array.from([1, 2, 3, 4], word).buffer));
    machine.setPc(CODE);
    machine.core.calls.run(0, 4);
    expect(fusions.find(({ id }) => id === opAt(machine, CODE))?.name).toBe("OP_C_ADDI_THEN_C_ADDI");
  });
});
