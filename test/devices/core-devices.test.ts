/** ACLINT, RTC, finisher and flash; hostile accesses to every device; saving and loading. */
import { beforeEach, describe, expect, test } from "vitest";
import { coreDevices } from "../../src/devices/core-devices.ts";
import { type Device, type DeviceState, DeviceStateError } from "../../src/devices/device.ts";
import { type Devices, MSIP, MTIP, makeDevices, random } from "./support.ts";

const NEVER = 2n ** 64n - 1n;
let d: Devices;
beforeEach(async () => {
  d = await makeDevices();
});

describe("aclint", () => {
  const read = (offset: number, size = 4): bigint => d.core.aclintRead(offset, size);
  const write = (offset: number, value: bigint, size = 4): void => d.core.aclintWrite(offset, size, value);

  test("msip drives each hart's line with its lowest bit", () => {
    write(4, 0xffff_ffffn);
    expect([d.lines(0), d.lines(1)]).toEqual([0n, MSIP]);
    expect([read(0), read(4)]).toEqual([0n, 1n]);
    expect(d.attention()).toBe(true);
    write(4, 0xfffffffen);
    expect(d.lines(1)).toBe(0n);
    write(0, (1n << 32n) | 1n, 8);
    expect([d.lines(0), d.lines(1), read(0, 8)]).toEqual([MSIP, MSIP, (1n << 32n) | 1n]);
  });

  test("harts that aren't there have no registers", () => {
    write(8, 1n);
    write(0x4010, 5n, 8);
    expect([read(8), read(0x4010, 8), d.lines(2)]).toEqual([0n, 0n, 0n]);
  });

  test("mtimecmp in halves and whole; reset keeps the timer quiet", () => {
    expect(d.core.aclintMtimecmp(1)).toBe(NEVER);
    write(0x4008, 0x1122_3344_5566_7788n, 8);
    expect([read(0x4008), read(0x400c), read(0x4008, 8)]).toEqual([0x5566_7788n, 0x1122_3344n, 0x1122_3344_5566_7788n]);
    write(0x400c, 0xaaaa_bbbbn);
    write(0x4008, 0xcccc_ddddn);
    expect(d.core.aclintMtimecmp(1)).toBe(0xaaaa_bbbb_cccc_ddddn);
    expect(d.core.aclintMtimecmp(0)).toBe(NEVER);
    expect(d.attention()).toBe(true);
  });

  test("the timer line follows mtime and mtimecmp", () => {
    const h = d.at("HARTS");
    write(0x4000, 100n, 8);
    d.core.timerLines(h, 0, 99n);
    expect(d.lines(0)).toBe(0n);
    d.core.timerLines(h, 0, 100n);
    expect(d.lines(0)).toBe(MTIP);
    write(0x4000, 101n, 8);
    d.core.timerLines(h, 0, 100n);
    expect(d.lines(0)).toBe(0n);
  });

  test("mtime is the clock, and can be written", () => {
    d.clock.ticks = 0x1_0000_0005;
    expect([read(0xbff8), read(0xbffc), read(0xbff8, 8)]).toEqual([5n, 1n, 0x1_0000_0005n]);
    write(0xbff8, 1000n, 8);
    expect(d.attention()).toBe(true);
    d.clock.ticks += 7;
    expect(read(0xbff8, 8)).toBe(1007n);
    write(0xbffc, 2n);
    expect(read(0xbff8, 8)).toBe(0x2_0000_03efn);
  });

  test("bytes and halfwords don't answer", () => {
    write(0, 1n, 1);
    write(0x4000, 0n, 2);
    expect([d.lines(0), d.core.aclintMtimecmp(0), read(0x4000, 1)]).toEqual([0n, NEVER, 0n]);
  });
});

