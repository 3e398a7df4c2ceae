/** A machine's end of vsock's connections, and that all a guest sees of them passes the input door. */

import { expect, test } from "vitest";
import type { Vsock, VsockHandler, VsockStream } from "../../src/backends/vsock.ts";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { HEADER, HOST_CID, readPacket, writePacket } from "../../src/devices/virtio/vsock/packet.ts";
import { F_STREAM, SocketDevice, type VsockHost } from "../../src/devices/virtio/vsock/vsock.ts";
import { InputDoor, type InputEvent, InputLog } from "../../src/machine/input.ts";
import { VsockPort } from "../../src/machine/vsock-port.ts";
import { driverOf, random, text, untext, VERSION_1 } from "../devices-virtio/driver.ts";

/** A program of the host. */
class Program implements VsockStream {
  handler!: VsockHandler;
  readonly log: string[] = [];
  paused = false;
  /** Ends the write that is under way. */
  done: (() => void) | undefined;

  accept(port: number): void {
    this.log.push(`accept ${port >= 2 ** 30}`);
  }
  write(bytes: Uint8Array, done: () => void): void {
    if (this.done) throw new Error("two writes at a time");
    this.log.push(bytes.length > 20 ? `write ${bytes.length}` : untext(bytes));
    this.done = () => {
      this.done = undefined;
      done();
    };
  }
  end(): void {
    this.log.push("end");
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  close(): void {
    this.log.push("close");
  }
}

class Programs implements Vsock {
  onConnect: Vsock["onConnect"];
  readonly all: Program[] = [];
  closed = false;

