/**
 * Control and status registers that programs read and write. What a write of any
 * value leaves (WARL) is often the implementation's choice: registers where QEMU
 * chose otherwise, and those that would end a program or stop it from being
 * repeated (clocks, what the harness stands on), are left to tests of their own.
 */

import type { Mode } from "./program.ts";

const FLOATING = [0x001, 0x002, 0x003];
const SCRATCH = 0x140;
const [SCAUSE, STVAL, SCOUNTEREN, SENVCFG, STVEC] = [0x142, 0x143, 0x106, 0x10a, 0x105];
const [MEPC, MSTATUS, MISA, MEDELEG, MIDELEG, MENVCFG] = [0x341, 0x300, 0x301, 0x302, 0x303, 0x30a];
const [SSTATUS, SIE, SIP, SATP, MIE, MHARTID] = [0x100, 0x104, 0x144, 0x180, 0x304, 0xf14];

export const FCSRS: readonly number[] = FLOATING;

/** Read and written with any value. */
export const WRITTEN: Readonly<Record<Mode, readonly number[]>> = {
  U: [],
  S: [SCRATCH, STVAL],
  M: [SCRATCH, STVAL],
};

/** Only read: what is legal in the mode. */
export const READ: Readonly<Record<Mode, readonly number[]>> = {
  U: [],
  S: [SSTATUS, SIE, SIP, SATP, SCAUSE, SCOUNTEREN, SENVCFG, STVEC],
  M: [SSTATUS, SIE, SATP, MSTATUS, MISA, MEDELEG, MIDELEG, MENVCFG, MIE, MHARTID],
};

/** Illegal in the mode, or never there. */
export const FORBIDDEN: Readonly<Record<Mode, readonly number[]>> = {
  U: [SSTATUS, SCRATCH, SATP, MSTATUS, MEPC, 0xc00, 0xc01, 0xc02, 0x400, 0x800, 0xcff],
  S: [MSTATUS, MEPC, MEDELEG, MHARTID, 0x7c0, 0x5c0],
  M: [0x7c0, 0x5c0, 0xbc0, 0xfc0],
};
