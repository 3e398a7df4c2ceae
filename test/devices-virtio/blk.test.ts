import { describe, expect, test } from "vitest";
import { BlockDevice, F_CONFIG_WCE, F_FLUSH, F_RO } from "../../src/devices/virtio/blk/blk.ts";
import { put32, put64 } from "../../src/devices/virtio/bytes.ts";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { DiskPort } from "../../src/machine/disk-port.ts";
import { InputDoor } from "../../src/machine/input.ts";
import { MemoryDisk, type MemoryDiskOptions } from "../support/disk.ts";
import {
  type Driver,
  type DriverQueue,
  driverOf,
  EVENT_IDX,
  INDIRECT,
  type Piece,
  RING_RESET,
  type TransportName,
  text,
  untext,
  VERSION_1,
} from "./driver.ts";

const IN = 0;
const OUT = 1;
const FLUSH = 4;
const GET_ID = 8;
const DISCARD = 11;
const ZEROES = 13;
const PENDING = 0xaa;

interface BenchOptions extends MemoryDiskOptions {
  readonly kind: TransportName;
  readonly features?: bigint;
  readonly inOrder?: boolean;
}

/** A block device with its disk, door and driver. */
class Bench {
  readonly memory = new ArrayGuestMemory(8 << 20);
  readonly door = new InputDoor();
  readonly disk: MemoryDisk;
  readonly port: DiskPort;
  readonly device: BlockDevice;
  readonly driver: Driver;
  queue!: DriverQueue;
  readonly stalls: string[] = [];
  flowed = 0;
  /** Completions that the disk keeps back. */
  readonly late: (() => void)[] = [];

  constructor({
    kind,
    features = VERSION_1 | INDIRECT | EVENT_IDX | F_FLUSH,
    inOrder = false,
    ...options
  }: BenchOptions) {
    this.disk = new MemoryDisk(options);
    this.port = new DiskPort(this.disk, 3, inOrder, {
      push: (event) => this.door.push(event),
      stalled: (message) => this.stalls.push(message),
      flowing: () => this.flowed++,
      quiet: () => inOrder && this.port.flush(),
    });
    this.device = new BlockDevice(this.memory, this.disk, "a serial number", (id, r) => this.port.submit(id, r));
    this.driver = driverOf(kind, this.memory, this.device);
    if (features) this.start(features);
  }

  start(features: bigint): void {
    if (!this.driver.negotiate(features & this.device.features)) throw new Error("features refused");
    this.queue = this.driver.queue(0, 64, (features & EVENT_IDX) !== 0n);
    this.driver.go();
  }

  /** A request as pieces of memory, split at these lengths if need be. */
  pieces(
    type: number,
    sector: number,
    out: Uint8Array,
    room: number,
    split = 2 ** 30,
  ): { pieces: Piece[]; data: number; status: number } {
    const head = new Uint8Array(16 + out.length);
    put32(head, 0, type);
    put64(head, 8, sector);
    head.set(out, 16);
    const header = this.driver.put(head);
    const data = this.driver.alloc(room + 1);
    this.driver.at(data + room, 1)[0] = PENDING;
    return {
      pieces: [...cut(header, head.length, split, false), ...cut(data, room + 1, split, true)],
      data,
      status: data + room,
    };
  }

  /** Submits a request, and delivers what completes. */
  send(type: number, sector: number, out: Uint8Array = new Uint8Array(0), room = 0, split?: number) {
    const { pieces, data, status } = this.pieces(type, sector, out, room, split);
    const head = this.queue.add(pieces, pieces.length > 2);
    this.queue.notify();
    this.deliver();
    return {
      head,
      status: () => this.driver.at(status, 1)[0],
      data: () => this.driver.at(data, room).slice(),
    };
  }

  deliver(): void {
    for (
      let n = 0;
      n < 1000 &&
      this.door.deliver(0n, (event) => {
        if (event.kind === "disk-size") this.device.resized(event.size);
        return event.kind === "disk-size" || (event.kind === "disk" && this.device.accept(event));
      });
      n++
    );
  }
}

