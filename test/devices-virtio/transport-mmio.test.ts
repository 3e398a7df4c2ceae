import { describe, expect, it } from "vitest";
import { type Step, VirtioDevice } from "../../src/devices/virtio/device.ts";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { MmioTransport } from "../../src/devices/virtio/transport-mmio.ts";
import { Driver, RING_RESET, VERSION_1 } from "./driver.ts";

class Probe extends VirtioDevice {
  override readonly name = "probe";
  override readonly id = 42;
  readonly space = Uint8Array.from([0x11, 0x22, 0x33, 0x44, 0x55]);
  readonly written: [number, number[]][] = [];
  notified: number[] = [];
  resets = 0;
  constructor(memory: ArrayGuestMemory) {
    super(memory, 0b101n, [8, 4]);
  }
  override config() {
    return this.space;
  }
  override configWrite(offset: number, bytes: Uint8Array) {
    this.written.push([offset, [...bytes]]);
  }
  change() {
    this.configChanged();
  }
  protected override service(queue: number) {
    this.notified.push(queue);
    this.drain(queue, (): Step => 0);
  }
  protected override deviceReset() {
    this.resets++;
  }
  protected override saveDevice() {
    return {};
  }
  protected override loadDevice() {
    return () => {};
  }
}

function setup() {
  const memory = new ArrayGuestMemory(1 << 16);
  const device = new Probe(memory);
  const line: boolean[] = [];
  const transport = new MmioTransport("virtio0", device, (level) => line.push(level));
  return { memory, device, line, transport, driver: new Driver(memory, transport) };
}

describe("registers (§4.2.2)", () => {
  it("identifies the device", () => {
    const { driver } = setup();
    expect(driver.get(0x00)).toBe(0x74726976);
    expect(driver.get(0x04)).toBe(2);
    expect(driver.get(0x08)).toBe(42);
  });

  it("is a placeholder without a device: DeviceID 0, and nothing else answers", () => {
    const transport = new MmioTransport("virtio7", undefined, () => {
      throw new Error("a placeholder has no interrupts");
    });
    expect(transport.read(0, 4)).toBe(0x74726976n);
    for (let at = 8; at < 0x1000; at += 4) {
      transport.write(at, 4, 0xffff_ffffn);
      expect(transport.read(at, 4)).toBe(0n);
    }
    const state = transport.save();
    transport.load(state);
    expect(transport.save()).toEqual(state);
  });

  it("offers its features, 32 bits at a time", () => {
    const { driver } = setup();
    driver.set(0x14, 0);
    expect(driver.get(0x10)).toBe(0x3000_0005);
    driver.set(0x14, 1);
    expect(driver.get(0x10)).toBe(0x101);
    driver.set(0x14, 2);
    expect(driver.get(0x10)).toBe(0);
  });

  it("lets small and unaligned loads see the same bytes, and ignores such stores", () => {
    const { driver, transport } = setup();
    expect(transport.read(2, 1)).toBe(0x72n);
    expect(transport.read(2, 4)).toBe(0x0002_7472n);
    expect(transport.read(0, 8)).toBe(0x2_7472_6976n);
    transport.write(0x70, 1, 1n);
    transport.write(0x6e, 4, 0x10000n);
    expect(driver.get(0x70)).toBe(0);
  });

  it("has no shared memory: length and base read as -1 (§4.2.2)", () => {
    const { driver } = setup();
    for (const register of [0xb0, 0xb4, 0xb8, 0xbc]) expect(driver.get(register)).toBe(0xffff_ffff);
  });

  it("reads and writes the configuration space with any size", () => {
    const { transport, device } = setup();
    expect(transport.read(0x100, 1)).toBe(0x11n);
    expect(transport.read(0x101, 2)).toBe(0x3322n);
    expect(transport.read(0x102, 4)).toBe(0x0055_4433n);
    expect(transport.read(0x100, 8)).toBe(0x55_4433_2211n);
    expect(transport.read(0xffc, 8)).toBe(0n);
    transport.write(0x103, 2, 0xabcdn);
    expect(device.written).toEqual([[3, [0xcd, 0xab]]]);
  });
});

