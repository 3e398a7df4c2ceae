import { describe, expect, it } from "vitest";
import {
  BalloonDevice,
  type BalloonInput,
  F_DEFLATE_ON_OOM,
  F_PAGE_POISON,
  F_PAGE_REPORTING,
  F_STATS_VQ,
} from "../../src/devices/virtio/balloon/balloon.ts";
import { put16, put32, put64 } from "../../src/devices/virtio/bytes.ts";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { driverOf, RING_RESET, type TransportName, VERSION_1 } from "./driver.ts";

const PAGE = 4096;
const SIZE = 20 << 20;
/** Behind what the driver needs itself. */
const FIRST = 64;
const ALL = F_STATS_VQ | F_DEFLATE_ON_OOM | F_PAGE_REPORTING | VERSION_1;

function setup(kind: TransportName = "mmio", memory = new ArrayGuestMemory(SIZE)) {
  const events: BalloonInput[] = [];
  const said: ReadonlyMap<number, number>[] = [];
  const device = new BalloonDevice(memory, 1000, {
    more: () => events.push({ kind: "balloon-more" }),
    statistics: (tags) => said.push(tags),
  });
  return { memory, events, said, device, driver: driverOf(kind, memory, device) };
}

function started(kind: TransportName = "mmio", features = ALL) {
  const all = setup(kind);
  all.driver.negotiate(features);
  const queues = [0, 1, 2, 3, 4].map((index) => all.driver.queue(index, 32));
  all.driver.go();
  const { memory } = all;
  const number = (page: number) => memory.base / PAGE + page;
  return {
    ...all,
    queues,
    /** Gives a page contents. */
    mark: (page: number) => memory.bytes.fill((page % 255) + 1, page * PAGE, (page + 1) * PAGE),
    marked: (page: number) => memory.bytes[page * PAGE + 1] !== 0 || memory.bytes[(page + 1) * PAGE - 1] !== 0,
    numbers: (...pages: number[]) => {
      const bytes = new Uint8Array(4 * pages.length);
      for (const [i, page] of pages.entries()) put32(bytes, 4 * i, number(page));
      return bytes;
    },
  };
}

describe.each(["mmio", "pci"] as const)("memory balloon over %s (§5.5)", (kind) => {
  it("is device 5; says how much it wants, and hears how much it has", () => {
    const { device, driver } = started(kind);
    expect(device.id).toBe(5);
    expect(driver.config(0, 4)).toBe(1000);
    driver.setConfig(4, 4, 700);
    driver.setConfig(0, 4, 9);
    expect([device.actual, device.target]).toEqual([700, 1000]);
    expect(driver.interrupted()).toBe(false);
    device.accept({ kind: "balloon-target", pages: 50 });
    expect(driver.interrupted()).toBe(true);
    expect(driver.config(0, 4)).toBe(50);
    device.accept({ kind: "balloon-target", pages: 50 });
    expect(driver.interrupted()).toBe(false);
    driver.reset();
    expect([device.actual, device.target]).toEqual([0, 50]);
  });

  it("empties the pages that it is given, and no others", () => {
    const { device, queues, mark, marked, numbers } = started(kind);
    for (let page = FIRST; page < FIRST + 8; page++) mark(page);
    // The same page twice, one that is zero already, and numbers where there is no RAM.
    queues[0]!.send(numbers(FIRST + 1, FIRST + 3, FIRST + 1, FIRST + 100, -1, SIZE / PAGE, 2 ** 31));
    queues[0]!.notify();
    expect(queues[0]!.take()).toMatchObject({ length: 0 });
    const left = Array.from({ length: 8 }, (_, i) => marked(FIRST + i));
    expect(left).toEqual([true, false, true, false, true, true, true, true]);
    expect(device.emptied).toBe(2);
    mark(FIRST + 1);
    queues[1]!.send(numbers(FIRST + 1));
    queues[1]!.notify();
    expect(queues[1]!.take()).toMatchObject({ length: 0 });
    expect(marked(FIRST + 1)).toBe(true);
  });

  it.each([3, 4])("empties pages that are reported free, whole ones only (queue %d)", (index) => {
    const { device, driver, queues, mark, marked } = started(kind);
    for (let page = FIRST; page < FIRST + 16; page++) mark(page);
    const at = driver.memory.base + FIRST * PAGE;
    queues[index]!.add([
      { address: at, length: 2 * PAGE, write: true },
      { address: at + 4 * PAGE + 1, length: 3 * PAGE, write: true },
      { address: at + 9 * PAGE, length: PAGE - 1, write: true },
      { address: at + 12 * PAGE, length: PAGE, write: true },
    ]);
    queues[index]!.notify();
    expect(queues[index]!.take()).toMatchObject({ length: 0 });
    const emptied = Array.from({ length: 16 }, (_, i) => i).filter((i) => !marked(FIRST + i));
    expect(emptied).toEqual([0, 1, 5, 6, 12]);
    expect(device.emptied).toBe(5);
  });

  it("needs a reset when what is no memory is reported", () => {
    const { driver, queues } = started(kind);
    queues[4]!.add([{ address: 0x1000, length: PAGE, write: true }]);
    queues[4]!.notify();
    expect(driver.status & 64).toBe(64);
  });
});

