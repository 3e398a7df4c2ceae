/**
 * How late a timer's interrupt comes in real time while compiled code runs. Tells
 * p50 and p99; speed is nothing that a test could ask for, but that all of them
 * come is.
 */

import { expect, test } from "vitest";
import { Assembler } from "../support/assembler.ts";
import { machineOf, RAM_BASE } from "../support/machine.ts";

const [T0, T1, T2, T3, S0, S1, S2, A0] = [5, 6, 7, 28, 8, 9, 18, 10] as const;
const [MSTATUS, MIE, MTVEC, TIME] = [0x300, 0x304, 0x305, 0xc01];
const MTIMECMP = 0x200_4000;
const TIMES = RAM_BASE + 0x1_0000;
const INTERRUPTS = 2000;
/** Ticks of 100 ns between an interrupt and the next one's time. */
const PERIOD = 3000;
/** As the cell's. */
const QUANTUM = 50_000;

/** A hot loop; the handler stores time − mtimecmp, sets mtimecmp anew, and ends after all. */
function program(): Assembler {
  const out = new Assembler(RAM_BASE);
  out.la(T0, "handler").op("csrrw", { rd: 0, rs1: T0, csr: MTVEC });
  out.li(S0, MTIMECMP).li(S1, TIMES).li(S2, INTERRUPTS);
  out.csrGet(T0, TIME).li(T1, PERIOD).op("add", { rd: T0, rs1: T0, rs2: T1 }).op("sd", { rs2: T0, rs1: S0, imm: 0 });
  out.csrSet(MIE, 0x80).csrSet(MSTATUS, 0x1808);
  out.label("loop").op("addi", { rd: A0, rs1: A0, imm: 1 }).op("slli", { rd: T3, rs1: A0, shamt: 3 });
  out.op("xor", { rd: A0, rs1: A0, rs2: T3 }).to("loop", "jal", { rd: 0 });
  out.align(4).label("handler").csrGet(T0, TIME).op("ld", { rd: T1, rs1: S0, imm: 0 });
  out.op("sub", { rd: T1, rs1: T0, rs2: T1 }).op("sd", { rs2: T1, rs1: S1, imm: 0 });
  out.op("addi", { rd: S1, rs1: S1, imm: 8 }).op("addi", { rd: S2, rs1: S2, imm: -1 });
  out.to("end", "beq", { rs1: S2, rs2: 0 });
  out.li(T2, PERIOD).op("add", { rd: T0, rs1: T0, rs2: T2 }).op("sd", { rs2: T0, rs1: S0, imm: 0 }).op("mret");
  return out.label("end").to("end", "jal", { rd: 0 });
}

test.each(["interpreter", "jit"] as const)("%s: every timer interrupt comes", { timeout: 60_000 }, (engine) => {
  const guest = program();
  const host = { ticks: () => performance.now() * 10_000 };
  const machine = machineOf(guest, { engine, counted: false, devices: true, host });
  const { abi, calls } = machine.core;
  const end = BigInt(guest.addressOf("end"));
  const deadline = performance.now() + 30_000;
  while (machine.pc() !== end && performance.now() < deadline) calls.run(0, QUANTUM);
  expect(machine.pc()).toBe(end);
  expect(machine.core.machineU32(abi.M_JIT_TOTAL) > 0).toBe(engine === "jit");
  const late = Array.from({ length: INTERRUPTS }, (_, i) => Number(machine.readU64(TIMES + i * 8)) / 10).sort(
    (a, b) => a - b,
  );
  expect(late[0]).toBeGreaterThanOrEqual(0);
  const at = (part: number) => late[Math.floor(part * (INTERRUPTS - 1))]!.toFixed(1);
  console.log(
    `${engine}: ${INTERRUPTS} interrupts late by ${at(0.5)} µs (p50), ${at(0.99)} µs (p99), ${at(1)} µs at most`,
  );
});
