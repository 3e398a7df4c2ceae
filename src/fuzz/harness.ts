/**
 * The guest that runs programs: it sets each up, enters it by mret, logs its
 * traps and goes on after what trapped, and keeps what it leaves in registers.
 * It runs in M-mode and is the same on every machine.
 */

import { Assembler } from "./assembler.ts";
import { INPUT_REGISTERS } from "./program.ts";

export const RAM_BASE = 0x8000_0000;
/** One for each hart. */
const CONTEXT = RAM_BASE + 0x2000;
const CONTEXT_BITS = 10;
export const DESCRIPTORS = RAM_BASE + 0x1_0000;
/** As many as there is room for descriptors of. */
export const MAX_HARTS = 3;
const TEST_DEVICE = 0x10_0000;
const FINISH = 0x5555;

/** Offsets in the context, which mscratch points to while a program runs. */
const [X30, X29, X28, EXIT, LOG, LOG_END, TRAPS, RESULT, DESCRIPTOR, RUNS, INPUT, END, SINCE, RETIRED] = [
  0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104,
];

/** A program's descriptor: doublewords in this order. */
export const DESCRIPTOR_FIELDS = [
  "entry",
  "exit",
  "satp",
  "mstatus",
  "menvcfg",
  "senvcfg",
  "inputs",
  "runs",
  "log",
  "logEnd",
  "results",
  // An entry of page tables, and what each trap changes in it: see remap
  "entryAt",
  "entryChange",
] as const;
export type Descriptor = Readonly<Record<(typeof DESCRIPTOR_FIELDS)[number], bigint>>;
export const DESCRIPTOR_SIZE = 128;
/** Descriptors that a hart has room for. */
export const MAX_PROGRAMS = 512;
const at = (name: keyof Descriptor): number => DESCRIPTOR_FIELDS.indexOf(name) * 8;

/** A run's result: doublewords of these names. */
export const RESULT_NAMES: readonly string[] = [
  ...Array.from({ length: 31 }, (_, i) => `x${i + 1}`),
  ...Array.from({ length: 32 }, (_, i) => `f${i}`),
  "fcsr",
  "traps",
  "mcause",
  "mstatus",
];
export const RESULT_SIZE = RESULT_NAMES.length * 8;
const result = (name: string): number => RESULT_NAMES.indexOf(name) * 8;

/** An entry of the log of traps: doublewords of these names. */
export const LOG_NAMES = ["mcause", "mtval", "mepc", "mstatus"] as const;
export const LOG_ENTRY = LOG_NAMES.length * 8;
/** Instructions that the harness spends on a trap, at most. */
export const TRAP_COST = 40;
/** And on entering and leaving a run, between its two looks at minstret. */
export const RUN_COST = 110;

/** Where the count of instructions retired in runs is kept; QEMU's is another one. */
export const RETIRED_AT = CONTEXT + RETIRED;
/** Where the address of the descriptor of the program under way is kept. */
export const currentAt = (hart: number): number => CONTEXT + (hart << CONTEXT_BITS) + DESCRIPTOR;

const [SSCRATCH, SEPC, SCAUSE, STVAL, STVEC, SCOUNTEREN, SENVCFG, SATP] = [
  0x140, 0x141, 0x142, 0x143, 0x105, 0x106, 0x10a, 0x180,
];
const [MSTATUS, MEDELEG, MIDELEG, MIE, MTVEC, MCOUNTEREN, MENVCFG] = [0x300, 0x302, 0x303, 0x304, 0x305, 0x306, 0x30a];
const [MSCRATCH, MEPC, MCAUSE, MTVAL, PMPCFG0, PMPADDR0, MINSTRET] = [0x340, 0x341, 0x342, 0x343, 0x3a0, 0x3b0, 0xb02];
const MHARTID = 0xf14;
const [MTIMECMP, MTIME] = [0x200_4000, 0x200_bff8];
/** Set to zero before each run, since programs write them. */
const CLEARED = [SSCRATCH, SEPC, SCAUSE, STVAL, STVEC, SCOUNTEREN, MEDELEG, MIDELEG, MCOUNTEREN, MCAUSE, MTVAL];
const MTIE = 0x80;
const FS_INITIAL = 1n << 13n;
const MPRV_MXR = (1n << 17n) | (1n << 19n);

export interface HarnessOptions {
  /** Each of which runs the programs, with traces of its own; default 1. */
  readonly harts?: number;
  /** Ticks of mtime from one timer interrupt to the next; without it there are none. */
  readonly period?: number;
  /** Some programs have a page of their code remapped. */
  readonly remap?: boolean;
}

/** Where a hart's descriptors are. */
export const descriptorsOf = (hart: number): number => DESCRIPTORS + hart * MAX_PROGRAMS * DESCRIPTOR_SIZE;

/** @param programs  how many descriptors there are, for each hart */
export function harness(programs: number, options: HarnessOptions = {}): Assembler {
  const out = new Assembler(RAM_BASE);
  start(out, programs, options);
  enter(out);
  trap(out, options);
  leave(out);
  return out;
}