describe("status and negotiation (§2.1, §2.2, §3.1)", () => {
  it("refuses FEATURES_OK for a feature that wasn't offered, and without VERSION_1", () => {
    const { driver } = setup();
    expect(driver.negotiate(VERSION_1 | 2n)).toBe(false);
    expect(driver.negotiate(1n)).toBe(false);
    expect(driver.negotiate(VERSION_1 | 1n)).toBe(true);
  });

  it("doesn't go live without FEATURES_OK", () => {
    const { driver, device } = setup();
    driver.negotiate(0n);
    driver.go();
    expect(driver.get(0x70)).toBe(3);
    driver.set(0x50, 0);
    expect(device.notified).toEqual([]);
  });

  it("keeps features once FEATURES_OK is set (§2.2.1)", () => {
    const { driver, device } = setup();
    driver.negotiate(VERSION_1 | 1n);
    driver.set(0x24, 0);
    driver.set(0x20, 0);
    expect(device.negotiated(1n)).toBe(true);
    expect(device.negotiated(4n)).toBe(false);
  });

  it("clears no status bit except by a reset, and lets the driver not set DEVICE_NEEDS_RESET", () => {
    const { driver } = setup();
    driver.negotiate(VERSION_1);
    driver.go();
    driver.set(0x70, 1 | 64);
    expect(driver.get(0x70)).toBe(15);
    driver.set(0x70, 0);
    expect(driver.get(0x70)).toBe(0);
  });

  it("serves a queue only while DRIVER_OK (§3.1.1)", () => {
    const { driver, device } = setup();
    driver.negotiate(VERSION_1);
    const queue = driver.queue(0, 8);
    queue.send(Uint8Array.of(1));
    queue.notify();
    expect(queue.usedIndex).toBe(0);
    driver.go();
    expect(queue.usedIndex).toBe(1);
    device.notified = [];
    driver.set(0x50, 2);
    driver.set(0x50, 0xffff_ffff);
    expect(device.notified).toEqual([]);
  });
});

describe("queues (§4.2.2, §4.2.3.2)", () => {
  it("gives each queue's size, and none beyond the last", () => {
    const { driver } = setup();
    const sizes = [0, 1, 2, 0xffff_ffff].map((index) => {
      driver.set(0x30, index);
      return driver.get(0x34);
    });
    expect(sizes).toEqual([8, 4, 0, 0]);
  });

  it.each([
    ["a size that is no power of two", { size: 3 }],
    ["a size beyond the maximum", { size: 16 }],
    ["no size", { size: 0 }],
    ["a descriptor table off its alignment", { table: 8 }],
    ["an available ring off its alignment", { available: 1 }],
    ["a used ring off its alignment", { used: 2 }],
    ["an address beyond any memory", { high: 0x20_0000 }],
  ])("doesn't start a queue with %s", (_, wrong) => {
    const { driver, memory } = setup();
    const { size = 8, table = 0, available = 0, used = 0, high = 0 } = wrong as Record<string, number | undefined>;
    driver.negotiate(VERSION_1);
    driver.set(0x30, 0);
    driver.set(0x38, size);
    driver.set(0x80, memory.base + table);
    driver.set(0x84, high);
    driver.set(0x90, memory.base + 256 + available);
    driver.set(0xa0, memory.base + 512 + used);
    driver.set(0x44, 1);
    expect(driver.get(0x44)).toBe(0);
  });

  it("takes 64-bit stores to an address's two halves", () => {
    const { driver, transport, memory } = setup();
    driver.negotiate(VERSION_1);
    driver.set(0x38, 4);
    transport.write(0x80, 8, BigInt(memory.base));
    transport.write(0x90, 8, BigInt(memory.base + 256));
    transport.write(0xa0, 8, BigInt(memory.base + 512));
    driver.set(0x44, 1);
    expect(driver.get(0x44)).toBe(1);
    expect(transport.save()["device.queue.0.areas"]).toEqual([
      memory.base,
      0,
      memory.base + 256,
      0,
      memory.base + 512,
      0,
    ]);
  });

  it("lets nothing of a ready queue be changed", () => {
    const { driver, transport } = setup();
    driver.negotiate(VERSION_1);
    driver.queue(0, 8);
    const before = transport.save();
    for (const register of [0x38, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4]) driver.set(register, 2);
    expect(transport.save()).toEqual(before);
  });

  it("leaves a stopped queue alone", () => {
    const { driver } = setup();
    driver.negotiate(VERSION_1);
    const queue = driver.queue(0, 8);
    driver.go();
    driver.set(0x44, 0);
    expect(driver.get(0x44)).toBe(0);
    queue.send(Uint8Array.of(1));
    queue.notify();
    expect(queue.usedIndex).toBe(0);
  });

  it("resets one queue if that was negotiated (§2.6.1)", () => {
    const { driver } = setup();
    driver.negotiate(VERSION_1);
    driver.queue(0, 8);
    driver.set(0xc0, 1);
    expect(driver.get(0x44)).toBe(1);
    driver.negotiate(VERSION_1 | RING_RESET);
    driver.queue(1, 4);
    driver.queue(0, 8);
    driver.go();
    driver.set(0xc0, 1);
    expect(driver.get(0xc0)).toBe(0);
    expect(driver.get(0x44)).toBe(0);
    driver.set(0x30, 1);
    expect(driver.get(0x44)).toBe(1);
    const again = driver.queue(0, 4);
    again.send(Uint8Array.of(1));
    again.notify();
    expect(again.usedIndex).toBe(1);
  });
});

