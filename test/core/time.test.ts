/** Counters, timers and WFI in counted mode. */

import { describe, expect, test } from "vitest";
import { encode } from "../../src/isa/encode.ts";
import { Assembler } from "../support/assembler.ts";
import { attempt, M, M_HANDLER, open, perform, readCsr, S, U, writeCsr } from "../support/attempt.ts";
import { machineOf, makeMachine, RAM_BASE } from "../support/machine.ts";

const [MSTATUS, MIP, MCOUNTEREN, SCOUNTEREN, MENVCFG, STIMECMP] = [0x300, 0x344, 0x306, 0x106, 0x30a, 0x14d];
const [MCYCLE, MINSTRET, INHIBIT, CYCLE, TIME, INSTRET] = [0xb00, 0xb02, 0x320, 0xc00, 0xc01, 0xc02];
const STCE = 1n << 63n;
const MTIME = 0x200_bff8;
const MTIMECMP = 0x200_4000;
const NOP = encode("addi", { rd: 0, rs1: 0, imm: 0 });
const illegal = { cause: 2n };

test("minstret and mcycle count retired instructions, and not the trap", () => {
  const machine = open(makeMachine());
  const before = readCsr(machine, MINSTRET) as bigint;
  expect(attempt(machine, NOP)).toBeUndefined();
  expect(perform(machine, "ecall")).toMatchObject({ cause: 11n });
  expect(readCsr(machine, MINSTRET)).toBe(before + 2n); // the first read, and the nop
  expect(readCsr(machine, MCYCLE)).toBe(before + 3n);
});

test("a written counter reads as written by the next instruction; mcountinhibit stops it", () => {
  const machine = open(makeMachine());
  writeCsr(machine, MINSTRET, 1000n);
  expect(readCsr(machine, MINSTRET)).toBe(1000n);
  expect(readCsr(machine, INSTRET)).toBe(1001n);
  writeCsr(machine, INHIBIT, ~0n & ((1n << 64n) - 1n));
  expect(readCsr(machine, INHIBIT)).toBe(5n);
  const stopped = readCsr(machine, MINSTRET);
  expect(readCsr(machine, MINSTRET)).toBe(stopped);
  writeCsr(machine, MCYCLE, 7n);
  expect(readCsr(machine, CYCLE)).toBe(7n);
  writeCsr(machine, INHIBIT, 4n);
  const running = readCsr(machine, MCYCLE) as bigint;
  expect(readCsr(machine, MCYCLE)).toBe(running + 1n);
  expect(readCsr(machine, MINSTRET)).toBe(stopped);
});

describe("mcounteren and scounteren", () => {
  test.each([
    [CYCLE, 0],
    [TIME, 1],
    [INSTRET, 2],
    [0xc03, 3],
    [0xc1f, 31],
  ])("0x%s is bit %i", (csr, bit) => {
    const machine = open(makeMachine());
    const on = 1n << BigInt(bit);
    for (const [m, s, inS, inU] of [
      [0n, 0n, false, false],
      [on, 0n, true, false],
      [0n, on, false, false],
      [on, on, true, true],
      [~on & 0xffff_ffffn, ~on & 0xffff_ffffn, false, false],
    ] as const) {
      writeCsr(machine, MCOUNTEREN, m);
      writeCsr(machine, SCOUNTEREN, s);
      expect(typeof readCsr(machine, csr, M)).toBe("bigint");
      if (inS) expect(typeof readCsr(machine, csr, S)).toBe("bigint");
      else expect(readCsr(machine, csr, S)).toMatchObject(illegal);
      if (inU) expect(typeof readCsr(machine, csr, U)).toBe("bigint");
      else expect(readCsr(machine, csr, U)).toMatchObject(illegal);
    }
    expect(writeCsr(machine, csr, 0n)).toMatchObject(illegal); // read-only
  });
});

describe("Sstc", () => {
  test("S needs menvcfg.STCE and mcounteren.TM for stimecmp", () => {
    const machine = open(makeMachine());
    for (const [env, counters] of [
      [0n, 2n],
      [STCE, 0n],
      [0n, 0n],
    ] as const) {
      writeCsr(machine, MENVCFG, env);
      writeCsr(machine, MCOUNTEREN, counters);
      expect(readCsr(machine, STIMECMP, S)).toMatchObject(illegal);
      expect(readCsr(machine, STIMECMP, M)).toBe((1n << 64n) - 1n);
    }
    writeCsr(machine, MENVCFG, STCE);
    writeCsr(machine, MCOUNTEREN, 2n);
    expect(writeCsr(machine, STIMECMP, 55n, S)).toBeUndefined();
    expect(readCsr(machine, STIMECMP, S)).toBe(55n);
    expect(readCsr(machine, STIMECMP, U)).toMatchObject(illegal);
  });

  test("STIP is the comparison with STCE, and software's without", () => {
    const machine = open(makeMachine());
    writeCsr(machine, MIP, 0x20n);
    expect(readCsr(machine, MIP)).toBe(0x20n);
    writeCsr(machine, MENVCFG, STCE);
    expect(readCsr(machine, MIP)).toBe(0n);
    writeCsr(machine, MIP, 0x20n);
    expect(readCsr(machine, MIP)).toBe(0n);
    writeCsr(machine, STIMECMP, 1n);
    expect(readCsr(machine, MIP)).toBe(0x20n);
    writeCsr(machine, STIMECMP, 1n << 40n);
    expect(readCsr(machine, MIP)).toBe(0n);
  });
});