const load = (out: Assembler, rd: number, rs1: number, imm: number) => out.op("ld", { rd, rs1, imm });
const store = (out: Assembler, rs2: number, rs1: number, imm: number) => out.op("sd", { rs1, rs2, imm });
const write = (out: Assembler, csr: number, rs1: number) => out.op("csrrw", { rd: 0, rs1, csr });

/** x31 = the hart's context; x30 is used. */
function context(out: Assembler): void {
  out.csrGet(30, MHARTID).op("slli", { rd: 30, rs1: 30, shamt: CONTEXT_BITS });
  out.li(31, CONTEXT).op("add", { rd: 31, rs1: 31, rs2: 30 });
}

function start(out: Assembler, programs: number, { harts = 1, period }: HarnessOptions): void {
  out.csrGet(5, MHARTID).op("addi", { rd: 6, rs1: 0, imm: harts });
  out.label("park").to("first", "bltu", { rs1: 5, rs2: 6 }).op("wfi").to("park", "jal", { rd: 0 });
  write(out.label("first").la(5, "trap"), MTVEC, 5);
  out.csrSet(PMPADDR0, (1n << 54n) - 1n).csrSet(PMPCFG0, 0x1f);
  write(out.li(5, period === undefined ? 0 : MTIE), MIE, 5);
  context(out);
  out
    .csrGet(5, MHARTID)
    .li(6, MAX_PROGRAMS * DESCRIPTOR_SIZE)
    .op("mul", { rd: 5, rs1: 5, rs2: 6 });
  out.li(6, DESCRIPTORS).op("add", { rd: 5, rs1: 5, rs2: 6 });
  store(out, 5, 31, DESCRIPTOR);
  out.li(6, programs * DESCRIPTOR_SIZE).op("add", { rd: 5, rs1: 5, rs2: 6 });
  store(out, 5, 31, END);
  store(out, 0, 31, RETIRED);
}

function enter(out: Assembler): void {
  context(out.label("program"));
  load(out, 5, 31, DESCRIPTOR);
  load(out, 6, 31, END);
  out.to("more", "bne", { rs1: 5, rs2: 6 });
  out.li(5, TEST_DEVICE).li(6, FINISH).op("sw", { rs1: 5, rs2: 6, imm: 0 });
  out.label("halt").to("halt", "jal", { rd: 0 }).label("more");
  for (const [from, to] of [
    ["exit", EXIT],
    ["log", LOG],
    ["logEnd", LOG_END],
    ["results", RESULT],
    ["runs", RUNS],
    ["inputs", INPUT],
  ] as const) {
    load(out, 6, 5, at(from));
    store(out, 6, 31, to);
  }
  write(load(out, 6, 5, at("satp")), SATP, 6);
  out.op("sfence.vma", { rs1: 0, rs2: 0 }).op("fence.i");

  context(out.label("run"));
  store(out, 0, 31, TRAPS);
  out.csrSet(MSTATUS, FS_INITIAL, 5).op("csrrwi", { rd: 0, zimm: 0, csr: 3 });
  load(out, 7, 31, INPUT);
  for (let i = 0; i < 32; i++) out.op("fld", { fd: i, rs1: 7, imm: 256 + i * 8 });
  for (const csr of CLEARED) write(out, csr, 0);
  load(out, 5, 31, DESCRIPTOR);
  for (const [from, csr] of [
    ["menvcfg", MENVCFG],
    ["senvcfg", SENVCFG],
    ["entry", MEPC],
    ["mstatus", MSTATUS],
  ] as const) {
    write(load(out, 6, 5, at(from)), csr, 6);
  }
  write(out, MSCRATCH, 31);
  store(out.csrGet(6, MINSTRET), 6, 31, SINCE);
  out.op("addi", { rd: 31, rs1: 7, imm: 0 });
  for (let i = 1; i < 32; i++) load(out, i, 31, i * 8);
  out.op("mret");
}

