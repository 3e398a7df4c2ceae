/** The core's part of debugging: where harts stop, and that they go on as if nothing had been. */

import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { seeded } from "../isa/random.ts";
import { Assembler } from "../support/assembler.ts";
import { type MachineOptions, machineOf, RAM_BASE, type TestMachine } from "../support/machine.ts";
import { body, POINTERS } from "../support/programs.ts";

const DATA = RAM_BASE + 0x8000;
const [READ, WRITE] = [1, 2];
const [A0, A1, A2] = [10, 11, 12];

const wide = (va: number | bigint): bigint => BigInt.asUintN(64, BigInt(va));
const setBreak = (machine: TestMachine, va: number | bigint) => machine.core.calls.debugBreak(wide(va));
const clearBreak = (machine: TestMachine, va: number | bigint) => machine.core.calls.debugUnbreak(wide(va));
const watch = (machine: TestMachine, va: number | bigint, size: number, kind: number) =>
  machine.core.calls.debugWatch(wide(va), BigInt(size), kind);
const go = (machine: TestMachine, n = 100_000, hart = 0) => machine.core.calls.run(hart, n);
const hit = (machine: TestMachine) =>
  machine.core.view.getUint32(machine.core.abi.DEBUG + machine.core.abi.D_HIT, true);
const hitAddress = (machine: TestMachine) =>
  Number(machine.core.view.getBigUint64(machine.core.abi.DEBUG + machine.core.abi.D_HIT_ADDRESS, true));

/** Counts a0 down, adding to a1. */
function loop(count: number): Assembler {
  const out = new Assembler().li(A0, count).li(A1, 0);
  out.label("loop").op("addi", { rd: A1, rs1: A1, imm: 3 }).label("second").op("addi", { rd: A0, rs1: A0, imm: -1 });
  return out.to("loop", "bne", { rs1: A0, rs2: 0 }).label("end").to("end", "jal", { rd: 0 });
}

