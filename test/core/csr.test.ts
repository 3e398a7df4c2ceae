/** What of a write takes hold (WARL): each register against the mask that the manual leaves it here. */

import { describe, expect, test } from "vitest";
import { seeded } from "../isa/random.ts";
import { M, open, perform, readCsr, S, U, writeCsr } from "../support/attempt.ts";
import { makeMachine } from "../support/machine.ts";

const ALL = (1n << 64n) - 1n;
const NOT_IALIGN = ALL & ~1n;
const STATUS_M = 0x7e79aan;
const STATUS_S = 0xc6122n;
const XL = 0xa_0000_0000n;
const UXL = 0x2_0000_0000n;
const SD = 1n << 63n;
const ENV_M = (1n << 63n) | (1n << 62n) | 0xf1n;

/** name, number, lowest privilege, bits that can be written, bits that always read as one. */
const REGISTERS: readonly (readonly [string, number, number, bigint, bigint])[] = [
  ["fflags", 0x001, U, 0x1fn, 0n],
  ["frm", 0x002, U, 7n, 0n],
  ["fcsr", 0x003, U, 0xffn, 0n],
  ["sscratch", 0x140, S, ALL, 0n],
  ["sepc", 0x141, S, NOT_IALIGN, 0n],
  ["stval", 0x143, S, ALL, 0n],
  ["scounteren", 0x106, S, 0xffff_ffffn, 0n],
  ["misa", 0x301, M, 0n, (2n << 62n) | 0x14112dn],
  ["medeleg", 0x302, M, 0xb3ffn, 0n],
  ["mideleg", 0x303, M, 0x222n, 0n],
  ["mie", 0x304, M, 0xaaan, 0n],
  ["mcounteren", 0x306, M, 0xffff_ffffn, 0n],
  ["mcountinhibit", 0x320, M, 5n, 0n],
  ["mscratch", 0x340, M, ALL, 0n],
  ["mepc", 0x341, M, NOT_IALIGN, 0n],
  ["mtval", 0x343, M, ALL, 0n],
  ["mip", 0x344, M, 0x222n, 0n],
  ["mhpmcounter3", 0xb03, M, 0n, 0n],
  ["mhpmevent31", 0x33f, M, 0n, 0n],
  ["pmpaddr7", 0x3b7, M, (1n << 54n) - 1n, 0n],
  ["stimecmp", 0x14d, S, ALL, 0n],
];

function values(): bigint[] {
  const random = seeded(5);
  const noise = Array.from({ length: 12 }, () => (BigInt(random()) << 32n) | BigInt(random()));
  return [ALL, 0n, ...noise, 0x5555_5555_5555_5555n, 0xaaaa_aaaa_aaaa_aaaan];
}

describe.each(REGISTERS)("%s", (_, csr, privilege, writable, ones) => {
  test("keeps what its mask allows, by csrrw, csrrs and csrrc", () => {
    const machine = open(makeMachine());
    writeCsr(machine, 0x300, 1n << 13n);
    for (const value of values()) {
      expect(writeCsr(machine, csr, value)).toBeUndefined();
      expect(readCsr(machine, csr)).toBe((value & writable) | ones);
    }
    writeCsr(machine, csr, 0n);
    machine.core.setX(0, 6, ALL);
    expect(perform(machine, "csrrs", { rd: 7, rs1: 6, csr })).toBeUndefined();
    expect(machine.x(7)).toBe(ones);
    expect(readCsr(machine, csr)).toBe(writable | ones);
    machine.core.setX(0, 6, 0x5555_5555_5555_5555n);
    expect(perform(machine, "csrrc", { rd: 7, rs1: 6, csr })).toBeUndefined();
    expect(machine.x(7)).toBe(writable | ones);
    expect(readCsr(machine, csr)).toBe((writable & 0xaaaa_aaaa_aaaa_aaaan) | ones);
  });

  test("is refused to less privilege", () => {
    const machine = open(makeMachine());
    writeCsr(machine, 0x300, 1n << 13n);
    for (const lower of [U, S].filter((p) => p < privilege)) {
      expect(readCsr(machine, csr, lower)).toMatchObject({ cause: 2n });
      expect(writeCsr(machine, csr, 0n, lower)).toMatchObject({ cause: 2n });
    }
  });
});

