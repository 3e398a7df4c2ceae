import { describe, expect, it } from "vitest";
import { put16, put32 } from "../../src/devices/virtio/bytes.ts";
import { type Chain, readFrom, writeTo } from "../../src/devices/virtio/chain.ts";
import { ArrayGuestMemory, address64, LinearGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { AREA_DESCRIPTOR, AREA_DEVICE, AREA_DRIVER, Virtqueue } from "../../src/devices/virtio/queue.ts";
import { MmioTransport } from "../../src/devices/virtio/transport-mmio.ts";
import { Driver, DriverQueue, INDIRECT_FLAG, NEXT, random, text, untext, WRITE } from "./driver.ts";

/** A queue of the device and the driver's end of it, with no device between. */
function setup(size = 8, { indirect = true, eventIndex = false, memorySize = 1 << 18 } = {}) {
  const memory = new ArrayGuestMemory(memorySize);
  const driver = new Driver(memory, new MmioTransport("none", undefined, () => {}));
  const ring = new DriverQueue(driver, 0, size, eventIndex);
  const queue = new Virtqueue(memory, 256);
  const start = () => {
    queue.reset();
    queue.setSize(size);
    queue.indirect = indirect;
    queue.eventIndex = eventIndex;
    queue.setArea(AREA_DESCRIPTOR, "low", ring.table);
    queue.setArea(AREA_DRIVER, "low", ring.available);
    queue.setArea(AREA_DEVICE, "low", ring.used);
    queue.start();
  };
  start();
  return { memory, driver, ring, queue, start };
}

function chainOf(queue: Virtqueue): Chain {
  const chain = queue.peek();
  if (typeof chain === "string") throw new Error(`${chain}: ${queue.brokenBecause}`);
  return chain;
}

function readAll(memory: ArrayGuestMemory, chain: Chain): string {
  const bytes = new Uint8Array(chain.readableLength);
  expect(readFrom(memory, chain, 0, bytes)).toBe(bytes.length);
  return untext(bytes);
}

describe("buffers (§2.7.4, §2.7.5)", () => {
  it.each([false, true])("gathers and scatters over many pieces (indirect: %s)", (indirect) => {
    const { memory, driver, ring, queue } = setup();
    const pieces = ["he", "", "llo ", "world"].map((part) => ({
      address: driver.put(text(part)),
      length: part.length,
      write: false,
    }));
    const room = [3, 0, 5].map((length) => ({ address: driver.alloc(length), length, write: true }));
    ring.add([...pieces, ...room], indirect);
    const chain = chainOf(queue);
    expect([chain.readableLength, chain.writableLength]).toEqual([11, 8]);
    expect(readAll(memory, chain)).toBe("hello world");
    const part = new Uint8Array(4);
    expect(readFrom(memory, chain, 4, part)).toBe(4);
    expect(untext(part)).toBe("o wo");
    expect(readFrom(memory, chain, 9, part)).toBe(2);
    expect(writeTo(memory, chain, 0, text("0123456789"))).toBe(8);
    expect(writeTo(memory, chain, 2, text("AB"))).toBe(2);
    expect(queue.finish(chain, 8)).toBe("done");
    expect(untext(ring.take()!.bytes)).toBe("01AB4567");
    expect(queue.peek()).toBe("empty");
  });

  it("takes ordinary descriptors followed by an indirect one, whose WRITE flag means nothing (§2.7.5.3.2)", () => {
    const { memory, driver, ring, queue } = setup();
    const inner = driver.alloc(32);
    ring.describe(inner, { address: driver.put(text("cd")), length: 2 }, NEXT, 1);
    ring.describe(inner + 16, { address: driver.alloc(4), length: 4 }, WRITE, 0);
    ring.describe(ring.table, { address: driver.put(text("ab")), length: 2 }, NEXT, 5);
    ring.describe(ring.table + 16 * 5, { address: inner, length: 32 }, INDIRECT_FLAG | WRITE, 0);
    ring.offer(0);
    const chain = chainOf(queue);
    expect(readAll(memory, chain)).toBe("abcd");
    expect(chain.writableLength).toBe(4);
  });

  it("lets a chain use the whole table, and an indirect one be longer than the queue", () => {
    const { memory, driver, ring, queue } = setup(4);
    const piece = () => ({ address: driver.put(text("x")), length: 1, write: false });
    ring.add([piece(), piece(), piece(), piece()]);
    const first = chainOf(queue);
    expect(readAll(memory, first)).toBe("xxxx");
    queue.finish(first, 0);
    ring.take();
    ring.add(Array.from({ length: 100 }, piece), true);
    expect(readAll(memory, chainOf(queue))).toBe("x".repeat(100));
  });

  it("returns buffers out of order", () => {
    const { driver, ring, queue } = setup();
    const heads = [1, 2, 3].map((n) => ring.receive(n)!);
    const chains = heads.map(() => {
      const chain = chainOf(queue);
      queue.take();
      return chain;
    });
    expect(queue.peek()).toBe("empty");
    for (const i of [2, 0, 1]) expect(queue.put(chains[i]!.head, chains[i]!.writableLength)).toBe("done");
    expect([ring.take(), ring.take(), ring.take()].map((used) => [used!.head, used!.length])).toEqual([
      [heads[2], 3],
      [heads[0], 1],
      [heads[1], 2],
    ]);
    expect(driver.at(ring.used, 2)).toEqual(new Uint8Array(2));
  });

  it("keeps its place when the 16-bit indices wrap", () => {
    const { driver, ring, queue, memory } = setup(4);
    const address = driver.put(text("...."));
    for (let i = 0; i < 70_000; i++) {
      put32(driver.at(address, 4), 0, i);
      ring.add([{ address, length: 4, write: false }]);
      const chain = chainOf(queue);
      const bytes = new Uint8Array(4);
      readFrom(memory, chain, 0, bytes);
      if (bytes[0] !== (i & 0xff) || bytes[2] !== i >> 16) throw new Error(`buffer ${i} was lost`);
      queue.finish(chain, 0);
      ring.take();
    }
    expect(ring.usedIndex).toBe(70_000 & 0xffff);
  });
});

describe("rings that make no sense", () => {
  type Ring = ReturnType<typeof setup>;
  const cases: [string, (ring: Ring) => void][] = [
    ["a head outside the table", ({ ring }) => ring.offer(8)],
    [
      "a next outside the table",
      ({ ring, driver }) => {
        ring.describe(ring.table, { address: driver.alloc(1), length: 1 }, NEXT, 8);
        ring.offer(0);
      },
    ],
    [
      "a descriptor that leads to itself",
      ({ ring, driver }) => {
        ring.describe(ring.table, { address: driver.alloc(1), length: 1 }, NEXT, 0);
        ring.offer(0);
      },
    ],
    [
      "a loop in an indirect table",
      ({ ring, driver }) => {
        const inner = driver.alloc(32);
        ring.describe(inner, { address: inner, length: 1 }, NEXT, 1);
        ring.describe(inner + 16, { address: inner, length: 1 }, NEXT, 0);
        ring.describe(ring.table, { address: inner, length: 32 }, INDIRECT_FLAG, 0);
        ring.offer(0);
      },
    ],
    [
      "an indirect table in an indirect table",
      ({ ring, driver }) => {
        const inner = driver.alloc(16);
        ring.describe(inner, { address: inner, length: 16 }, INDIRECT_FLAG, 0);
        ring.describe(ring.table, { address: inner, length: 16 }, INDIRECT_FLAG, 0);
        ring.offer(0);
      },
    ],
    [
      "an indirect descriptor that goes on",
      ({ ring, driver }) => {
        const inner = driver.alloc(16);
        ring.describe(ring.table, { address: inner, length: 16 }, INDIRECT_FLAG | NEXT, 1);
        ring.offer(0);
      },
    ],
    [
      "an indirect table of half a descriptor",
      ({ ring, driver }) => {
        ring.describe(ring.table, { address: driver.alloc(24), length: 24 }, INDIRECT_FLAG, 0);
        ring.offer(0);
      },
    ],
    [
      "an empty indirect table",
      ({ ring, driver }) => {
        ring.describe(ring.table, { address: driver.alloc(16), length: 0 }, INDIRECT_FLAG, 0);
        ring.offer(0);
      },
    ],
    [
      "an indirect table outside memory",
      ({ ring }) => {
        ring.describe(ring.table, { address: 0x1000, length: 16 }, INDIRECT_FLAG, 0);
        ring.offer(0);
      },
    ],
    [
      "a readable piece after a writable one",
      ({ ring, driver }) => {
        const address = driver.alloc(1);
        ring.add([
          { address, length: 1, write: true },
          { address, length: 1, write: false },
        ]);
      },
    ],
    [
      "an address beyond 2^53",
      ({ ring, driver }) => {
        ring.describe(ring.table, { address: 0, length: 1 }, 0, 0);
        put32(driver.at(ring.table, 8), 4, 0xffff_ffff);
        ring.offer(0);
      },
    ],
    [
      "more than 4 GiB in all",
      ({ ring, memory }) => {
        ring.describe(ring.table, { address: memory.base, length: 0xffff_ffff }, NEXT, 1);
        ring.describe(ring.table + 16, { address: memory.base, length: 0xffff_ffff }, 0, 0);
        ring.offer(0);
      },
    ],
    ["an index more than a queue ahead", ({ ring, driver }) => put16(driver.at(ring.available, 4), 2, 9)],
    ["an index that went back", ({ ring, driver }) => put16(driver.at(ring.available, 4), 2, 0xffff)],
  ];

  it.each(cases)("breaks on %s", (_, damage) => {
    const all = setup();
    damage(all);
    expect(all.queue.peek()).toBe("broken");
    expect(all.queue.brokenBecause).toMatch(/^[a-z].*[a-z0-9B]$/);
    expect(all.queue.put(0, 0)).toBe("broken");
    expect(all.ring.usedIndex).toBe(0);
    all.start();
    expect(all.queue.brokenBecause).toBeUndefined();
  });

  it("breaks on an indirect descriptor that wasn't negotiated", () => {
    const { ring, queue } = setup(8, { indirect: false });
    ring.add([{ address: ring.table, length: 1, write: false }], true);
    expect(queue.peek()).toBe("broken");
  });

  it.each([AREA_DESCRIPTOR, AREA_DRIVER, AREA_DEVICE] as const)("breaks when area %s is outside memory", (area) => {
    const { memory, ring, queue } = setup();
    ring.receive(1);
    queue.stop();
    queue.setArea(area, "low", memory.base + memory.bytes.length - 16);
    queue.start();
    expect(queue.ready).toBe(true);
    expect(queue.peek()).toBe("broken");
    expect(queue.brokenBecause).toMatch(/outside memory/);
  });

  it("finds data outside memory when it is used, and then touches nothing", () => {
    const { memory, driver, ring, queue } = setup();
    const good = driver.alloc(4);
    ring.add([
      { address: good, length: 4, write: true },
      { address: 0x1000, length: 4, write: true },
    ]);
    const chain = chainOf(queue);
    expect(writeTo(memory, chain, 0, text("12345"))).toBe("fault");
    expect(driver.at(good, 4)).toEqual(new Uint8Array(4));
    expect(writeTo(memory, chain, 0, text("1234"))).toBe(4);
  });
});

describe("a page that isn't here yet", () => {
  it("leaves everything as it was, whatever is absent, until it has come", () => {
    const { memory, driver, ring, queue } = setup(8, { eventIndex: true });
    const address = driver.alloc(3 * 4096, 4096) + 4090;
    ring.add([{ address, length: 4104, write: true }], true);
    const before = memory.bytes.slice();
    for (let page = 0; page < memory.bytes.length / 4096; page++) {
      memory.absent.clear();
      memory.absent.add(page);
      const chain = queue.peek();
      if (chain === "wait") continue;
      if (typeof chain === "string") throw new Error(chain);
      const target = Math.floor((address - memory.base) / 4096);
      const written = writeTo(memory, chain, 0, new Uint8Array(4104).fill(1));
      if (page < target || page > target + 2) memory.bytes.set(before);
      else expect(written).toBe("wait");
      expect(Buffer.compare(memory.bytes, before)).toBe(0);
    }
    memory.absent.clear();
    const chain = chainOf(queue);
    memory.absent.add(Math.floor((ring.used - memory.base) / 4096));
    expect(queue.finish(chain, 1)).toBe("wait");
    expect(Buffer.compare(memory.bytes, before)).toBe(0);
    memory.absent.clear();
    expect(queue.finish(chainOf(queue), 1)).toBe("done");
    expect(ring.usedIndex).toBe(1);
  });
});

describe("notifications (§2.7.7, §2.7.10)", () => {
  const use = ({ ring, queue }: ReturnType<typeof setup>, count: number) => {
    for (let i = 0; i < count; i++) {
      ring.add([{ address: ring.table, length: 1, write: false }]);
      queue.finish(chainOf(queue), 0);
      ring.take();
    }
    return queue.takeSignal();
  };

  it("obeys the available ring's flags", () => {
    const all = setup();
    expect(use(all, 0)).toBe(false);
    expect(use(all, 1)).toBe(true);
    all.ring.flags = 1;
    expect(use(all, 3)).toBe(false);
    all.ring.flags = 0;
    expect(use(all, 0)).toBe(false);
    expect(use(all, 1)).toBe(true);
  });

  it("obeys used_event, as the specification's example and its rule say", () => {
    const all = setup(8, { eventIndex: true });
    all.ring.flags = 1;
    all.ring.usedEvent = 0;
    expect(use(all, 1)).toBe(true);
    expect(use(all, 1)).toBe(false);
    const next = random(5);
    let used = 2;
    for (let i = 0; i < 20_000; i++) {
      const event = (used + next(12) - 4) & 0xffff;
      const count = next(6);
      all.ring.usedEvent = event;
      // The rule, entry by entry: one of the entries written was at used_event.
      let expected = false;
      for (let n = 0; n < count; n++) expected ||= ((used + n) & 0xffff) === event;
      if (use(all, count) !== expected) throw new Error(`${used} + ${count}, event ${event}: ${!expected}`);
      used = (used + count) & 0xffff;
    }
  });

  it("asks for the next buffer by avail_event", () => {
    const all = setup(8, { eventIndex: true });
    use(all, 3);
    expect(all.queue.rearm()).toBe("done");
    expect(all.ring.availEvent).toBe(3);
    all.ring.receive(1);
    expect(all.queue.rearm()).toBe("again");
    expect(all.driver.at(all.ring.used, 2)).toEqual(new Uint8Array(2));
  });
});

describe("guest memory", () => {
  it("forms 64-bit addresses exactly, or not at all", () => {
    expect(address64(0x8000_0000, 0)).toBe(2 ** 31);
    expect(address64(0xffff_ffff, 0x1f_ffff)).toBe(2 ** 53 - 1);
    expect(address64(0, 0x20_0000)).toBeUndefined();
    expect(address64(0xffff_ffff, 0xffff_ffff)).toBeUndefined();
  });

  it("turns the core's answers into views, and trusts none of them", () => {
    const buffer = new ArrayBuffer(256);
    const asked: [bigint, number, number][] = [];
    let answer = 0;
    const memory = new LinearGuestMemory(
      () => buffer,
      (address, size, write) => {
        asked.push([address, size, write]);
        return answer;
      },
    );
    expect(memory.view(2 ** 40, 5, true)).toBe("fault");
    expect(asked).toEqual([[2n ** 40n, 5, 1]]);
    answer = 1;
    expect(memory.view(0, 5, false)).toBe("wait");
    answer = 100;
    const view = memory.view(0, 5, false) as Uint8Array;
    expect([view.buffer === buffer, view.byteOffset, view.length]).toEqual([true, 100, 5]);
    for (const wild of [252, 1 << 30, -16]) {
      answer = wild;
      expect(memory.view(0, 5, false)).toBe("fault");
    }
    answer = 100;
    asked.length = 0;
    for (const [address, length] of [
      [-1, 1],
      [0.5, 1],
      [2 ** 53, 1],
      [0, 0],
      [0, -1],
      [0, 2 ** 32],
      [Number.NaN, 1],
    ] as const) {
      expect(memory.view(address, length, false)).toBe("fault");
    }
    expect(asked).toEqual([]);
  });
});
