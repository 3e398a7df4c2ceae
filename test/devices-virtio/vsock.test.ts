import { describe, expect, it } from "vitest";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { SMALL_WINDOW, WINDOW } from "../../src/devices/virtio/vsock/connection.ts";
import {
  HEADER,
  HOST_CID,
  OP_CREDIT_REQUEST,
  OP_CREDIT_UPDATE,
  OP_REQUEST,
  OP_RESPONSE,
  OP_RST,
  OP_RW,
  OP_SHUTDOWN,
  type Packet,
  readPacket,
  writePacket,
} from "../../src/devices/virtio/vsock/packet.ts";
import { F_STREAM, MAX_CONNECTIONS, SocketDevice, type VsockInput } from "../../src/devices/virtio/vsock/vsock.ts";
import { type DriverQueue, driverOf, type TransportName, text, untext, VERSION_1 } from "./driver.ts";

const CID = 7;
const NONE: Uint8Array = new Uint8Array(0);
const BUFFER = 1024;

function setup(kind: TransportName = "mmio") {
  const memory = new ArrayGuestMemory(8 << 20);
  const calls: string[] = [];
  const sent = new Map<number, string>();
  const device = new SocketDevice(memory, CID, {
    connect: (id, port) => calls.push(`connect ${id} ${port}`),
    accepted: (id, port) => calls.push(`accepted ${id} ${port - 2 ** 30}`),
    send: (id, bytes) => sent.set(id, (sent.get(id) ?? "") + untext(bytes)),
    end: (id) => calls.push(`end ${id}`),
    taken: (id, count) => calls.push(`taken ${id} ${count}`),
    close: (id) => calls.push(`close ${id}`),
  });
  return { memory, device, calls, sent, driver: driverOf(kind, memory, device) };
}

/** A guest's driver with buffers for what comes. */
function started(kind: TransportName = "mmio", buffers = 32) {
  const all = setup(kind);
  all.driver.negotiate(F_STREAM | VERSION_1);
  const [rx, tx, event] = [all.driver.queue(0, 64), all.driver.queue(1, 256), all.driver.queue(2, 8)] as [
    DriverQueue,
    DriverQueue,
    DriverQueue,
  ];
  all.driver.go();
  const give = (count: number) => {
    for (let i = 0; i < count; i++) rx.receive(BUFFER);
    rx.notify();
  };
  give(buffers);
  const post = (packet: Partial<Packet>, payload = NONE, length?: number) => {
    const whole = { sourceCid: CID, destinationCid: HOST_CID, sourcePort: 5, destinationPort: 80, type: 1 };
    const bytes = writePacket({ ...whole, operation: OP_RW, flags: 0, room: 10_000, forwarded: 0, ...packet }, payload);
    if (length !== undefined) new DataView(bytes.buffer).setUint32(24, length, true);
    tx.send(bytes);
    tx.notify();
    while (tx.take());
  };
  const read = () => {
    const used = rx.take();
    return used && { ...readPacket(used.bytes), payload: untext(used.bytes.subarray(HEADER)), used: used.length };
  };
  /** The operations of all that has come. */
  const operations = () => {
    const list: number[] = [];
    for (let packet = read(); packet; packet = read()) list.push(packet.operation);
    return list;
  };
  const accept = (input: VsockInput) => all.device.accept(input);
  return { ...all, rx, tx, event, give, post, read, operations, accept };
}

/** A connection of the guest's that stands, number 0. */
function connected(kind: TransportName = "mmio", buffers = 32) {
  const all = started(kind, buffers);
  all.post({ operation: OP_REQUEST });
  all.accept({ kind: "vsock-open", connection: 0 });
  expect(all.operations()).toEqual([OP_RESPONSE]);
  all.calls.length = 0;
  return all;
}