describe("registers whose fields depend on each other", () => {
  test("mstatus and sstatus are two views of one register; MPP never holds 2", () => {
    const machine = open(makeMachine());
    let mpp = 0n;
    for (const value of values()) {
      writeCsr(machine, 0x300, value);
      if (((value >> 11n) & 3n) !== 2n) mpp = value & (3n << 11n);
      const expected = (value & STATUS_M & ~(3n << 11n)) | mpp | XL | (((value >> 13n) & 3n) === 3n ? SD : 0n);
      expect(readCsr(machine, 0x300)).toBe(expected);
      expect(readCsr(machine, 0x100)).toBe((expected & (STATUS_S | SD)) | UXL);
      const other = ALL ^ value;
      writeCsr(machine, 0x100, other);
      const after = (expected & ~(STATUS_S | SD)) | (other & STATUS_S) | (((other >> 13n) & 3n) === 3n ? SD : 0n);
      expect(readCsr(machine, 0x300)).toBe(after);
    }
  });

  test.each([
    ["mtvec", 0x305],
    ["stvec", 0x105],
  ])("%s: a reserved mode keeps the one before", (_, csr) => {
    const machine = open(makeMachine());
    writeCsr(machine, csr, 0x8000_0001n);
    writeCsr(machine, csr, 0x9000_0002n);
    expect(readCsr(machine, csr)).toBe(0x9000_0001n);
    writeCsr(machine, csr, ALL & ~3n);
    expect(readCsr(machine, csr)).toBe(ALL & ~3n);
  });

  test.each([
    ["menvcfg", 0x30a, ENV_M],
    ["senvcfg", 0x10a, 0xf1n],
  ])("%s: CBIE = 2 is reserved and doesn't take", (_, csr, mask) => {
    const machine = open(makeMachine());
    writeCsr(machine, csr, ALL);
    expect(readCsr(machine, csr)).toBe(mask);
    writeCsr(machine, csr, 2n << 4n);
    expect(readCsr(machine, csr)).toBe(3n << 4n);
    writeCsr(machine, csr, 1n << 4n);
    expect(readCsr(machine, csr)).toBe(1n << 4n);
  });

  test("satp: a mode that isn't there leaves it alone; 16 bits of ASID, 44 of PPN", () => {
    const machine = open(makeMachine());
    for (const mode of [8n, 9n, 10n]) {
      const value = (mode << 60n) | ((1n << 60n) - 1n);
      writeCsr(machine, 0x180, value);
      expect(readCsr(machine, 0x180)).toBe(value);
      for (const bad of [1n, 2n, 7n, 11n, 15n]) writeCsr(machine, 0x180, bad << 60n);
      expect(readCsr(machine, 0x180)).toBe(value);
    }
    writeCsr(machine, 0x180, 0n);
    expect(readCsr(machine, 0x180)).toBe(0n);
  });

  test("sie shows and changes the delegated bits of mie", () => {
    const machine = open(makeMachine());
    writeCsr(machine, 0x303, 0x202n);
    writeCsr(machine, 0x304, 0x888n);
    writeCsr(machine, 0x104, ALL);
    expect(readCsr(machine, 0x104)).toBe(0x202n);
    expect(readCsr(machine, 0x304)).toBe(0xa8an);
  });
});

test("identification is read-only; numbers that no register has are illegal", () => {
  const machine = open(makeMachine());
  for (const csr of [0xf11, 0xf12, 0xf13, 0xf14, 0xf15]) {
    expect(readCsr(machine, csr)).toBe(0n);
    expect(writeCsr(machine, csr, 0n)).toMatchObject({ cause: 2n });
  }
  // Hypervisor, debug, vector, state enable, RV32's upper halves.
  for (const csr of [0x600, 0x200, 0x7a0, 0x7b0, 0x008, 0xc20, 0x30c, 0x310, 0xb80, 0xc80, 0x31a, 0x800, 0xfff])
    expect(readCsr(machine, csr), csr.toString(16)).toMatchObject({ cause: 2n });
});

test("FP registers are refused while FP is off", () => {
  const machine = open(makeMachine());
  for (const csr of [1, 2, 3]) expect(readCsr(machine, csr)).toMatchObject({ cause: 2n });
});
