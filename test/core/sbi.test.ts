/** The built-in SBI (RISC-V SBI 2.0), called as a supervisor calls it. */

import { describe, expect, test } from "vitest";
import { Assembler } from "../support/assembler.ts";
import { makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";

const [BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN] = [
  0x10, 0x54494d45, 0x735049, 0x52464e43, 0x48534d, 0x53525354, 0x4442434e,
] as const;
const [SUCCESS, NOT_SUPPORTED, INVALID_PARAM, INVALID_ADDRESS, ALREADY_AVAILABLE] = [0n, -2n, -3n, -5n, -6n];
const SSIP = 2n;
const ALL = (1n << 64n) - 1n;
const RAM_SIZE = 0x10_0000;

const machineWith = (harts = 1): TestMachine =>
  makeMachine({ sbi: true, harts, ramSize: RAM_SIZE, devices: true }).load(
    new Assembler().op("ecall").label("after").to("after", "jal", { rd: 0 }),
  );

/** Makes a call; a0 and a1, signed. */
function sbi(machine: TestMachine, eid: number | bigint, fid = 0, args: readonly (number | bigint)[] = [], hart = 0) {
  const { core } = machine;
  for (let i = 1; i < 32; i++) core.setX(hart, i, BigInt(0x1000 + i));
  args.forEach((arg, i) => {
    core.setX(hart, 10 + i, BigInt.asUintN(64, BigInt(arg)));
  });
  core.setX(hart, 16, BigInt(fid));
  core.setX(hart, 17, BigInt.asUintN(64, BigInt(eid)));
  machine.setPc(RAM_BASE, hart);
  // The call is a trap, which is all that run(1) does; the loop after it is the instruction.
  expect(core.calls.run(hart, 1)).toBe(core.abi.RUN_TRAPS);
  const result = core.calls.run(hart, 1);
  if (machine.pc(hart) === BigInt(RAM_BASE + 4))
    for (const i of [1, 2, 3, 4, 5, 6, 7, 8, 9, 18, 19, 20, 27, 28, 31])
      expect(machine.x(i, hart), `x${i} is kept`).toBe(BigInt(0x1000 + i));
  return {
    result,
    error: BigInt.asIntN(64, machine.x(10, hart)),
    value: BigInt.asIntN(64, machine.x(11, hart)),
  };
}

test("user programs can read cycle, time and instret from the start", () => {
  const machine = machineWith();
  machine.setPrivilege(0);
  machine.load(new Assembler().csrGet(5, 0xc00).csrGet(6, 0xc01).csrGet(7, 0xc02));
  expect(machine.core.calls.run(0, 3)).toBe(machine.core.abi.RUN_BUDGET);
  expect(machine.pc()).toBe(BigInt(RAM_BASE + 12));
});

describe("base", () => {
  test("says version 2.0 and knows its own extensions", () => {
    const machine = machineWith();
    expect(sbi(machine, BASE, 0)).toMatchObject({ error: SUCCESS, value: 2n << 24n });
    for (const fid of [1, 2, 4, 5, 6]) expect(sbi(machine, BASE, fid).error).toBe(SUCCESS);
    expect(sbi(machine, BASE, 7).error).toBe(NOT_SUPPORTED);
    for (const eid of [BASE, TIME, IPI, RFENCE, HSM, SRST, DBCN, 0, 1, 2, 8])
      expect(sbi(machine, BASE, 3, [eid])).toMatchObject({ error: SUCCESS, value: 1n });
    for (const eid of [3, 9, 0x504d55, 0x4e41434c, 0x0a00_0000, ALL])
      expect(sbi(machine, BASE, 3, [eid])).toMatchObject({ error: SUCCESS, value: 0n });
  });

  test("an unknown extension or function isn't supported, and the guest goes on", () => {
    const machine = machineWith();
    for (const [eid, fid] of [
      [0x504d55, 0],
      [ALL, 0],
      [TIME, 1],
      [IPI, 1],
      [RFENCE, 3],
      [HSM, 4],
      [SRST, 1],
      [DBCN, 3],
    ] as const) {
      expect(sbi(machine, eid, fid).error, `${eid} ${fid}`).toBe(NOT_SUPPORTED);
      expect(machine.pc()).toBe(BigInt(RAM_BASE + 4));
    }
    expect(sbi(machine, 3).error).toBe(NOT_SUPPORTED); // legacy, not there
  });
});

describe("time", () => {
  test.each([
    ["set_timer", TIME],
    ["legacy set_timer", 0],
  ])("%s sets and clears STIP", (_, eid) => {
    const machine = machineWith();
    expect(sbi(machine, eid, 0, [0]).error).toBe(SUCCESS);
    machine.core.calls.run(0, 1);
    expect(machine.field("H_LINES") & 0x20n).toBe(0x20n);
    sbi(machine, eid, 0, [ALL]);
    machine.core.calls.run(0, 1);
    expect(machine.field("H_LINES") & 0x20n).toBe(0n);
  });
});

describe("hart masks", () => {
  const pending = (machine: TestMachine) => [0, 1, 2, 3].filter((hart) => machine.field("H_MIP", hart) & SSIP);
  test.each([
    ["one", 0b10, 0, [1], SUCCESS],
    ["several, its own too", 0b1011, 0, [0, 1, 3], SUCCESS],
    ["with a base", 0b11, 2, [2, 3], SUCCESS],
    ["everybody", 0, ALL, [0, 1, 2, 3], SUCCESS],
    ["nobody", 0, 0, [], SUCCESS],
    ["one that isn't there", 0b10000, 0, [], INVALID_PARAM],
    ["past the end by the base", 0b110, 2, [], INVALID_PARAM],
    ["out of the base's range", 1, 64, [], INVALID_PARAM],
    ["bits that a shift would lose", 1n << 63n, 1, [], INVALID_PARAM],
  ] as const)("send_ipi to %s", (_, mask, base, harts, error) => {
    const machine = machineWith(4);
    expect(sbi(machine, IPI, 0, [mask, base]).error).toBe(error);
    expect(pending(machine)).toEqual(harts);
  });

  test("fences take any range", () => {
    const machine = machineWith(2);
    for (const fid of [0, 1, 2])
      for (const start of [0n, 0x1000n, ALL, ALL - 0xfffn, 1n << 63n])
        for (const size of [0n, 1n, 0x3000n, 0x40_0000n, ALL, ALL - 5n])
          expect(sbi(machine, RFENCE, fid, [3, 0, start, size, 7]).error).toBe(SUCCESS);
    expect(sbi(machine, RFENCE, 1, [4, 0, 0, 0]).error).toBe(INVALID_PARAM);
  });
});

describe("hart state", () => {
  test("start: S-mode, paging and interrupts off, id and opaque in a0 and a1", () => {
    const machine = machineWith(2);
    const { abi, calls } = machine.core;
    expect(sbi(machine, HSM, 2, [0])).toMatchObject({ error: SUCCESS, value: 0n });
    expect(sbi(machine, HSM, 2, [1])).toMatchObject({ error: SUCCESS, value: 1n });
    expect(calls.run(1, 10)).toBe(abi.RUN_STOPPED);
    machine.setField("H_SATP", (8n << 60n) | 5n, 1);
    machine.setField("H_MSTATUS", 2n, 1);
    expect(sbi(machine, HSM, 0, [1, RAM_BASE + 4, 0x1234n << 40n]).error).toBe(SUCCESS);
    expect(sbi(machine, HSM, 2, [1])).toMatchObject({ error: SUCCESS, value: 0n });
    expect(sbi(machine, HSM, 0, [1, RAM_BASE, 0]).error).toBe(ALREADY_AVAILABLE);
    expect(machine.pc(1)).toBe(BigInt(RAM_BASE + 4));
    expect(machine.privilege(1)).toBe(1);
    expect(machine.field("H_SATP", 1)).toBe(0n);
    expect(machine.field("H_MSTATUS", 1) & 2n).toBe(0n);
    expect([machine.x(10, 1), machine.x(11, 1)]).toEqual([1n, 0x1234n << 40n]);
    expect(calls.run(1, 10)).toBe(abi.RUN_BUDGET);
  });

  test("start refuses harts and addresses that aren't there, and odd addresses", () => {
    const machine = machineWith(2);
    expect(sbi(machine, HSM, 0, [2, RAM_BASE, 0]).error).toBe(INVALID_PARAM);
    expect(sbi(machine, HSM, 0, [ALL, RAM_BASE, 0]).error).toBe(INVALID_PARAM);
    for (const address of [0n, ALL, BigInt(RAM_BASE + RAM_SIZE), BigInt(RAM_BASE + 1)])
      expect(sbi(machine, HSM, 0, [1, address, 0]).error).toBe(INVALID_ADDRESS);
    expect(sbi(machine, HSM, 2, [1]).value).toBe(1n);
    expect(sbi(machine, HSM, 2, [2]).error).toBe(INVALID_PARAM);
  });

  test("stop, and start again", () => {
    const machine = machineWith(2);
    expect(sbi(machine, HSM, 1).result).toBe(machine.core.abi.RUN_STOPPED);
    expect(machine.core.calls.run(0, 1)).toBe(machine.core.abi.RUN_STOPPED);
    machine.setField("H_MIP", SSIP); // doesn't wake it
    machine.setField("H_MIE", SSIP);
    expect(machine.core.calls.run(0, 1)).toBe(machine.core.abi.RUN_STOPPED);
  });

  test("retentive suspend is seen by others and ended by an interrupt", () => {
    const machine = machineWith(2);
    sbi(machine, HSM, 0, [1, RAM_BASE, 0]);
    machine.setField("H_MIE", SSIP);
    expect(sbi(machine, HSM, 3, [0, 0, 0]).result).toBe(machine.core.abi.RUN_IDLE);
    machine.setPc(RAM_BASE, 1);
    expect(sbi(machine, HSM, 2, [0], 1)).toMatchObject({ error: SUCCESS, value: 4n });
    sbi(machine, IPI, 0, [1, 0], 1);
    expect(machine.core.calls.run(0, 1)).toBe(machine.core.abi.RUN_BUDGET);
    expect(machine.x(10)).toBe(0n);
    expect(sbi(machine, HSM, 2, [0], 1).value).toBe(0n);
    expect(sbi(machine, HSM, 3, [0x8000_0000, RAM_BASE, 0]).error).toBe(NOT_SUPPORTED);
    expect(sbi(machine, HSM, 3, [1, 0, 0]).error).toBe(INVALID_PARAM);
  });
});

describe("system reset", () => {
  test.each([
    [0, 0, "EXIT_POWEROFF"],
    [0, 1, "EXIT_POWEROFF"],
    [1, 0, "EXIT_REBOOT"],
    [2, 0, "EXIT_REBOOT"],
  ] as const)("type %i reason %i", (type, reason, exit) => {
    const machine = machineWith();
    expect(sbi(machine, SRST, 0, [type, reason]).result).toBe(machine.core.abi.RUN_EXIT);
    expect(machine.core.machineU32(machine.core.abi.M_EXIT)).toBe(machine.core.abi[exit]);
  });

  test("reserved types and reasons are refused; the legacy call shuts down", () => {
    const machine = machineWith();
    expect(sbi(machine, SRST, 0, [3, 0]).error).toBe(INVALID_PARAM);
    expect(sbi(machine, SRST, 0, [0, 2]).error).toBe(INVALID_PARAM);
    expect(sbi(machine, 8).result).toBe(machine.core.abi.RUN_EXIT);
    expect(machine.core.machineU32(machine.core.abi.M_EXIT)).toBe(machine.core.abi.EXIT_POWEROFF);
  });
});

describe("debug console", () => {
  test("writes memory and single bytes", () => {
    const machine = machineWith();
    machine.write(RAM_BASE + 0x1ffc, new TextEncoder().encode("over a page's edge"));
    expect(sbi(machine, DBCN, 0, [18, RAM_BASE + 0x1ffc, 0])).toMatchObject({ error: SUCCESS, value: 18n });
    expect(sbi(machine, DBCN, 2, [0x121])).toMatchObject({ error: SUCCESS, value: 0n });
    expect(sbi(machine, 1, 0, [0x3f]).error).toBe(SUCCESS);
    expect(machine.output()).toBe("over a page's edge!?");
    expect(sbi(machine, DBCN, 0, [0, 0, 0])).toMatchObject({ error: SUCCESS, value: 0n });
  });

  test("reads what has arrived", () => {
    const machine = machineWith();
    expect(sbi(machine, DBCN, 1, [8, RAM_BASE + 0x1000, 0])).toMatchObject({ error: SUCCESS, value: 0n });
    expect(sbi(machine, 2).error).toBe(-1n);
    // The receiver holds one byte until its FIFOs are on.
    machine.core.calls.uartReceive(0x41);
    expect(sbi(machine, DBCN, 1, [8, RAM_BASE + 0x1000, 0])).toMatchObject({ error: SUCCESS, value: 1n });
    expect(machine.read(RAM_BASE + 0x1000, 2)).toEqual(Uint8Array.of(0x41, 0));
    machine.core.calls.uartReceive(0xff);
    expect(sbi(machine, 2).error).toBe(0xffn);
  });

  test("refuses memory that isn't RAM", () => {
    const machine = machineWith();
    for (const fid of [0, 1])
      for (const [size, low, high] of [
        [4, 0n, 0],
        [4, BigInt(RAM_BASE), 1],
        [4, BigInt(RAM_BASE + RAM_SIZE - 2), 0],
        [4, ALL - 1n, 0],
        [4096, BigInt(RAM_BASE - 1), 0],
        [ALL, ALL, ALL],
      ] as const)
        expect(sbi(machine, DBCN, fid, [size, low, high]).error).toBe(INVALID_PARAM);
    expect(machine.output()).toBe("");
    // The boot ROM can be written out, but not into.
    expect(sbi(machine, DBCN, 1, [4, 0x1000, 0]).error).toBe(INVALID_PARAM);
  });

  test("a guest that never stops writing fills the ring and is told so", () => {
    const machine = machineWith();
    let sent = 0n;
    for (let i = 0; i < 100; i++) {
      const { error, value } = sbi(machine, DBCN, 0, [0x10_0000, RAM_BASE, 0]);
      expect(error === SUCCESS || error === INVALID_PARAM).toBe(true);
      sent += value;
    }
    expect(sent).toBeLessThanOrEqual(65_536n);
    expect(BigInt(machine.output().length)).toBe(sent);
  });
});

test("ecall from U is the supervisor's, ebreak too; M has nobody to take a trap", () => {
  const machine = machineWith();
  machine.setField("H_STVEC", BigInt(RAM_BASE + 0x100));
  machine.setPrivilege(0);
  machine.core.calls.run(0, 1);
  expect(machine.pc()).toBe(BigInt(RAM_BASE + 0x100));
  expect(machine.field("H_SCAUSE")).toBe(8n);
  expect(machine.privilege()).toBe(1);
});