function cut(address: number, length: number, split: number, write: boolean): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < length; at += split)
    pieces.push({ address: address + at, length: Math.min(split, length - at), write });
  return pieces;
}

const bytes = (length: number, seed = 1) => Uint8Array.from({ length }, (_, i) => (i * 7 + seed + (i >> 8)) & 0xff);

function ranges(...list: readonly (readonly [sector: number, count: number, flags?: number])[]): Uint8Array {
  const out = new Uint8Array(16 * list.length);
  list.forEach(([sector, count, flags = 0], i) => {
    put64(out, 16 * i, sector);
    put32(out, 16 * i + 8, count);
    put32(out, 16 * i + 12, flags);
  });
  return out;
}

describe.each<TransportName>(["mmio", "pci"])("over %s", (kind) => {
  test("what is written is read back, however requests are cut", () => {
    const bench = new Bench({ kind, features: VERSION_1 | INDIRECT | F_FLUSH });
    for (const split of [1, 3, 15, 16, 17, 511, 4096, 2 ** 30]) {
      const data = bytes(512, split);
      expect(bench.send(OUT, 8, data, 0, split).status()).toBe(0);
      expect(bench.disk.bytes.slice(4096, 4608)).toEqual(data);
      const read = bench.send(IN, 8, undefined, 512, split);
      expect(read.status()).toBe(0);
      expect(read.data()).toEqual(data);
      expect(bench.queue.take()?.length).toBe(1);
      expect(bench.queue.take()?.length).toBe(513);
      expect(bench.driver.interrupted()).toBe(true);
      expect(bench.driver.interrupted()).toBe(false);
    }
  });

  test("a request that is larger than a piece goes in several", () => {
    const bench = new Bench({ kind, size: 8 << 20 });
    const data = bytes(3_000_000 - (3_000_000 % 512));
    expect(bench.send(OUT, 1, data).status()).toBe(0);
    expect(Buffer.compare(bench.send(IN, 1, undefined, data.length).data(), data)).toBe(0);
    expect(bench.disk.requests.filter(({ kind: k }) => k === "write").length).toBe(3);
  });

  test("its configuration says what the disk is", () => {
    const bench = new Bench({ kind, size: 5 << 20 });
    expect(bench.driver.config(0, 4)).toBe((5 << 20) / 512);
    expect(bench.driver.config(4, 4)).toBe(0);
    expect(bench.driver.config(12, 4)).toBe(254);
    expect(bench.driver.config(20, 4)).toBe(512);
    expect(bench.driver.config(24, 1)).toBe(3);
    expect(bench.driver.config(32, 1)).toBe(1);
    expect(bench.driver.config(36, 4)).toBe(2 ** 22);
    expect(bench.driver.config(60, 4)).toBe(0);
    const large = new Bench({ kind, sectorSize: 4096 });
    expect(large.driver.config(20, 4)).toBe(4096);
    expect(large.driver.config(24, 1)).toBe(0);
  });

  test("GET_ID, flush and what isn't known", () => {
    const bench = new Bench({ kind });
    expect(untext(bench.send(GET_ID, 0, undefined, 20).data())).toBe("a serial number\0\0\0\0\0");
    const short = bench.send(GET_ID, 0, undefined, 4);
    expect([untext(short.data()), short.status()]).toEqual(["a se", 0]);
    expect(bench.send(FLUSH, 0).status()).toBe(0);
    expect(bench.disk.requests.map(({ kind: k }) => k)).toEqual(["flush"]);
    for (const type of [2, 3, 5, 16, 99, 0xffff_ffff]) expect(bench.send(type, 0).status()).toBe(2);
  });

  test("discard and write-zeroes", () => {
    const bench = new Bench({ kind });
    bench.disk.bytes.fill(1);
    expect(bench.send(ZEROES, 0, ranges([0, 8], [16, 8, 1])).status()).toBe(0);
    expect(bench.disk.bytes.subarray(0, 4096).every((b) => b === 0)).toBe(true);
    expect(bench.disk.bytes[4096]).toBe(1);
    expect(bench.send(DISCARD, 0, ranges([24, 8], [0, 0])).status()).toBe(0);
    expect(bench.disk.requests).toEqual([
      { kind: "write-zeroes", offset: 0, length: 4096, unmap: false },
      { kind: "write-zeroes", offset: 8192, length: 4096, unmap: true },
      { kind: "discard", offset: 12288, length: 4096 },
    ]);
    const refused: readonly [number, Uint8Array, number][] = [
      [DISCARD, ranges([0, 1, 1]), 2], // unmap has no meaning here
      [DISCARD, ranges([0, 1, 2]), 2],
      [ZEROES, ranges([0, 1, 4]), 2],
      [ZEROES, ranges([2048, 1]), 1],
      [ZEROES, ranges([2 ** 52, 1]), 1],
      [ZEROES, ranges([0, 2 ** 22 + 1]), 1],
      [ZEROES, ranges([1, 2048]), 1],
      [ZEROES, new Uint8Array(0), 1],
      [ZEROES, new Uint8Array(15), 1],
      [ZEROES, ranges(...Array.from({ length: 17 }, () => [0, 1] as const)), 1],
    ];
    for (const [type, out, status] of refused) expect(bench.send(type, 0, out).status()).toBe(status);
    expect(bench.disk.requests).toHaveLength(3);
  });

  test("requests outside the disk, or not of whole sectors, fail alone", () => {
    const bench = new Bench({ kind, sectorSize: 4096 });
    const bad: readonly [number, number, number][] = [
      [IN, 2048, 4096],
      [IN, 2047, 4096],
      [IN, 1, 4096], // of half a sector
      [IN, 0, 512],
      [IN, 0, 4095],
      [IN, 2 ** 55, 4096],
      [OUT, 2 ** 63, 4096],
      [OUT, 2041, 4096],
    ];
    for (const [type, sector, length] of bad) {
      const out = type === OUT ? new Uint8Array(length) : undefined;
      expect(bench.send(type, sector, out, type === IN ? length : 0).status()).toBe(1);
    }
    expect(bench.send(IN, 2040, undefined, 4096).status()).toBe(0);
    expect(bench.disk.requests).toHaveLength(1);
    expect(bench.driver.status & 64).toBe(0);
  });

  test("a read-only disk is never written", () => {
    const bench = new Bench({ kind, readOnly: true });
    expect(bench.device.features & F_RO).toBe(F_RO);
    expect(bench.send(OUT, 0, new Uint8Array(512)).status()).toBe(1);
    expect(bench.send(DISCARD, 0, ranges([0, 1])).status()).toBe(1);
    expect(bench.send(ZEROES, 0, ranges([0, 1])).status()).toBe(1);
    expect(bench.send(IN, 0, undefined, 512).status()).toBe(0);
  });

  test("a request without room for header or status breaks the queue", () => {
    for (const pieces of [
      [
        { address: 0x8000_0000, length: 15, write: false },
        { address: 0x8000_1000, length: 1, write: true },
      ],
      [{ address: 0x8000_0000, length: 16, write: false }],
      [{ address: 0x8000_1000, length: 600, write: true }],
      [
        { address: 0x1000, length: 16, write: false },
        { address: 0x8000_1000, length: 1, write: true },
      ],
    ]) {
      const bench = new Bench({ kind });
      bench.queue.add(pieces);
      bench.queue.notify();
      expect(bench.driver.status & 64).toBe(64);
      expect(bench.driver.interrupted()).toBe(true);
    }
  });

  test("data outside of memory is an I/O error, a status there breaks the queue", () => {
    const bench = new Bench({ kind });
    const { pieces, status } = bench.pieces(IN, 0, new Uint8Array(0), 0);
    bench.queue.add([
      pieces[0]!,
      { address: 0x1000, length: 512, write: true },
      { address: status, length: 1, write: true },
    ]);
    bench.queue.notify();
    bench.deliver();
    expect(bench.driver.at(status, 1)[0]).toBe(1);
    expect(bench.driver.status & 64).toBe(0);
    bench.queue.add([pieces[0]!, { address: 0x1000, length: 513, write: true }]);
    bench.queue.notify();
    bench.deliver();
    expect(bench.driver.status & 64).toBe(64);
  });

  test("requests are in flight together and complete in any order", () => {
    const late: (() => void)[] = [];
    const bench = new Bench({ kind, later: (complete) => late.push(complete) });
    const sent = Array.from({ length: 5 }, (_, i) => bench.send(OUT, i, bytes(512, i)));
    expect(late).toHaveLength(5);
    for (const i of [3, 0, 4, 1, 2]) {
      late[i]!();
      bench.deliver();
      expect(bench.queue.take()?.head).toBe(sent[i]!.head);
    }
  });

  test("in order, completions wait for each other", () => {
    const late: (() => void)[] = [];
    const bench = new Bench({ kind, inOrder: true, later: (complete) => late.push(complete) });
    const sent = Array.from({ length: 3 }, (_, i) => bench.send(OUT, i, bytes(512, i)));
    for (const i of [2, 0]) late[i]!();
    bench.deliver();
    expect(bench.queue.take()).toBeUndefined();
    late[1]!();
    bench.deliver();
    expect([1, 2, 3].map(() => bench.queue.take()?.head)).toEqual(sent.map(({ head }) => head));
  });

  test("without a flush, writes are on stable storage before they are complete", () => {
    const kinds = (bench: Bench) => bench.disk.requests.map(({ kind: k }) => k);
    const through = new Bench({ kind, features: VERSION_1 | INDIRECT });
    expect(through.send(OUT, 0, new Uint8Array(512)).status()).toBe(0);
    expect(through.send(ZEROES, 0, ranges([0, 1], [5, 1])).status()).toBe(0);
    expect(through.send(IN, 0, undefined, 512).status()).toBe(0);
    expect(kinds(through)).toEqual(["write", "flush", "write-zeroes", "write-zeroes", "flush", "read"]);

    const chosen = new Bench({ kind, features: VERSION_1 | INDIRECT | F_FLUSH | F_CONFIG_WCE });
    chosen.send(OUT, 0, new Uint8Array(512));
    chosen.driver.setConfig(32, 1, 0);
    chosen.send(OUT, 0, new Uint8Array(512));
    expect(kinds(chosen)).toEqual(["write", "write", "flush"]);
    // Only that field, and only if it was agreed on.
    chosen.driver.setConfig(0, 4, 7);
    expect(chosen.driver.config(0, 4)).toBe(2048);
    through.driver.setConfig(32, 1, 0);
    expect(through.driver.config(32, 1)).toBe(1);
  });

  test("a disk's errors are the request's", () => {
    const bench = new Bench({ kind });
    bench.disk.fault = ({ kind: k }) =>
      k === "read" ? { ok: false, reason: "io", message: "it is broken" } : undefined;
    expect(bench.send(IN, 0, undefined, 512).status()).toBe(1);
    expect(bench.send(OUT, 0, new Uint8Array(512)).status()).toBe(0);
    expect(bench.stalls).toEqual([]);
  });

  test("a write that finds no room is kept and done again; the guest never knows", () => {
    const bench = new Bench({ kind });
    bench.disk.fault = ({ kind: k }) =>
      k === "write" ? { ok: false, reason: "no-space", message: "The disk is full." } : undefined;
    const first = bench.send(OUT, 0, bytes(512, 1));
    const second = bench.send(OUT, 1, bytes(512, 2));
    expect(bench.send(IN, 0, undefined, 512).status()).toBe(0);
    expect([first.status(), second.status(), bench.port.stalled]).toEqual([PENDING, PENDING, true]);
    // What the guest makes of its memory meanwhile is not what is written.
    bench.memory.bytes.fill(0x55, 4 << 20);
    bench.port.retry();
    bench.deliver();
    expect([first.status(), bench.stalls.length, bench.flowed]).toEqual([PENDING, 4, 0]);
    bench.disk.fault = undefined;
    bench.port.retry();
    bench.deliver();
    expect([first.status(), second.status(), bench.port.stalled, bench.flowed]).toEqual([0, 0, false, 1]);
    expect(bench.disk.bytes.slice(0, 1024)).toEqual(Uint8Array.of(...bytes(512, 1), ...bytes(512, 2)));
  });

  test("after a reset, old writes are over before new requests begin", () => {
    const late: (() => void)[] = [];
    const bench = new Bench({ kind, later: (complete) => late.push(complete) });
    bench.send(OUT, 0, bytes(512, 1));
    bench.send(OUT, 1, bytes(512, 2));
    bench.driver.reset();
    bench.start(VERSION_1 | F_FLUSH);
    const again = bench.send(OUT, 0, bytes(512, 3));
    expect(late).toHaveLength(2);
    late[1]!();
    bench.deliver();
    expect(late).toHaveLength(2);
    late[0]!();
    bench.deliver();
    expect(late).toHaveLength(3);
    late[2]!();
    bench.deliver();
    expect(again.status()).toBe(0);
    expect(bench.disk.bytes.slice(0, 512)).toEqual(bytes(512, 3));
    expect(bench.queue.usedIndex).toBe(1);
  });

  test("a reset of the queue does the same", () => {
    const late: (() => void)[] = [];
    const bench = new Bench({
      kind,
      features: VERSION_1 | RING_RESET | F_FLUSH,
      later: (complete) => late.push(complete),
    });
    const lost = bench.send(OUT, 0, bytes(512, 1));
    bench.device.resetQueue(0);
    late[0]!();
    bench.deliver();
    expect(lost.status()).toBe(PENDING);
    bench.queue = bench.driver.queue(0, 16, false);
    const next = bench.send(IN, 0, undefined, 512);
    late[1]!();
    bench.deliver();
    expect([next.status(), next.data()]).toEqual([0, bytes(512, 1)]);
  });

  test("memory that isn't here yet makes requests and completions wait", () => {
    const bench = new Bench({ kind });
    const page = (address: number) => Math.floor((address - bench.memory.base) / 4096);
    const { pieces, data, status } = bench.pieces(IN, 0, new Uint8Array(0), 512);
    bench.disk.bytes.set(text("here"));
    bench.queue.add(pieces);
    bench.memory.absent.add(page(pieces[0]!.address));
    bench.queue.notify();
    expect(bench.disk.requests).toHaveLength(0);
    bench.memory.absent.clear();
    bench.device.resume();
    bench.memory.absent.add(page(data));
    bench.deliver();
    expect(bench.queue.usedIndex).toBe(0);
    bench.memory.absent.clear();
    bench.deliver();
    expect([bench.driver.at(status, 1)[0], untext(bench.driver.at(data, 4))]).toEqual([0, "here"]);
  });

  test("what is in flight when it is saved is done again by its copy", () => {
    const first = new Bench({ kind, later: () => {} });
    first.send(OUT, 2, bytes(2048, 9));
    first.send(IN, 2, undefined, 512);
    first.send(FLUSH, 0);
    const copy = new Bench({ kind, features: 0n });
    copy.memory.bytes.set(first.memory.bytes);
    const [from, to] = [first, copy].map(({ driver }) => ("pci" in driver ? driver.pci : driver.transport)) as [
      { save(): unknown },
      { load(state: unknown): void },
    ];
    to.load(from.save());
    copy.device.restart();
    copy.deliver();
    expect(copy.disk.requests.map(({ kind: k }) => k)).toEqual(["write", "read", "flush"]);
    expect(copy.disk.bytes.slice(1024, 3072)).toEqual(bytes(2048, 9));
    copy.queue = first.queue;
    expect(copy.device.inFlight).toBe(0);
    first.memory.bytes.set(copy.memory.bytes);
    expect([1, 2, 3].map(() => first.queue.take()?.length)).toEqual([1, 513, 1]);
  });

  test("a disk that grows says so, by the configuration alone, and takes requests up to its new end", async () => {
    const bench = new Bench({ kind });
    expect(bench.send(IN, 2048, undefined, 512).status()).toBe(1);
    const before = bench.device.generation;
    bench.driver.interrupted();
    await bench.port.resize(2 << 20);
    // Until it comes in by the door the driver sees nothing of it.
    expect(bench.driver.config(0, 4)).toBe(2048);
    expect(bench.driver.interrupted()).toBe(false);
    bench.deliver();
    expect(bench.driver.config(0, 4)).toBe(4096);
    expect(bench.device.generation).not.toBe(before);
    expect(bench.driver.interrupted()).toBe(true);
    expect(bench.send(IN, 2048, undefined, 512).status()).toBe(0);
    expect(bench.send(IN, 4096, undefined, 512).status()).toBe(1);
  });

  test("a commit is something to wait for, and is given up when the machine ends", async () => {
    const bench = new Bench({ kind, inOrder: true });
    let end = () => {};
    bench.disk.committing = () =>
      new Promise((resolve) => {
        end = resolve;
      });
    const commit = bench.port.commit();
    expect(bench.port.busy).toBe(true);
    // What completes meanwhile stays until it is over: counted time stands still for both.
    const sent = bench.send(OUT, 8, bytes(512));
    expect(sent.status()).toBe(PENDING);
    end();
    await commit;
    expect(bench.port.busy).toBe(false);
    bench.deliver();
    expect(sent.status()).toBe(0);
    bench.disk.committing = async () => {
      throw new Error("It can't be.");
    };
    await expect(bench.port.commit()).rejects.toThrow("It can't be.");
    expect(bench.port.busy).toBe(false);
    bench.disk.committing = (signal) =>
      new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
    const last = bench.port.commit();
    const closed = bench.port.close();
    await expect(last).rejects.toThrow(/^The machine ended before its disk was committed; .*\.$/);
    await closed;
    expect(bench.disk.closed).toBe(true);
  });

  test("a state belongs to a disk of the same size", () => {
    const from = new Bench({ kind });
    const save = (bench: Bench) =>
      ("pci" in bench.driver ? (bench.driver.pci as unknown) : bench.driver.transport) as {
        save(): unknown;
        load(state: unknown): void;
      };
    const state = save(from).save();
    expect(() => save(new Bench({ kind, size: 2 << 20 })).load(state)).toThrow(/disk of 1048576 bytes.*2097152/);
    expect(() => save(new Bench({ kind, readOnly: true })).load(state)).toThrow(/writable.*read-only/);
  });

  test("what is on its way is bounded, and the rest is taken when there is room", () => {
    const late: (() => void)[] = [];
    const bench = new Bench({ kind, size: 4 << 20, later: (complete) => late.push(complete) });
    const data = bench.driver.put(bytes(1 << 20));
    const sent: number[] = [];
    for (let i = 0; i < 64; i++) {
      const { pieces, status } = bench.pieces(OUT, 0, new Uint8Array(0), 0);
      const two = [data, data].map((address) => ({ address, length: 1 << 20, write: false }));
      if (bench.queue.add([pieces[0]!, ...two, pieces[1]!], true) !== undefined) sent.push(status);
    }
    expect(sent).toHaveLength(64);
    // The same heads again and again: more than the ring holds is never taken.
    for (let i = 0; i < 8; i++) bench.queue.notify();
    expect(late.length).toBeLessThanOrEqual(64);
    for (let i = 0; i < late.length; i++) {
      late[i]!();
      bench.deliver();
    }
    expect(sent.map((status) => bench.driver.at(status, 1)[0])).toEqual(sent.map(() => 0));
    expect(late).toHaveLength(128);
  });
});
