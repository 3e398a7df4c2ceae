import { describe, expect, it } from "vitest";
import type { FileRequest } from "../../src/backends/files.ts";
import { get32, get64, put32, put64 } from "../../src/devices/virtio/bytes.ts";
import { FileSystemDevice } from "../../src/devices/virtio/fs/fs.ts";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { MmioTransport } from "../../src/devices/virtio/transport-mmio.ts";
import { Driver, INDIRECT, text, untext, VERSION_1 } from "./driver.ts";

const [FORGET, GETATTR, INIT, DESTROY] = [2, 3, 26, 38];
const [EIO, EINVAL] = [5, 22];

function setup(tag = "my tag") {
  const memory = new ArrayGuestMemory(1 << 18);
  const asked: { id: number; request: FileRequest }[] = [];
  const device = new FileSystemDevice(memory, tag, (id, request) => asked.push({ id, request }));
  const transport = new MmioTransport("virtio2", device, () => {});
  const driver = new Driver(memory, transport);
  return { memory, asked, device, transport, driver };
}

function started() {
  const all = setup();
  all.driver.negotiate(VERSION_1 | INDIRECT);
  const queues = [all.driver.queue(0, 16), all.driver.queue(1, 64)] as const;
  all.driver.go();
  return { ...all, hiprio: queues[0], queue: queues[1] };
}

/** A request, its header in front. */
function request(
  operation: number,
  body: Uint8Array = new Uint8Array(0),
  { length = 40 + body.length, unique = 7 } = {},
): Uint8Array {
  const bytes = new Uint8Array(40 + body.length);
  put32(bytes, 0, length);
  put32(bytes, 4, operation);
  put64(bytes, 8, unique);
  put64(bytes, 16, 1234);
  put32(bytes, 24, 1000);
  put32(bytes, 28, 100);
  bytes.set(body, 40);
  return bytes;
}

type Started = ReturnType<typeof started>;

/** Sends it in pieces of a few bytes, as a driver may, with so much room for the reply. */
function send({ driver, queue }: Started, bytes: Uint8Array, room: number, piece = 24, indirect = false): void {
  const pieces = [];
  for (let at = 0; at < bytes.length; at += piece) {
    const part = bytes.slice(at, at + piece);
    pieces.push({ address: driver.put(part), length: part.length, write: false });
  }
  for (let at = 0; at < room; at += piece)
    pieces.push({ address: driver.alloc(piece), length: Math.min(piece, room - at), write: true });
  queue.add(pieces, indirect);
  queue.notify();
}

/** The reply's error and body; of the number that was asked. */
function reply(bytes: Uint8Array): { error: number; body: string; unique: number } {
  expect(get32(bytes, 0)).toBe(bytes.length);
  return { error: Math.abs(get32(bytes, 4) | 0), body: untext(bytes.subarray(16)), unique: get64(bytes, 8) };
}

