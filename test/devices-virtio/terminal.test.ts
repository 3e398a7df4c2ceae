import { expect, test } from "vitest";
import { ConsoleDevice, F_MULTIPORT } from "../../src/devices/virtio/console/console.ts";
import type { PortInput } from "../../src/devices/virtio/console/port.ts";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { type Driver, type DriverQueue, driverOf, text, untext, VERSION_1 } from "./driver.ts";

class Bench {
  readonly memory = new ArrayGuestMemory(1 << 20);
  readonly pushed: PortInput[] = [];
  readonly device: ConsoleDevice;
  readonly driver: Driver;
  readonly queues: DriverQueue[];
  shown = "";

  constructor(features: bigint, terminal = true) {
    this.device = new ConsoleDevice(this.memory, ["a"], (event) => this.pushed.push(event) > 0, terminal);
    this.device.terminal.onData = (bytes) => {
      this.shown += untext(bytes);
    };
    this.driver = driverOf("pci", this.memory, this.device);
    this.driver.negotiate(features);
    this.queues = this.device.queues.map((_, i) => this.driver.queue(i, 16));
    this.driver.go();
    for (const i of [0, 2]) for (let n = 0; n < 8; n++) this.queues[i]!.receive(64);
  }

  control(id: number, event: number, value: number): void {
    this.queues[3]!.send(Uint8Array.of(id, 0, 0, 0, event, 0, value, 0));
    this.queues[3]!.notify();
  }

  /** Events and what follows them, of what the device has said. */
  said(): number[][] {
    const all: number[][] = [];
    for (let used = this.queues[2]!.take(); used; used = this.queues[2]!.take())
      all.push([used.bytes[0]!, used.bytes[4]!, ...used.bytes.subarray(8)]);
    return all;
  }
}

const size = (columns: number, rows: number): PortInput => ({ kind: "port-size", port: 0, columns, rows });

test("a terminal is told to be one, and its size whenever that changes", () => {
  const bench = new Bench(VERSION_1 | F_MULTIPORT);
  bench.device.accept(size(300, 43));
  expect([bench.driver.config(0, 2), bench.driver.config(2, 2)]).toEqual([300, 43]);
  bench.control(0, 0, 1);
  expect(bench.said()).toEqual([
    [0, 1],
    [1, 1],
  ]);
  expect(bench.device.terminalOpen).toBe(false);
  bench.control(0, 3, 1);
  // Its kind, its size (columns first, §5.3.6.2), that the host has opened it.
  expect(bench.said()).toEqual([
    [0, 4],
    [0, 5, 300 & 255, 1, 43, 0],
    [0, 6],
  ]);
  expect(bench.device.terminalOpen).toBe(true);
  bench.device.accept(size(80, 24));
  expect(bench.said()).toEqual([[0, 5, 80, 0, 24, 0]]);
  expect(bench.driver.interrupted()).toBe(true);
});

test.each([
  ["with ports", VERSION_1 | F_MULTIPORT],
  ["without, as firmware does it", VERSION_1],
])("bytes go both ways, %s", (_, features) => {
  const bench = new Bench(features);
  if (features & F_MULTIPORT) {
    bench.control(0, 0, 1);
    bench.control(0, 3, 1);
  }
  expect(bench.device.accept({ kind: "port", port: 0, bytes: text("typed") })).toBe(5);
  expect(untext(bench.queues[0]!.take()!.bytes)).toBe("typed");
  bench.queues[1]!.send(text("shown"));
  bench.queues[1]!.notify();
  bench.device.flush();
  expect(bench.shown).toBe("shown");
});

test("a machine without one has none", () => {
  const bench = new Bench(VERSION_1 | F_MULTIPORT, false);
  bench.control(0, 0, 1);
  expect(bench.said()).toEqual([[1, 1]]);
  expect(bench.device.accept({ kind: "port", port: 0, bytes: text("typed") })).toBe(5);
  expect([bench.device.terminalOpen, bench.queues[0]!.take()]).toEqual([false, undefined]);
});

test("a saved terminal is one again", () => {
  const bench = new Bench(VERSION_1 | F_MULTIPORT);
  bench.control(0, 0, 1);
  bench.control(0, 3, 1);
  bench.device.accept(size(132, 50));
  const copy = new Bench(VERSION_1 | F_MULTIPORT, false);
  const pci = (of: Bench) => (of.driver as unknown as { pci: { save(): unknown; load(state: unknown): void } }).pci;
  pci(copy).load(pci(bench).save());
  expect([copy.device.terminalOpen, copy.driver.config(0, 2), copy.driver.config(2, 2)]).toEqual([true, 132, 50]);
});
