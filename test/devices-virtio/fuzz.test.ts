import { describe, expect, it } from "vitest";
import { BalloonDevice } from "../../src/devices/virtio/balloon/balloon.ts";
import { BlockDevice } from "../../src/devices/virtio/blk/blk.ts";
import { put16, put32 } from "../../src/devices/virtio/bytes.ts";
import { ConsoleDevice } from "../../src/devices/virtio/console/console.ts";
import { PORT_CREDIT, type PortInput } from "../../src/devices/virtio/console/port.ts";
import type { VirtioDevice } from "../../src/devices/virtio/device.ts";
import { NetDevice } from "../../src/devices/virtio/net/net.ts";
import { EntropyDevice } from "../../src/devices/virtio/rng/rng.ts";
import { MmioTransport } from "../../src/devices/virtio/transport-mmio.ts";
import { WINDOW } from "../../src/devices/virtio/vsock/connection.ts";
import { writePacket } from "../../src/devices/virtio/vsock/packet.ts";
import { MAX_CONNECTIONS, SocketDevice } from "../../src/devices/virtio/vsock/vsock.ts";
import { MemoryDisk } from "../support/disk.ts";
import { random } from "./driver.ts";
import { BASE, type Bus, mmio, type Next, pci, SIZE, WatchedMemory } from "./fuzz-bus.ts";

const DEVICES = ["blk", "net", "console", "rng", "balloon", "vsock"] as const;
/** The guest's context ID. */
const CID = 3;
const HOST_PORT = 2 ** 30;
type DeviceName = (typeof DEVICES)[number];
const TRANSPORTS = ["mmio", "pci"] as const;

/** One machine's life under a guest that writes anything anywhere, most of it nearly right. */
class Session {
  readonly memory = new WatchedMemory();
  readonly bus: Bus;
  readonly device: VirtioDevice;
  readonly console: ConsoleDevice | undefined;
  readonly rng: EntropyDevice | undefined;
  readonly blk: BlockDevice | undefined;
  readonly net: NetDevice | undefined;
  readonly balloon: BalloonDevice | undefined;
  readonly vsock: SocketDevice | undefined;
  readonly disk = new MemoryDisk({ size: 1 << 14, later: (complete) => this.#late.push(complete) });
  readonly pushed: PortInput[] = [];
  asked = 0;
  /** The balloon has left something. */
  more = false;
  /** Connections that the host has, and what of each it hasn't taken. */
  readonly pending = new Map<number, number>();
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
      case "balloon":
        this.device = this.balloon = new BalloonDevice(this.memory, next(1000), {
          more: () => {
            if (this.more) throw new Error("more is asked for twice");
            this.more = true;
          },
          statistics: ({ size }) => {
            this.input += size;
          },
        });
        break;
      case "vsock":
        this.device = this.vsock = new SocketDevice(this.memory, CID, {
          connect: (id) => this.pending.set(id, 0),
          accepted: (id) => this.#known(id),
          send: (id, bytes) => {
            this.output += bytes.length;
            const pending = this.#known(id) + bytes.length;
            if (pending > WINDOW) throw new Error(`the host is to keep ${pending} bytes`);
            this.pending.set(id, pending);
          },
          end: (id) => this.#known(id),
          taken: (id, count) => {
            this.#known(id);
            this.input += count;
          },
          close: (id) => this.pending.delete(id),
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
        if (this.balloon) this.#giveUp();
        if (this.vsock) this.#packet();
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
    this.more = false;
    this.balloon?.restart();
    this.vsock?.restart();
  }

  #known(id: number): number {
    const pending = this.pending.get(id);
    if (pending === undefined) throw new Error(`the host is told of connection ${id}, which is none`);
    return pending;
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
    if (this.balloon) this.#tellBalloon(this.balloon);
    if (this.vsock) this.#tellSockets(this.vsock);
    if (!this.console) return;
    const port = next(4);
    if (next(16) === 0) this.console.accept({ kind: "port-open", port, open: next(2) === 0 });
    const taken = this.console.accept({ kind: "port", port, bytes: new Uint8Array(next(200) + 1).fill(2) });
    if (port === 1 || port === 2) this.input += Number(taken);
    this.console.flush();
  }

  #tellBalloon(balloon: BalloonDevice): void {
    const next = this.#next;
    if (this.more && next(2)) {
      this.more = false;
      balloon.accept({ kind: "balloon-more" });
    }
    if (next(8) === 0) balloon.accept({ kind: "balloon-target", pages: next(2 ** 31) });
    if (next(4) === 0) balloon.accept({ kind: "balloon-poll" });
    this.output = balloon.emptied * 1000;
  }

  #tellSockets(vsock: SocketDevice): void {
    const next = this.#next;
    if (vsock.connections > MAX_CONNECTIONS || vsock.connections > this.pending.size)
      throw new Error(`there are ${vsock.connections} connections, of which the host has ${this.pending.size}`);
    const ids = [...this.pending.keys()];
    const connection = ids.length > 0 && next(8) ? ids[next(ids.length)]! : next(40);
    switch (next(8)) {
      case 0: {
        const id = 2 * next(20) + 1;
        if (!this.pending.has(id)) {
          this.pending.set(id, 0);
          vsock.accept({ kind: "vsock-connect", connection: id, port: next(4) });
        }
        break;
      }
      case 1:
      case 2:
        vsock.accept({ kind: "vsock-open", connection });
        break;
      case 3:
        if (next(4) === 0) vsock.accept({ kind: "vsock-end", connection });
        break;
      case 4: {
        const count = next((this.pending.get(connection) ?? 0) + 1);
        const known = this.pending.get(connection);
        if (
          vsock.accept({ kind: "vsock-credit", connection, count }) &&
          known !== undefined &&
          this.pending.has(connection)
        )
          this.pending.set(connection, known - count);
        break;
      }
      case 5:
        if (next(8) === 0) vsock.accept({ kind: "vsock-reset", connection });
        break;
      default:
        vsock.accept({ kind: "vsock", connection, bytes: new Uint8Array(next(600) + 1) });
    }
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

  /** Gives pages up, by their numbers or as they are, or says something of its memory. */
  #giveUp(): void {
    const next = this.#next;
    const ring = this.#rings[next(5)]!;
    const at = 4 * next(SIZE / 4 - 64);
    const slot = next(ring.size);
    for (let i = 0; i < 16; i++)
      put32(this.memory.inner.bytes, at + 4 * i, next(8) ? BASE / 4096 + next(18) : next(2 ** 31));
    const reports = ring.index > 2;
    const length = reports ? next(40_000) : 4 * next(17);
    this.#descriptor(ring.table - BASE + 16 * slot, BASE + (reports ? next(SIZE) : at), length, reports ? 2 : 0, 0);
    this.#offer(ring, slot);
    this.#notify(ring.index);
  }

