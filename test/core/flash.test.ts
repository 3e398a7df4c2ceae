/** The flash banks as harts see them: memory to read and to execute, and a device to store to. */

import { beforeEach, describe, expect, test } from "vitest";
import { coreDevices } from "../../src/devices/core-devices.ts";
import { DeviceStateError } from "../../src/devices/device.ts";
import { Assembler } from "../support/assembler.ts";
import { makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";

const FLASH = 0x2000_0000;
const BANK = 0x200_0000;
const BLOCK = 0x4_0000;
const READY = 0x0080_0080;
const A0 = 10;
const A1 = 11;
const A2 = 12;
const S1 = 9;
const RA = 1;

/** Causes (Privileged, mcause). */
const FETCH_FAULT = 1n;
const STORE_FAULT = 7n;

let machine: TestMachine;
beforeEach(() => {
  machine = makeMachine({ devices: true, flash: true });
});

const at = (offset: number, length = 8): number => machine.core.calls.flashRange(offset, length) >>> 0;

/** Puts bytes into the array as the host does. */
function fill(offset: number, bytes: Uint8Array): void {
  // The engine "both" has what is written in the range that was asked for.
  machine.core.bytes.set(bytes, at(offset, bytes.length));
}

/** Runs `code`, then stands still. */
function perform(code: (a: Assembler) => Assembler): void {
  const program = code(new Assembler(RAM_BASE + 0x1000))
    .label("end")
    .to("end", "jal", { rd: 0 });
  machine.load(program);
  machine.runTo(program.addressOf("end"));
}

/** Stores, one after another: offset, value, size in bytes. */
function stores(...list: readonly (readonly [offset: number, value: number, size?: number])[]): void {
  perform((a) => {
    for (const [offset, value, size = 4] of list) {
      const name = { 1: "sb", 2: "sh", 4: "sw", 8: "sd" }[size]!;
      a.li(A0, FLASH + offset)
        .li(A1, value)
        .op(name, { rs1: A0, rs2: A1, imm: 0 });
    }
    return a;
  });
}

function loadWord(offset: number, name = "lwu"): bigint {
  perform((a) => a.li(A0, FLASH + offset).op(name, { rd: A2, rs1: A0, imm: 0 }));
  return machine.x(A2);
}

const command = (value: number): number => value | (value << 16);
const confirm = command(0xd0);
const readArray = (bank: number) => [bank * BANK, command(0xff)] as const;

describe("a bank in its modes", () => {
  test("reads its array, of any size and alignment", () => {
    fill(0x1000, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0x88));
    expect(loadWord(0x1000, "ld")).toBe(0x8807_0605_0403_0201n);
    expect(loadWord(0x1001, "lhu")).toBe(0x0302n);
    expect(loadWord(0x1007, "lb")).toBe(0xffff_ffff_ffff_ff88n);
  });

  test("answers a CFI query with its geometry, each chip for itself (JESD68)", () => {
    stores([0x55 * 4, command(0x98)]);
    const query = (word: number): number => {
      const v = Number(loadWord(word * 4));
      expect(v >>> 16).toBe(v & 0xffff);
      return v & 0xffff;
    };
    expect(String.fromCharCode(query(0x10), query(0x11), query(0x12))).toBe("QRY");
    expect(query(0x13) | (query(0x14) << 8)).toBe(1); // Intel
    const extended = query(0x15) | (query(0x16) << 8);
    expect(String.fromCharCode(...[0, 1, 2].map((i) => query(extended + i)))).toBe("PRI");
    expect(2 * 2 ** query(0x27)).toBe(BANK);
    const blocks = (query(0x2d) | (query(0x2e) << 8)) + 1;
    const bytes = (query(0x2f) | (query(0x30) << 8)) * 256;
    expect(2 * blocks * bytes).toBe(BANK);
    expect(2 * bytes).toBe(BLOCK);
    stores(readArray(0));
    expect(loadWord(0x40)).toBe(0n);
  });

  test("has Intel's ids, and its other bank still is memory meanwhile", () => {
    fill(BANK, Uint8Array.of(0x2a));
    stores([0, command(0x90)]);
    expect([loadWord(0), loadWord(4), loadWord(BANK, "lbu")]).toEqual([0x0089_0089n, 0x0018_0018n, 0x2an]);
  });

  test("programs words, which only clears bits, and then reads its status", () => {
    fill(BANK + 0x100, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xf0, 0xff, 0xff, 0xff));
    stores([BANK + 0x100, command(0x40)], [BANK + 0x100, 0x1234_5678]);
    expect(loadWord(BANK + 0x100)).toBe(BigInt(READY));
    stores([BANK + 0x104, command(0x10)], [BANK + 0x104, 0x1f, 1], readArray(1));
    expect(loadWord(BANK + 0x100, "ld")).toBe(0xffff_ff10_1234_5678n);
  });

  test("erases whole blocks", () => {
    fill(BANK + BLOCK - 4, new Uint8Array(BLOCK + 8));
    stores([BANK + BLOCK + 0x888, command(0x20)], [BANK + BLOCK + 0x888, confirm], readArray(1));
    expect(loadWord(BANK + BLOCK - 4, "lwu")).toBe(0n);
    expect(loadWord(BANK + BLOCK, "lwu")).toBe(0xffff_ffffn);
    expect(loadWord(BANK + 2 * BLOCK - 4, "lwu")).toBe(0xffff_ffffn);
    expect(loadWord(BANK + 2 * BLOCK, "lwu")).toBe(0n);
  });

  test("programs a buffer, by words and doublewords", () => {
    fill(BANK, new Uint8Array(0x3000).fill(0xff));
    const base = BANK + 0x1ff0;
    stores(
      [base, command(0xe8)],
      [base, command(3)],
      [base, 0x1111_1111],
      [base + 4, 0x2222_2222],
      [base + 8, 0x3333_3333, 8],
    );
    expect(loadWord(base)).toBe(BigInt(READY));
    stores([base, confirm], readArray(1));
    expect(loadWord(base, "ld")).toBe(0x2222_2222_1111_1111n);
    expect(loadWord(base + 8, "ld")).toBe(0x3333_3333n);
    expect(loadWord(base - 8, "ld")).toBe(0xffff_ffff_ffff_ffffn);
  });

  test("fails a command with the wrong second half, and what leaves the buffer", () => {
    stores([BANK, command(0x20)], [BANK, 0x1234]);
    expect(loadWord(BANK)).toBe(0x00b0_00b0n);
    stores([BANK, command(0x50)], [BANK, command(0x70)]);
    expect(loadWord(BANK)).toBe(BigInt(READY));
    stores([BANK, command(0xe8)], [BANK, command(0)], [BANK + 0x1000, 5]);
    expect(loadWord(BANK)).toBe(0x00b0_00b0n);
    stores(readArray(1));
    expect(loadWord(BANK + 0x1000)).toBe(0n);
  });

  test("refuses to change a locked bank", () => {
    const { abi, view } = machine.core;
    view.setUint32(abi.DEV_PFLASH + abi.PF_LOCKED!, 1, true);
    stores([0, command(0x40)], [0, 0]);
    expect(loadWord(0)).toBe(0x0092_0092n);
    stores([0, command(0x50)], [0, command(0x20)], [0, confirm]);
    expect(loadWord(0)).toBe(0x00a2_00a2n);
    stores([0, command(0x90)]);
    expect(loadWord(8)).toBe(0x0001_0001n);
  });
});

