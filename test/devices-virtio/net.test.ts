import { describe, expect, test } from "vitest";
import { get16 } from "../../src/devices/virtio/bytes.ts";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import {
  F_CSUM,
  F_GUEST_CSUM,
  F_GUEST_TSO4,
  F_HOST_TSO4,
  F_MRG_RXBUF,
  NetDevice,
} from "../../src/devices/virtio/net/net.ts";
import { WireEnd } from "../support/network.ts";
import {
  type Driver,
  type DriverQueue,
  driverOf,
  EVENT_IDX,
  INDIRECT,
  type TransportName,
  VERSION_1,
} from "./driver.ts";

const MAC = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
const HEADER = 12;

class Bench {
  readonly memory = new ArrayGuestMemory(2 << 20);
  readonly link: WireEnd & { largestFrame?: number; largestArrival?: number | undefined } = new WireEnd();
  readonly device: NetDevice;
  readonly driver: Driver;
  receive!: DriverQueue;
  transmit!: DriverQueue;

  constructor(kind: TransportName, features = VERSION_1 | INDIRECT | EVENT_IDX | F_MRG_RXBUF, largest?: number) {
    if (largest !== undefined) this.link.largestFrame = largest;
    this.device = new NetDevice(this.memory, MAC, this.link);
    this.driver = driverOf(kind, this.memory, this.device);
    this.start(features);
  }

  get sent(): Uint8Array[] {
    return this.link.sent;
  }

  start(features: bigint): void {
    if (!this.driver.negotiate(features)) throw new Error("features refused");
    [this.receive, this.transmit] = [0, 1].map((i) => this.driver.queue(i, 16, (features & EVENT_IDX) !== 0n)) as [
      DriverQueue,
      DriverQueue,
    ];
    this.driver.go();
  }

  send(frame: Uint8Array, header: readonly number[] = []): void {
    const packet = new Uint8Array(HEADER + frame.length);
    packet.set(header);
    packet.set(frame, HEADER);
    this.transmit.send(packet);
    this.transmit.notify();
  }
}

const frame = (length: number, seed = 1) => Uint8Array.from({ length }, (_, i) => (i * 5 + seed) & 0xff);