describe("breakpoints", () => {
  test.each([
    "loop",
    "second",
  ])("stop before the instruction at %s each time, with the count of what has retired", (at) => {
    const program = loop(5);
    const machine = machineOf(program);
    const { RUN_DEBUG, RUN_BUDGET } = machine.core.abi;
    go(machine, 4); // decoded before it is set
    expect(setBreak(machine, program.addressOf(at))).toBe(1);
    for (let left = 4; left > 0; left--) {
      expect(go(machine)).toBe(RUN_DEBUG);
      expect(machine.pc()).toBe(wide(program.addressOf(at)));
      expect(machine.x(A0)).toBe(BigInt(left));
      expect(machine.x(A1)).toBe(BigInt((5 - left) * 3 + (at === "second" ? 3 : 0)));
      expect(machine.instret()).toBe(BigInt(2 + (5 - left) * 3 + (at === "second" ? 1 : 0)));
      expect(hit(machine)).toBe(0);
    }
    expect(go(machine, 100)).toBe(RUN_BUDGET);
  });

  test("are gone when they are removed, and can be 64 at most", () => {
    const program = loop(50);
    const machine = machineOf(program);
    for (let i = 0; i < machine.core.abi.MAX_BREAKPOINTS; i++) expect(setBreak(machine, RAM_BASE + 2 * i)).toBe(1);
    expect(setBreak(machine, RAM_BASE + 4)).toBe(1); // is set already
    expect(setBreak(machine, RAM_BASE + 0x1000)).toBe(0);
    expect(go(machine)).toBe(machine.core.abi.RUN_DEBUG);
    for (let i = 0; i < machine.core.abi.MAX_BREAKPOINTS; i++) expect(clearBreak(machine, RAM_BASE + 2 * i)).toBe(1);
    expect(clearBreak(machine, RAM_BASE)).toBe(0);
    expect(go(machine, 120)).toBe(machine.core.abi.RUN_BUDGET);
    expect(machine.instret()).toBe(120n);
  });

  test("are of a virtual address: other pages' code at the same offset runs on", () => {
    const program = new Assembler()
      .to("far", "jal", { rd: 0 })
      .org(RAM_BASE + 0x1000)
      .label("far");
    program.li(A0, 1).li(A0, 2).label("end").to("end", "jal", { rd: 0 });
    const machine = machineOf(program);
    setBreak(machine, RAM_BASE + 0x2004);
    expect(go(machine, 10)).toBe(machine.core.abi.RUN_BUDGET);
    expect(machine.instret()).toBe(10n);
    expect(machine.x(A0)).toBe(2n);
  });

  test("stop at an instruction that crosses pages", () => {
    const program = new Assembler()
      .to("near", "jal", { rd: 0 })
      .org(RAM_BASE + 0xffe)
      .label("near");
    program.li(A0, 7).label("end").to("end", "jal", { rd: 0 });
    const machine = machineOf(program);
    setBreak(machine, RAM_BASE + 0xffe);
    expect(go(machine)).toBe(machine.core.abi.RUN_DEBUG);
    expect(machine.x(A0)).toBe(0n);
    expect(go(machine, 1)).toBe(machine.core.abi.RUN_BUDGET);
    expect(machine.x(A0)).toBe(7n);
  });

  test("stop each hart for itself", () => {
    const program = loop(5);
    const machine = machineOf(program, { harts: 2 });
    machine.setPc(RAM_BASE, 1);
    setBreak(machine, program.addressOf("loop"));
    for (const hart of [0, 1, 0, 1]) expect(go(machine, 100, hart)).toBe(machine.core.abi.RUN_DEBUG);
    expect([machine.x(A0, 0), machine.x(A0, 1)]).toEqual([4n, 4n]);
  });

  test("survive code that is rewritten", () => {
    const program = loop(5);
    const machine = machineOf(program);
    setBreak(machine, program.addressOf("second"));
    expect(go(machine)).toBe(machine.core.abi.RUN_DEBUG);
    machine.write(program.origin, program.bytes());
    expect(go(machine)).toBe(machine.core.abi.RUN_DEBUG);
    expect(machine.x(A0)).toBe(4n);
  });

  test("let a hart go on that a timer would keep from it for ever", () => {
    const [MIE, MTVEC, MSTATUS] = [0x304, 0x305, 0x300];
    const program = new Assembler().la(5, "handler").op("csrrw", { rd: 0, rs1: 5, csr: MTVEC });
    // The handler leaves the timer pending: it comes again after each mret.
    program.csrSet(MIE, 0x80, 5).csrSet(MSTATUS, 8, 5).label("here").op("addi", { rd: A0, rs1: A0, imm: 1 });
    program.label("end").to("end", "jal", { rd: 0 }).align(4).label("handler").op("mret");
    const machine = machineOf(program, { devices: true });
    setBreak(machine, program.addressOf("here"));
    machine.setField("H_LINES", 0n);
    expect(go(machine, 1000)).not.toBe(machine.core.abi.RUN_BUDGET);
    for (let i = 0; i < 4; i++) go(machine, 1000);
    expect(machine.x(A0)).toBe(1n);
  });
});

/** Programs of the differential tests, with traps. */
function noise(seed: number, options: MachineOptions = {}): TestMachine {
  const random = seeded(seed);
  const program = new Assembler().la(5, "handler").op("csrrw", { rd: 0, rs1: 5, csr: 0x305 });
  program.csrSet(0x300, 1n << 13n, 5);
  for (const pointer of POINTERS) program.li(pointer, DATA + pointer * 256);
  program.label("body");
  body(program, random, { length: 150, traps: true });
  program.align(4).label("handler").to("body", "jal", { rd: 0 });
  return machineOf(program, options);
}

const memory = (machine: TestMachine) => createHash("sha256").update(machine.read(RAM_BASE, 0x10000)).digest("hex");

test("stops on the way change nothing: random programs end alike with breakpoints and watchpoints", {
  timeout: 30_000,
}, () => {
  let stops = 0;
  for (let seed = 1; seed <= 12; seed++) {
    const plain = noise(seed);
    const expected = { stopped: plain.run(2000), ...plain.state(), memory: memory(plain) };
    const machine = noise(seed);
    const random = seeded(seed);
    for (let i = 0; i < 20; i++) setBreak(machine, RAM_BASE + 2 * (random() % 500));
    for (let i = 0; i < 4; i++)
      watch(machine, DATA + 8 * 256 + (random() % 512), 1 + (random() % 16), 1 + (random() % 3));
    const goal = machine.instret() + 2000n;
    // Traps retire nothing, so that there may be more calls than instructions.
    for (let left = 2000, calls = 0; left > 0 && calls < 10_000; left = Number(goal - machine.instret()), calls++)
      if (go(machine, 1 + (random() % left)) === machine.core.abi.RUN_DEBUG) stops++;
    const stopped = machine.core.abi.RUN_BUDGET;
    expect({ stopped, ...machine.state(), memory: memory(machine) }, `seed ${seed}`).toEqual(expected);
  }
  expect(stops).toBeGreaterThan(500);
});

