import { beforeEach, describe, expect, test } from "vitest";
import { type Devices, MEIP, makeDevices, random, SEIP } from "./support.ts";

let d: Devices;
const read = (offset: number): number => Number(d.core.plicRead(offset, 4));
const write = (offset: number, v: number): void => d.core.plicWrite(offset, 4, BigInt(v >>> 0));
const priority = (source: number, v: number): void => write(source * 4, v);
const enable = (context: number, ...sources: number[]): void => {
  for (let i = 0; i < 4; i++)
    write(
      0x2000 + context * 0x80 + i * 4,
      sources.reduce((bits, s) => (s >> 5 === i ? bits | (1 << (s & 31)) : bits), 0),
    );
};
const threshold = (context: number, v: number): void => write(0x20_0000 + context * 0x1000, v);
const claim = (context: number): number => read(0x20_0004 + context * 0x1000);
const complete = (context: number, source: number): void => write(0x20_0004 + context * 0x1000, source);
const pending = (source: number): boolean => ((read(0x1000 + (source >> 5) * 4) >>> (source & 31)) & 1) === 1;
const set = (source: number, level: boolean): void => d.core.plicSetLine(source, level ? 1 : 0);

beforeEach(async () => {
  d = await makeDevices();
});

test("each context drives its own line of its own hart", () => {
  priority(5, 1);
  const expected = [
    [MEIP, 0n],
    [SEIP, 0n],
    [0n, MEIP],
    [0n, SEIP],
  ];
  for (const context of [0, 1, 2, 3]) {
    enable(context, 5);
    set(5, true);
    expect([d.lines(0), d.lines(1)]).toEqual(expected[context]);
    set(5, false);
    expect(claim(context)).toBe(5);
    complete(context, 5);
    enable(context);
    expect([d.lines(0), d.lines(1)]).toEqual([0n, 0n]);
  }
});

test("claim, complete, and again while the line stays high", () => {
  priority(3, 1);
  enable(1, 3);
  set(3, true);
  expect(pending(3)).toBe(true);
  expect(claim(1)).toBe(3);
  expect(pending(3)).toBe(false);
  expect(d.lines(0)).toBe(0n);
  expect(claim(1)).toBe(0);
  complete(1, 3);
  expect(pending(3)).toBe(true);
  expect(d.lines(0)).toBe(SEIP);
  set(3, false); // a forwarded request isn't taken back
  expect(claim(1)).toBe(3);
  complete(1, 3);
  expect(d.lines(0)).toBe(0n);
});

test("edges during service are remembered only as a level", () => {
  priority(3, 1);
  enable(1, 3);
  set(3, true);
  claim(1);
  set(3, false);
  set(3, true);
  set(3, false);
  complete(1, 3);
  expect(pending(3)).toBe(false);
});

test("completion is ignored from a context that hasn't the source enabled, and for what isn't claimed", () => {
  priority(3, 1);
  enable(1, 3);
  set(3, true);
  claim(1);
  complete(3, 3);
  expect(pending(3)).toBe(false);
  complete(1, 4);
  complete(1, 0);
  complete(1, 0xffff_ffff);
  expect(pending(3)).toBe(false);
  complete(1, 3);
  expect(pending(3)).toBe(true);
});

test("highest priority first, then the lowest source", () => {
  enable(0, 7, 33, 64, 96);
  for (const [source, p] of [
    [7, 2],
    [33, 5],
    [64, 5],
    [96, 7],
  ] as const)
    priority(source, p);
  for (const source of [7, 33, 64, 96]) set(source, true);
  expect([claim(0), claim(0), claim(0), claim(0), claim(0)]).toEqual([96, 33, 64, 7, 0]);
});

test("the threshold masks the line, not the claim; priority zero masks both", () => {
  enable(0, 9);
  priority(9, 3);
  threshold(0, 3);
  set(9, true);
  expect(d.lines(0)).toBe(0n);
  threshold(0, 2);
  expect(d.lines(0)).toBe(MEIP);
  threshold(0, 7);
  expect(claim(0)).toBe(9);
  complete(0, 9);
  priority(9, 0);
  threshold(0, 0);
  expect(d.lines(0)).toBe(0n);
  expect(claim(0)).toBe(0);
});