describe("interrupts (§4.2.2, §4.2.3.4)", () => {
  it("holds the line until every event is acknowledged", () => {
    const { driver, device, line } = setup();
    driver.negotiate(VERSION_1);
    const queue = driver.queue(0, 8);
    driver.go();
    queue.send(Uint8Array.of(1));
    queue.notify();
    const generation = driver.get(0xfc);
    device.change();
    expect(driver.get(0x60)).toBe(3);
    expect(driver.get(0xfc)).not.toBe(generation);
    driver.set(0x64, 1);
    expect(driver.get(0x60)).toBe(2);
    expect(line).toEqual([true]);
    driver.set(0x64, 2);
    expect(line).toEqual([true, false]);
  });

  it("asks for a reset when a ring makes no sense, and works after it (§2.1.2)", () => {
    const { driver, line } = setup();
    driver.negotiate(VERSION_1);
    const queue = driver.queue(0, 8);
    driver.go();
    queue.offer(77);
    queue.notify();
    expect(driver.get(0x70)).toBe(15 | 64);
    expect(driver.get(0x60)).toBe(2);
    driver.set(0x70, 0);
    expect(driver.get(0x60)).toBe(0);
    expect(line).toEqual([true, false]);
    driver.set(0x30, 0);
    expect(driver.get(0x44)).toBe(0);
    driver.negotiate(VERSION_1);
    const again = driver.queue(0, 8);
    driver.go();
    again.send(Uint8Array.of(1));
    again.notify();
    expect(again.usedIndex).toBe(1);
  });
});

describe("saved state", () => {
  it("loads what it saved, the line included", () => {
    const first = setup();
    first.driver.negotiate(VERSION_1 | RING_RESET);
    const queue = first.driver.queue(1, 4);
    first.driver.go();
    queue.send(Uint8Array.of(1));
    queue.notify();
    const state = first.transport.save();
    const second = setup();
    second.transport.load(structuredClone(state));
    expect(second.transport.save()).toEqual(state);
    expect(second.line).toEqual([true]);
  });

  it("refuses each damaged field by one sentence, and changes nothing", () => {
    const { transport, driver } = setup();
    driver.negotiate(VERSION_1);
    driver.queue(0, 8);
    driver.go();
    const state = transport.save();
    for (const field of Object.keys(state)) {
      for (const wrong of [undefined, -1, 1.5, 2 ** 60, "x", [1e9], null]) {
        expect(() => transport.load({ ...state, [field]: wrong }), field).toThrow(/^The saved state of .*\.$/);
        expect(transport.save()).toEqual(state);
      }
    }
    for (const wrong of [null, undefined, 3, "x"]) expect(() => transport.load(wrong)).toThrow(/is not an object/);
  });
});
