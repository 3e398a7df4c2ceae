import { describe, expect, it } from "vitest";
import { ArrayGuestMemory } from "../../src/devices/virtio/guest-memory.ts";
import { InputDoor, InputError, type InputEvent, InputLog } from "../../src/machine/input.ts";
import { ConsoleGuest, ConsoleHost } from "./console-guest.ts";
import { random, text, untext } from "./driver.ts";

const typed = (value: string): InputEvent => ({ kind: "terminal", bytes: text(value) });

describe("the door", () => {
  it("delivers in order, and only on delivery", () => {
    const door = new InputDoor();
    let woken = 0;
    door.onPush = () => woken++;
    const seen: string[] = [];
    door.push(typed("a"));
    door.push(typed("b"));
    expect([woken, seen.length, door.pending]).toEqual([2, 0, true]);
    door.deliver(5n, (event) => event.kind === "terminal" && seen.push(untext(event.bytes)) > 0);
    expect(seen).toEqual(["a", "b"]);
    expect(door.pending).toBe(false);
  });

  it("keeps what is refused, without holding up other channels", () => {
    const door = new InputDoor();
    const seen: string[] = [];
    for (const port of [1, 2]) door.push({ kind: "port", device: 0, port, bytes: text(`p${port}`) });
    door.push({ kind: "port", device: 0, port: 1, bytes: text("later") });
    const apply = (full: boolean) => (event: InputEvent) => {
      if (event.kind !== "port" || (full && event.port === 1)) return false;
      seen.push(untext(event.bytes));
      return true;
    };
    door.deliver(1n, apply(true));
    expect(seen).toEqual(["p2"]);
    door.deliver(2n, apply(false));
    expect(seen).toEqual(["p2", "p1", "later"]);
  });

  it("keeps the rest of a stream that was taken in part", () => {
    const door = new InputDoor();
    door.record();
    door.push(typed("hello"));
    let got = "";
    const three = (event: InputEvent) => {
      if (event.kind !== "terminal") return false;
      got += untext(event.bytes.subarray(0, 3));
      return Math.min(3, event.bytes.length);
    };
    door.deliver(10n, three);
    expect(got).toBe("hel");
    door.deliver(20n, three);
    expect(got).toBe("hello");
    expect(door.pending).toBe(false);
    const entries = door.stopRecording(30n).entries.map(({ at, event }) => [at, event]);
    expect(entries).toEqual([
      [10n, typed("hel")],
      [20n, typed("lo")],
    ]);
  });

  it("is bounded for what can be refused, and always takes completions", () => {
    const door = new InputDoor({ limit: 1000 });
    let taken = 0;
    while (door.push({ kind: "packet", device: 0, bytes: new Uint8Array(36) })) taken++;
    expect(taken).toBe(10);
    expect(door.push({ kind: "disk", device: 0, request: 1, error: 0, bytes: new Uint8Array(4096) })).toBe(true);
    door.deliver(0n, () => true);
    expect(door.push({ kind: "packet", device: 0, bytes: new Uint8Array(36) })).toBe(true);
  });

  it("leaves for the next delivery what a delivery brings", () => {
    const door = new InputDoor();
    let count = 0;
    const apply = () => {
      count++;
      door.push({ kind: "entropy", device: 1, bytes: Uint8Array.of(1) });
      return true;
    };
    door.push({ kind: "entropy", device: 1, bytes: Uint8Array.of(1) });
    door.deliver(1n, apply);
    expect(count).toBe(1);
    door.deliver(2n, apply);
    expect(count).toBe(2);
  });
});

