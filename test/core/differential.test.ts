/**
 * The same bare-metal image on Wardian and on QEMU: random programs, after each
 * of which the guest sends its registers and hashes of its memory and its log
 * of traps over the UART.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { seeded } from "../isa/random.ts";
import { Assembler } from "../support/assembler.ts";
import { makeMachine } from "../support/machine.ts";
import { body, DATA_SIZE, HANDLER_REGISTERS, interesting, POINTER_OFFSETS, POINTERS } from "../support/programs.ts";

const [T0, T1] = HANDLER_REGISTERS as [number, number];
const UART = 0x1000_0000;
const TEST_DEVICE = 0x10_0000;
const FINISH = 0x5555;
const MSTATUS = 0x300;
const MTVEC = 0x305;
const MSCRATCH = 0x340;
const [MEPC, MCAUSE, MTVAL] = [0x341, 0x342, 0x343];
const DATA = 0x8080_0000;
const LOG = DATA + DATA_SIZE;
const LOG_SIZE = 0x2_0000;
const RESULT = LOG + LOG_SIZE;
/** x1…x31, f0…f31, fcsr, hashes of data and log, length of the log. */
const NAMES = [
  ...Array.from({ length: 31 }, (_, i) => `x${i + 1}`),
  ...Array.from({ length: 32 }, (_, i) => `f${i}`),
  ..."fcsr data log traps".split(" "),
];
const RESULT_SIZE = NAMES.length * 8;

/** Logs cause, tval and epc, and goes on after the instruction. */
function handler(out: Assembler): void {
  out.align(4).label("trap").csrGet(T1, MSCRATCH);
  [MCAUSE, MTVAL, MEPC].forEach((csr, i) => {
    out.csrGet(T0, csr).op("sd", { rs1: T1, rs2: T0, imm: i * 8 });
  });
  // What tval is for a breakpoint is the implementation's choice: logged as 0.
  out
    .csrGet(T0, MCAUSE)
    .op("addi", { rd: T0, rs1: T0, imm: -3 })
    .to("logged", "bne", { rs1: T0, rs2: 0 })
    .op("sd", { rs1: T1, rs2: 0, imm: 8 })
    .label("logged")
    .op("addi", { rd: T1, rs1: T1, imm: 24 })
    .op("csrrw", { rd: 0, rs1: T1, csr: MSCRATCH })
    .csrGet(T0, MEPC)
    .op("lhu", { rd: T1, rs1: T0, imm: 0 })
    .op("andi", { rd: T1, rs1: T1, imm: 3 })
    .op("addi", { rd: T1, rs1: T1, imm: -3 })
    .op("addi", { rd: T0, rs1: T0, imm: 2 })
    .to("short", "bne", { rs1: T1, rs2: 0 })
    .op("addi", { rd: T0, rs1: T0, imm: 2 })
    .label("short")
    .op("csrrw", { rd: 0, rs1: T0, csr: MEPC })
    .op("mret");
}

/** Sends the results; returns to x1. Uses x5…x12. */
function report(out: Assembler): void {
  const hash = (from: number, until: () => void, at: number, name: string) => {
    out.li(5, from);
    until();
    out.li(7, 0x0000_0100_0000_01b3n).li(8, 0xcbf2_9ce4_8422_2325n);
    out.label(name).to(`${name}End`, "bgeu", { rs1: 5, rs2: 6 });
    out.op("ld", { rd: 9, rs1: 5, imm: 0 }).op("xor", { rd: 8, rs1: 8, rs2: 9 }).op("mul", { rd: 8, rs1: 8, rs2: 7 });
    out.op("srli", { rd: 9, rs1: 8, shamt: 29 }).op("xor", { rd: 8, rs1: 8, rs2: 9 });
    out.op("addi", { rd: 5, rs1: 5, imm: 8 }).to(name, "jal", { rd: 0 });
    out.label(`${name}End`).op("sd", { rs1: T1, rs2: 8, imm: at });
  };
  out.label("report").li(T1, RESULT);
  hash(DATA, () => out.li(6, DATA + DATA_SIZE), 64 * 8, "hashData");
  hash(LOG, () => out.csrGet(6, MSCRATCH), 65 * 8, "hashLog");
  out.csrGet(6, MSCRATCH).op("sd", { rs1: T1, rs2: 6, imm: 66 * 8 });
  out
    .li(5, RESULT)
    .li(6, RESULT + RESULT_SIZE)
    .li(7, UART);
  out.label("send").op("lbu", { rd: 8, rs1: 5, imm: 0 });
  out.label("busy").op("lbu", { rd: 9, rs1: 7, imm: 5 }).op("andi", { rd: 9, rs1: 9, imm: 0x20 });
  out.to("busy", "beq", { rs1: 9, rs2: 0 }).op("sb", { rs1: 7, rs2: 8, imm: 0 });
  out
    .op("addi", { rd: 5, rs1: 5, imm: 1 })
    .to("send", "bltu", { rs1: 5, rs2: 6 })
    .op("jalr", { rd: 0, rs1: 1, imm: 0 });
}

/** QEMU 7.2 has no Zicond, and its ctzw counts on into the upper half when the lower one is zero. */
const NOT_COMPARED = ["Zicond", "Zicbom", "Zicboz", "ctzw"];

