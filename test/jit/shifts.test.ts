/** Rotations and zero-extensions made of shifts, and bitwise operations on words: exact whatever stands between. */

import { expect, test } from "vitest";
import { Assembler } from "../support/assembler.ts";
import { counter, runBoth } from "../support/engines.ts";
import { RAM_BASE } from "../support/machine.ts";

const SP = 2;
const S1 = 9;
const REGISTERS = [5, 6, 10, 11, 12, 13] as const;
const STARTS = [
  0x1234_5678_9abc_def0n,
  -1n,
  0x8000_0000n,
  0x7fff_ffffn,
  0xffff_ffff_8000_0001n,
  0x8000_0000_0000_0000n,
];

/** xorshift32 */
function generator(seed: number): (below: number) => number {
  let v = seed * 0x9e37_79b1 || 1;
  return (below) => {
    v ^= v << 13;
    v ^= v >>> 17;
    v ^= v << 5;
    return (v >>> 0) % below;
  };
}

/** Shifts mostly come in pairs that add up to a register's width, with other instructions between or over one of them. */
function body(program: Assembler, seed: number): void {
  const random = generator(seed);
  const register = () => REGISTERS[random(REGISTERS.length)]!;
  const other = () => {
    const name = ["xor", "and", "or", "addw", "add", "sub", "subw"][random(7)]!;
    program.op(name, { rd: register(), rs1: register(), rs2: register() });
  };
  for (let i = 0; i < 40; i++) {
    const [source, left, right] = [register(), register(), register()];
    const isWord = random(2) === 0;
    const width = isWord ? 32 : 64;
    const by = random(8) === 0 ? 0 : 1 + random(width - 1);
    const back = random(6) === 0 ? random(width) : (width - by) % width;
    const shift = (kind: string, rd: number, rs1: number, shamt: number) =>
      program.op(isWord ? `${kind}w` : kind, { rd, rs1, shamt });
    if (random(3) === 0) {
      program.op("slli", { rd: left, rs1: source, shamt: 32 });
      if (random(3) === 0) other();
      program.op("srli", { rd: right, rs1: left, shamt: random(2) ? 32 : random(64) });
    } else {
      const swapped = random(2) === 0;
      shift(swapped ? "srli" : "slli", left, source, swapped ? back : by);
      if (random(3) === 0) other();
      shift(swapped ? "slli" : "srli", right, source, swapped ? by : back);
      if (random(3) === 0) other();
      program.op("or", { rd: register(), rs1: left, rs2: right });
    }
    // What is looked at here must be true, whether or not it is used again.
    if (random(5) === 0) program.op("sd", { rs2: register(), rs1: SP, imm: 0 });
    other();
  }
}

test.each(Array.from({ length: 30 }, (_, i) => i + 1))("program %i", (seed) => {
  const program = new Assembler(RAM_BASE)
    .li(SP, RAM_BASE + 0x4000)
    .li(S1, 4000)
    .la(REGISTERS[0], "starts");
  for (const [i, r] of [...REGISTERS.entries()].reverse()) program.op("ld", { rd: r, rs1: REGISTERS[0], imm: 8 * i });
  program.label("loop");
  body(program, seed);
  program.op("addi", { rd: S1, rs1: S1, imm: -1 }).to("end", "beq", { rs1: S1, rs2: 0 }).to("loop", "jal", { rd: 0 });
  program.label("end").to("end", "jal", { rd: 0 }).align(8).label("starts");
  for (const v of STARTS) program.raw(Number(BigInt.asUintN(32, v)), 4).raw(Number(BigInt.asUintN(64, v) >> 32n), 4);
  const machine = runBoth(program, [...REGISTERS]);
  expect(machine.core.machineU32(machine.core.abi.M_JIT_TOTAL)).toBeGreaterThan(0);
  expect(counter(machine, "CT_COMPILED")).toBeGreaterThan(Number(machine.field("H_INSTRET")) / 2);
});
