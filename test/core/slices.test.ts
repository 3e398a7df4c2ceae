/**
 * run(hart, n) is exact: however a run is cut into slices, counted mode ends in
 * the same state. Programs trap, are interrupted by timers, run under paging
 * (with misaligned and page-crossing code and data) and rewrite themselves.
 */

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { encode } from "../../src/isa/encode.ts";
import { seeded } from "../isa/random.ts";
import { Assembler } from "../support/assembler.ts";
import { makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";
import {
  body,
  chance,
  choose,
  HANDLER_REGISTERS,
  interesting,
  POINTER_OFFSETS,
  POINTERS,
  type Random,
} from "../support/programs.ts";

const [T0, T1] = HANDLER_REGISTERS as [number, number];
const [MSTATUS, MIE, MTVEC, MENVCFG, MSCRATCH, MEPC, MCAUSE] = [0x300, 0x304, 0x305, 0x30a, 0x340, 0x341, 0x342];
const [STVEC, SSCRATCH, SEPC, SCAUSE, STIMECMP, SATP] = [0x105, 0x140, 0x141, 0x142, 0x14d, 0x180];
const TIME = 0xc01;
const CLINT = 0x200_0000;
const RAM_SIZE = 0x10_0000;
const DATA = RAM_BASE + 0x4_0000;
const TABLES = RAM_BASE + 0x8_0000;
const LENGTH = 3000;

interface Mode {
  readonly paging: boolean;
  readonly tick: number;
}

/** Skips what trapped, and sets the next timer interrupt. `s`: the handler for S-mode, with stimecmp. */
function handler(out: Assembler, s: boolean, period: number): void {
  const name = s ? "strap" : "mtrap";
  const [epc, cause, scratch] = s ? [SEPC, SCAUSE, SSCRATCH] : [MEPC, MCAUSE, MSCRATCH];
  out.align(4).label(name).csrGet(T0, cause).to(`${name}Timer`, "blt", { rs1: T0, rs2: 0 });
  out.csrGet(T1, scratch).op("add", { rd: T1, rs1: T1, rs2: T0 }).op("csrrw", { rd: 0, rs1: T1, csr: scratch });
  out.csrGet(T0, epc).op("lhu", { rd: T1, rs1: T0, imm: 0 }).op("andi", { rd: T1, rs1: T1, imm: 3 });
  out.op("addi", { rd: T1, rs1: T1, imm: -3 }).op("addi", { rd: T0, rs1: T0, imm: 2 });
  out.to(`${name}Short`, "bne", { rs1: T1, rs2: 0 }).op("addi", { rd: T0, rs1: T0, imm: 2 });
  out
    .label(`${name}Short`)
    .op("csrrw", { rd: 0, rs1: T0, csr: epc })
    .op(s ? "sret" : "mret");
  out.label(`${name}Timer`).csrGet(T0, TIME).op("addi", { rd: T0, rs1: T0, imm: period });
  if (s) out.op("csrrw", { rd: 0, rs1: T0, csr: STIMECMP });
  else out.li(T1, CLINT + 0x4000).op("sd", { rs1: T1, rs2: T0, imm: 0 });
  out.csrGet(T0, scratch).op("addi", { rd: T0, rs1: T0, imm: 1000 }).op("csrrw", { rd: 0, rs1: T0, csr: scratch });
  out.op(s ? "sret" : "mret");
}

/** Now and then replaces an instruction a little further on, or reads the clocks. */
function meddle(random: Random, labels: { count: number }, paging: boolean): (out: Assembler) => void {
  return (out) => {
    if (!chance(random, 12)) return;
    const label = `patched${labels.count++}`;
    if (chance(random, 3)) {
      out.csrGet(
        choose(random, [5, 6, 10]),
        choose(random, paging ? [TIME, 0xc02, 0xc00] : [TIME, 0xb00, 0xb02, 0xc02]),
      );
      return;
    }
    const raw = encode("addi", { rd: 10, rs1: 10, imm: random() % 2000 });
    out
      .la(6, label)
      .li(7, raw | 0)
      .op("sw", { rs1: 6, rs2: 7, imm: 0 });
    if (chance(random, 2)) out.op("fence.i");
    if (chance(random, 2)) out.op("c.nop");
    out.label(label).op("addi", { rd: 10, rs1: 10, imm: 1 });
  };
}

function program(seed: number, { paging, tick }: Mode): Assembler {
  const random = seeded(seed);
  const out = new Assembler();
  const period = Math.ceil((20 + (random() % 200)) / tick);
  out.to("start", "jal", { rd: 0 });
  handler(out, false, period);
  handler(out, true, period);
  out.align(8).label("values");
  for (let i = 0; i < 64; i++) {
    const pointer = POINTERS.indexOf(i);
    out.u64(pointer < 0 ? interesting(random) : BigInt(DATA + POINTER_OFFSETS[pointer]!));
  }
  out.label("start").la(T0, "mtrap").op("csrrw", { rd: 0, rs1: T0, csr: MTVEC }).la(T0, "strap");
  out
    .op("csrrw", { rd: 0, rs1: T0, csr: STVEC })
    .csrSet(0x3b0, (1n << 54n) - 1n, T0)
    .csrSet(0x3a0, 0x1f, T0);
  out
    .csrSet(0x306, 7, T0)
    .csrSet(MENVCFG, 1n << 63n, T0)
    .csrSet(STIMECMP, period, T0);
  if (paging) {
    out.csrSet(0x302, 0xb3ff, T0).csrSet(0x303, 0x222, T0).csrSet(MIE, 0x20, T0);
    out.csrSet(SATP, (8n << 60n) | BigInt(TABLES >>> 12), T0).op("sfence.vma", { rs1: 0, rs2: 0 });
    // To S-mode, interrupts on: MPP = S, SPIE by MPIE's way, FS.
    out
      .csrSet(MSTATUS, (1n << 13n) | (1n << 11n) | 2n, T0)
      .la(T0, "main")
      .op("csrrw", { rd: 0, rs1: T0, csr: MEPC });
    out.op("mret");
  } else {
    out
      .csrSet(MIE, 0x80, T0)
      .li(T0, CLINT + 0x4000)
      .li(T1, period)
      .op("sd", { rs1: T0, rs2: T1, imm: 0 });
    out.csrSet(MSTATUS, (1n << 13n) | 8n, T0);
  }
  out.label("main").la(T1, "values");
  for (let i = 0; i < 32; i++) out.op("fld", { fd: i, rs1: T1, imm: 256 + i * 8 });
  for (let i = 1; i < T0; i++) out.op("ld", { rd: i, rs1: T1, imm: i * 8 });
  // To just before a page's end, so that code crosses it.
  out.to("body", "jal", { rd: 0 }).org(RAM_BASE + 0x1000 - 64 - 2 * (seed % 16));
  out.label("body");
  body(out, random, { length: 150, traps: true }, meddle(random, { count: 0 }, paging));
  return out.to("body", "jal", { rd: 0 });
}

/** Sv39 tables: RAM by 4 KiB pages at its own address. */
function mapRam(machine: TestMachine): void {
  const [root, middle, leaves] = [TABLES, TABLES + 0x1000, TABLES + 0x2000];
  const pointer = (table: number) => BigInt(table / 4096) * 1024n + 1n;
  machine.writeU64(root + (RAM_BASE / 2 ** 30) * 8, pointer(middle));
  machine.writeU64(middle, pointer(leaves));
  for (let page = 0; page < RAM_SIZE / 4096; page++)
    machine.writeU64(leaves + page * 8, BigInt(RAM_BASE / 4096 + page) * 1024n + 0xcfn);
}

function ready(seed: number, mode: Mode): TestMachine {
  const machine = makeMachine({ ramSize: RAM_SIZE, devices: true, tick: mode.tick }).load(program(seed, mode));
  const random = seeded(seed + 1);
  for (let i = 0; i < 0x4000; i += 8) machine.writeU64(DATA + i, interesting(random));
  if (mode.paging) mapRam(machine);
  return machine;
}

function finish(machine: TestMachine, slice: () => number): Record<string, unknown> {
  const stopped = machine.run(LENGTH, 0, slice);
  const memory = createHash("sha256").update(machine.read(RAM_BASE, RAM_SIZE)).digest("hex");
  return { stopped, memory, ...machine.state() };
}

test.each([
  { paging: false, tick: 1 },
  { paging: false, tick: 10 },
  { paging: true, tick: 1 },
  { paging: true, tick: 7 },
])("paging $paging, $tick instructions a tick: every way of slicing ends alike", { timeout: 30_000 }, (mode) => {
  let [traps, interrupts, codeWrites] = [0, 0, 0];
  for (let seed = 1; seed <= 8; seed++) {
    const whole = ready(seed, mode);
    const expected = finish(whole, () => LENGTH);
    expect(expected.stopped).toBe(whole.core.abi.RUN_BUDGET);
    expect(whole.instret()).toBe(BigInt(LENGTH));
    const counter = (name: "CT_TRAP" | "CT_INTERRUPT" | "CT_CODE_WRITE") =>
      Number(whole.core.hartU64(0, whole.core.abi.H_COUNTERS + whole.core.abi[name] * 8));
    traps += counter("CT_TRAP");
    interrupts += counter("CT_INTERRUPT");
    codeWrites += counter("CT_CODE_WRITE");
    const random = seeded(seed * 77);
    const slicings: Record<string, () => number> = {
      ones: () => 1,
      sevens: () => 7,
      random: () => 1 + (random() % 60),
      mixed: () => (chance(random, 2) ? 1 : 1 + (random() % 1000)),
    };
    for (const [name, slice] of Object.entries(slicings))
      expect(finish(ready(seed, mode), slice), `seed ${seed}, ${name}`).toEqual(expected);
  }
  // The programs do what they are for.
  expect(traps).toBeGreaterThan(100);
  expect(interrupts).toBeGreaterThan(100);
  expect(codeWrites).toBeGreaterThan(100);
});