describe.each<TransportName>(["mmio", "pci"])("over %s", (kind) => {
  test("its configuration", () => {
    const { driver } = new Bench(kind);
    expect(MAC.map((_, i) => driver.config(i, 1))).toEqual(MAC);
    expect([driver.config(6, 2), driver.config(10, 2)]).toEqual([1, 1500]);
  });

  test("frames go out, and what is none is dropped", () => {
    const bench = new Bench(kind);
    for (const length of [14, 60, 1514, 1518]) bench.send(frame(length));
    expect(bench.sent).toEqual([14, 60, 1514, 1518].map((length) => frame(length)));
    for (const length of [0, 13, 70_000]) bench.send(frame(length));
    expect(bench.sent).toHaveLength(4);
    expect(bench.transmit.usedIndex).toBe(7);
    expect(bench.driver.status & 64).toBe(0);
  });

  test("a header in pieces, and a frame in pieces", () => {
    const bench = new Bench(kind);
    const packet = new Uint8Array(HEADER + 100);
    packet.set(frame(100), HEADER);
    const address = bench.driver.put(packet);
    const cuts = [0, 1, 5, 11, 13, 14, 60, packet.length];
    bench.transmit.add(
      cuts.slice(1).map((end, i) => ({ address: address + cuts[i]!, length: end - cuts[i]!, write: false })),
      true,
    );
    bench.transmit.notify();
    expect(bench.sent).toEqual([frame(100)]);
  });

  test("frames come in, each behind a header", () => {
    const bench = new Bench(kind);
    for (let i = 0; i < 3; i++) bench.receive.receive(2048);
    for (let i = 0; i < 3; i++) expect(bench.device.accept(frame(100 + i))).toBe(true);
    expect(bench.device.accept(frame(60))).toBe(false);
    for (let i = 0; i < 3; i++) {
      const { bytes, length } = bench.receive.take()!;
      expect(length).toBe(HEADER + 100 + i);
      expect([...bytes.subarray(0, 10)]).toEqual(new Array(10).fill(0));
      expect(get16(bytes, 10)).toBe(1);
      expect(bytes.subarray(HEADER)).toEqual(frame(100 + i));
    }
    expect(bench.driver.interrupted()).toBe(true);
    bench.receive.receive(2048);
    expect(bench.device.accept(frame(60))).toBe(true);
  });

  test("a frame is spread over buffers, all of them or none", () => {
    const bench = new Bench(kind);
    for (let i = 0; i < 3; i++) bench.receive.receive(100);
    expect(bench.device.accept(frame(400))).toBe(false);
    expect(bench.receive.usedIndex).toBe(0);
    bench.receive.receive(300);
    expect(bench.device.accept(frame(400))).toBe(true);
    const parts = [0, 1, 2, 3].map(() => bench.receive.take()!);
    expect(parts.map(({ length }) => length)).toEqual([100, 100, 100, 112]);
    expect(get16(parts[0]!.bytes, 10)).toBe(4);
    const all = Uint8Array.from(parts.flatMap(({ bytes }) => [...bytes]));
    expect(all.subarray(HEADER)).toEqual(frame(400));
  });

  test("without merging, a frame has one buffer or is lost", () => {
    const bench = new Bench(kind, VERSION_1);
    bench.receive.receive(100);
    bench.receive.receive(512);
    expect(bench.device.accept(frame(400))).toBe(true);
    expect(bench.receive.take()!.length).toBe(0);
    expect(bench.device.accept(frame(400))).toBe(true);
    expect(bench.receive.take()!.length).toBe(412);
  });

  test("a checksum that is left to the device is done, wherever it is", () => {
    const bench = new Bench(kind, VERSION_1 | F_CSUM);
    // RFC 1071's own example: the sum of 0001 f203 f4f5 f6f7 is ddf2, its complement 220d.
    const data = Uint8Array.of(0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7);
    const packet = new Uint8Array(44);
    packet.set(data, 20);
    bench.send(packet, [1, 0, 0, 0, 0, 0, 20, 0, 10, 0]);
    expect([...bench.sent[0]!.subarray(30, 32)]).toEqual([0x22, 0x0d]);
    const odd = new Uint8Array(27);
    odd.set(data.subarray(0, 7), 20);
    bench.send(odd, [1, 0, 0, 0, 0, 0, 20, 0, 5, 0]);
    expect(bench.sent[1]!.length).toBe(27);
    // What can't be is dropped.
    for (const [start, at] of [
      [44, 0],
      [20, 23],
      [255, 255],
    ])
      bench.send(packet, [1, 0, 0, 0, 0, 0, start!, 0, at!, 0]);
    expect(bench.sent).toHaveLength(2);
  });

  test("large segments go to a link that takes them, and come from it", () => {
    const features = VERSION_1 | INDIRECT | F_CSUM | F_GUEST_CSUM | F_HOST_TSO4 | F_GUEST_TSO4 | F_MRG_RXBUF;
    expect(new Bench(kind).device.features & (F_HOST_TSO4 | F_GUEST_TSO4 | F_GUEST_CSUM)).toBe(0n);
    const bench = new Bench(kind, features, 0x1_000d);
    expect(bench.link.largestArrival).toBe(0x1_000d);
    const large = new Uint8Array(20_000);
    large.set([8, 0, 0x45], 12);
    large[23] = 6;
    large[14 + 20 + 12] = 0x80;
    bench.send(large, [0, 1, 66, 0, 0xa8, 5]);
    bench.send(large);
    expect(bench.sent.map(({ length }) => length)).toEqual([20_000]);

    for (let i = 0; i < 6; i++) bench.receive.receive(4096);
    expect(bench.device.accept(large)).toBe(true);
    const first = bench.receive.take()!.bytes;
    // Valid, TCP over IPv4, 66 bytes of headers, segments of what is left of a frame, five buffers.
    expect([...first.subarray(0, 12)]).toEqual([
      2,
      1,
      66,
      0,
      ...[(1514 - 66) & 0xff, (1514 - 66) >> 8],
      0,
      0,
      0,
      0,
      5,
      0,
    ]);
    large[23] = 17;
    expect(bench.device.accept(large)).toBe(true);
    expect(bench.receive.usedIndex).toBe(5);
    bench.driver.reset();
    expect(bench.link.largestArrival).toBeUndefined();
  });

  test("nobody listens: what comes is dropped", () => {
    const bench = new Bench(kind);
    bench.driver.reset();
    expect(bench.device.accept(frame(100))).toBe(true);
    bench.start(VERSION_1);
    bench.receive.receive(512);
    expect(bench.receive.usedIndex).toBe(0);
  });

  test("buffers outside of memory break the device, buffers that aren't here yet don't", () => {
    const bench = new Bench(kind);
    const address = bench.driver.alloc(8192, 4096);
    bench.receive.add([{ address, length: 4096, write: true }]);
    const page = (address - bench.memory.base) / 4096;
    bench.memory.absent.add(page);
    expect(bench.device.accept(frame(100))).toBe(false);
    bench.memory.absent.clear();
    expect(bench.device.accept(frame(100))).toBe(true);
    bench.receive.add([{ address: 0x1000, length: 4096, write: true }]);
    expect(bench.device.accept(frame(100))).toBe(true);
    expect(bench.driver.status & 64).toBe(64);
  });
});