describe("watchpoints", () => {
  /** Touches DATA by one instruction after another. */
  const ACCESSES: readonly [string, string, Record<string, number>, number, number][] = [
    ["load", "ld", { rd: A0, rs1: A1, imm: 0 }, READ, 0],
    ["byte load", "lbu", { rd: A0, rs1: A1, imm: 7 }, READ, 7],
    ["store", "sd", { rs1: A1, rs2: A2, imm: 0 }, WRITE, 0],
    ["half store", "sh", { rs1: A1, rs2: A2, imm: 2 }, WRITE, 2],
    ["load from before", "ld", { rd: A0, rs1: A1, imm: -4 }, READ, 0],
    ["store to before", "sd", { rs1: A1, rs2: A2, imm: -1 }, WRITE, 0],
    ["FP load", "fld", { fd: 0, rs1: A1, imm: 0 }, READ, 0],
    ["FP store", "fsw", { rs1: A1, fs2: 0, imm: 4 }, WRITE, 4],
    ["compressed load", "c.ld", { rd: A0, rs1: A1, imm: 0 }, READ, 0],
    ["compressed store", "c.sd", { rs1: A1, rs2: A2, imm: 0 }, WRITE, 0],
    ["load-reserved", "lr.d", { rd: A0, rs1: A1 }, READ, 0],
    ["AMO", "amoadd.w", { rd: A0, rs1: A1, rs2: A2 }, READ | WRITE, 0],
  ];

  test.each(ACCESSES)("see a %s, once its instruction has retired", (_, name, operands, kind, offset) => {
    for (const wanted of [READ, WRITE, READ | WRITE]) {
      const program = new Assembler()
        .csrSet(0x300, 1n << 13n)
        .li(A1, DATA)
        .li(A2, 99)
        .label("access")
        .op(name, operands);
      program.label("after").op("addi", { rd: 0, rs1: 0, imm: 0 }).label("end").to("end", "jal", { rd: 0 });
      const machine = machineOf(program);
      machine.writeU64(DATA, 0x1122_3344_5566_7788n);
      expect(watch(machine, DATA, 8, wanted)).toBe(1);
      const before = machineOf(program);
      before.writeU64(DATA, 0x1122_3344_5566_7788n);
      before.runTo(program.addressOf("after"));
      if ((wanted & kind) === 0) {
        expect(go(machine, 50)).toBe(machine.core.abi.RUN_BUDGET);
        continue;
      }
      expect(go(machine)).toBe(machine.core.abi.RUN_DEBUG);
      expect(hit(machine) & wanted).not.toBe(0);
      expect(hitAddress(machine)).toBe(DATA + offset);
      expect(machine.state()).toEqual(before.state());
      expect(machine.read(DATA - 8, 24)).toEqual(before.read(DATA - 8, 24));
      expect(go(machine, 50)).toBe(machine.core.abi.RUN_BUDGET);
    }
  });

  test("see accesses across pages, from either side", () => {
    for (const at of [DATA + 0xfff, DATA + 0x1000]) {
      const program = new Assembler().li(A1, DATA + 0xffc).op("sd", { rs1: A1, rs2: A1, imm: 0 });
      program.label("end").to("end", "jal", { rd: 0 });
      const machine = machineOf(program);
      watch(machine, at, 1, WRITE);
      expect(go(machine)).toBe(machine.core.abi.RUN_DEBUG);
      expect(hitAddress(machine)).toBe(at);
      expect(machine.readU64(DATA + 0xffc)).toBe(wide(DATA + 0xffc));
    }
  });

  test("see what the TLB already held, and not neighbours; are gone when removed", () => {
    const program = new Assembler().li(A1, DATA).label("loop").op("sw", { rs1: A1, rs2: 0, imm: 16 });
    program.op("sw", { rs1: A1, rs2: 0, imm: 32 }).to("loop", "jal", { rd: 0 });
    const machine = machineOf(program);
    go(machine, 30);
    watch(machine, DATA + 20, 12, READ | WRITE);
    expect(go(machine, 30)).toBe(machine.core.abi.RUN_BUDGET);
    watch(machine, DATA + 32, 4, WRITE);
    expect(go(machine, 30)).toBe(machine.core.abi.RUN_DEBUG);
    expect(hitAddress(machine)).toBe(DATA + 32);
    expect(machine.core.calls.debugUnwatch(wide(DATA + 32), 4n, READ)).toBe(0);
    expect(machine.core.calls.debugUnwatch(wide(DATA + 32), 4n, WRITE)).toBe(1);
    expect(go(machine, 30)).toBe(machine.core.abi.RUN_BUDGET);
  });

  test("are refused when they are no range, or too many", () => {
    const machine = machineOf(loop(1));
    expect(watch(machine, DATA, 0, READ)).toBe(0);
    expect(watch(machine, DATA, 1, 0)).toBe(0);
    expect(watch(machine, DATA, 1, 4)).toBe(0);
    expect(watch(machine, -4, 8, READ)).toBe(0);
    for (let i = 0; i < machine.core.abi.MAX_WATCHPOINTS; i++) expect(watch(machine, DATA, 1, READ)).toBe(1);
    expect(watch(machine, DATA, 1, READ)).toBe(0);
    machine.core.calls.debugClear();
    expect(watch(machine, DATA, 1, READ)).toBe(1);
  });

  test("say nothing of an access that traps", () => {
    const program = new Assembler()
      .la(5, "handler")
      .op("csrrw", { rd: 0, rs1: 5, csr: 0x305 })
      .op("ld", { rd: A0, rs1: 0, imm: 8 });
    program.align(4).label("handler").to("handler", "jal", { rd: 0 });
    const machine = machineOf(program);
    watch(machine, 0, 64, READ);
    expect(go(machine, 50)).toBe(machine.core.abi.RUN_BUDGET);
    expect(machine.pc()).toBe(wide(program.addressOf("handler")));
  });
});

