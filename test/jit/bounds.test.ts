/** What the JIT may use is bounded, whatever a guest does, and at a bound the guest goes on as it should. */

import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type Compile, compileNow } from "../../src/core/jit.ts";
import { encode } from "../../src/isa/encode.ts";
import { Assembler } from "../support/assembler.ts";
import { delays } from "../support/delays.ts";
import { counter } from "../support/engines.ts";
import { type MachineOptions, makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";

const [RA, S0, S1, T0, T1, T2, T3, A0, MULTIPLIER, MASK] = [1, 8, 9, 5, 6, 7, 28, 10, 18, 19] as const;
const RETURN = encode("jalr", { rd: 0, rs1: RA, imm: 0 });
/** Instructions in a round. */
const SLICE = 3000;
const RAM_SIZE = 0x200_0000;

/** Runs from the start to where the program goes round for ever. */
function run(machine: TestMachine, program: Assembler, round: () => void = () => {}): void {
  const { abi, calls } = machine.core;
  const end = BigInt(program.addressOf("end"));
  machine.load(program);
  for (let i = 0; machine.pc() !== end; i++) {
    if (i > 200_000) throw new Error(`it never ends; the pc is 0x${machine.pc().toString(16)}`);
    expect(calls.run(0, SLICE)).toBe(abi.RUN_BUDGET);
    round();
  }
}

/** Registers but those that count instructions, and RAM. */
function outcome(machine: TestMachine): { registers: bigint[]; ram: string } {
  const ram = machine.linear(RAM_BASE, RAM_SIZE);
  const hash = createHash("sha256").update(machine.core.bytes.subarray(ram, ram + RAM_SIZE));
  return { registers: Array.from({ length: 32 }, (_, i) => machine.x(i)), ram: hash.digest("hex") };
}

function interpreted(program: Assembler): ReturnType<typeof outcome> {
  const machine = makeMachine({ ramSize: RAM_SIZE });
  run(machine, program);
  return outcome(machine);
}

/** How modules come, and what is to be done after each round. */
const ARRIVALS: [string, () => { compile: Compile; round: () => void }][] = [
  ["at once", () => ({ compile: compileNow, round: () => {} })],
  ["some rounds later", () => delays(7, 5)],
];

function jitMachine(hot: number, options: MachineOptions): TestMachine {
  const machine = makeMachine({ ...options, ramSize: RAM_SIZE, engine: "jit" });
  machine.core.view.setUint32(machine.core.abi.DEV_MACHINE + machine.core.abi.M_JIT_HOT, hot, true);
  return machine;
}

/** Everything that has a limit, against it. */
function checkLimits({ core }: TestMachine, base: number): void {
  const { abi, table } = core;
  const limits = [
    [core.machineU32(abi.M_JIT_REGIONS), abi.JIT_MOST_REGIONS],
    [core.machineU32(abi.M_JIT_MODULES), abi.JIT_MOST_MODULES],
    // The last one may be the one that goes beyond.
    [core.machineU32(abi.M_JIT_BYTES), abi.JIT_MOST_BYTES + abi.JIT_BUFFER_SIZE!],
    [core.machineU32(abi.M_JIT_FLIGHT), abi.JIT_MOST_FLIGHT],
    [table.length - base, abi.JIT_MOST_REGIONS],
  ] as const;
  for (const [is, most] of limits) if (is > most) throw new Error(`${is} is more than ${most}`);
}

describe.each(ARRIVALS)("modules come %s", (_, arrivals) => {
  /** Changes an instruction of a function and calls it often, again and again. */
  test("a function that is rewritten for ever is not compiled for ever", () => {
    const rewrites = 4000;
    const program = new Assembler(RAM_BASE);
    program.la(S0, "function").la(S1, "patterns").li(T0, rewrites);
    program.label("rewrite").op("andi", { rd: T1, rs1: T0, imm: 7 }).op("slli", { rd: T1, rs1: T1, shamt: 2 });
    program.op("add", { rd: T1, rs1: T1, rs2: S1 }).op("lwu", { rd: T2, rs1: T1, imm: 0 });
    program.op("sw", { rs2: T2, rs1: S0, imm: 0 }).op("fence.i").li(T3, 150);
    program.label("call").op("jalr", { rd: RA, rs1: S0, imm: 0 });
    program.op("addi", { rd: T3, rs1: T3, imm: -1 }).to("call", "bne", { rs1: T3, rs2: 0 });
    program.op("addi", { rd: T0, rs1: T0, imm: -1 }).to("rewrite", "bne", { rs1: T0, rs2: 0 });
    program.label("end").to("end", "jal", { rd: 0 });
    program.align(8).label("patterns");
    for (let i = 0; i < 8; i++) program.raw(encode("addi", { rd: A0, rs1: A0, imm: 3 * i + 1 }), 4);
    program
      .org(RAM_BASE + 0x2000)
      .label("function")
      .raw(encode("addi", { rd: A0, rs1: A0, imm: 0 }), 4);
    program.li(T1, 60).label("spin").op("slli", { rd: T2, rs1: A0, shamt: 7 });
    program.op("xor", { rd: A0, rs1: A0, rs2: T2 }).op("addi", { rd: T1, rs1: T1, imm: -1 });
    program.to("spin", "bne", { rs1: T1, rs2: 0 }).op("jalr", { rd: 0, rs1: RA, imm: 0 });

    const { compile, round } = arrivals();
    const machine = jitMachine(64, { compile });
    const { core } = machine;
    const base = core.table.length;
    run(machine, program, () => {
      round();
      checkLimits(machine, base);
    });
    expect(outcome(machine)).toEqual(interpreted(program));
    const regions = core.machineU32(core.abi.M_JIT_TOTAL);
    expect(regions).toBeGreaterThan(4);
    expect(regions).toBeLessThan(45);
  });

  /** Four functions in each of more pages than there are pages of micro-ops: twice as many as regions may be alive. */
  test("more targets than there is room for come and go", { timeout: 120_000 }, () => {
    const functions = 4 * 4300;
    const [calls, passes] = [110, 2];
    const first = RAM_BASE + 0x10_0000;
    const program = new Assembler(RAM_BASE);
    program.li(S1, passes);
    program.label("pass").li(S0, first).li(T0, functions);
    program.label("next").li(T3, calls);
    program.label("call").op("jalr", { rd: RA, rs1: S0, imm: 0 });
    program.op("addi", { rd: T3, rs1: T3, imm: -1 }).to("call", "bne", { rs1: T3, rs2: 0 });
    // A quarter of a page further, and at another place in it.
    program.li(T1, 1024 + 16).op("add", { rd: S0, rs1: S0, rs2: T1 });
    program.op("andi", { rd: T1, rs1: T0, imm: 127 }).to("near", "bne", { rs1: T1, rs2: 0 });
    program.li(T1, -128 * 16).op("add", { rd: S0, rs1: S0, rs2: T1 });
    program.label("near").op("addi", { rd: T0, rs1: T0, imm: -1 }).to("next", "bne", { rs1: T0, rs2: 0 });
    program.op("addi", { rd: S1, rs1: S1, imm: -1 }).to("pass", "bne", { rs1: S1, rs2: 0 });
    program.label("end").to("end", "jal", { rd: 0 });

    const write = (machine: TestMachine) => {
      for (let i = 0, at = first; i < functions; i++) {
        const code = new Assembler(at).op("addi", { rd: A0, rs1: A0, imm: (i % 4000) - 2000 });
        code.op("slli", { rd: T2, rs1: A0, shamt: 1 + (i % 60) }).op("xor", { rd: A0, rs1: A0, rs2: T2 });
        machine.write(at, code.op("jalr", { rd: 0, rs1: RA, imm: 0 }).bytes());
        at += 1024 + 16;
        if ((functions - i) % 128 === 0) at -= 128 * 16;
      }
    };
    const plain = makeMachine({ ramSize: RAM_SIZE });
    write(plain);
    run(plain, program);

    const { compile, round } = arrivals();
    const machine = jitMachine(1, { compile });
    const { core } = machine;
    write(machine);
    const base = core.table.length;
    run(machine, program, () => {
      round();
      checkLimits(machine, base);
    });
    expect(outcome(machine)).toEqual(outcome(plain));
    expect(core.machineU32(core.abi.M_JIT_EVICTIONS)).toBeGreaterThan(3);
    expect(core.machineU32(core.abi.M_JIT_TOTAL)).toBeGreaterThan(3 * core.abi.JIT_MOST_REGIONS);
    let alive = 0;
    for (let i = base; i < core.table.length; i++) if (core.table.get(i)) alive++;
    expect(alive).toBeLessThanOrEqual(core.machineU32(core.abi.M_JIT_REGIONS));
  });

  /**
   * Every one of a million functions is called, in an order that no page lasts in, and
   * some of them so often that they are compiled. All jumps come from one instruction.
   */
  test("a million targets of one jump", { timeout: 120_000 }, () => {
    const targets = 1 << 20;
    const [size, often] = [8, 80];
    const functions = RAM_BASE + 0x10_0000;
    const program = new Assembler(RAM_BASE);
    // A full cycle through all numbers below 2^20: Knuth, volume 2, 3.2.1.2.
    program
      .li(S0, 1)
      .li(T0, targets)
      .li(S1, functions)
      .li(MULTIPLIER, 0xd_1235)
      .li(MASK, targets - 1);
    program.li(T3, 0).label("next").to("again", "bne", { rs1: T3, rs2: 0 });
    program.op("mul", { rd: S0, rs1: S0, rs2: MULTIPLIER }).op("addi", { rd: S0, rs1: S0, imm: 1443 });
    program.op("and", { rd: S0, rs1: S0, rs2: MASK }).op("slli", { rd: T1, rs1: S0, shamt: 3 });
    program.op("add", { rd: T1, rs1: T1, rs2: S1 }).op("addi", { rd: T0, rs1: T0, imm: -1 });
    program.op("andi", { rd: T2, rs1: T0, imm: 1023 }).to("call", "bne", { rs1: T2, rs2: 0 });
    program.op("addi", { rd: T3, rs1: 0, imm: often });
    program.label("again").op("addi", { rd: T3, rs1: T3, imm: -1 });
    program.label("call").op("jalr", { rd: RA, rs1: T1, imm: 0 });
    program.op("add", { rd: T2, rs1: T0, rs2: T3 }).to("next", "bne", { rs1: T2, rs2: 0 });
    program.label("end").to("end", "jal", { rd: 0 });
    const code = new DataView(new ArrayBuffer(targets * size));
    for (let i = 0; i < targets; i++) {
      const add = i & 1 ? { rd: A0, rs1: A0, imm: (i % 4000) - 2000 } : { rd: A0, rs1: A0, imm: i % 2000 };
      code.setUint32(size * i, encode(i & 1 ? "addi" : "xori", add), true);
      code.setUint32(size * i + 4, RETURN, true);
    }
    const write = (machine: TestMachine) => machine.write(functions, new Uint8Array(code.buffer));
    const plain = makeMachine({ ramSize: RAM_SIZE });
    write(plain);
    run(plain, program);

    const { compile, round } = arrivals();
    const machine = jitMachine(64, { compile });
    const { core } = machine;
    write(machine);
    const base = core.table.length;
    run(machine, program, () => {
      round();
      checkLimits(machine, base);
    });
    expect(outcome(machine)).toEqual(outcome(plain));
    expect(machine.field("H_INSTRET")).toBe(plain.field("H_INSTRET"));
    // The cycle has closed.
    expect(machine.x(S0)).toBe(1n);
    // The loop is compiled, and of the functions a few at most: one is due for each six million instructions.
    expect(counter(machine, "CT_COMPILED")).toBeGreaterThan(Number(machine.field("H_INSTRET")) / 3);
    const regions = core.machineU32(core.abi.M_JIT_TOTAL);
    expect(regions).toBeGreaterThan(20);
    expect(regions).toBeLessThan(200);
  });
});
