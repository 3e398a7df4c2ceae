import { describe, expect, it } from "vitest";
import { ConsoleDevice } from "../../src/devices/virtio/console/console.ts";
import { PORT_CREDIT, PORT_INPUT } from "../../src/devices/virtio/console/port.ts";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { ConsoleGuest, ConsoleHost, NAMES } from "./console-guest.ts";
import { MULTIPORT, random, text, untext, VERSION_1 } from "./driver.ts";

function setup(size = 4) {
  const host = new ConsoleHost(new ArrayGuestMemory(1 << 21));
  const guest = new ConsoleGuest(host);
  guest.start(undefined, size);
  for (let i = 0; i < 4; i++) guest.poll();
  host.device.flush();
  const [control, out, err] = host.device.ports;
  return { host, guest, control: control!, out: out!, err: err! };
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("ports (§5.3.6.2)", () => {
  it("has the queues and configuration of its ports and of port 0 (§5.3.2, §5.3.4)", () => {
    const { host } = setup();
    expect(host.device.id).toBe(3);
    expect(host.transport.read(0x104, 4)).toBe(4n);
    expect(host.device.queues.length).toBe(10);
  });

  it("announces each port once, and names and opens it when the driver is ready", () => {
    const { guest } = setup();
    const told = (id: number) =>
      guest.messages.filter((message) => message.id === id).map(({ event, value, text }) => [event, value, text]);
    for (const [i, name] of NAMES.entries()) {
      expect(told(i + 1)).toEqual([
        [1, 0, ""],
        [7, 1, name],
        [6, 1, ""],
      ]);
    }
    expect(guest.messages.length).toBe(9);
    guest.control(0, 0, 1);
    guest.poll();
    expect(guest.messages.length).toBe(9);
  });

  it("tells the host of opening and closing", async () => {
    const { guest, control } = setup();
    const seen: boolean[] = [];
    control.onOpen = (open) => seen.push(open);
    guest.control(1, 6, 0);
    await settle();
    guest.control(1, 6, 1);
    guest.control(1, 6, 1);
    await settle();
    guest.driver.set(0x70, 0);
    await settle();
    expect(seen).toEqual([false, true, false]);
  });

  it("tells the guest of the host's closing and opening", () => {
    const { host, guest, out } = setup();
    guest.messages.length = 0;
    out.setOpen(false);
    host.deliver();
    guest.poll();
    out.setOpen(true);
    host.deliver();
    guest.poll();
    expect(guest.messages).toEqual([
      { id: 2, event: 6, value: 0, text: "" },
      { id: 2, event: 6, value: 1, text: "" },
    ]);
  });

  it("ignores messages about ports that aren't there, unknown events and short messages", () => {
    const { host, guest } = setup();
    const before = host.transport.save();
    guest.control(0, 6, 1);
    guest.control(77, 6, 1);
    guest.control(0xffff_ffff, 3, 1);
    guest.control(1, 99, 1);
    guest.transmit(3, text("short"));
    const after = host.transport.save();
    for (const field of Object.keys(before).filter((name) => name.includes("port."))) {
      expect(after[field]).toEqual(before[field]);
    }
    expect(host.device.status).toBe(15);
  });

  it("drops what is sent to port 0, and works without MULTIPORT", () => {
    const host = new ConsoleHost();
    const guest = new ConsoleGuest(host);
    guest.start(VERSION_1);
    expect(guest.transmit(1, text("nobody"))).toBe(true);
    expect(guest.queue(1).usedIndex).toBe(1);
    guest.poll();
    expect(guest.messages).toEqual([]);
  });

  it("refuses too many ports and impossible names", () => {
    const memory = new ArrayGuestMemory(4096);
    expect(() => new ConsoleDevice(memory, new Array(31).fill("x"), () => true)).toThrow(/at most 30/);
    expect(() => new ConsoleDevice(memory, [""], () => true)).toThrow(/1 to 255/);
    expect(() => new ConsoleDevice(memory, ["é".repeat(128)], () => true)).toThrow(/256/);
  });
});

describe("output of the guest", () => {
  it("arrives in order over all ports, after the guest's slice", async () => {
    const { guest, control, out } = setup();
    const seen: string[] = [];
    control.onData = (bytes) => void seen.push(`control ${untext(bytes)}`);
    out.onData = (bytes) => void seen.push(`out ${untext(bytes)}`);
    guest.send(2, text("one"));
    guest.send(1, text("two"));
    guest.send(2, text("three"));
    expect(seen).toEqual([]);
    await settle();
    expect(seen).toEqual(["out one", "control two", "out three"]);
  });

  it("keeps what a throwing handler hasn't seen", () => {
    const { host, guest, out } = setup();
    const seen: string[] = [];
    out.onData = (bytes) => {
      seen.push(untext(bytes));
      if (seen.length === 1) throw new Error("handler");
    };
    guest.send(2, text("a"));
    guest.send(2, text("b"));
    expect(() => host.device.flush()).toThrow("handler");
    host.device.flush();
    expect(seen).toEqual(["a", "b"]);
  });

  it("is held back while the host doesn't consume it, and none is lost", async () => {
    const { host, guest, out } = setup();
    const next = random(1);
    const sent: number[] = [];
    const seen: number[] = [];
    let release: () => void = () => {};
    let gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    out.onData = (bytes) => {
      seen.push(...bytes);
      return gate;
    };
    const chunk = () => Uint8Array.from({ length: 20_000 }, () => next(256));
    let refused = 0;
    for (let i = 0; i < 20; i++) {
      const bytes = chunk();
      if (guest.send(2, bytes)) sent.push(...bytes);
      else refused++;
    }
    await settle();
    expect(refused).toBeGreaterThan(0);
    expect(seen.length).toBeLessThanOrEqual(PORT_CREDIT);
    expect(seen.length).toBeGreaterThan(PORT_CREDIT - 1000);
    expect(out.settled).toBe(false);
    release();
    gate = Promise.resolve();
    await settle();
    host.deliver();
    await settle();
    expect(out.settled).toBe(true);
    expect(Buffer.compare(Uint8Array.from(seen), Uint8Array.from(sent))).toBe(0);
  });

  it("bounds tiny pieces too", async () => {
    const { host, guest, out } = setup();
    let pieces = 0;
    out.onData = () => {
      pieces++;
      return new Promise(() => {});
    };
    for (let i = 0; i < 20_000; i++) guest.send(2, Uint8Array.of(1));
    await settle();
    expect(pieces).toBeLessThan(PORT_CREDIT / 64);
    expect(host.door.pending).toBe(false);
  });

  it("takes a buffer that is larger than the credit in parts", async () => {
    const { host, guest, out } = setup();
    const big = new Uint8Array(PORT_CREDIT * 2 + 12345).map((_, i) => i * 7);
    const seen: number[] = [];
    out.onData = (bytes) => void seen.push(...bytes);
    guest.send(2, big);
    expect(guest.queue(7).usedIndex).toBe(0);
    for (let i = 0; i < 20 && guest.queue(7).usedIndex === 0; i++) {
      await settle();
      host.deliver();
    }
    await settle();
    expect(guest.queue(7).usedIndex).toBe(1);
    expect(Buffer.compare(Uint8Array.from(seen), big)).toBe(0);
  });

  it("waits for a page that isn't here, and takes every byte once", async () => {
    const { host, guest, out } = setup();
    const seen: string[] = [];
    out.onData = (bytes) => void seen.push(untext(bytes));
    for (let page = 0; page < 512; page++) host.memory.absent.add(page);
    guest.send(2, text("late"));
    expect(host.device.waiting).toBe(true);
    expect(out.settled).toBe(false);
    host.device.resume();
    await settle();
    expect(seen).toEqual([]);
    expect(host.device.waiting).toBe(true);
    host.memory.absent.clear();
    host.device.resume();
    await settle();
    expect(host.device.waiting).toBe(false);
    expect(seen).toEqual(["late"]);
    expect(guest.queue(7).usedIndex).toBe(1);
  });
});

describe("input to the guest", () => {
  it("fills the guest's buffers, waits for more of them, and keeps order", () => {
    const { host, guest, control } = setup();
    const sent = new Uint8Array(3000).map((_, i) => i);
    expect(control.write(sent)).toBe(3000);
    const got: number[] = [];
    for (let i = 0; i < 10; i++) {
      host.deliver();
      got.push(...guest.read(1));
    }
    expect(Uint8Array.from(got)).toEqual(sent);
  });

  it("waits until the guest has opened the port", () => {
    const { host, guest, control } = setup();
    guest.control(1, 6, 0);
    control.write(text("early"));
    host.deliver();
    expect(guest.read(1).length).toBe(0);
    guest.control(1, 6, 1);
    host.deliver();
    expect(untext(guest.read(1))).toBe("early");
  });

  it("takes only so much, and says when there is room again", async () => {
    const { host, guest, control } = setup();
    let drained = 0;
    control.onDrain = () => drained++;
    expect(control.write(new Uint8Array(PORT_INPUT + 5))).toBe(PORT_INPUT);
    expect(control.write(Uint8Array.of(1))).toBe(0);
    for (let got = 0; got < PORT_INPUT; ) {
      host.deliver();
      got += guest.read(1).length;
    }
    await settle();
    expect(drained).toBe(1);
    expect(control.write(Uint8Array.of(1))).toBe(1);
  });
});

describe("saved state", () => {
  it("goes on from the middle of everything", async () => {
    const { host, guest, out } = setup();
    out.onData = () => new Promise(() => {});
    const big = new Uint8Array(PORT_CREDIT + 1000).map((_, i) => i * 5);
    guest.send(2, big);
    guest.send(2, text("after"));
    await settle();
    const state = structuredClone(host.transport.save());
    expect(state["device.console.port.2.progress"]).toBeGreaterThan(0);

    const copy = new ConsoleHost(new ArrayGuestMemory(1 << 21));
    copy.memory.bytes.set(host.memory.bytes);
    const seen: number[] = [];
    copy.device.ports[1]!.onData = (bytes) => void seen.push(...bytes);
    copy.transport.load(state);
    expect(copy.transport.save()).toEqual(state);
    // What was on its way to the first host is lost with it; its credit comes back.
    copy.deliver();
    await settle();
    copy.deliver();
    await settle();
    const rest = [...big.subarray(state["device.console.port.2.progress"] as number), ...text("after")];
    expect(Buffer.compare(Uint8Array.from(seen), Uint8Array.from(rest))).toBe(0);
    expect(copy.device.ports[1]!.settled).toBe(true);
  });

  it("finishes the discovery of ports that it was saved in", () => {
    const host = new ConsoleHost();
    const guest = new ConsoleGuest(host);
    guest.start(VERSION_1 | MULTIPORT, 1);
    guest.poll();
    host.transport.load(structuredClone(host.transport.save()));
    for (let i = 0; i < 12; i++) guest.poll();
    expect(guest.messages.filter(({ event }) => event === 1).map(({ id }) => id)).toEqual([1, 2, 3]);
    expect(guest.messages.filter(({ event }) => event === 7).map((message) => message.text)).toEqual(NAMES);
  });
});