test("the timer interrupt comes after exactly as many instructions as ticks are due", () => {
  for (const [tick, deadline] of [
    [1, 50n],
    [10, 20n],
  ] as const) {
    const program = new Assembler().label("loop").op("addi", { rd: 5, rs1: 5, imm: 1 }).to("loop", "jal", { rd: 0 });
    const machine = open(machineOf(program, { devices: true, tick }));
    machine.setField("H_MIE", 0x80n);
    machine.setField("H_MSTATUS", 8n);
    writeDevice(machine, MTIMECMP, deadline);
    machine.setPc(RAM_BASE);
    machine.setField("H_MSTATUS", 8n);
    machine.runTo(M_HANDLER, 10_000);
    expect(machine.instret()).toBe(deadline * BigInt(tick));
    expect(machine.field("H_MCAUSE")).toBe((1n << 63n) | 7n);
  }
});

function writeDevice(machine: ReturnType<typeof makeMachine>, address: number, value: bigint): void {
  const program = new Assembler(RAM_BASE + 0x2000).li(5, address).li(6, value);
  program.op("sd", { rs1: 5, rs2: 6, imm: 0 }).label("done");
  machine.load(program);
  machine.runTo(program.addressOf("done"));
}

test.each([1, 10])("mtime at its very end stops nothing (%i instructions a tick)", (tick) => {
  const program = new Assembler().label("loop").to("loop", "jal", { rd: 0 });
  for (let before = 0n; before < 8n; before++) {
    const machine = makeMachine({ devices: true, tick });
    writeDevice(machine, MTIME, (1n << 64n) - 1n - before);
    machine.load(program);
    expect(machine.core.calls.run(0, 1000)).toBe(machine.core.abi.RUN_BUDGET);
  }
});

describe("WFI", () => {
  const program = () => new Assembler().op("wfi").label("after").to("after", "jal", { rd: 0 });

  test("waits until an enabled interrupt is pending, whatever mstatus says, and goes on after itself", () => {
    const machine = open(machineOf(program(), { devices: true }));
    const { abi, calls } = machine.core;
    machine.setField("H_MIE", 8n);
    expect(calls.run(0, 100)).toBe(abi.RUN_IDLE);
    expect(machine.pc()).toBe(BigInt(RAM_BASE + 4));
    expect(machine.instret()).toBe(1n);
    expect(calls.run(0, 100)).toBe(abi.RUN_IDLE);
    machine.setField("H_LINES", 2n); // pending, not enabled
    expect(calls.run(0, 100)).toBe(abi.RUN_IDLE);
    machine.setField("H_LINES", 8n);
    expect(calls.run(0, 100)).toBe(abi.RUN_BUDGET);
    expect(machine.instret()).toBe(101n);
    expect(machine.pc()).toBe(BigInt(RAM_BASE + 4));
  });

  test("counted time skips to the next timer", () => {
    const machine = open(makeMachine({ devices: true, tick: 3 }));
    writeDevice(machine, MTIMECMP, 1_000_000n);
    machine.load(program());
    machine.setField("H_MIE", 0x80n);
    const { abi, calls } = machine.core;
    expect(calls.run(0, 100)).toBe(abi.RUN_IDLE);
    expect(calls.idleTime()).toBeGreaterThan(99_000_000);
    expect(calls.skipIdle()).toBeTruthy();
    expect(calls.run(0, 1)).toBe(abi.RUN_BUDGET);
    expect(readCsr(machine, TIME)).toBe(1_000_000n);
  });

  test("is illegal in U, and in S when TW is set", () => {
    const machine = open(makeMachine());
    expect(perform(machine, "wfi", {}, U)).toMatchObject({ ...illegal, tval: 0x1050_0073n });
    expect(perform(machine, "wfi", {}, S)).toBeUndefined();
    writeCsr(machine, MSTATUS, 1n << 21n);
    expect(perform(machine, "wfi", {}, S)).toMatchObject(illegal);
    expect(perform(machine, "wfi", {}, M)).toBeUndefined();
  });
});

test("a timer that goes off after its hart looked is something to do at once", () => {
  let now = 0;
  const machine = makeMachine({ counted: false, devices: true, host: { ticks: () => now } });
  machine.load(new Assembler().op("wfi"));
  const { calls, abi } = machine.core;
  machine.core.setHartU64(0, abi.H_MIE!, 1n << 7n);
  machine.core.view.setBigUint64(abi.DEV_ACLINT! + abi.ACLINT_MTIMECMP!, 1000n, true);
  expect(calls.run(0, 100)).toBe(abi.RUN_IDLE);
  expect(calls.idleTime()).toBe(100_000); // ns, of 1000 ticks
  now = 1001;
  expect(calls.idleTime()).toBe(0);
  expect(calls.run(0, 1)).not.toBe(abi.RUN_IDLE);
});
