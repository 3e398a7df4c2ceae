import { expect, it } from "vitest";
import { put16, put32 } from "../../src/devices/virtio/bytes.ts";
import { ConsoleDevice } from "../../src/devices/virtio/console/console.ts";
import { PORT_CREDIT, type PortInput } from "../../src/devices/virtio/console/port.ts";
import type { VirtioDevice } from "../../src/devices/virtio/device.ts";
import { ArrayGuestMemory, type GuestMemory, type Outcome } from "../../src/devices/virtio/guest-memory.ts";
import { EntropyDevice } from "../../src/devices/virtio/rng/rng.ts";
import { MmioTransport } from "../../src/devices/virtio/transport-mmio.ts";
import { random } from "./driver.ts";

const SIZE = 1 << 16;
const BASE = 0x8000_0000;

/** Guest memory that counts accesses and catches a device that writes what it asked to read. */
class WatchedMemory implements GuestMemory {
  readonly inner = new ArrayGuestMemory(SIZE, BASE);
  accesses = 0;
  bytesSeen = 0;
  #reads: [Uint8Array, number][] = [];

  view(address: number, length: number, write: boolean): Uint8Array | Outcome {
    this.accesses++;
    const view = this.inner.view(address, length, write);
    if (typeof view === "string") return view;
    this.bytesSeen += view.length;
    if (write || this.#reads.length >= 8) return view;
    const copy = view.slice();
    this.#reads.push([copy, sum(copy)]);
    return copy;
  }

  check(): void {
    for (const [copy, before] of this.#reads) {
      if (sum(copy) !== before) throw new Error("a device wrote to memory that it asked to read");
    }
    this.#reads = [];
  }
}

function sum(bytes: Uint8Array): number {
  let total = bytes.length;
  for (let i = 0; i < bytes.length; i += 7) total = (Math.imul(total, 31) + bytes[i]!) | 0;
  return total;
}

type Next = (below: number) => number;

/** One machine's life under a guest that writes anything anywhere, most of it nearly right. */
class Session {
  readonly memory = new WatchedMemory();
  readonly transport: MmioTransport;
  readonly device: VirtioDevice;
  readonly console: ConsoleDevice | undefined;
  readonly rng: EntropyDevice | undefined;
  readonly pushed: PortInput[] = [];
  asked = 0;
  line = false;
  output = 0;
  input = 0;
  #rings: { table: number; available: number; used: number; size: number; index: number }[] = [];
  readonly #next: Next;

  constructor(next: Next) {
    this.#next = next;
    if (next(4) === 0) {
      this.device = this.rng = new EntropyDevice(this.memory, (length) => {
        this.asked = length;
      });
    } else {
      this.device = this.console = new ConsoleDevice(this.memory, ["a", "b"], (event) => {
        this.pushed.push(event);
        return true;
      });
      for (const port of this.console.ports) {
        port.onData = (bytes) => {
          this.output += bytes.length;
        };
      }
    }
    this.transport = new MmioTransport("virtio0", this.device, (level) => {
      this.line = level;
    });
    this.#setUp();
  }