describe("file system device (§5.11)", () => {
  it("is device 26 with a high-priority and a request queue, and tells its tag", () => {
    const { driver, device } = setup("ordner-ä");
    expect(driver.get(0x08)).toBe(26);
    expect(device.queues.length).toBe(2);
    const config = Uint8Array.from({ length: 40 }, (_, i) => Number(driver.transport.read(0x100 + i, 1)));
    expect(untext(config.subarray(0, 9))).toBe("ordner-ä");
    expect(config.subarray(9, 36).every((byte) => byte === 0)).toBe(true);
    expect(get32(config, 36)).toBe(1);
    expect(() => setup("x".repeat(36))).not.toThrow();
    for (const tag of ["", "x".repeat(37), "ä".repeat(19)]) expect(() => setup(tag)).toThrow(/must have 1 to 36 bytes/);
  });

  it("hands requests over and returns replies in any order", () => {
    const all = started();
    const { asked, device, queue } = all;
    send(all, request(GETATTR, text("first"), { unique: 1 }), 100);
    send(all, request(GETATTR, text("second"), { unique: 2 }), 100, 7, true);
    expect(
      asked.map(({ request: { operation, node, uid, gid, body, room } }) => [
        operation,
        node,
        uid,
        gid,
        untext(body),
        room,
      ]),
    ).toEqual([
      [GETATTR, 1234, 1000, 100, "first", 84],
      [GETATTR, 1234, 1000, 100, "second", 84],
    ]);
    expect(queue.take()).toBeUndefined();
    device.accept({ request: asked[1]!.id, error: 0, bytes: text("two") });
    device.accept({ request: asked[0]!.id, error: 2, bytes: text("unused") });
    expect(reply(queue.take()!.bytes)).toEqual({ error: 0, body: "two", unique: 2 });
    expect(reply(queue.take()!.bytes)).toEqual({ error: 2, body: "", unique: 1 });
    expect(device.inFlight).toBe(0);
  });

  it("answers nothing to what has no reply", () => {
    const { asked, device, driver, hiprio } = started();
    const bytes = request(FORGET, new Uint8Array(8));
    hiprio.add([{ address: driver.put(bytes), length: bytes.length, write: false }]);
    hiprio.notify();
    expect(asked[0]!.request).toMatchObject({ operation: FORGET, room: 0 });
    expect(hiprio.take()).toBeUndefined();
    device.accept({ request: asked[0]!.id, error: 0, bytes: new Uint8Array(0) });
    expect(hiprio.take()).toMatchObject({ length: 0 });
  });

  it("refuses lengths that can't be, and returns what it can't answer", () => {
    const all = started();
    const { asked, queue } = all;
    for (const length of [0, 39, 46, 2 ** 31, 2 ** 32 - 1]) {
      send(all, request(GETATTR, text("12345"), { length }), 100);
      expect(reply(queue.take()!.bytes), `length ${length}`).toEqual({ error: EINVAL, body: "", unique: 7 });
    }
    send(all, request(GETATTR).subarray(0, 39), 100);
    expect(queue.take()).toMatchObject({ length: 0 });
    send(all, request(GETATTR), 15);
    expect(queue.take()).toMatchObject({ length: 0 });
    expect(asked).toEqual([]);
    send(all, request(GETATTR, text("12345"), { length: 42 }), 100);
    expect(untext(asked[0]!.request.body)).toBe("12");
  });

  it("makes an error of a reply for which the guest has no room", () => {
    const all = started();
    send(all, request(GETATTR), 20);
    expect(all.asked[0]!.request.room).toBe(4);
    all.device.accept({ request: all.asked[0]!.id, error: 0, bytes: text("12345") });
    expect(reply(all.queue.take()!.bytes)).toMatchObject({ error: EIO, body: "" });
  });

  it("waits for the reply's page", () => {
    const all = started();
    send(all, request(GETATTR), 100);
    for (let page = 0; page < 64; page++) all.memory.absent.add(page);
    const completion = { request: all.asked[0]!.id, error: 0, bytes: text("late") };
    expect(all.device.accept(completion)).toBe(false);
    all.memory.absent.clear();
    expect(all.device.accept(completion)).toBe(true);
    expect(reply(all.queue.take()!.bytes).body).toBe("late");
  });

  it("tells the files when its driver goes, and drops what comes for it", () => {
    const all = started();
    send(all, request(INIT), 100);
    send(all, request(GETATTR), 100);
    all.driver.set(0x70, 0);
    expect(all.asked.map(({ request: { operation } }) => operation)).toEqual([INIT, GETATTR, DESTROY]);
    all.driver.set(0x70, 0);
    expect(all.asked.length).toBe(3);
    expect(all.device.inFlight).toBe(3);
    for (const { id } of all.asked) all.device.accept({ request: id, error: 0, bytes: text("late") });
    expect(all.device.inFlight).toBe(0);
    expect(all.queue.usedIndex).toBe(0);
  });

  it("takes only so much at a time, whatever becomes of the driver", () => {
    const all = started();
    const begin = () => {
      all.driver.negotiate(VERSION_1 | INDIRECT);
      const again = {
        ...all,
        driver: new Driver(all.memory, all.transport),
        queue: new Driver(all.memory, all.transport).queue(1, 64),
      };
      all.driver.go();
      return again;
    };
    for (let round = 0; round < 200; round++) {
      const now = begin();
      const bytes = request(GETATTR);
      const address = now.memory.base + 65536;
      now.memory.bytes.set(bytes, 65536);
      for (let i = 0; i < 30; i++)
        now.queue.add([
          { address, length: bytes.length, write: false },
          { address: now.memory.base + 131072, length: 65536, write: true },
        ]);
      now.queue.notify();
    }
    const most = all.device.inFlight;
    expect(most).toBeLessThanOrEqual(640);
    expect(all.asked.length).toBe(most);
    // As those of old drivers are over, those of the new are taken.
    for (const { id } of all.asked.slice(0, 100)) all.device.accept({ request: id, error: 0, bytes: text("") });
    expect(all.asked.length).toBeGreaterThan(most);
  });

  it("is saved when nothing is mounted, and only for the same folder", () => {
    const all = started();
    send(all, request(INIT), 100);
    all.device.accept({ request: all.asked[0]!.id, error: 0, bytes: text("") });
    expect(() => all.transport.save()).toThrow('has the folder "my tag" mounted; unmount it there before you save');
    send(all, request(DESTROY), 100);
    expect(() => all.transport.save()).toThrow("mounted");
    all.device.accept({ request: all.asked[1]!.id, error: 0, bytes: text("") });
    const state = structuredClone(all.transport.save());
    const copy = setup();
    copy.memory.bytes.set(all.memory.bytes);
    copy.transport.load(state);
    expect(copy.device.live).toBe(true);
    expect(() => setup("another").transport.load(state)).toThrow(
      'belongs to the folder "my tag", and this one is "another"',
    );
  });
});
