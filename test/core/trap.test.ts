/** Traps, delegation, returns and interrupts (Privileged 3.1 and 12.1). */

import { describe, expect, test } from "vitest";
import { encode } from "../../src/isa/encode.ts";
import {
  attempt,
  CODE,
  interrupt,
  M,
  M_HANDLER,
  open,
  perform,
  readCsr,
  S,
  S_HANDLER,
  type Trap,
  trapOf,
  U,
  writeCsr,
} from "../support/attempt.ts";
import { makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";

const [MSTATUS, SSTATUS, MEDELEG, MIDELEG, MIE, MTVEC, STVEC, MIP, SIP, SATP] = [
  0x300, 0x100, 0x302, 0x303, 0x304, 0x305, 0x105, 0x344, 0x144, 0x180,
];
const [SIE, MIE_BIT, SPIE, MPIE, SPP, MPP] = [1n << 1n, 1n << 3n, 1n << 5n, 1n << 7n, 1n << 8n, 3n << 11n];
const [FS, MPRV, TVM, TSR] = [3n << 13n, 1n << 17n, 1n << 20n, 1n << 22n];
const NOP = encode("addi", { rd: 0, rs1: 0, imm: 0 });
const NOWHERE = 0x5000_0000n;

const fresh = (): TestMachine => open(makeMachine());

/** name, raw instruction, cause, tval; x8 points nowhere, x9 at an odd place in RAM. */
const FAULTS: readonly (readonly [string, number, bigint, bigint])[] = [
  ["ecall", encode("ecall"), -1n, 0n],
  ["ebreak", encode("ebreak"), 3n, BigInt(CODE)],
  ["c.ebreak", encode("c.ebreak"), 3n, BigInt(CODE)],
  ["the all-zero halfword", 0, 2n, 0n],
  ["all ones", 0xffff_ffff, 2n, 0xffff_ffffn],
  ["a reserved compressed encoding", 0x9c41, 2n, 0x9c41n],
  [
    "FP that is off",
    encode("fadd.d", { fd: 1, fs1: 1, fs2: 1 }),
    2n,
    BigInt(encode("fadd.d", { fd: 1, fs1: 1, fs2: 1 })),
  ],
  [
    "an FP load that is off",
    encode("c.fld", { fd: 8, rs1: 8, imm: 0 }),
    2n,
    BigInt(encode("c.fld", { fd: 8, rs1: 8, imm: 0 })),
  ],
  [
    "a CSR that isn't there",
    encode("csrrs", { rd: 1, rs1: 0, csr: 0x800 }),
    2n,
    BigInt(encode("csrrs", { rd: 1, rs1: 0, csr: 0x800 })),
  ],
  ["a load from nowhere", encode("lw", { rd: 1, rs1: 8, imm: 4 }), 5n, NOWHERE + 4n],
  ["a store to nowhere", encode("sb", { rs1: 8, rs2: 1, imm: -1 }), 7n, NOWHERE - 1n],
  ["an AMO to nowhere", encode("amoadd.w", { rd: 1, rs1: 8, rs2: 1 }), 7n, NOWHERE],
  ["an LR from nowhere", encode("lr.w", { rd: 1, rs1: 8 }), 5n, NOWHERE],
  ["a misaligned LR", encode("lr.d", { rd: 1, rs1: 9 }), 4n, BigInt(RAM_BASE + 0x2001)],
  ["a misaligned SC", encode("sc.w", { rd: 1, rs1: 9, rs2: 1 }), 6n, BigInt(RAM_BASE + 0x2001)],
  ["a misaligned AMO", encode("amomax.d", { rd: 1, rs1: 9, rs2: 1 }), 6n, BigInt(RAM_BASE + 0x2001)],
];

function fault(machine: TestMachine, raw: number, privilege: number): Trap | undefined {
  machine.core.setX(0, 8, NOWHERE);
  machine.core.setX(0, 9, BigInt(RAM_BASE + 0x2001));
  machine.core.setX(0, 1, 0x5555n);
  return attempt(machine, raw, privilege);
}

describe.each(FAULTS)("%s", (_, raw, kind, tval) => {
  test.each([U, S, M])("traps from %i to M, and to S when delegated, and changes nothing", (privilege) => {
    const cause = kind === -1n ? 8n + BigInt(privilege) : kind;
    const machine = fresh();
    expect(fault(machine, raw, privilege)).toEqual({ to: M, cause, tval, epc: BigInt(CODE) });
    expect(machine.x(1)).toBe(0x5555n);
    expect(machine.field("H_MSTATUS") & MPP).toBe(BigInt(privilege) << 11n);
    expect(machine.privilege()).toBe(M);

    writeCsr(machine, MEDELEG, 0xffffn);
    const to = privilege === M ? M : S;
    expect(fault(machine, raw, privilege)).toEqual({ to, cause, tval, epc: BigInt(CODE) });
    expect(machine.privilege()).toBe(to);
    if (to === S) expect((machine.field("H_MSTATUS") & SPP) !== 0n).toBe(privilege === S);
  });
});

test("a fetch from nowhere", () => {
  const machine = fresh();
  expect(attempt(machine, NOP, S, NOWHERE)).toEqual({ to: M, cause: 1n, tval: NOWHERE, epc: NOWHERE });
  // A handler that can't be fetched either ends the machine instead of going round for ever.
  machine.setField("H_MTVEC", NOWHERE);
  machine.setPrivilege(M);
  machine.setPc(NOWHERE);
  expect(machine.core.calls.run(0, 1000)).toBe(machine.core.abi.RUN_EXIT);
  expect(machine.core.machineU32(machine.core.abi.M_EXIT)).toBe(machine.core.abi.EXIT_CRASH);
});

test("an instruction that crosses into a page that isn't there faults at the second half", () => {
  const machine = fresh();
  const last = RAM_BASE + machine.ramSize - 2;
  machine.write(last, Uint8Array.of(NOP, NOP >> 8));
  expect(attempt(machine, NOP, M, last)).toMatchObject({ cause: 1n, tval: BigInt(last + 2), epc: BigInt(last) });
});

test("trap entry and mret stack and unstack privilege and interrupt enable", () => {
  for (const from of [U, S, M]) {
    for (const enabled of [0n, MIE_BIT]) {
      const machine = fresh();
      machine.setField("H_MSTATUS", enabled | SIE | SPIE);
      perform(machine, "ecall", {}, from);
      expect(machine.field("H_MSTATUS")).toBe(SIE | SPIE | (enabled ? MPIE : 0n) | (BigInt(from) << 11n));
      machine.write(M_HANDLER, word("mret"));
      machine.core.calls.run(0, 1);
      expect(machine.pc()).toBe(BigInt(CODE));
      expect(machine.privilege()).toBe(from);
      expect(machine.field("H_MSTATUS")).toBe(SIE | SPIE | enabled | MPIE); // MPP becomes U
    }
  }
});

test("trap entry and sret stack and unstack privilege and interrupt enable", () => {
  for (const from of [U, S]) {
    for (const enabled of [0n, SIE]) {
      const machine = fresh();
      writeCsr(machine, MEDELEG, 0xffffn);
      machine.setField("H_MSTATUS", enabled | MIE_BIT | MPIE | MPP);
      perform(machine, "ecall", {}, from);
      expect(machine.field("H_MSTATUS")).toBe(MIE_BIT | MPIE | MPP | (enabled ? SPIE : 0n) | (BigInt(from) << 8n));
      machine.write(S_HANDLER, word("sret"));
      machine.core.calls.run(0, 1);
      expect(machine.pc()).toBe(BigInt(CODE));
      expect(machine.privilege()).toBe(from);
      expect(machine.field("H_MSTATUS")).toBe(MIE_BIT | MPIE | MPP | enabled | SPIE); // SPP becomes U
    }
  }
});

const word = (name: string): Uint8Array => new Uint8Array(Uint32Array.of(encode(name)).buffer);

test("returns to less than M clear MPRV", () => {
  for (const [name, status, stays] of [
    ["mret", MPRV | MPP, true],
    ["mret", MPRV | (1n << 11n), false],
    ["mret", MPRV, false],
    ["sret", MPRV | SPP, false],
    ["sret", MPRV, false],
  ] as const) {
    const machine = fresh();
    machine.setField("H_MSTATUS", status);
    expect(perform(machine, name)).toBeUndefined();
    expect((machine.field("H_MSTATUS") & MPRV) !== 0n, `${name} ${status}`).toBe(stays);
  }
});

test("what needs more privilege, and what TVM and TSR take from S", () => {
  const machine = fresh();
  const illegal = { cause: 2n };
  expect(perform(machine, "mret", {}, S)).toMatchObject(illegal);
  expect(perform(machine, "mret", {}, U)).toMatchObject(illegal);
  expect(perform(machine, "sret", {}, U)).toMatchObject(illegal);
  expect(perform(machine, "sfence.vma", { rs1: 0, rs2: 0 }, U)).toMatchObject(illegal);
  expect(readCsr(machine, SSTATUS, U)).toMatchObject(illegal);
  expect(readCsr(machine, MSTATUS, S)).toMatchObject(illegal);
  expect(perform(machine, "sfence.vma", { rs1: 0, rs2: 0 }, S)).toBeUndefined();
  expect(readCsr(machine, SATP, S)).toBe(0n);
  writeCsr(machine, MSTATUS, TVM | TSR);
  expect(perform(machine, "sret", {}, S)).toMatchObject(illegal);
  expect(perform(machine, "sfence.vma", { rs1: 0, rs2: 0 }, S)).toMatchObject(illegal);
  expect(perform(machine, "sinval.vma", { rs1: 0, rs2: 0 }, S)).toMatchObject(illegal);
  expect(perform(machine, "sfence.w.inval", {}, S)).toBeUndefined();
  expect(readCsr(machine, SATP, S)).toMatchObject(illegal);
  expect(writeCsr(machine, SATP, 0n, S)).toMatchObject(illegal);
  expect(readCsr(machine, SATP, M)).toBe(0n);
  expect(perform(machine, "sfence.vma", { rs1: 0, rs2: 0 }, M)).toBeUndefined();
});

describe("interrupts", () => {
  /** Runs a nop with these pending; the trap taken instead, if any. */
  function pend(
    machine: TestMachine,
    lines: bigint,
    enabled: bigint,
    status: bigint,
    privilege: number,
  ): Trap | undefined {
    machine.setField("H_LINES", lines & 0xa88n);
    machine.setField("H_MIP", lines & 0x222n);
    machine.setField("H_MIE", enabled);
    machine.setField("H_MSTATUS", status);
    machine.write(CODE, new Uint8Array(Uint32Array.of(NOP).buffer));
    machine.setPc(CODE);
    machine.setPrivilege(privilege);
    machine.core.calls.run(0, 1);
    return trapOf(machine);
  }
  // Lines of the timer are the timer's own: MTIP is left to time.test.
  const ALL = 0xb2an;

  test("are taken in the manual's order: MEI, MSI, SEI, SSI, STI", () => {
    const machine = fresh();
    let pending = ALL & ~0x80n;
    for (const number of [11, 3, 9, 1, 5]) {
      expect(pend(machine, pending, ALL, MIE_BIT, M)).toMatchObject({ to: M, cause: interrupt(number), tval: 0n });
      pending &= ~(1n << BigInt(number));
    }
    expect(pend(machine, pending, ALL, MIE_BIT, M)).toBeUndefined();
  });

  test("those of M come first, though delegated ones are pending too", () => {
    const machine = fresh();
    writeCsr(machine, MIDELEG, 0xffffn);
    expect(pend(machine, 0x20an, ALL, SIE, S)).toMatchObject({ to: M, cause: interrupt(3) });
    expect(pend(machine, 0x202n, ALL, SIE, S)).toMatchObject({ to: S, cause: interrupt(9) });
  });

  test.each([
    // delegated, privilege, status, taken by
    [false, M, 0n, undefined],
    [false, M, MIE_BIT, M],
    [false, S, 0n, M],
    [false, U, 0n, M],
    [true, M, MIE_BIT | SIE, undefined],
    [true, S, MIE_BIT, undefined],
    [true, S, SIE, S],
    [true, U, 0n, S],
  ] as const)("delegated %s, at privilege %i with mstatus %i: taken by %s", (delegated, privilege, status, to) => {
    const machine = fresh();
    writeCsr(machine, MIDELEG, delegated ? 0x222n : 0n);
    expect(pend(machine, 2n, 2n, status, privilege)?.to).toBe(to);
    expect(pend(machine, 2n, 0n, status, privilege)).toBeUndefined();
  });

  test("vectored mode spreads interrupts, not exceptions", () => {
    const machine = fresh();
    writeCsr(machine, MTVEC, BigInt(M_HANDLER + 1));
    pend(machine, 0x800n, 0x800n, MIE_BIT, M);
    expect(machine.pc()).toBe(BigInt(M_HANDLER + 44));
    machine.setField("H_LINES", 0n);
    expect(perform(machine, "ecall")).toMatchObject({ cause: 11n });
    expect(machine.pc()).toBe(BigInt(M_HANDLER));
    writeCsr(machine, STVEC, BigInt(S_HANDLER + 1));
    writeCsr(machine, MIDELEG, 0x222n);
    pend(machine, 2n, 2n, SIE, S);
    expect(machine.pc()).toBe(BigInt(S_HANDLER + 4));
  });

  test("are taken before the next instruction once a CSR write enables them", () => {
    for (const [csr, value] of [
      [MSTATUS, MIE_BIT],
      [MIE, 2n],
      [MIP, 2n],
    ] as const) {
      const machine = fresh();
      machine.setField("H_MSTATUS", csr === MSTATUS ? 0n : MIE_BIT);
      machine.setField("H_MIE", csr === MIE ? 0n : 2n);
      machine.setField("H_MIP", csr === MIP ? 0n : 2n);
      machine.core.setX(0, 6, value);
      machine.write(CODE, new Uint8Array(Uint32Array.of(encode("csrrs", { rd: 0, rs1: 6, csr }), NOP, NOP).buffer));
      machine.setPc(CODE);
      machine.core.calls.run(0, 1);
      expect(trapOf(machine)).toBeUndefined();
      machine.core.calls.run(0, 1);
      expect(machine.field("H_MEPC"), csr.toString(16)).toBe(BigInt(CODE + 4));
      expect(machine.field("H_MCAUSE")).toBe(interrupt(1));
    }
  });

  test("sip shows and changes only what is delegated", () => {
    const machine = fresh();
    writeCsr(machine, MIP, 0x222n);
    expect(readCsr(machine, SIP)).toBe(0n);
    writeCsr(machine, MIDELEG, 0x202n);
    expect(readCsr(machine, SIP)).toBe(0x202n);
    writeCsr(machine, SIP, 0n, S);
    expect(readCsr(machine, MIP)).toBe(0x220n);
  });

  test("csrrs on mip doesn't turn the PLIC's line into software's bit", () => {
    const machine = fresh();
    machine.setField("H_LINES", 0x200n);
    perform(machine, "csrrsi", { rd: 5, zimm: 2, csr: MIP });
    expect(readCsr(machine, MIP)).toBe(0x202n);
    machine.setField("H_LINES", 0n);
    expect(readCsr(machine, MIP)).toBe(2n);
  });
});

test("FP turned on works and makes its state dirty; SD follows", () => {
  const machine = fresh();
  writeCsr(machine, MSTATUS, 1n << 13n);
  expect((readCsr(machine, MSTATUS) as bigint) >> 63n).toBe(0n);
  expect(perform(machine, "fmv.d.x", { fd: 1, rs1: 0 })).toBeUndefined();
  expect((readCsr(machine, MSTATUS) as bigint) & FS).toBe(FS);
  expect((readCsr(machine, MSTATUS) as bigint) >> 63n).toBe(1n);
  expect((readCsr(machine, SSTATUS, S) as bigint) >> 63n).toBe(1n);
});
