import { describe, expect, it } from "vitest";
import { PciHost } from "../../src/devices/pci/host.ts";
import { BlockDevice } from "../../src/devices/virtio/blk/blk.ts";
import { put16, put32 } from "../../src/devices/virtio/bytes.ts";
import { ConsoleDevice } from "../../src/devices/virtio/console/console.ts";
import { PORT_CREDIT, type PortInput } from "../../src/devices/virtio/console/port.ts";
import type { VirtioDevice } from "../../src/devices/virtio/device.ts";
import { ArrayGuestMemory, type GuestMemory, type Outcome } from "../../src/devices/virtio/guest-memory.ts";
import { NetDevice } from "../../src/devices/virtio/net/net.ts";
import { EntropyDevice } from "../../src/devices/virtio/rng/rng.ts";
import { MmioTransport } from "../../src/devices/virtio/transport-mmio.ts";
import { PciTransport } from "../../src/devices/virtio/transport-pci.ts";
import { MemoryDisk } from "../support/disk.ts";
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

const DEVICES = ["blk", "net", "console", "rng"] as const;
type DeviceName = (typeof DEVICES)[number];
const TRANSPORTS = ["mmio", "pci"] as const;

/** A transport as a driver uses it, and as someone uses it who writes anywhere. */
interface Bus {
  status(value: number): void;
  features(word: number, value: number): void;
  queue(index: number, size: number, table: number, available: number, used: number): void;
  notify(queue: number): void;
  anywhere(next: Next, value: () => number): void;
  save(): unknown;
  load(state: unknown): void;
}

function mmio(device: VirtioDevice, line: (level: boolean) => void): Bus {
  const transport = new MmioTransport("virtio0", device, line);
  const set = (register: number, value: number) => transport.write(register, 4, BigInt(value >>> 0));
  return {
    status: (value) => set(0x70, value),
    features: (word, value) => {
      set(0x24, word);
      set(0x20, value);
    },
    queue: (index, size, table, available, used) => {
      set(0x30, index);
      set(0x38, size);
      set(0x80, table);
      set(0x90, available);
      set(0xa0, used);
      set(0x44, 1);
    },
    notify: (queue) => set(0x50, queue),
    anywhere: (next, value) => {
      if (next(2)) transport.write(next(0x140) * (next(2) ? 4 : 1), 1 << next(4), BigInt(value()));
      else transport.read(next(0x1000), 1 << next(4));
    },
    save: () => transport.save(),
    load: (state) => transport.load(state),
  };
}

function pci(device: VirtioDevice, line: (level: boolean) => void): Bus {
  const WINDOW = 0x4000_0000;
  const PLACE = 3;
  const host = new PciHost(WINDOW, (_, level) => line(level));
  const transport = new PciTransport("pci3", device);
  host.add(PLACE, transport);
  const config = PLACE << 15;
  const common = (at: number, size: number, value: number) => host.writeMemory(at, size, BigInt(value >>> 0));
  const enable = () => {
    host.writeEcam(config + 0x10, 4, BigInt(WINDOW));
    host.writeEcam(config + 4, 2, 6n);
  };
  enable();
  return {
    status: (value) => {
      enable();
      common(20, 1, value);
    },
    features: (word, value) => {
      common(8, 4, word);
      common(12, 4, value);
    },
    queue: (index, size, table, available, used) => {
      common(22, 2, index);
      common(24, 2, size);
      common(32, 4, table);
      common(40, 4, available);
      common(48, 4, used);
      common(28, 2, 1);
    },
    notify: (queue) => common(0x3000 + 4 * queue, 2, queue),
    anywhere: (next, value) => {
      const size = 1 << next(4);
      // Often in the capability by which BARs are reached from configuration space.
      const register = next(2) ? next(0x100) : 0x40 + next(0x60);
      const ecam = next(8) ? config + register : next(2 ** 28);
      const memory = next(8) ? [0, 0x1000, 0x2000, 0x3000][next(4)]! + next(128) : next(2 ** 30);
      const act = next(8);
      if (act < 4) host.writeMemory(memory, size, BigInt(value()));
      else if (act < 6) host.readMemory(memory, size);
      else if (act < 7) host.writeEcam(ecam, size, BigInt(value()));
      else host.readEcam(ecam, size);
    },
    save: () => transport.save(),
    load: (state) => transport.load(state),
  };
}