describe("memory balloon (§5.5)", () => {
  it("leaves pages that keep a poison as they are (§5.5.6.7)", () => {
    const { driver, queues, mark, marked } = started("mmio", ALL | F_PAGE_POISON);
    mark(FIRST);
    driver.setConfig(12, 4, 0xaaaa_aaaa);
    const page = { address: driver.memory.base + FIRST * PAGE, length: PAGE, write: true };
    queues[4]!.add([page]);
    queues[4]!.notify();
    expect(queues[4]!.take()).toMatchObject({ length: 0 });
    expect(marked(FIRST)).toBe(true);
    driver.setConfig(12, 4, 0);
    queues[4]!.add([page]);
    queues[4]!.notify();
    expect(marked(FIRST)).toBe(false);
  });

  it("does much work in pieces, also when it is saved in between", () => {
    const { device, driver, events, queues, mark, marked, memory } = started();
    const pages = SIZE / PAGE - FIRST;
    for (let page = FIRST; page < FIRST + pages; page++) mark(page);
    const half = (pages / 2) * PAGE;
    const at = memory.base + FIRST * PAGE;
    queues[4]!.add([
      { address: at, length: half, write: true },
      { address: at + half, length: half, write: true },
    ]);
    queues[4]!.notify();
    expect(queues[4]!.usedIndex).toBe(0);
    expect([marked(FIRST + 4095), marked(FIRST + 4096)]).toEqual([false, true]);
    // Nothing more is done before the guest has run, however often it asks.
    queues[4]!.notify();
    expect(events).toEqual([{ kind: "balloon-more" }]);
    expect(marked(FIRST + 4096)).toBe(true);

    const copy = setup("mmio", new ArrayGuestMemory(SIZE));
    copy.memory.bytes.set(memory.bytes);
    copy.driver.transport.load(structuredClone(driver.transport.save()));
    copy.device.restart();
    for (const each of [{ device, events, memory }, copy]) {
      while (each.events.length > 0) each.device.accept(each.events.shift()!);
      expect(Buffer.compare(each.memory.bytes.subarray(FIRST * PAGE), new Uint8Array(pages * PAGE))).toBe(0);
      expect(each.memory.bytes[queues[4]!.used - memory.base + 2]).toBe(1);
    }
    expect(device.emptied).toBe(pages);
  });

  it("waits for a page that isn't here", () => {
    const { device, memory, queues, mark, marked, numbers } = started();
    mark(FIRST);
    mark(FIRST + 1);
    memory.absent.add(FIRST + 1);
    queues[0]!.send(numbers(FIRST, FIRST + 1));
    queues[0]!.notify();
    expect([marked(FIRST), queues[0]!.usedIndex, device.waiting]).toEqual([false, 0, true]);
    memory.absent.clear();
    device.resume();
    expect([marked(FIRST + 1), queues[0]!.usedIndex]).toEqual([false, 1]);
  });

  const statistics = (...entries: (readonly [number, number])[]) => {
    const bytes = new Uint8Array(10 * entries.length + 3);
    for (const [i, [tag, value]] of entries.entries()) {
      put16(bytes, 10 * i, tag);
      put64(bytes, 10 * i + 2, value);
    }
    return bytes;
  };

  it("asks for statistics by returning their buffer (§5.5.6.3)", () => {
    const { device, driver, queues, said } = started();
    queues[2]!.send(statistics([5, 2 ** 33], [4, 123], [999, 7]));
    queues[2]!.notify();
    expect(said.map((tags) => [...tags])).toEqual([
      [
        [5, 2 ** 33],
        [4, 123],
        [999, 7],
      ],
    ]);
    expect(queues[2]!.take()).toBeUndefined();
    // A guest that gives a second one is not to.
    queues[2]!.send(statistics([4, 1]));
    queues[2]!.notify();
    expect(said.length).toBe(1);
    device.accept({ kind: "balloon-poll" });
    expect(queues[2]!.take()).toMatchObject({ length: 0 });
    expect(driver.interrupted()).toBe(true);
    device.accept({ kind: "balloon-poll" });
    queues[2]!.notify();
    expect(said.length).toBe(2);
  });

  it("is saved with the buffer that it holds", () => {
    const { driver, memory, queues } = started();
    queues[2]!.send(statistics([4, 1]));
    queues[2]!.notify();
    driver.setConfig(4, 4, 77);
    const copy = setup();
    copy.memory.bytes.set(memory.bytes);
    copy.driver.transport.load(structuredClone(driver.transport.save()));
    expect([copy.device.actual, copy.device.target]).toEqual([77, 1000]);
    copy.device.accept({ kind: "balloon-poll" });
    memory.bytes.set(copy.memory.bytes);
    expect(queues[2]!.take()).toMatchObject({ length: 0 });
  });

  it("forgets what a queue had when that is reset", () => {
    const { device, driver, queues } = started("pci", ALL | RING_RESET);
    queues[2]!.send(statistics([4, 1]));
    queues[2]!.notify();
    device.resetQueue(2);
    device.accept({ kind: "balloon-poll" });
    expect(queues[2]!.usedIndex).toBe(0);
    expect(driver.status).toBe(15);
  });
});
