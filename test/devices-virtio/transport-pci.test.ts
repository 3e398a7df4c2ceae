import { describe, expect, test } from "vitest";
import { PciHost } from "../../src/devices/pci/host.ts";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { EntropyDevice } from "../../src/devices/virtio/rng/rng.ts";
import { PciTransport } from "../../src/devices/virtio/transport-pci.ts";

const WINDOW = 0x4000_0000;
const COMMAND = 4;
const BAR0 = 0x10;

/** A bus with entropy devices at 1 and 5, which share a line, and 2. */
class Bus {
  readonly lines = [false, false, false, false];
  readonly host = new PciHost(WINDOW, (line, level) => {
    this.lines[line] = level;
  });
  readonly functions = new Map<number, PciTransport>();

  constructor() {
    for (const place of [1, 2, 5]) {
      const fn = new PciTransport(`pci${place}`, new EntropyDevice(new ArrayGuestMemory(1 << 16), () => {}));
      this.functions.set(place, fn);
      this.host.add(place, fn);
    }
  }

  get(place: number, register: number, size = 4): number {
    return Number(BigInt.asUintN(8 * size, this.host.readEcam((place << 15) | register, size)));
  }

  set(place: number, register: number, value: number, size = 4): void {
    this.host.writeEcam((place << 15) | register, size, BigInt(value >>> 0));
  }

  memory(address: number, size = 4): number {
    return Number(BigInt.asUintN(8 * size, this.host.readMemory(address - WINDOW, size)));
  }

  place(place: number, address: number): void {
    this.set(place, BAR0, address);
    this.set(place, COMMAND, 6, 2);
  }
}

describe("configuration space", () => {
  test("a bridge at 0, functions where they are, and ones everywhere else", () => {
    const bus = new Bus();
    expect(bus.get(0, 0)).toBe(0x0008_1b36);
    expect(bus.get(0, 8)).toBe(0x0600_0000);
    expect(bus.get(1, 0)).toBe(0x1044_1af4);
    expect(bus.get(1, 8, 1)).toBe(1);
    expect(bus.get(1, 0x3d, 1)).toBe(1);
    expect(bus.get(1, 0x2e, 2)).toBeGreaterThanOrEqual(0x40);
    for (const offset of [3 << 15, (1 << 15) | (1 << 12), 1 << 20, 0xfff_fffc])
      expect(bus.host.readEcam(offset, 4) & 0xffff_ffffn).toBe(0xffff_ffffn);
    expect(bus.get(1, 0x100)).toBe(0);
    expect(bus.get(1, 0xffc)).toBe(0);
  });

  test("what is fixed stays, whatever is written with whatever size", () => {
    const bus = new Bus();
    const before = Array.from({ length: 0x40 }, (_, at) => bus.get(1, at, 1));
    for (const size of [1, 2, 4, 8])
      for (let at = 0; at < 0x40; at += size) bus.host.writeEcam((1 << 15) | at, size, 0xffff_ffff_ffff_ffffn);
    const changed = before.flatMap((was, at) => (bus.get(1, at, 1) === was ? [] : [at]));
    expect(changed).toEqual([4, 5, 0x0c, 0x0d, 0x11, 0x12, 0x13, 0x3c].filter((at) => changed.includes(at)));
    expect(bus.get(1, COMMAND, 2)).toBe(0x547);
    // A BAR tells its size by the bits that stay zero.
    expect(bus.get(1, BAR0)).toBe(0xffff_c000);
    expect(bus.get(1, 0x14)).toBe(0);
    expect(bus.get(1, 0x30)).toBe(0);
  });

  test("capabilities form a list that ends, one of each kind", () => {
    const bus = new Bus();
    expect(bus.get(1, 6, 2) & 0x10).toBe(0x10);
    const types: number[] = [];
    for (let at = bus.get(1, 0x34, 1); at !== 0; at = bus.get(1, at + 1, 1)) {
      expect([at % 4, bus.get(1, at, 1)]).toEqual([0, 9]);
      const [length, type] = [bus.get(1, at + 2, 1), bus.get(1, at + 3, 1)];
      expect(length).toBe(type === 2 || type === 5 ? 20 : 16);
      if (type !== 5) expect(bus.get(1, at + 8) + bus.get(1, at + 12)).toBeLessThanOrEqual(0x4000);
      types.push(type);
    }
    expect(types).toEqual([1, 2, 3, 4, 5]);
  });
});

