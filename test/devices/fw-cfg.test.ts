/** fw_cfg by its specification (QEMU, docs/specs/fw_cfg.rst). */

import { beforeEach, describe, expect, test } from "vitest";
import { DeviceStateError } from "../../src/devices/device.ts";
import { FwCfg } from "../../src/devices/fw-cfg.ts";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { random } from "./support.ts";

const BASE = 0x8000_0000;
const SIZE = 0x1_0000;
const KERNEL = Uint8Array.from({ length: 5000 }, (_, i) => i * 7);
const FILES = new Map([
  ["opt/b", Uint8Array.of(1, 2, 3)],
  ["etc/a", new Uint8Array(300).fill(9)],
]);
const SIGNATURE = 0;
const ID = 1;
const DIRECTORY = 0x19;
const KERNEL_SIZE = 0x08;
const KERNEL_DATA = 0x11;
const CMDLINE_DATA = 0x15;
const ERROR = 1;
const READ = 2;
const SKIP = 4;
const SELECT = 8;
const WRITE = 16;

let memory: ArrayGuestMemory;
let device: FwCfg;
beforeEach(() => {
  memory = new ArrayGuestMemory(SIZE, BASE);
  device = new FwCfg(memory, { harts: 3, kernel: KERNEL, append: "root=/dev/vda", files: FILES });
});

const select = (key: number): void => device.write(8, 2, BigInt(((key & 0xff) << 8) | (key >> 8)));
/** `count` bytes by the data register, `size` at a time. */
function data(count: number, size = 1): Uint8Array {
  const out = new Uint8Array(count);
  for (let at = 0; at < count; at += size) {
    const value = device.read(0, size);
    for (let i = 0; i < size && at + i < count; i++) out[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  }
  return out;
}
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** A DMA request; its control word afterwards. */
function dma(control: number, length: number, address: number, way: 4 | 8 = 8): number {
  const view = new DataView(memory.bytes.buffer);
  view.setUint32(0, control);
  view.setUint32(4, length);
  view.setUint32(8, Math.floor(address / 2 ** 32));
  view.setUint32(12, address >>> 0);
  const swapped = new DataView(new ArrayBuffer(8));
  swapped.setBigUint64(0, BigInt(BASE));
  if (way === 8) {
    device.write(16, 8, swapped.getBigUint64(0, true));
  } else {
    device.write(16, 4, BigInt(swapped.getUint32(0, true)));
    device.write(20, 4, BigInt(swapped.getUint32(4, true)));
  }
  return view.getUint32(0);
}

test("says what it is", () => {
  select(SIGNATURE);
  expect(text(data(4))).toBe("QEMU");
  select(ID);
  expect(data(4, 4)).toEqual(Uint8Array.of(3, 0, 0, 0));
  const dmaSignature = Uint8Array.from({ length: 8 }, (_, i) => Number(device.read(16 + i, 1)));
  expect(text(dmaSignature)).toBe("QEMU CFG");
});

test("lists its files by name, and gives them", () => {
  select(DIRECTORY);
  const bytes = data(4 + 2 * 64, 8);
  const view = new DataView(bytes.buffer);
  expect(view.getUint32(0)).toBe(2);
  const entries = [0, 1].map((i) => ({
    size: view.getUint32(4 + i * 64),
    key: view.getUint16(8 + i * 64),
    name: text(bytes.subarray(12 + i * 64, 12 + i * 64 + 56)).replace(/\0+$/, ""),
  }));
  expect(entries.map(({ name, size }) => [name, size])).toEqual([
    ["etc/a", 300],
    ["opt/b", 3],
  ]);
  for (const { name, key } of entries) {
    select(key);
    expect(data(FILES.get(name)!.length)).toEqual(FILES.get(name));
    expect(data(4)).toEqual(new Uint8Array(4)); // beyond its end
  }
});

test.each([4, 8] as const)("copies by DMA, triggered by %i bytes", (way) => {
  expect(dma(SELECT | READ | (KERNEL_SIZE << 16), 4, BASE + 0x100, way)).toBe(0);
  expect(new DataView(memory.bytes.buffer).getUint32(0x100, true)).toBe(KERNEL.length);
  expect(dma(SELECT | SKIP | (KERNEL_DATA << 16), 1000, 0, way)).toBe(0);
  expect(dma(READ, 4500, BASE + 0x1000, way)).toBe(0);
  expect(memory.bytes.slice(0x1000, 0x1000 + 4000)).toEqual(KERNEL.slice(1000));
  expect(memory.bytes.slice(0x1000 + 4000, 0x1000 + 4500)).toEqual(new Uint8Array(500));
});

test("ends the command line with a zero", () => {
  select(CMDLINE_DATA);
  expect(text(data(14))).toBe("root=/dev/vda\0");
});

test("answers what can't be done by the error bit", () => {
  expect(dma(SELECT | READ | (KERNEL_DATA << 16), 100, BASE + SIZE - 50)).toBe(ERROR);
  expect(dma(READ, 100, 0)).toBe(ERROR);
  expect(dma(READ, 0xffff_ffff, BASE)).toBe(ERROR);
  expect(dma(SELECT | WRITE | (KERNEL_DATA << 16), 4, BASE + 0x100)).toBe(ERROR);
  expect(dma(0, 0xffff_ffff, 0)).toBe(0);
});

describe("a saved device", () => {
  test("goes on where it was", () => {
    select(KERNEL_DATA);
    data(10);
    const other = new FwCfg(memory, { harts: 3, kernel: KERNEL });
    other.load(structuredClone(device.save()));
    device = other;
    expect(data(3)).toEqual(KERNEL.slice(10, 13));
    other.reset();
    expect(text(data(4))).toBe("QEMU");
  });

  test("is refused when it can't be", () => {
    const good = device.save();
    for (const bad of [undefined, null, 1, {}, { ...good, version: 2 }, { ...good, key: -1 }, { ...good, offset: "1" }])
      expect(() => device.load(bad)).toThrow(DeviceStateError);
  });
});

test("survives any accesses", () => {
  const next = random(5);
  for (let i = 0; i < 50_000; i++) {
    const size = 1 << (next() % 4);
    const offset = (next() % 24) & ~(size - 1);
    if (next() % 3 === 0) device.read(offset, size);
    else device.write(offset, size, (BigInt(next()) << 32n) | BigInt(next() % 2 ? next() : 0x80));
  }
  select(SIGNATURE);
  expect(text(data(4))).toBe("QEMU");
});