  connect(port: number, handler: VsockHandler): VsockStream {
    const program = this.ask(handler);
    program.log.push(`connect ${port}`);
    return program;
  }
  /** A program of the host that asks for a port of the guest. */
  dial(port: number): Program {
    const program = this.ask(undefined as unknown as VsockHandler);
    program.handler = this.onConnect!(port, program);
    return program;
  }
  ask(handler: VsockHandler): Program {
    const program = Object.assign(new Program(), { handler });
    this.all.push(program);
    return program;
  }
  async close(): Promise<void> {
    this.closed = true;
  }
}

function setup() {
  const programs = new Programs();
  const events: InputEvent[] = [];
  const port = new VsockPort(programs, 9, (event) => events.push(event));
  return { programs, events, port, kinds: () => events.splice(0).map(({ kind }) => kind) };
}

test("bytes for the host are written one after another, tiny ones together", () => {
  const { events, port, programs } = setup();
  port.connect(0, 80);
  const program = programs.all[0]!;
  program.handler.connected();
  for (const piece of ["a", "b", "c", "d"]) port.send(0, text(piece));
  port.end(0);
  expect(program.log).toEqual(["connect 80", "a"]);
  program.done!();
  expect(program.log.slice(2)).toEqual(["bcd"]);
  port.send(0, new Uint8Array(200_000));
  port.send(0, new Uint8Array(100_000));
  program.done!();
  program.done!();
  program.done!();
  expect(program.log.slice(3)).toEqual(["write 200000", "write 100000", "end"]);
  const credit = events.flatMap((event) => (event.kind === "vsock-credit" ? [event.count] : []));
  expect(credit).toEqual([1, 3, 200_000, 100_000]);
  port.close(0);
  expect(program.log.at(-1)).toBe("close");
  port.send(0, text("late"));
  program.handler.data(text("late"));
  expect(events.filter(({ kind }) => kind === "vsock")).toEqual([]);
});

test("a program whose bytes the guest doesn't take is paused; later connections get less room", () => {
  const { events, port, programs } = setup();
  const first = programs.dial(22);
  expect(events).toEqual([{ kind: "vsock-connect", device: 9, connection: 1, port: 22 }]);
  port.accepted(1, 2 ** 30 + 5);
  expect(first.log).toEqual(["accept true"]);
  first.handler.data(new Uint8Array(60_000));
  expect(first.paused).toBe(false);
  first.handler.data(new Uint8Array(6000));
  expect(first.paused).toBe(true);
  port.taken(1, 30_000);
  expect(first.paused).toBe(true);
  port.taken(1, 10_000);
  expect(first.paused).toBe(false);
  const many = Array.from({ length: 64 }, (_, i) => programs.dial(i));
  many.at(-1)!.handler.data(new Uint8Array(4096));
  expect(many.at(-1)!.paused).toBe(true);
});

test("what fails is told at once, and what has ended well only by its end", async () => {
  const { kinds, port, programs } = setup();
  const [good, bad] = [programs.dial(1), programs.dial(2)];
  kinds();
  good.handler.ended();
  good.handler.closed(false);
  expect(kinds()).toEqual(["vsock-end"]);
  bad.handler.closed(true);
  expect(kinds()).toEqual(["vsock-reset"]);
  const last = programs.dial(3);
  await port.shut();
  expect([last.log, programs.closed, programs.onConnect]).toEqual([["close"], true, undefined]);
});

test("in the door, what the host has taken passes what it has sent", () => {
  const door = new InputDoor();
  const device = 9;
  door.push({ kind: "vsock-open", device, connection: 0 });
  door.push({ kind: "vsock", device, connection: 0, bytes: text("first") });
  door.push({ kind: "vsock-end", device, connection: 0 });
  door.push({ kind: "vsock", device, connection: 2, bytes: text("other") });
  door.push({ kind: "vsock-credit", device, connection: 0, count: 3 });
  const seen: string[] = [];
  const apply = (room: boolean) => (event: InputEvent) => {
    if (event.kind === "vsock" && event.connection === 0 && !room) return 0;
    seen.push(`${event.kind} ${"connection" in event ? event.connection : ""}`);
    return true;
  };
  door.deliver(1n, apply(false));
  expect(seen).toEqual(["vsock-open 0", "vsock 2", "vsock-credit 0"]);
  door.deliver(2n, apply(true));
  expect(seen.slice(3)).toEqual(["vsock 0", "vsock-end 0"]);
});

const CID = 3;
const NOBODY: VsockHost = {
  connect: () => {},
  accepted: () => {},
  send: () => {},
  end: () => {},
  taken: () => {},
  close: () => {},
};

/** A guest that does what its seed says, and echoes what it hears. */
function run(door: InputDoor, host: VsockHost) {
  const memory = new ArrayGuestMemory(1 << 22);
  const device = new SocketDevice(memory, CID, host);
  const driver = driverOf("mmio", memory, device);
  driver.negotiate(F_STREAM | VERSION_1);
  const [rx, tx] = [driver.queue(0, 16), driver.queue(1, 64)];
  driver.go();
  const next = random(5);
  const send = (sourcePort: number, destinationPort: number, operation: number, payload: Uint8Array) => {
    const addresses = { sourceCid: CID, destinationCid: HOST_CID, sourcePort, destinationPort };
    tx.send(writePacket({ ...addresses, type: 1, operation, flags: 0, room: 100_000, forwarded: 0 }, payload));
    tx.notify();
    while (tx.take());
  };
  let now = 0n;
  const step = () => {
    now++;
    door.deliver(now, (event) => device.accept(event as Parameters<SocketDevice["accept"]>[0]));
    if (next(3)) rx.receive(300);
    if (next(2)) rx.notify();
    for (let used = rx.take(); used; used = rx.take()) {
      const { operation, sourcePort, destinationPort } = readPacket(used.bytes);
      if (operation === 1) send(destinationPort, sourcePort, 2, new Uint8Array(0));
      if (operation === 5) send(destinationPort, sourcePort, 5, used.bytes.slice(HEADER));
    }
    if (next(20) === 0) send(next(4), 80, 1, new Uint8Array(0));
  };
  return { memory, driver, step, now: () => now };
}

test("a guest runs again bit for bit from its record, without the programs that it talked to", () => {
  const door = new InputDoor();
  const programs = new Programs();
  const first = run(door, new VsockPort(programs, 9, (event) => door.push(event)));
  door.record();
  const next = random(7);
  for (let i = 0; i < 600; i++) {
    if (next(30) === 0) programs.dial(1000 + i);
    const program = programs.all[next(programs.all.length)];
    if (program && next(2)) program.handler.data(new Uint8Array(next(900)).fill(i));
    if (program && next(20) === 0) program.handler.connected();
    if (program && next(40) === 0) program.handler.ended();
    if (program && next(60) === 0) program.handler.closed(true);
    if (program && next(2)) program.done?.();
    first.step();
  }
  const recording = InputLog.parse(door.stopRecording(first.now()).serialize());
  const kinds = new Set(recording.entries.map(({ event }) => event.kind));
  expect([...kinds].sort()).toEqual([
    "vsock",
    "vsock-connect",
    "vsock-credit",
    "vsock-end",
    "vsock-open",
    "vsock-reset",
  ]);
  const second = run(InputDoor.replay(recording), NOBODY);
  while (second.now() < first.now()) second.step();
  expect(Buffer.compare(second.memory.bytes, first.memory.bytes)).toBe(0);
  expect(second.driver.transport.save()).toEqual(first.driver.transport.save());
});