describe("memory space", () => {
  test("a BAR moves, and answers only while it is enabled", () => {
    const bus = new Bus();
    expect(bus.memory(WINDOW + 18, 2)).toBe(0xffff);
    bus.set(1, BAR0, WINDOW + 0x8000);
    expect(bus.memory(WINDOW + 0x8012, 2)).toBe(0xffff);
    bus.set(1, COMMAND, 2, 2);
    expect(bus.memory(WINDOW + 0x8012, 2)).toBe(1); // num_queues
    bus.set(1, BAR0, WINDOW + 0x10_0000);
    expect(bus.memory(WINDOW + 0x8012, 2)).toBe(0xffff);
    expect(bus.memory(WINDOW + 0x10_0012, 2)).toBe(1);
    bus.set(1, COMMAND, 0, 2);
    expect(bus.memory(WINDOW + 0x10_0012, 2)).toBe(0xffff);
  });

  test("BARs that lie over each other, over RAM or outside the window harm nothing", () => {
    const bus = new Bus();
    bus.place(1, WINDOW);
    bus.place(2, WINDOW);
    bus.place(5, 0x8000_0000);
    bus.host.writeMemory(20, 1, 3n);
    expect([1, 2, 5].map((place) => bus.functions.get(place)!.device.status)).toEqual([3, 0, 0]);
    expect(bus.memory(WINDOW + 0x4000)).toBe(0xffff_ffff);
    expect(bus.memory(WINDOW + 0x3fff_fffc)).toBe(0xffff_ffff);
  });

  test("registers by the window in configuration space", () => {
    const bus = new Bus();
    let at = bus.get(1, 0x34, 1);
    while (bus.get(1, at + 3, 1) !== 5) at = bus.get(1, at + 1, 1);
    const access = (offset: number, length: number) => {
      bus.set(1, at + 4, 0, 1);
      bus.set(1, at + 8, offset);
      bus.set(1, at + 12, length);
    };
    access(18, 2);
    expect(bus.get(1, at + 16, 2)).toBe(1);
    access(20, 1);
    bus.set(1, at + 16, 3, 1);
    expect(bus.functions.get(1)!.device.status).toBe(3);
    // What can't be is not done: another BAR, odd lengths, misaligned or outside.
    for (const [offset, length] of [
      [20, 3],
      [21, 2],
      [0xffff_fffc, 4],
      [0x4000, 4],
      [20, 0],
    ] as const) {
      access(offset, length);
      bus.set(1, at + 16, 0, 4);
      bus.get(1, at + 16, 4);
    }
    bus.set(1, at + 4, 3, 1);
    bus.set(1, at + 16, 0, 1);
    expect(bus.functions.get(1)!.device.status).toBe(3);
  });
});

describe("interrupts", () => {
  const raise = (bus: Bus, place: number) => bus.functions.get(place)!.queueUsed(0);
  const acknowledge = (bus: Bus, place: number, address: number) => {
    bus.place(place, address);
    return bus.memory(address + 0x1000, 1);
  };

  test("a line is shared by devices four apart, and falls when none drives it", () => {
    const bus = new Bus();
    raise(bus, 1);
    raise(bus, 5);
    raise(bus, 2);
    expect(bus.lines).toEqual([false, true, true, false]);
    expect(acknowledge(bus, 1, WINDOW)).toBe(1);
    expect(bus.lines[1]).toBe(true);
    expect(acknowledge(bus, 5, WINDOW + 0x4000)).toBe(1);
    expect(bus.lines).toEqual([false, false, true, false]);
    expect(acknowledge(bus, 5, WINDOW + 0x4000)).toBe(0);
  });

  test("the command register can keep them in; the status register tells of them", () => {
    const bus = new Bus();
    bus.set(1, COMMAND, 1 << 10, 2);
    raise(bus, 1);
    expect([bus.lines[1], bus.get(1, 6, 2) & 8]).toEqual([false, 8]);
    bus.set(1, COMMAND, 0, 2);
    expect(bus.lines[1]).toBe(true);
    bus.functions.get(1)!.reset();
    expect([bus.lines[1], bus.get(1, 6, 2) & 8]).toEqual([false, 0]);
  });
});

test("a saved function goes on where it was", () => {
  const [from, to] = [new Bus(), new Bus()];
  from.place(1, WINDOW + 0x4000);
  from.host.writeMemory(0x4014, 1, 3n);
  from.host.writeMemory(0x4016, 2, 7n);
  from.functions.get(1)!.queueUsed(0);
  to.functions.get(1)!.load(from.functions.get(1)!.save());
  expect(to.lines).toEqual(from.lines);
  for (let at = 0; at < 0x100; at += 4) expect(to.get(1, at)).toBe(from.get(1, at));
  for (let at = 0; at < 60; at += 4) expect(to.memory(WINDOW + 0x4000 + at)).toBe(from.memory(WINDOW + 0x4000 + at));
  expect(() => to.functions.get(1)!.load({ ...from.functions.get(1)!.save(), config: [1] })).toThrow("config");
});