describe.each(["mmio", "pci"] as const)("socket device over %s (§5.10)", (kind) => {
  it("is device 19 with three queues, and says the guest's context ID", () => {
    const { device, driver } = started(kind);
    expect([device.id, device.queues.length]).toEqual([19, 3]);
    expect([driver.config(0, 4), driver.config(4, 4)]).toEqual([CID, 0]);
  });

  it("connects the guest to the host, both ways, and closes when both have ended", () => {
    const { accept, calls, device, operations, post, read, sent } = started(kind);
    post({ operation: OP_REQUEST, room: 3000 });
    expect(calls).toEqual(["connect 0 80"]);
    expect(operations()).toEqual([]);
    accept({ kind: "vsock-open", connection: 0 });
    expect(read()).toMatchObject({
      operation: OP_RESPONSE,
      sourceCid: HOST_CID,
      destinationCid: CID,
      sourcePort: 80,
      destinationPort: 5,
      type: 1,
      room: WINDOW,
      forwarded: 0,
      used: HEADER,
    });
    post({}, text("hello"));
    expect(sent.get(0)).toBe("hello");
    accept({ kind: "vsock-credit", connection: 0, count: 5 });
    expect(accept({ kind: "vsock", connection: 0, bytes: text("world") })).toBe(5);
    expect(read()).toMatchObject({ operation: OP_RW, payload: "world", forwarded: 5, used: HEADER + 5 });
    accept({ kind: "vsock-end", connection: 0 });
    expect(read()).toMatchObject({ operation: OP_SHUTDOWN, flags: 2 });
    post({ operation: OP_SHUTDOWN, flags: 2 });
    post({ operation: OP_SHUTDOWN, flags: 1 });
    expect(read()).toMatchObject({ operation: OP_RST, sourcePort: 80, destinationPort: 5 });
    expect(calls).toEqual(["connect 0 80", "taken 0 5", "end 0", "close 0"]);
    expect(device.connections).toBe(0);
  });

  it("connects the host to the guest, and not where nobody listens", () => {
    const { accept, calls, post, read } = started(kind);
    accept({ kind: "vsock-connect", connection: 1, port: 22 });
    accept({ kind: "vsock-connect", connection: 3, port: 23 });
    const first = read()!;
    const second = read()!;
    expect([first.operation, first.destinationPort, first.sourceCid]).toEqual([OP_REQUEST, 22, HOST_CID]);
    expect(second.sourcePort).not.toBe(first.sourcePort);
    post({ operation: OP_RESPONSE, sourcePort: 22, destinationPort: first.sourcePort });
    post({ operation: OP_RST, sourcePort: 23, destinationPort: second.sourcePort });
    expect(calls).toEqual(["accepted 1 0", "close 3"]);
    expect(accept({ kind: "vsock", connection: 1, bytes: text("x") })).toBe(1);
    expect(read()).toMatchObject({ operation: OP_RW, destinationPort: 22, payload: "x" });
  });
});