function trap(out: Assembler, { period, remap }: HarnessOptions): void {
  out.align(4).label("trap").op("csrrw", { rd: 31, rs1: 31, csr: MSCRATCH });
  store(out, 30, 31, X30);
  store(out, 29, 31, X29);
  store(out, 28, 31, X28);
  out.csrGet(30, MEPC);
  load(out, 29, 31, EXIT);
  out.to("exit", "beq", { rs1: 30, rs2: 29 });

  if (remap) remapPage(out);
  if (period !== undefined) tick(out, period);
  load(out, 29, 31, LOG);
  [MCAUSE, MTVAL, MEPC, MSTATUS].forEach((csr, i) => {
    store(out.csrGet(28, csr), 28, 29, i * 8);
  });
  load(out, 28, 31, LOG_END);
  out.op("addi", { rd: 29, rs1: 29, imm: LOG_ENTRY }).to("full", "bgeu", { rs1: 29, rs2: 28 });
  store(out, 29, 31, LOG).label("full");
  load(out, 28, 31, TRAPS);
  store(out.op("addi", { rd: 28, rs1: 28, imm: 1 }), 28, 31, TRAPS);

  // After an interrupt, or where there is no code, nothing is there to skip.
  out.csrGet(28, MCAUSE).to("exit", "blt", { rs1: 28, rs2: 0 });
  for (const cause of [1, 12]) out.li(29, cause).to("exit", "beq", { rs1: 28, rs2: 29 });

  out.li(29, MPRV_MXR).op("csrrs", { rd: 28, rs1: 29, csr: MSTATUS }).op("lhu", { rd: 29, rs1: 30, imm: 0 });
  write(out, MSTATUS, 28);
  out.op("andi", { rd: 29, rs1: 29, imm: 3 }).op("addi", { rd: 29, rs1: 29, imm: -3 });
  out.op("addi", { rd: 30, rs1: 30, imm: 2 }).to("short", "bne", { rs1: 29, rs2: 0 });
  out.op("addi", { rd: 30, rs1: 30, imm: 2 }).label("short");
  write(out, MEPC, 30);
  resume(out.label("resume"));
}

function resume(out: Assembler): void {
  load(out, 30, 31, X30);
  load(out, 29, 31, X29);
  load(out, 28, 31, X28);
  out.op("csrrw", { rd: 31, rs1: 31, csr: MSCRATCH }).op("mret");
}

/** Maps the program's page to its other copy. Other harts fence at their own traps, as the interpreter has it too. */
function remapPage(out: Assembler): void {
  load(out, 29, 31, DESCRIPTOR);
  load(out, 28, 29, at("entryAt"));
  out.to("mapped", "beq", { rs1: 28, rs2: 0 });
  load(out, 29, 29, at("entryChange"));
  out.op("amoxor.d", { rd: 0, rs1: 28, rs2: 29 }).op("sfence.vma", { rs1: 0, rs2: 0 }).label("mapped");
}

/** A timer interrupt sets the next one, and nothing else; it isn't logged. */
function tick(out: Assembler, period: number): void {
  out.csrGet(28, MCAUSE).to("trapped", "bge", { rs1: 28, rs2: 0 });
  load(out.li(28, MTIME), 29, 28, 0);
  out.li(28, period).op("add", { rd: 29, rs1: 29, rs2: 28 });
  out.csrGet(28, MHARTID).op("slli", { rd: 28, rs1: 28, shamt: 3 }).li(30, MTIMECMP);
  store(out.op("add", { rd: 28, rs1: 28, rs2: 30 }), 29, 28, 0);
  out.to("resume", "jal", { rd: 0 }).label("trapped").csrGet(30, MEPC);
}

function leave(out: Assembler): void {
  out.label("exit");
  load(out, 30, 31, RESULT);
  for (let i = 1; i < 28; i++) store(out, i, 30, result(`x${i}`));
  [X28, X29, X30].forEach((from, i) => {
    load(out, 29, 31, from);
    store(out, 29, 30, result(`x${28 + i}`));
  });
  store(out.csrGet(29, MSCRATCH), 29, 30, result("x31"));
  store(out.csrGet(29, MCAUSE), 29, 30, result("mcause"));
  store(out.csrGet(29, MSTATUS), 29, 30, result("mstatus"));
  out.li(29, FS_INITIAL).op("csrrs", { rd: 0, rs1: 29, csr: MSTATUS });
  for (let i = 0; i < 32; i++) out.op("fsd", { rs1: 30, fs2: i, imm: result(`f${i}`) });
  store(out.csrGet(29, 3), 29, 30, result("fcsr"));
  load(out, 29, 31, TRAPS);
  store(out, 29, 30, result("traps"));

  out.csrGet(29, MINSTRET);
  load(out, 28, 31, SINCE);
  out.op("sub", { rd: 29, rs1: 29, rs2: 28 });
  load(out, 28, 31, RETIRED);
  store(out.op("add", { rd: 28, rs1: 28, rs2: 29 }), 28, 31, RETIRED);

  store(out.op("addi", { rd: 30, rs1: 30, imm: RESULT_SIZE }), 30, 31, RESULT);
  load(out, 29, 31, INPUT);
  store(out.op("addi", { rd: 29, rs1: 29, imm: INPUT_REGISTERS * 8 }), 29, 31, INPUT);
  load(out, 29, 31, RUNS);
  store(out.op("addi", { rd: 29, rs1: 29, imm: -1 }), 29, 31, RUNS);
  out.to("over", "beq", { rs1: 29, rs2: 0 }).to("run", "jal", { rd: 0 }).label("over");
  load(out, 29, 31, DESCRIPTOR);
  store(out.op("addi", { rd: 29, rs1: 29, imm: DESCRIPTOR_SIZE }), 29, 31, DESCRIPTOR);
  out.to("program", "jal", { rd: 0 });
}