describe("rtc", () => {
  const [TIME_LOW, TIME_HIGH, ALARM_LOW, ALARM_HIGH, ENABLE, CLEAR_ALARM, STATUS, CLEAR_IRQ] = [
    0, 4, 8, 12, 16, 20, 24, 28,
  ] as const;
  const read = (offset: number): bigint => d.core.rtcRead(offset, 4);
  const write = (offset: number, value: bigint): void => d.core.rtcWrite(offset, 4, value & 0xffff_ffffn);
  const line = (): boolean => (d.view().getUint32(d.at("DEV_PLIC") + d.at("PLIC_LEVEL"), true) & (1 << 11)) !== 0;
  const setAlarm = (ns: bigint): void => {
    write(ALARM_HIGH, ns >> 32n);
    write(ALARM_LOW, ns);
  };
  const NOW = 1_700_000_000_123_456_000 + 768; // a double keeps multiples of 256 here

  beforeEach(() => {
    d.clock.wallclock = NOW;
  });

  test("reading the low half latches the high half", () => {
    expect(read(TIME_HIGH)).toBe(0n);
    const low = read(TIME_LOW);
    d.clock.wallclock += 2 ** 33;
    expect((read(TIME_HIGH) << 32n) | low).toBe(BigInt(NOW));
  });

  test("the guest can set the time; it keeps running", () => {
    write(TIME_HIGH, 1n);
    write(TIME_LOW, 2n);
    d.clock.wallclock += 1024;
    expect(read(TIME_LOW)).toBe(1026n);
    expect(read(TIME_HIGH)).toBe(1n);
  });

  test("an alarm rings at its time, once, and only when enabled", () => {
    setAlarm(BigInt(NOW) + 1_000_000n);
    write(ENABLE, 1n);
    expect(read(STATUS)).toBe(1n);
    expect(d.core.rtcDeadline()).toBe(BigInt(NOW) + 1_000_000n);
    d.core.rtcTick();
    expect(line()).toBe(false);
    d.clock.wallclock += 1_000_192;
    d.core.rtcTick();
    expect([line(), read(STATUS), d.core.rtcDeadline()]).toEqual([true, 0n, NEVER]);
    write(ENABLE, 0n);
    expect(line()).toBe(false);
    write(ENABLE, 1n);
    expect(line()).toBe(true);
    write(CLEAR_IRQ, 1n);
    expect(line()).toBe(false);
  });

  test("an alarm in the past rings at once; a cleared one never", () => {
    write(ENABLE, 1n);
    setAlarm(1n);
    expect(line()).toBe(true);
    write(CLEAR_IRQ, 1n);
    setAlarm(BigInt(NOW) * 2n);
    write(CLEAR_ALARM, 1n);
    expect([read(STATUS), d.core.rtcDeadline()]).toEqual([0n, NEVER]);
    d.clock.wallclock = NOW * 3;
    d.core.rtcTick();
    expect(line()).toBe(false);
    expect([read(ALARM_HIGH), read(ALARM_LOW)]).toEqual([(BigInt(NOW) * 2n) >> 32n, (BigInt(NOW) * 2n) & 0xffff_ffffn]);
  });

  test("the deadline is in the host's time when the guest set its own", () => {
    write(TIME_HIGH, 0n);
    write(TIME_LOW, 0n);
    setAlarm(5000n);
    const slack = d.core.rtcDeadline() - BigInt(NOW);
    expect(slack).toBe(5000n);
  });
});

describe("finisher", () => {
  test.each([
    [0x5555n, "EXIT_POWEROFF", 0],
    [0x7777n, "EXIT_REBOOT", 0],
    [(42n << 16n) | 0x3333n, "EXIT_CODE", 42],
    [0x3333n, "EXIT_CODE", 1],
  ])("%i", (value, exit, code) => {
    d.core.sysconWrite(0, 4, value);
    expect([d.machine("M_EXIT"), d.machine("M_EXIT_CODE"), d.attention()]).toEqual([d.at(exit), code, true]);
    d.core.sysconReset();
    expect(d.machine("M_EXIT")).toBe(0);
  });

  test("anything else is nothing", () => {
    for (const [offset, size, value] of [
      [0, 1, 0x55n],
      [4, 4, 0x5555n],
      [0, 4, 0x1234n],
      [0, 4, 0x5555_0000n],
    ] as const)
      d.core.sysconWrite(offset, size, value);
    expect([d.machine("M_EXIT"), d.attention(), d.core.sysconRead(0, 4)]).toEqual([0, false, 0n]);
  });
});

test("flash reads erased, whatever is written", () => {
  d.core.pflashWrite(0, 4, 0x98n);
  expect([1, 2, 4, 8].map((size) => d.core.pflashRead(0x155, size))).toEqual([0xffn, 0xffffn, 0xffff_ffffn, NEVER]);
});

const NAMES = ["uart", "plic", "aclint", "rtc", "syscon", "pflash"] as const;
/** The longest offset of each device's window on the bus. */
const WINDOW = { uart: 0x100, plic: 0x60_0000, aclint: 0x1_0000, rtc: 0x1000, syscon: 0x1000, pflash: 0x400_0000 };

/** Offsets where registers are, then any at all. */
function anyOffset(next: () => number, name: (typeof NAMES)[number]): number {
  const near = { uart: 12, plic: 0x2200, aclint: 0x40, rtc: 0x24, syscon: 8, pflash: 8 }[name];
  const base = name === "plic" ? [0, 0x20_0000, 0x20_1000][next() % 3]! : [0, 0x4000, 0xbff0][next() % 3]!;
  return (next() % 4 ? base + (next() % near) : next()) % WINDOW[name];
}

