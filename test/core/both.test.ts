/** The engine "both": what a host does to the machine reaches its shadow, and what differs ends the run with one message. */

import { expect, test } from "vitest";
import type { HostCalls } from "../../src/core/core.ts";
import { Assembler } from "../support/assembler.ts";
import { type MachineOptions, makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";

const VIRTIO = 0x1000_1000;
const [COUNT, DEVICE] = [200, 0x10];

const both = (program: Assembler, options: MachineOptions = {}): TestMachine =>
  makeMachine({ ...options, engine: "both" }).load(program);

/** Adds the doubleword at t0 and what t1 has to s0, `COUNT` times; then again. */
function sums(): Assembler {
  const out = new Assembler(RAM_BASE);
  out.label("again").op("addi", { rd: 29, rs1: 0, imm: COUNT }).label("loop");
  out.op("ld", { rd: 7, rs1: 5, imm: 0 }).op("add", { rd: 8, rs1: 8, rs2: 7 }).op("add", { rd: 8, rs1: 8, rs2: 6 });
  out.op("addi", { rd: 29, rs1: 29, imm: -1 }).to("loop", "bne", { rs1: 29, rs2: 0 });
  return out.to("again", "jal", { rd: 0 });
}

test("registers and RAM that the host writes between runs are the shadow's too", () => {
  const machine = both(sums());
  machine.core.setX(0, 5, BigInt(RAM_BASE + 0x1000));
  machine.setField("H_MTVEC", BigInt(RAM_BASE + 0x100));
  for (let i = 0; i < 400; i++) {
    machine.writeU64(RAM_BASE + 0x1000, BigInt(i));
    machine.core.setX(0, 6, BigInt(i));
    expect(machine.run(37)).toBe(machine.core.abi.RUN_BUDGET);
  }
  expect(machine.instret()).toBe(400n * 37n);
  // It is the JIT that runs the machine.
  expect(machine.core.machineU32(machine.core.abi.M_JIT_TOTAL)).toBeGreaterThan(0);
});

test("a host may ask for all parts of what it writes before it writes the first", () => {
  const machine = both(sums());
  machine.core.setX(0, 5, BigInt(RAM_BASE + 0x1000));
  machine.run(37);
  const parts = [0x1000, 0x2000].map((at) => machine.linear(RAM_BASE + at, 8, true));
  for (const at of parts) machine.core.view.setBigUint64(at, 5n, true);
  expect(machine.run(500)).toBe(machine.core.abi.RUN_BUDGET);
});

test("a device of the host is accessed once, and its DMA and interrupts are the shadow's too", () => {
  const stores: bigint[] = [];
  let machine: TestMachine;
  let loads = 0;
  const host: Partial<HostCalls> = {
    mmioRead: () => BigInt(++loads),
    mmioWrite: (_device, _offset, _size, value) => {
      stores.push(value);
      machine.write(RAM_BASE + 0x2000, Uint8Array.of(stores.length, 0, 0, 0, 0, 0, 0, 0));
      machine.core.calls.plicSetLine(1, stores.length & 1);
    },
  };
  const out = new Assembler(RAM_BASE)
    .li(5, VIRTIO)
    .li(6, RAM_BASE + 0x2000)
    .label("loop");
  out.op("lw", { rd: 7, rs1: 5, imm: DEVICE }).op("sw", { rs1: 5, rs2: 7, imm: DEVICE });
  out.op("ld", { rd: 8, rs1: 6, imm: 0 }).op("add", { rd: 9, rs1: 9, rs2: 8 }).to("loop", "jal", { rd: 0 });
  machine = both(out, { devices: true, host });
  for (let i = 0; i < 50; i++) expect(machine.run(23)).toBe(machine.core.abi.RUN_BUDGET);
  expect(loads).toBeGreaterThan(200);
  expect(stores).toEqual(Array.from({ length: stores.length }, (_, i) => BigInt(i + 1)));
  expect(machine.x(8)).toBeGreaterThan(200n);
});

test("the host's clock stands still within a run, for both alike", () => {
  let ticks = 0;
  const out = new Assembler(RAM_BASE).label("loop").csrGet(5, 0xc01).op("add", { rd: 6, rs1: 6, rs2: 5 });
  const machine = both(out.to("loop", "jal", { rd: 0 }), { counted: false, host: { ticks: () => ++ticks } });
  for (let i = 0; i < 100; i++) expect(machine.run(31)).toBe(machine.core.abi.RUN_BUDGET);
  expect(machine.x(5)).toBeGreaterThan(90n);
});

test("what differs ends the machine, and one sentence says what and where", () => {
  const machine = both(sums());
  machine.core.setX(0, 5, BigInt(RAM_BASE + 0x1000));
  machine.run(500);
  // Behind the back of all: the shadow still has 0 there.
  machine.core.view.setBigUint64(machine.linear(RAM_BASE + 0x1000, 8), 5n, true);
  const message = new RegExp(
    "^JIT and interpreter differ, hart 0 from pc 0x8000[0-9a-f]{4} \\(ld t2,0\\(t0\\)\\) to 0x(8000[0-9a-f]{4}) and 0x\\1 " +
      "after 5 and 5 instructions: x7 of hart 0 is 0x5 and 0x0, x8 of hart 0 is 0x5 and 0x0\\.$",
  );
  expect(() => {
    while (machine.pc() !== BigInt(RAM_BASE + 4)) machine.run(1);
    machine.run(5);
  }).toThrow(/JIT and interpreter differ/);
  expect(() => machine.run(1)).toThrow(/JIT and interpreter differ/);
  const other = both(sums());
  other.core.setX(0, 5, BigInt(RAM_BASE + 0x1000));
  other.run(1);
  other.core.view.setBigUint64(other.linear(RAM_BASE + 0x1000, 8), 5n, true);
  expect(() => other.run(5)).toThrow(message);
});

test("memory that differs and isn't read is found at the machine's end", () => {
  const out = new Assembler(RAM_BASE).li(5, RAM_BASE + 0x3000).op("sd", { rs1: 5, rs2: 5, imm: 0 });
  out.li(6, 0x10_0000).li(7, 0x5555).op("sw", { rs1: 6, rs2: 7, imm: 0 }).label("end").to("end", "jal", { rd: 0 });
  const machine = both(out, { devices: true });
  machine.run(4);
  machine.core.view.setUint8(machine.linear(RAM_BASE + 0x3010, 8), 9);
  expect(() => machine.run(100)).toThrow(/: memory at offset 0x3010 of RAM is 0x9 and 0x0\.$/);
});