describe("code in flash", () => {
  const sub = (value: number): Uint8Array =>
    new Assembler(FLASH).li(A2, value).op("jalr", { rd: 0, rs1: RA, imm: 0 }).bytes();
  const call = (a: Assembler): Assembler => a.li(S1, FLASH + BANK).op("jalr", { rd: RA, rs1: S1, imm: 0 });

  test("executes in place, often enough to be compiled", () => {
    fill(BANK, sub(42));
    perform((a) =>
      call(a.li(A1, 2000).label("loop"))
        .op("addi", { rd: A1, rs1: A1, imm: -1 })
        .to("loop", "bne", { rs1: A1, rs2: 0 }),
    );
    expect(machine.x(A2)).toBe(42n);
  });

  test("is decoded anew when it was programmed", () => {
    fill(BANK, new Uint8Array(BLOCK).fill(0xff));
    fill(BANK, sub(0x7f));
    perform(call);
    expect(machine.x(A2)).toBe(0x7fn);
    const next = new DataView(sub(0x1f).buffer).getUint32(0, true);
    stores([BANK, command(0x40)], [BANK, next], readArray(1));
    perform(call);
    expect(machine.x(A2)).toBe(0x1fn);
  });

  test("can't be fetched while its bank isn't memory", () => {
    fill(BANK, sub(1));
    perform(call);
    stores([BANK, command(0x70)]);
    const program = call(new Assembler(RAM_BASE + 0x1000));
    machine.setField("H_MTVEC", BigInt(RAM_BASE));
    machine.load(program);
    machine.runTo(RAM_BASE);
    expect([machine.field("H_MCAUSE"), machine.field("H_MTVAL")]).toEqual([FETCH_FAULT, BigInt(FLASH + BANK)]);
  });
});