test.each(NAMES)("%s: no access traps, and none leaves the device's own memory", (name) => {
  const next = random(NAMES.indexOf(name) + 11);
  const before = new Uint8Array(d.memory.buffer.slice(0));
  for (let i = 0; i < 40_000; i++) {
    const size = 1 << (next() % 4);
    const offset = anyOffset(next, name);
    if (next() % 2) d.core[`${name}Write`](offset, size, (BigInt(next()) << 32n) | BigInt(next()));
    else if (d.core[`${name}Read`](offset, size) >> (8n * BigInt(size))) throw new Error("wider than the access");
    if (name === "uart" && next() % 8 === 0) d.core.uartReceive(next() & 0xff);
    if (name === "uart" && next() % 64 === 0) d.core.uartTxDrained(next() % 32);
    if (name === "rtc") d.core.rtcTick();
  }
  // What may change: the device's window, the lines it drives, the machine's window, the ring.
  const own: [number, number][] = [[d.at("DEV_MACHINE"), d.at("DEV_WINDOW")]];
  const windows = { uart: "DEV_UART", plic: "DEV_PLIC", aclint: "DEV_ACLINT", rtc: "DEV_RTC", pflash: "DEV_PFLASH" };
  if (name !== "syscon") own.push([d.at(windows[name]), d.at("DEV_WINDOW")]);
  if (name === "uart") own.push([d.at("UART_TX_RING"), d.at("UART_TX_SIZE")]);
  if (name === "uart" || name === "rtc") own.push([d.at("DEV_PLIC"), d.at("DEV_WINDOW")]);
  for (let h = 0; h < 2; h++) own.push([d.at("HARTS") + h * d.at("HART_STRIDE") + d.at("H_LINES"), 8]);
  const after = new Uint8Array(d.memory.buffer.slice(0));
  for (const [at, size] of own) after.set(before.subarray(at, at + size), at);
  expect(Buffer.compare(before, after)).toBe(0);
});

describe("saved states", () => {
  const byName = (devices: Device[], name: string): Device => devices.find((x) => x.name === name)!;

  /** Random traffic on every device. */
  function stir(target: Devices, seed: number): void {
    const next = random(seed);
    for (let i = 0; i < 5000; i++) {
      const name = NAMES[next() % 4]!;
      target.core[`${name}Write`](anyOffset(next, name), name === "uart" ? 1 : 4, BigInt(next()));
      if (next() % 8 === 0) target.core.uartReceive(next() & 0xff);
      if (next() % 8 === 0) target.core.plicSetLine(1 + (next() % 96), next() % 2);
      if (next() % 8 === 0) target.core.plicRead(0x20_0004 + (next() % 4) * 0x1000, 4);
    }
  }

  test.each([1, 2, 3])("round trip into another machine (seed %i), which then behaves the same", async (seed) => {
    stir(d, seed);
    d.core.sysconWrite(0, 4, (9n << 16n) | 0x3333n);
    const saved = coreDevices(d).map((x) => x.save());
    const other = await makeDevices();
    coreDevices(other).forEach((x, i) => {
      x.load(structuredClone(saved[i]));
    });
    expect(other.attention()).toBe(true);
    expect(coreDevices(other).map((x) => x.save())).toEqual(saved);
    stir(d, seed + 100);
    stir(other, seed + 100);
    expect(coreDevices(other).map((x) => x.save())).toEqual(coreDevices(d).map((x) => x.save()));
    expect(other.output()).toEqual(d.output());
    expect(other.machine("M_EXIT_CODE")).toBe(9);
  });

  test("every register of every schema is checked, and a refused state changes nothing", () => {
    stir(d, 5);
    const before = Buffer.from(d.memory.buffer.slice(0));
    for (const device of coreDevices(d)) {
      const good = device.save();
      const refused: unknown[] = [undefined, null, 1, "x", [], {}, { ...good, version: 2 }];
      for (const field of Object.keys(good)) {
        const { [field]: value, ...rest } = good;
        refused.push(rest);
        const list = Array.isArray(value) ? (value as unknown[]) : undefined;
        const bad: unknown[] = [null, "1", -1, 1.5, 2 ** 33, 2n ** 64n, -1n, {}, Number.NaN];
        for (const v of bad) refused.push({ ...good, [field]: list ? [...list.slice(1), v] : v });
        if (list) refused.push({ ...good, [field]: list.slice(1) }, { ...good, [field]: [...list, list[0]] });
      }
      for (const state of refused) expect(() => device.load(state)).toThrow(DeviceStateError);
    }
    expect(before.equals(Buffer.from(d.memory.buffer))).toBe(true);
  });

  test("values that registers can't hold are refused", () => {
    const devices = coreDevices(d);
    const refuse = (name: string, change: (state: Record<string, unknown>) => void): void => {
      const state = { ...byName(devices, name).save() } as Record<string, unknown>;
      change(state);
      expect(() => byName(devices, name).load(state)).toThrow(/^The saved state of device .*version\.$/);
    };
    refuse("uart", (s) => {
      s.receiveCount = 17;
    });
    refuse("uart", (s) => {
      s.output = new Uint8Array(d.at("UART_TX_SIZE") + 1);
    });
    refuse("plic", (s) => {
      s.enable = (s.enable as number[]).with(0, 1);
    });
    refuse("plic", (s) => {
      s.pending = (s.pending as number[]).with(3, 2);
    });
    refuse("plic", (s) => {
      s.priority = (s.priority as number[]).with(4, 8);
    });
  });

  test("states survive serialisation", () => {
    stir(d, 8);
    const states: DeviceState[] = coreDevices(d).map((x) => x.save());
    expect(structuredClone(states)).toEqual(states);
  });
});