describe("CSRs", () => {
  const peek = (machine: TestMachine, csr: number, hart = 0) =>
    machine.core.calls.csrPeek(hart, csr)
      ? machine.core.view.getBigUint64(machine.core.abi.DEBUG + machine.core.abi.D_VALUE, true)
      : undefined;
  const poke = (machine: TestMachine, csr: number, value: bigint, hart = 0) =>
    machine.core.calls.csrPoke(hart, csr, value);

  test("are read and written whatever the privilege, without effect on the hart's own", () => {
    const machine = machineOf(loop(5), { harts: 2 });
    machine.setPrivilege(0);
    expect(poke(machine, 0x340, 0x1234n)).toBe(1);
    expect(peek(machine, 0x340)).toBe(0x1234n);
    expect(peek(machine, 0x340, 1)).toBe(0n);
    expect(peek(machine, 0xf14, 1)).toBe(1n);
    expect(poke(machine, 0xf14, 1n)).toBe(0);
    expect(peek(machine, 0x7c0)).toBeUndefined();
    expect(peek(machine, 0x1000)).toBeUndefined();
    expect(peek(machine, 0x340, 2)).toBeUndefined();
    expect(machine.privilege()).toBe(0);
  });

  test("keep what a register can't hold out of it", () => {
    const machine = machineOf(loop(5));
    poke(machine, 0x341, 7n);
    expect(peek(machine, 0x341)).toBe(6n);
    poke(machine, 0x180, 3n << 60n);
    expect(peek(machine, 0x180)).toBe(0n);
  });

  test("of the FPU are there when it is off, and stay off", () => {
    const machine = machineOf(loop(5));
    const before = peek(machine, 0x300);
    poke(machine, 3, 0xe5n);
    expect([peek(machine, 1), peek(machine, 2), peek(machine, 3)]).toEqual([5n, 7n, 0xe5n]);
    poke(machine, 1, 0x1fn);
    poke(machine, 2, 1n);
    expect(peek(machine, 3)).toBe(0x3fn);
    expect(peek(machine, 0x300)).toBe(before);
  });

  test("that count are written exactly", () => {
    const machine = machineOf(loop(50));
    go(machine, 20);
    expect(peek(machine, 0xb02)).toBe(20n);
    for (const csr of [0xb00, 0xb02]) {
      poke(machine, csr, 1000n);
      expect(peek(machine, csr)).toBe(1000n);
    }
    go(machine, 5);
    expect(peek(machine, 0xb02)).toBe(1005n);
  });
});