/** One image that runs the programs of these seeds one after the other. */
function image(seeds: readonly number[], traps: boolean): Assembler {
  const out = new Assembler();
  out.to("start", "jal", { rd: 0 });
  handler(out);
  report(out);
  out
    .label("start")
    .la(5, "trap")
    .op("csrrw", { rd: 0, rs1: 5, csr: MTVEC })
    .csrSet(MSTATUS, 1n << 13n);
  for (const seed of seeds) {
    const random = seeded(seed);
    out
      .li(5, DATA)
      .li(6, DATA + DATA_SIZE)
      .li(7, seed)
      .li(8, 0x5851_f42d_4c95_7f2dn)
      .label(`fill${seed}`);
    out.op("mul", { rd: 7, rs1: 7, rs2: 8 }).op("addi", { rd: 7, rs1: 7, imm: 1 }).op("sd", { rs1: 5, rs2: 7, imm: 0 });
    out.op("addi", { rd: 5, rs1: 5, imm: 8 }).to(`fill${seed}`, "bltu", { rs1: 5, rs2: 6 });
    out.csrSet(MSCRATCH, LOG).op("csrrwi", { rd: 0, zimm: 0, csr: 3 });
    out.to(`values${seed}end`, "jal", { rd: 0 }).align(8).label(`values${seed}`);
    for (let i = 0; i < 64; i++) {
      const pointer = POINTERS.indexOf(i);
      out.u64(pointer < 0 ? interesting(random) : BigInt(DATA + POINTER_OFFSETS[pointer]!));
    }
    out.label(`values${seed}end`).la(T1, `values${seed}`);
    for (let i = 0; i < 32; i++) out.op("fld", { fd: i, rs1: T1, imm: 256 + i * 8 });
    for (let i = 1; i < T0; i++) out.op("ld", { rd: i, rs1: T1, imm: i * 8 });
    if (seed & 1) out.op("c.nop"); // so that programs start at any halfword
    body(out, random, { length: 60, without: NOT_COMPARED, traps });
    out.li(T1, RESULT);
    for (let i = 1; i < T0; i++) out.op("sd", { rs1: T1, rs2: i, imm: (i - 1) * 8 });
    for (let i = 0; i < 32; i++) out.op("fsd", { rs1: T1, fs2: i, imm: (31 + i) * 8 });
    out.csrGet(5, 3).op("sd", { rs1: T1, rs2: 5, imm: 63 * 8 });
    out.la(5, "report").op("jalr", { rd: 1, rs1: 5, imm: 0 });
  }
  out.li(5, TEST_DEVICE).li(6, FINISH).op("sw", { rs1: 5, rs2: 6, imm: 0 });
  return out.label("end").to("end", "jal", { rd: 0 });
}

function runOnQemu(bytes: Uint8Array): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "wardian-differential-"));
  try {
    writeFileSync(join(folder, "image"), bytes);
    const options = "-M virt -cpu rv64,zba=true,zbb=true,zbs=true -m 64 -bios none -display none -monitor none".split(
      " ",
    );
    options.push(
      "-device",
      `loader,file=${join(folder, "image")},addr=0x80000000`,
      "-serial",
      `file:${join(folder, "out")}`,
    );
    const { status, stderr, error } = spawnSync("qemu-system-riscv64", options, { timeout: 60_000, encoding: "utf8" });
    if (error || status !== 0) throw new Error(`QEMU ended with ${status}: ${error?.message ?? stderr}`);
    return readFileSync(join(folder, "out"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runOnWardian(program: Assembler): Buffer {
  const machine = makeMachine({ ramSize: 64 << 20, devices: true }).load(program);
  const { abi, calls } = machine.core;
  let out = "";
  for (let slices = 0; slices < 50_000; slices++) {
    const result = calls.run(0, 20_000);
    out += machine.output();
    if (result === abi.RUN_EXIT) return Buffer.from(out, "latin1");
  }
  throw new Error(`no end; pc is 0x${machine.pc().toString(16)}`);
}

/** Programs that once told the two apart; they stay. */
const FAILED: readonly number[] = [103_539, 104_951];

test.each([
  ["computing and accessing memory", 1000, 400, false],
  ["trapping as well", 5000, 300, true],
] as const)("programs %s end alike on Wardian and QEMU", { timeout: 60_000 }, (_, first, count, traps) => {
  const seeds = [...FAILED, ...Array.from({ length: count }, (_, i) => first + i)];
  const program = image(seeds, traps);
  const ours = runOnWardian(program);
  const theirs = runOnQemu(program.bytes());
  expect(theirs.length).toBe(seeds.length * RESULT_SIZE);
  const differences: string[] = [];
  seeds.forEach((seed, n) => {
    NAMES.forEach((name, i) => {
      const at = n * RESULT_SIZE + i * 8;
      if (at + 8 > ours.length) return;
      const [our, their] = [ours.readBigUInt64LE(at), theirs.readBigUInt64LE(at)];
      if (our !== their) differences.push(`seed ${seed} ${name}: 0x${our.toString(16)}, QEMU 0x${their.toString(16)}`);
    });
  });
  expect(differences.slice(0, 20)).toEqual([]);
  expect(ours.length).toBe(theirs.length);
});