/** One machine's life under a guest that writes anything anywhere, most of it nearly right. */
class Session {
  readonly memory = new WatchedMemory();
  readonly bus: Bus;
  readonly device: VirtioDevice;
  readonly console: ConsoleDevice | undefined;
  readonly rng: EntropyDevice | undefined;
  readonly blk: BlockDevice | undefined;
  readonly net: NetDevice | undefined;
  readonly disk = new MemoryDisk({ size: 1 << 14, later: (complete) => this.#late.push(complete) });
  readonly pushed: PortInput[] = [];
  asked = 0;
  line = false;
  output = 0;
  input = 0;
  readonly #late: (() => void)[] = [];
  readonly #completions: { request: number; error: number; bytes: Uint8Array }[] = [];
  #rings: { table: number; available: number; used: number; size: number; index: number }[] = [];
  readonly #next: Next;

  constructor(next: Next, kind: DeviceName, transport: (typeof TRANSPORTS)[number]) {
    this.#next = next;
    switch (kind) {
      case "rng":
        this.device = this.rng = new EntropyDevice(this.memory, (length) => {
          this.asked = length;
        });
        break;
      case "blk":
        this.device = this.blk = new BlockDevice(this.memory, this.disk, "fuzz", (request, what) => {
          if (what.kind === "write") this.output += what.bytes.length;
          this.disk.submit(what, (result) => {
            const bytes = result.ok && next(64) ? result.bytes : new Uint8Array(next(600));
            this.#completions.push({ request, error: next(16) ? 0 : next(4), bytes });
          });
        });
        break;
      case "net":
        this.device = this.net = new NetDevice(this.memory, new Uint8Array(6), {
          ...(next(2) && { largestFrame: 0x1_000d }),
          onFrame: undefined,
          submit: (frame) => {
            this.output += frame.length;
          },
          close: () => {},
        });
        break;
      case "console":
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
    const line = (level: boolean) => {
      this.line ||= level;
    };
    this.bus = transport === "pci" ? pci(this.device, line) : mmio(this.device, line);
    this.#setUp();
  }

  step(): void {
    const next = this.#next;
    switch (next(16)) {
      case 0:
      case 1:
        this.bus.anywhere(next, () => this.#value());
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
        if (next(16) === 0) this.#copy();
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
        if (this.blk) this.#request();
        if (this.net) this.#frame();
        break;
      default:
        this.#offer();
    }
  }

  #setUp(): void {
    const next = this.#next;
    this.bus.status(0);
    this.bus.status(3);
    const own = Number(this.device.features & 0xff_ffffn);
    this.bus.features(0, (next(2) << 28) | (next(2) << 29) | (next(8) ? own : own & next(2 ** 24)));
    this.bus.features(1, 1 | (next(2) << 8));
    this.bus.status(11);
    this.#rings = this.device.queues.map((_, index) => {
      const size = 1 << next(7);
      // Anywhere, so that rings lie over each other and over data now and then.
      const [table, available, used] = [16, 2, 4].map((align) => BASE + Math.floor(next(SIZE) / align) * align);
      const ring = { table: table!, available: available!, used: used!, size, index };
      put32(this.memory.inner.bytes, Math.min(available! - BASE, SIZE - 4), 0);
      put32(this.memory.inner.bytes, Math.min(used! - BASE, SIZE - 4), 0);
      this.bus.queue(index, size, ring.table, ring.available, ring.used);
      return ring;
    });
    this.bus.status(15);
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

  /** Goes on as its own copy: requests in flight are asked for again, and old completions mean nothing. */
  #copy(): void {
    this.bus.load(this.bus.save());
    this.blk?.restart();
    this.rng?.restart();
  }

  #fromOutside(): void {
    const next = this.#next;
    const event = this.pushed.shift();
    if (event) this.console?.accept(event);
    if (this.asked > 0 && next(2)) {
      const { asked } = this;
      this.asked = 0;
      this.rng?.accept(new Uint8Array(asked).fill(1));
      this.input += asked;
    }
    if (this.#late.length > 0) this.#late.splice(next(this.#late.length), 1)[0]!();
    const completion = this.#completions[0];
    if (completion && this.blk?.accept(completion)) {
      this.#completions.shift();
      this.input += completion.bytes.length;
    }
    if (this.net) {
      const frame = new Uint8Array(24 + next(next(8) ? 200 : 20_000)).fill(3);
      // TCP over IPv4, or nearly.
      if (next(2)) frame.set([8, 0, 0x45], 12);
      if (next(2)) frame[14 + 9] = 6;
      if (this.net.accept(frame)) this.input += frame.length;
    }
    if (!this.console) return;
    const port = next(4);
    if (next(16) === 0) this.console.accept({ kind: "port-open", port, open: next(2) === 0 });
    const taken = this.console.accept({ kind: "port", port, bytes: new Uint8Array(next(200) + 1).fill(2) });
    if (port === 1 || port === 2) this.input += Number(taken);
    this.console.flush();
  }

  #notify(queue: number): void {
    this.bus.notify(queue);
    if (this.device.status & 64 && this.#next(4) === 0) this.#setUp();
  }

  /** Writes a descriptor, mostly into a table. */
  #describe(): void {
    const next = this.#next;
    const ring = this.#rings[next(this.#rings.length)]!;
    const at = next(16) ? ring.table - BASE + 16 * next(ring.size) : next(SIZE - 16);
    const receive = ring.index % 2 === 0;
    this.#descriptor(
      at,
      BASE + next(SIZE + (next(64) ? 0 : SIZE)),
      next(8) ? next(512) : next(64) ? 16 * next(40) : next(2 ** 31),
      next(8) ? (receive ? 2 : 0) | (next(4) ? 0 : 1) : next(8),
      next(64) ? next(ring.size) : next(65536),
    );
    if (at + 16 <= SIZE) put32(this.memory.inner.bytes, at + 4, next(256) ? 0 : next(2 ** 31));
  }

  #descriptor(at: number, address: number, length: number, flags: number, following: number): void {
    if (at + 16 > SIZE) return;
    const { bytes } = this.memory.inner;
    put32(bytes, at, address);
    put32(bytes, at + 4, 0);
    put32(bytes, at + 8, length);
    put16(bytes, at + 12, flags);
    put16(bytes, at + 14, following);
  }

  /** Makes a control message for the console and offers it. */
  #control(): void {
    const next = this.#next;
    const ring = this.#rings[3]!;
    const at = next(SIZE - 64);
    const { bytes } = this.memory.inner;
    if (ring.table - BASE + 16 > SIZE) return;
    put32(bytes, at, next(16) ? next(4) : next(2 ** 31));
    put16(bytes, at + 4, [0, 3, 6, 6, next(9)][next(5)]!);
    put16(bytes, at + 6, next(8) ? 1 : next(3));
    this.#descriptor(ring.table - BASE, BASE + at, 8, 0, 0);
    this.#offer(ring, 0);
    this.#notify(3);
  }

  /** Makes a block request, nearly right, in three or four descriptors. */
  #request(): void {
    const next = this.#next;
    const ring = this.#rings[0]!;
    if (ring.size < 4) return;
    const [header, data, status] = [next(SIZE - 512), next(SIZE - 8192), next(SIZE)];
    const { bytes } = this.memory.inner;
    const type = [0, 0, 1, 1, 4, 8, 11, 13, next(256)][next(9)]!;
    put32(bytes, header, type);
    put32(bytes, header + 8, next(8) ? next(32) : next(2 ** 31));
    put32(bytes, header + 12, next(16) ? 0 : next(2 ** 31));
    const read = type === 0 || type === 8;
    const length = type > 8 ? 16 * next(20) : next(8) ? 512 * next(8) : next(4096);
    const first = next(8) ? 16 : next(17);
    const table = ring.table - BASE;
    // The header in one piece or two.
    this.#descriptor(table, BASE + header, first, 1, 1);
    this.#descriptor(table + 16, BASE + header + first, 16 - first, 1, 2);
    if (type > 8) for (let i = 0; i < length; i += 4) put32(bytes, data + i, next(4) ? next(40) : next(2 ** 31));
    this.#descriptor(table + 32, BASE + data, length, 1 | (read && next(32) ? 2 : 0), 3);
    this.#descriptor(table + 48, BASE + status, next(16) ? 1 : next(3), next(32) ? 2 : 0, 0);
    this.#offer(ring, 0);
    this.#notify(0);
  }

  /** Sends a frame, or gives a buffer for one. */
  #frame(): void {
    const next = this.#next;
    const ring = this.#rings[next(2)]!;
    const at = next(SIZE - 2048);
    for (let i = 0; i < 12; i++) this.memory.inner.bytes[at + i] = next(4) ? 0 : next(256);
    const slot = next(ring.size);
    const send = ring.index === 1;
    this.#descriptor(ring.table - BASE + 16 * slot, BASE + at, next(8) ? 26 + next(1600) : next(2048), send ? 0 : 2, 0);
    this.#offer(ring, slot);
    this.#notify(ring.index);
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