describe("registers", () => {
  test("priorities and thresholds keep three bits; source 0 has none", () => {
    priority(1, 0xffff_fff5);
    threshold(2, 0xff);
    write(0, 5);
    expect([read(4), read(0x20_2000), read(0)]).toEqual([5, 7, 0]);
  });

  test("enables exist for sources 1 to 96 of the harts there are", () => {
    for (let i = 0; i < 5; i++) write(0x2000 + i * 4, 0xffff_ffff);
    expect([0, 1, 2, 3, 4].map((i) => read(0x2000 + i * 4))).toEqual([0xffff_fffe, 0xffff_ffff, 0xffff_ffff, 1, 0]);
    write(0x2000 + 4 * 0x80, 0xffff_ffff);
    expect(read(0x2000 + 4 * 0x80)).toBe(0);
    expect(claim(4)).toBe(0);
  });

  test("pending is read-only, sources past the last don't exist, and only words answer", () => {
    write(0x1000, 0xffff_ffff);
    set(97, true);
    set(0, true);
    expect([read(0x1000), read(0x100c)]).toEqual([0, 0]);
    priority(2, 3);
    expect([d.core.plicRead(8, 1), d.core.plicRead(8, 8), d.core.plicRead(9, 4)]).toEqual([0n, 0n, 0n]);
    d.core.plicWrite(8, 1, 0n);
    expect(read(8)).toBe(3);
  });
});

test("reset forgets everything but the lines", () => {
  priority(3, 1);
  enable(1, 3);
  set(3, true);
  claim(1);
  d.core.plicReset();
  expect([read(12), pending(3), d.lines(0)]).toEqual([0, true, 0n]);
});

/** The same rules, written as sets: what random traffic must agree with. */
test("random traffic agrees with a model", () => {
  const next = random(7);
  const sources = [1, 2, 10, 31, 32, 63, 95, 96];
  const model = {
    level: new Set<number>(),
    pending: new Set<number>(),
    claimed: new Set<number>(),
    priority: new Map<number, number>(),
    enabled: [0, 1, 2, 3].map(() => new Set<number>()),
    threshold: [0, 0, 0, 0],
  };
  const best = (context: number, floor: number): number => {
    const able = [...model.pending].filter(
      (s) => model.enabled[context]!.has(s) && (model.priority.get(s) ?? 0) > floor,
    );
    able.sort((a, b) => model.priority.get(b)! - model.priority.get(a)! || a - b);
    return able[0] ?? 0;
  };
  for (let step = 0; step < 20_000; step++) {
    const source = sources[next() % sources.length]!;
    const context = next() % 4;
    switch (next() % 6) {
      case 0: {
        const level = next() % 2 === 1;
        if (level && !model.level.has(source) && !model.claimed.has(source)) model.pending.add(source);
        if (level) model.level.add(source);
        else model.level.delete(source);
        set(source, level);
        break;
      }
      case 1: {
        const expected = best(context, 0);
        if (expected) {
          model.pending.delete(expected);
          model.claimed.add(expected);
        }
        expect(claim(context)).toBe(expected);
        break;
      }
      case 2: {
        if (model.enabled[context]!.has(source) && model.claimed.delete(source) && model.level.has(source))
          model.pending.add(source);
        complete(context, source);
        break;
      }
      case 3: {
        const p = next() % 8;
        model.priority.set(source, p);
        priority(source, p);
        break;
      }
      case 4: {
        const list = sources.filter(() => next() % 4 !== 0);
        model.enabled[context] = new Set(list);
        enable(context, ...list);
        break;
      }
      default: {
        model.threshold[context] = next() % 8;
        threshold(context, model.threshold[context]!);
      }
    }
    for (let c = 0; c < 4; c++) {
      const bit = c % 2 ? SEIP : MEIP;
      expect((d.lines(c >> 1) & bit) !== 0n).toBe(best(c, model.threshold[c]!) !== 0);
    }
  }
});