test("atomics and accesses across its pages fault, and DMA can't write it", () => {
  machine.setField("H_MTVEC", BigInt(RAM_BASE));
  for (const [name, operands, offset] of [
    ["amoadd.w", { rd: A2, rs1: A0, rs2: A1 }, 0],
    ["sd", { rs1: A0, rs2: A1, imm: 0 }, 0xffc],
  ] as const) {
    machine.load(new Assembler(RAM_BASE + 0x1000).li(A0, FLASH + offset).op(name, operands));
    machine.runTo(RAM_BASE);
    expect(machine.field("H_MCAUSE")).toBe(STORE_FAULT);
  }
  expect(machine.core.calls.guestRange(BigInt(FLASH), 16, 1)).toBe(0);
  expect(machine.core.calls.guestRange(BigInt(FLASH), 16, 0) >>> 0).toBe(at(0));
});

test("a machine without chips finds 0xff, and ignores stores", () => {
  machine = makeMachine({ devices: true });
  stores([0, command(0x98)]);
  expect(loadWord(0x40)).toBe(0xffff_ffffn);
  expect(machine.core.calls.flashRange(0, 8)).toBe(0);
});

describe("a saved bank", () => {
  const banks = (m: TestMachine) => coreDevices(m.core).filter(({ name }) => name.startsWith("pflash"));

  test("goes on in the middle of a command", () => {
    fill(BANK, new Uint8Array(16).fill(0xff));
    stores([BANK, command(0xe8)], [BANK, command(1)], [BANK, 0x0102_0304]);
    const states = banks(machine).map((device) => device.save());
    machine = makeMachine({ devices: true, flash: true });
    fill(BANK, new Uint8Array(16).fill(0xff));
    banks(machine).forEach((device, i) => {
      device.load(states[i]);
    });
    stores([BANK + 4, 0x0506_0708], [BANK, confirm], readArray(1));
    expect(loadWord(BANK, "ld")).toBe(0x0506_0708_0102_0304n);
  });

  test("is refused when it can't be", () => {
    const [device] = banks(machine);
    const good = device!.save();
    for (const bad of [
      { command: 0x33 },
      { command: 0x100 },
      { cycle: 4 },
      { at: 1 },
      { at: BANK },
      { buffer: new Uint8Array(3) },
      { buffer: undefined },
    ])
      expect(() => device!.load({ ...good, ...bad })).toThrow(DeviceStateError);
    device!.load(good);
  });
});