describe("record and replay", () => {
  const events: InputEvent[] = [
    typed("x"),
    { kind: "port", device: 1, port: 2, bytes: text("yy") },
    { kind: "port-credit", device: 1, port: 2, count: 70_000 },
    { kind: "port-open", device: 1, port: 3, open: true },
    { kind: "disk-size", device: 9, size: 2 ** 41 },
    { kind: "entropy", device: 2, bytes: new Uint8Array(300).fill(7) },
    { kind: "disk", device: 3, request: 9, error: 5, bytes: new Uint8Array(0) },
    { kind: "packet", device: 4, bytes: new Uint8Array(2000).fill(8) },
    { kind: "clock", ticks: 2n ** 64n - 1n, wall: 1_700_000_000_000_000_000n },
  ];

  const log = (() => {
    const door = new InputDoor();
    door.record();
    for (const [i, event] of events.entries()) {
      door.push(event);
      door.deliver(BigInt(i) * 10n ** 12n, () => true);
    }
    return door.stopRecording(10n ** 13n);
  })();

  it("writes a log of every kind of event that reads back the same", () => {
    expect(log.entries.map(({ event }) => event)).toEqual(events);
    const back = InputLog.parse(log.serialize());
    expect(back).toEqual(log);
    expect(back.end).toBe(10n ** 13n);
  });

  it("gives the same events at the same moments, and drops what is pushed", () => {
    const door = InputDoor.replay(InputLog.parse(log.serialize()));
    door.push(typed("not in the log"));
    const seen: [bigint, InputEvent][] = [];
    for (let now = door.stop!; now < log.end; now = door.stop!) {
      door.deliver(now, (event) => seen.push([now, event]) > 0);
    }
    expect(seen).toEqual(log.entries.map(({ at, event }) => [at, event]));
    expect(door.pending).toBe(false);
    expect(() => door.deliver(log.end + 1n, () => true)).toThrow(/ends at instruction/);
  });

  it("says so when the run isn't the one that was recorded", () => {
    expect(() => InputDoor.replay(log).deliver(0n, () => false)).toThrow(/didn't take the terminal input/);
    expect(() => InputDoor.replay(log).deliver(1n, () => true)).toThrow(/went past the input at instruction 0/);
    expect(() => InputDoor.replay(log).record()).toThrow(InputError);
    expect(() => new InputDoor().stopRecording(0n)).toThrow(/no recording/);
  });

  it("ends a recording that runs full at a moment that it knows all about", () => {
    const door = new InputDoor();
    door.record(500);
    for (let at = 1n; at < 10n; at++) {
      for (const part of "ab") {
        door.push(typed(part));
        door.deliver(at, () => true);
      }
    }
    const full = door.stopRecording(10n);
    expect(full.end).toBe(3n);
    expect(full.entries.map(({ at }) => at)).toEqual([1n, 1n, 2n, 2n, 3n, 3n]);
  });

  it("reads no damaged log as a whole one, and fails by one sentence", () => {
    const good = log.serialize();
    for (let length = 0; length < good.length; length++) {
      expect(() => InputLog.parse(good.subarray(0, length))).toThrow(InputError);
    }
    expect(() => InputLog.parse(Uint8Array.of(...good, 0))).toThrow(/bytes after its end/);
    const next = random(3);
    for (let i = 0; i < 20_000; i++) {
      const bad = good.slice();
      for (let n = next(4); n >= 0; n--) bad[next(60)] = next(256);
      try {
        InputLog.parse(bad);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        expect(error.message).toMatch(/^This input log .*; record the run again\.$/);
      }
    }
  });

  /** A guest with nothing but this to decide what it does: `now` counts its steps. */
  function run(door: InputDoor, live: boolean) {
    const host = new ConsoleHost(new ArrayGuestMemory(1 << 21), door);
    const guest = new ConsoleGuest(host);
    guest.start();
    for (let i = 0; i < 4; i++) guest.poll();
    const step = async () => {
      host.now++;
      const input = guest.read(1);
      // It answers what it hears, and has much to say of its own.
      if (input.length > 0) guest.send(2, input);
      guest.send(2, new Uint8Array(3000).fill(Number(host.now)));
      if (live) await new Promise<void>((resolve) => setImmediate(resolve));
    };
    return { host, guest, step };
  }

  it("runs a console's guest again bit for bit, though the first host was slow and the second isn't there", async () => {
    const door = new InputDoor();
    const first = run(door, true);
    door.record();
    const next = random(9);
    const out = first.host.device.port("org.wardian.out")!;
    let busy: (() => void)[] = [];
    out.onData = () => new Promise((resolve) => busy.push(resolve));
    let held = 0;
    for (let i = 0; i < 400; i++) {
      if (next(10) === 0) first.host.device.ports[0]!.write(new Uint8Array(1 + next(900)).fill(i));
      if (next(120) === 0) {
        for (const consumed of busy) consumed();
        busy = [];
      }
      first.host.deliver();
      await first.step();
      if (out.stalled) held++;
    }
    expect(held).toBeGreaterThan(0);
    const recording = InputLog.parse(door.stopRecording(first.host.now).serialize());
    expect(recording.entries.length).toBeGreaterThan(10);

    const second = run(InputDoor.replay(recording), false);
    while (second.host.now < first.host.now) {
      second.host.deliver();
      await second.step();
    }
    expect(Buffer.compare(second.host.memory.bytes, first.host.memory.bytes)).toBe(0);
    expect(second.host.transport.save()).toEqual(first.host.transport.save());
  });
});