describe("socket device (§5.10)", () => {
  it("answers by a reset what is for nobody, and no reset by another (§5.10.6.5)", () => {
    const { post, read, operations } = started();
    post({}, text("x"));
    expect(read()).toMatchObject({ operation: OP_RST, sourcePort: 80, destinationPort: 5, type: 1 });
    for (const operation of [OP_RESPONSE, OP_SHUTDOWN, OP_CREDIT_UPDATE, OP_CREDIT_REQUEST, 0, 99]) post({ operation });
    expect(operations()).toEqual(new Array(6).fill(OP_RST));
    post({ operation: OP_RST });
    expect(operations()).toEqual([]);
    // §5.10.6.4: of an unknown type; seqpacket wasn't offered.
    post({ operation: OP_REQUEST, type: 2 });
    expect(read()).toMatchObject({ operation: OP_RST, type: 2 });
    // To another guest there is no way; from another there can't be any.
    post({ operation: OP_REQUEST, destinationCid: 9 });
    expect(read()).toMatchObject({ operation: OP_RST, sourceCid: 9, destinationCid: CID });
    post({ operation: OP_REQUEST, sourceCid: 9 });
    expect(operations()).toEqual([]);
  });

  it("resets what the host refuses, and what is no conversation", () => {
    const { accept, calls, device, operations, post } = started();
    post({ operation: OP_REQUEST });
    accept({ kind: "vsock-reset", connection: 0 });
    expect(operations()).toEqual([OP_RST]);
    const wrong: (() => void)[] = [
      () => post({ operation: OP_REQUEST }), // again, from the same port
      () => post({ operation: OP_RESPONSE }),
      () => post({}, text("xyz"), 4), // shorter than it says
      () => post({}, text("x"), 2 ** 31),
      () => post({ operation: 77 }),
      () => {
        post({ operation: OP_SHUTDOWN, flags: 2 });
        post({}, text("x"));
      },
    ];
    for (const [i, act] of wrong.entries()) {
      const connection = 2 * i + 2;
      post({ operation: OP_REQUEST });
      accept({ kind: "vsock-open", connection });
      expect(operations()).toEqual([OP_RESPONSE]);
      act();
      expect(operations(), String(i)).toEqual([OP_RST]);
      expect(calls.at(-1)).toBe(`close ${connection}`);
    }
    expect(device.connections).toBe(0);
  });

  it("takes only what it has promised room for, and promises more when the host has taken some", () => {
    const { accept, operations, post, read, sent } = connected();
    const piece = new Uint8Array(WINDOW / 4).fill(97);
    for (let i = 0; i < 4; i++) post({}, piece);
    expect(sent.get(0)!.length).toBe(WINDOW);
    accept({ kind: "vsock-credit", connection: 0, count: 1000 });
    expect(operations()).toEqual([]);
    accept({ kind: "vsock-credit", connection: 0, count: WINDOW / 4 - 1000 });
    expect(read()).toMatchObject({ operation: OP_CREDIT_UPDATE, room: WINDOW, forwarded: WINDOW / 4 });
    post({ operation: OP_CREDIT_REQUEST });
    expect(operations()).toEqual([OP_CREDIT_UPDATE]);
    post({}, piece);
    expect(operations()).toEqual([]);
    post({}, text("!"));
    expect(operations()).toEqual([OP_RST]);
  });

  it("sends only what the guest has room for, and asks when there is none", () => {
    const { accept, calls, post, read, operations } = connected();
    const bytes = new Uint8Array(12_000).fill(98);
    expect(accept({ kind: "vsock", connection: 0, bytes })).toBe(10_000);
    let length = 0;
    let packet = read();
    for (; packet?.operation === OP_RW; packet = read()) length += packet.payload.length;
    expect([length, packet?.operation]).toEqual([10_000, OP_CREDIT_REQUEST]);
    // It is asked once.
    expect(accept({ kind: "vsock", connection: 0, bytes })).toBe(0);
    expect(operations()).toEqual([]);
    post({ operation: OP_CREDIT_UPDATE, forwarded: 500, room: 10_000 });
    expect(accept({ kind: "vsock", connection: 0, bytes })).toBe(500);
    expect(calls).toEqual(["taken 0 10000", "taken 0 500"]);
    // Nonsense is no credit.
    post({ operation: OP_CREDIT_UPDATE, forwarded: 2 ** 31, room: 10_000 });
    expect(accept({ kind: "vsock", connection: 0, bytes })).toBe(0);
  });

  it("counts modulo 2^32", () => {
    const { accept, give, post, operations, read } = connected("mmio", 4);
    // 5 GiB the one way would take long: the guest's own counter runs as it says.
    let taken = 0;
    for (let i = 0; i < 40; i++) {
      post({ operation: OP_CREDIT_UPDATE, forwarded: taken >>> 0, room: 2 ** 32 - 1 });
      taken += Number(accept({ kind: "vsock", connection: 0, bytes: new Uint8Array(900) }));
      operations();
      give(1);
    }
    expect(taken).toBe(36_000);
    post({ operation: OP_CREDIT_UPDATE, forwarded: (taken - 10) >>> 0, room: 10 });
    expect(accept({ kind: "vsock", connection: 0, bytes: new Uint8Array(9) })).toBe(0);
    expect(read()?.operation).toBe(OP_CREDIT_REQUEST);
  });

  it("waits for the host to take all that the guest sent before it confirms the end", () => {
    const { accept, operations, post, sent } = connected();
    post({}, text("last words"));
    post({ operation: OP_SHUTDOWN, flags: 3 });
    expect(operations()).toEqual([]);
    // What the host still sends is nobody's.
    expect(accept({ kind: "vsock", connection: 0, bytes: text("unheard") })).toBe(7);
    accept({ kind: "vsock-credit", connection: 0, count: 10 });
    expect(operations()).toEqual([OP_RST]);
    expect(sent.get(0)).toBe("last words");
  });

  it("takes packets while it can't answer, and leaves them when too many are to be answered (§5.10.6.1)", () => {
    const { give, operations, post, tx } = started("mmio", 0);
    for (let i = 0; i < 255; i++) post({ sourcePort: 100 + i });
    const before = tx.usedIndex;
    expect(before).toBe(255);
    for (let i = 0; i < 40; i++) post({ sourcePort: 1000 + i });
    expect(tx.usedIndex).toBe(256);
    const got: number[] = [];
    for (let i = 0; i < 10; i++) {
      give(32);
      got.push(...operations());
      while (tx.take());
    }
    expect(got).toEqual(new Array(295).fill(OP_RST));
    expect(tx.usedIndex).toBe(295);
  });

  it("keeps data behind what the guest is to be told first", () => {
    const { accept, give, post, operations } = started("mmio", 0);
    post({ operation: OP_REQUEST });
    accept({ kind: "vsock-open", connection: 0 });
    expect(accept({ kind: "vsock", connection: 0, bytes: text("x") })).toBe(0);
    give(1);
    expect(accept({ kind: "vsock", connection: 0, bytes: text("x") })).toBe(0);
    expect(operations()).toEqual([OP_RESPONSE]);
    give(1);
    expect(accept({ kind: "vsock", connection: 0, bytes: text("x") })).toBe(1);
  });

  it("has a limit of connections, of which the later ones have smaller windows", () => {
    const { accept, calls, device, give, operations, post, read } = started("mmio", 0);
    for (let i = 0; i < MAX_CONNECTIONS; i++) post({ operation: OP_REQUEST, sourcePort: 1000 + i });
    expect(device.connections).toBe(MAX_CONNECTIONS);
    post({ operation: OP_REQUEST });
    give(1);
    expect(operations()).toEqual([OP_RST]);
    accept({ kind: "vsock-connect", connection: 1, port: 1 });
    expect(calls.at(-1)).toBe("close 1");
    accept({ kind: "vsock-open", connection: 2 * MAX_CONNECTIONS - 2 });
    give(1);
    expect(read()).toMatchObject({ operation: OP_RESPONSE, room: SMALL_WINDOW });
    for (let i = 0; i < MAX_CONNECTIONS; i++) post({ operation: OP_RST, sourcePort: 1000 + i });
    expect(device.connections).toBe(0);
  });

  it("ends everything with its driver, and takes nothing without one", () => {
    const { accept, calls, device, driver } = connected();
    driver.reset();
    expect(calls).toEqual(["close 0"]);
    expect(device.connections).toBe(0);
    accept({ kind: "vsock-connect", connection: 1, port: 1 });
    expect(calls).toEqual(["close 0", "close 1"]);
    expect(accept({ kind: "vsock", connection: 0, bytes: text("late") })).toBe(4);
    for (const kind of ["vsock-open", "vsock-end", "vsock-reset"] as const)
      expect(accept({ kind, connection: 0 })).toBe(true);
  });

  it("tells a guest that goes on from a snapshot that its connections are gone (§5.10.6.7)", () => {
    const { driver, event, memory, post } = connected();
    event.receive(4);
    const copy = setup();
    copy.memory.bytes.set(memory.bytes);
    copy.driver.transport.load(structuredClone(driver.transport.save()));
    expect(copy.device.connections).toBe(0);
    copy.device.restart();
    memory.bytes.set(copy.memory.bytes);
    expect([...event.take()!.bytes]).toEqual([0, 0, 0, 0]);
    expect(copy.driver.interrupted()).toBe(true);
    // The one that was saved goes on.
    post({}, text("still here"));
  });

  it("keeps that for later when there is no buffer", () => {
    const { driver, event, memory } = started();
    const copy = setup();
    copy.driver.transport.load(structuredClone(driver.transport.save()));
    copy.device.restart();
    copy.driver.transport.load(structuredClone(copy.driver.transport.save()));
    event.receive(4);
    copy.memory.bytes.set(memory.bytes);
    copy.driver.notify(2);
    memory.bytes.set(copy.memory.bytes);
    expect(event.take()!.length).toBe(4);
  });
});