  /** Gives a buffer for packets, or sends some, nearly right. */
  #packet(): void {
    const next = this.#next;
    const [rx, tx] = [this.#rings[0]!, this.#rings[1]!];
    if (next(4) === 0) {
      const slot = next(rx.size);
      this.#descriptor(rx.table - BASE + 16 * slot, BASE + next(SIZE - 2048), 44 + next(1000), 2, 0);
      this.#offer(rx, slot);
      this.#notify(rx.index);
      return;
    }
    // A conversation, most often.
    const ports = [next(6), next(2) ? next(4) : HOST_PORT + next(16)] as const;
    const operations = next(4) ? [1, 5, 5, 5, next(9), 5] : [[2, 5, 5, next(9)], [next(9)]][next(2)]!;
    for (const operation of operations.slice(0, 1 + next(operations.length))) {
      this.#send(tx, ports, next(32) ? operation : next(9));
      const id = [...this.pending.keys()].at(-1);
      if (operation === 1 && id !== undefined && next(8)) this.vsock?.accept({ kind: "vsock-open", connection: id });
    }
  }

  #send(
    tx: { table: number; size: number },
    [guestPort, hostPort]: readonly [number, number],
    operation: number,
  ): void {
    const next = this.#next;
    const at = next(SIZE - 2048);
    const packet = writePacket(
      {
        sourceCid: next(64) ? CID : next(10),
        destinationCid: next(64) ? 2 : next(10),
        sourcePort: guestPort,
        destinationPort: hostPort,
        type: next(64) ? 1 : next(4),
        operation,
        flags: next(8) ? 0 : next(8),
        room: next(8) ? 4096 : next(2 ** 31),
        forwarded: next(8) ? 0 : next(4096),
      },
      new Uint8Array(operation === 5 ? next(600) : 0),
    );
    if (next(32) === 0) put32(packet, 24, next(2) ? next(700) : next(2 ** 31));
    this.memory.inner.bytes.set(packet, at);
    const slot = next(tx.size);
    this.#descriptor(tx.table - BASE + 16 * slot, BASE + at, packet.length, 0, 0);
    this.#offer(this.#rings[1]!, slot);
    this.#notify(1);
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