  step(): void {
    const next = this.#next;
    switch (next(16)) {
      case 0:
        this.transport.write(next(0x120) * (next(2) ? 4 : 1), 1 << next(4), BigInt(this.#value()));
        break;
      case 1:
        this.transport.read(next(0x1000), 1 << next(4));
        break;
      case 2:
        this.memory.inner.bytes[next(SIZE)] = next(256);
        break;
      case 3:
        if (next(8) === 0) this.#page();
        this.device.resume();
        break;
      case 4:
        this.#fromOutside();
        break;
      case 5:
        if (next(16) === 0) this.transport.load(this.transport.save());
        break;
      case 6:
      case 7:
        this.#notify(next(this.device.queues.length + 1));
        break;
      case 8:
      case 9:
      case 10:
        this.#describe();
        break;
      case 11:
        if (this.console) this.#control();
        break;
      default:
        this.#offer();
    }
  }

  #register(register: number, value: number): void {
    this.transport.write(register, 4, BigInt(value >>> 0));
  }

  #setUp(): void {
    const next = this.#next;
    this.#register(0x70, 0);
    this.#register(0x70, 3);
    this.#register(0x24, 0);
    this.#register(0x20, (next(2) << 28) | (next(2) << 29) | (next(8) && this.console ? 2 : 0));
    this.#register(0x24, 1);
    this.#register(0x20, 1 | (next(2) << 8));
    this.#register(0x70, 11);
    this.#rings = this.device.queues.map((_, index) => {
      const size = 1 << next(7);
      // Anywhere, so that rings lie over each other and over data now and then.
      const [table, available, used] = [16, 2, 4].map((align) => BASE + Math.floor(next(SIZE) / align) * align);
      const ring = { table: table!, available: available!, used: used!, size, index };
      put32(this.memory.inner.bytes, Math.min(available! - BASE, SIZE - 4), 0);
      put32(this.memory.inner.bytes, Math.min(used! - BASE, SIZE - 4), 0);
      this.#register(0x30, index);
      this.#register(0x38, size);
      this.#register(0x80, ring.table);
      this.#register(0x90, ring.available);
      this.#register(0xa0, ring.used);
      this.#register(0x44, 1);
      return ring;
    });
    this.#register(0x70, 15);
  }

  #value(): number {
    const next = this.#next;
    return [next(4), next(256), 15, 0xffff_ffff, BASE + next(SIZE), next(2 ** 31)][next(6)]!;
  }

  #page(): void {
    const { absent } = this.memory.inner;
    if (absent.size > 0) absent.clear();
    else absent.add(this.#next(SIZE / 4096));
  }

  #fromOutside(): void {
    const next = this.#next;
    const event = this.pushed.shift();
    if (event) this.console?.accept(event);
    if (this.asked > 0 && next(2)) {
      const { asked } = this;
      this.asked = 0;
      this.rng?.accept(new Uint8Array(asked).fill(1));
    }
    if (!this.console) return;
    const port = next(4);
    if (next(16) === 0) this.console.accept({ kind: "port-open", port, open: next(2) === 0 });
    const taken = this.console.accept({ kind: "port", port, bytes: new Uint8Array(next(200) + 1).fill(2) });
    if (port === 1 || port === 2) this.input += Number(taken);
    this.console.flush();
  }

  #notify(queue: number): void {
    this.#register(0x50, queue);
    if (this.device.status & 64 && this.#next(4) === 0) this.#setUp();
  }

  /** Writes a descriptor, mostly into a table. */
  #describe(): void {
    const next = this.#next;
    const ring = this.#rings[next(this.#rings.length)]!;
    const at = next(16) ? ring.table - BASE + 16 * next(ring.size) : next(SIZE - 16);
    if (at + 16 > SIZE) return;
    const { bytes } = this.memory.inner;
    put32(bytes, at, BASE + next(SIZE + (next(64) ? 0 : SIZE)));
    put32(bytes, at + 4, next(256) ? 0 : next(2 ** 31));
    put32(bytes, at + 8, next(8) ? next(512) : next(64) ? 16 * next(40) : next(2 ** 31));
    const receive = ring.index % 2 === 0;
    put16(bytes, at + 12, next(8) ? (receive ? 2 : 0) | (next(4) ? 0 : 1) : next(8));
    put16(bytes, at + 14, next(64) ? next(ring.size) : next(65536));
  }

  /** Makes a control message for the device and offers it. */
  #control(): void {
    const next = this.#next;
    const ring = this.#rings[3]!;
    const at = next(SIZE - 64);
    const { bytes } = this.memory.inner;
    const table = ring.table - BASE;
    if (table + 16 > SIZE) return;
    put32(bytes, at, next(16) ? next(4) : next(2 ** 31));
    put16(bytes, at + 4, [0, 3, 6, 6, next(9)][next(5)]!);
    put16(bytes, at + 6, next(8) ? 1 : next(3));
    put32(bytes, table, BASE + at);
    put32(bytes, table + 4, 0);
    put32(bytes, table + 8, 8);
    put16(bytes, table + 12, 0);
    this.#offer(ring, 0);
    this.#notify(3);
  }

  #offer(ring = this.#rings[this.#next(this.#rings.length)]!, head = this.#next(ring.size)): void {
    const next = this.#next;
    const { bytes } = this.memory.inner;
    const at = ring.available - BASE;
    if (at + 4 + 2 * ring.size > SIZE) return;
    const index = bytes[at + 2]! | (bytes[at + 3]! << 8);
    put16(bytes, at + 4 + 2 * (index % ring.size), next(256) ? head : next(65536));
    put16(bytes, at + 2, index + (next(128) ? 1 : next(65536)));
    if (next(2)) this.#notify(ring.index);
  }
}

