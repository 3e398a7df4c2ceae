/** One instruction at a time, from any privilege, for tests of traps and CSRs. */

import type { Operands } from "../../src/isa/decode.ts";
import { encode } from "../../src/isa/encode.ts";
import { RAM_BASE, type TestMachine } from "./machine.ts";

export const U = 0;
export const S = 1;
export const M = 3;

/** Where `attempt` puts the instruction, and where traps go. */
export const CODE = RAM_BASE;
export const M_HANDLER = RAM_BASE + 0x800;
export const S_HANDLER = RAM_BASE + 0xc00;

export interface Trap {
  /** The privilege that took it. */
  readonly to: typeof M | typeof S;
  readonly cause: bigint;
  readonly tval: bigint;
  readonly epc: bigint;
}

const INTERRUPT = 1n << 63n;

/** Handlers in place, and PMP open for S and U as firmware does it. */
export function open(machine: TestMachine): TestMachine {
  const { core } = machine;
  machine.setField("H_MTVEC", BigInt(M_HANDLER));
  machine.setField("H_STVEC", BigInt(S_HANDLER));
  machine.setField("H_PMPADDR", (1n << 54n) - 1n);
  core.bytes[core.hart(0) + core.abi.H_PMPCFG!] = 0x1f;
  core.setHartU32(0, core.abi.H_PMP_ACTIVE!, 1);
  return machine;
}

/** The trap that has just been taken, if the pc stands at a handler. */
export function trapOf(machine: TestMachine): Trap | undefined {
  const pc = machine.pc();
  if (pc === BigInt(M_HANDLER))
    return { to: M, cause: machine.field("H_MCAUSE"), tval: machine.field("H_MTVAL"), epc: machine.field("H_MEPC") };
  if (pc === BigInt(S_HANDLER))
    return { to: S, cause: machine.field("H_SCAUSE"), tval: machine.field("H_STVAL"), epc: machine.field("H_SEPC") };
  return undefined;
}

/**
 * Executes one instruction at CODE, or wherever `at` says that it was put.
 * @returns the trap it took, or undefined when it retired
 */
export function attempt(
  machine: TestMachine,
  raw: number,
  privilege = M,
  at: number | bigint = CODE,
): Trap | undefined {
  const size = (raw & 3) === 3 ? 4 : 2;
  if (at === CODE)
    machine.write(
      CODE,
      Uint8Array.from({ length: size }, (_, i) => raw >>> (8 * i)),
    );
  machine.setPc(at);
  machine.setPrivilege(privilege);
  const before = machine.instret();
  const { abi, calls } = machine.core;
  calls.run(0, 1);
  machine.core.setHartU32(0, abi.H_STATE, 0);
  return machine.instret() === before ? trapOf(machine) : undefined;
}

export const perform = (machine: TestMachine, name: string, operands: Operands = {}, privilege = M): Trap | undefined =>
  attempt(machine, encode(name, operands), privilege);

/** Reads a CSR, or the trap that came of it. */
export function readCsr(machine: TestMachine, csr: number, privilege = M): bigint | Trap {
  const trap = perform(machine, "csrrs", { rd: 5, rs1: 0, csr }, privilege);
  return trap ?? BigInt.asUintN(64, machine.x(5));
}

export function writeCsr(machine: TestMachine, csr: number, value: bigint, privilege = M): Trap | undefined {
  machine.core.setX(0, 6, value);
  return perform(machine, "csrrw", { rd: 0, rs1: 6, csr }, privilege);
}

export const interrupt = (number: number): bigint => INTERRUPT | BigInt(number);