/** Acts for each device and transport: a share by default, and as many as you like by hand. */
const ACTS = Number(process.env.WARDIAN_FUZZ_ACTS ?? 150_000);

/**
 * Acts of a hostile guest and its surroundings. Every one must return soon,
 * throw nothing, and write to no memory but what it asked to write; no disk is
 * asked for what it hasn't got (MemoryDisk throws at that).
 */
describe.each(TRANSPORTS)("over %s", (transport) => {
  it.each(DEVICES)(
    "%s survives a hostile guest",
    (kind) => {
      const next = random(20_260_1);
      const reached = { sessions: 0, output: 0, input: 0, resets: 0, interrupts: 0 };
      let most = 0;
      for (let acts = 0; acts < ACTS; ) {
        const session = new Session(next, kind, transport);
        reached.sessions++;
        const length = 1 + next(1000);
        for (let i = 0; i < length; i++, acts++) {
          const { memory } = session;
          memory.accesses = memory.bytesSeen = 0;
          session.step();
          memory.check();
          most = Math.max(most, memory.accesses);
          // A ring's worth of buffers takes a few accesses each, whatever the guest wrote.
          if (memory.accesses > 5000) throw new Error(`one act took ${memory.accesses} accesses`);
          if (memory.bytesSeen > 2 ** 24) throw new Error(`one act saw ${memory.bytesSeen} bytes`);
        }
        reached.output += session.output;
        reached.input += session.input;
        if (session.device.status & 64) reached.resets++;
        if (session.line) reached.interrupts++;
      }
      // The guest was nearly right often enough to have got everywhere.
      if (kind === "rng") reached.output = Number.POSITIVE_INFINITY;
      for (const [what, count] of Object.entries(reached)) expect(count, what).toBeGreaterThan(10);
      expect(reached.output).toBeGreaterThan(10_000);
      expect(most).toBeGreaterThan(10);
    },
    Math.max(60_000, ACTS),
  );
});

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