/**
 * A million acts of a hostile guest and its surroundings. Every one must return
 * soon, throw nothing, and write to no memory but what it asked to write.
 */
it("survives a million hostile requests", () => {
  const next = random(20_260_1);
  const reached = { sessions: 0, output: 0, input: 0, resets: 0, waits: 0, opened: 0, interrupts: 0 };
  let most = 0;
  let mostBytes = 0;
  for (let acts = 0; acts < 1_000_000; ) {
    const session = new Session(next);
    reached.sessions++;
    const length = 1 + next(1000);
    for (let i = 0; i < length; i++, acts++) {
      const { memory } = session;
      memory.accesses = memory.bytesSeen = 0;
      session.step();
      memory.check();
      most = Math.max(most, memory.accesses);
      mostBytes = Math.max(mostBytes, memory.bytesSeen);
      // A ring's worth of buffers takes a few accesses each, whatever the guest wrote.
      if (memory.accesses > 5000) throw new Error(`one act took ${memory.accesses} accesses`);
    }
    reached.output += session.output;
    reached.input += session.input;
    if (session.device.status & 64) reached.resets++;
    if (session.device.waiting) reached.waits++;
    if (session.line) reached.interrupts++;
    if (session.console?.ports.some((port) => port.guestOpen)) reached.opened++;
  }
  // The guest was nearly right often enough to have got everywhere.
  for (const [what, count] of Object.entries(reached)) expect(count, what).toBeGreaterThan(10);
  expect(reached.output).toBeGreaterThan(10_000);
  expect(most).toBeGreaterThan(100);
  expect(mostBytes).toBeLessThan(2 ** 24);
}, 30_000);

it("does bounded work for a ring that is as dear as can be", () => {
  const memory = new WatchedMemory();
  const device = new ConsoleDevice(memory, ["a"], () => true);
  const transport = new MmioTransport("virtio0", device, () => {});
  const set = (register: number, value: number) => transport.write(register, 4, BigInt(value));
  const { bytes } = memory.inner;
  const [table, available, used, inner] = [0, 0x1000, 0x2000, 0x8000];
  // Every entry leads to 1,022 pieces of 64 KiB each, all the same: 4 GiB in the whole ring.
  for (let i = 0; i < 1022; i++) {
    put32(bytes, inner + 16 * i, BASE);
    put32(bytes, inner + 16 * i + 8, SIZE);
    put16(bytes, inner + 16 * i + 12, i < 1021 ? 1 : 0);
    put16(bytes, inner + 16 * i + 14, i + 1);
  }
  put32(bytes, table, BASE + inner);
  put32(bytes, table + 8, 16 * 1022);
  put16(bytes, table + 12, 4);
  put16(bytes, available + 2, 64);
  set(0x70, 3);
  set(0x24, 0);
  set(0x20, 2 | (1 << 28));
  set(0x24, 1);
  set(0x20, 1);
  set(0x70, 11);
  for (const queue of [1, 3, 5]) {
    set(0x30, queue);
    set(0x38, 64);
    set(0x80, BASE + table);
    set(0x90, BASE + available);
    set(0xa0, BASE + used);
    set(0x44, 1);
  }
  let taken = 0;
  device.ports[0]!.onData = (chunk) => {
    taken += chunk.length;
  };
  memory.accesses = memory.bytesSeen = 0;
  set(0x70, 15);
  set(0x50, 5);
  set(0x50, 5);
  device.flush();
  // The port's credit, however much the ring offers; what it takes comes back only by the door.
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThanOrEqual(PORT_CREDIT);
  expect(memory.accesses).toBeLessThan(1000);
  // The ring itself is read for each of its entries: 16 KiB of table each time.
  expect(memory.bytesSeen).toBeLessThan(PORT_CREDIT + 3 * 64 * 20_000);
});
