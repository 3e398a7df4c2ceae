/** Sizes of memory as people write them. */

import { describe, expect, test } from "vitest";
import { memorySize } from "../../src/hypervisor/size.ts";

const MIB = 2 ** 20;
const LIMIT = 4000 * MIB;

test.each([
  ["512M", 512],
  ["512m", 512],
  ["512", 512],
  ["512MiB", 512],
  ["512MB", 512],
  ["2G", 2048],
  ["8192K", 8],
  [" 64M ", 64],
  [16 * MIB, 16],
  [LIMIT, 4000],
  ["4M", 4],
])("%s is %i MiB", (text, mib) => {
  expect(memorySize(text, LIMIT)).toBe(mib * MIB);
});

describe("one sentence says what is wrong", () => {
  test.each([
    ["", /^"" is not a size of memory; write it as 512M or 2G\.$/],
    ["lots", /^"lots" is not a size/],
    ["-1M", /is not a size/],
    ["1.5G", /is not a size/],
    ["0x10M", /is not a size/],
    ["512 M", /is not a size/],
    ["1e9", /is not a size/],
    ["9999999999999G", /is not a size/],
    ["512X", /is not a size/],
    ["999999999999T", /too large; give it at most 4000M\.$/],
    ["4001M", /too large; give it at most 4000M\.$/],
    ["4095K", /^The memory of 4095K is not a multiple of 4096 bytes; choose one, such as 512M\.$/],
    ["0", /too small; give it at least 4M\.$/],
    [MIB, /too small/],
    [-4096, /too small/],
    [4097, /not a multiple/],
    [Number.NaN, /^The memory of NaN is not a multiple/],
    [Number.POSITIVE_INFINITY, /is not a multiple/],
    [16.5 * MIB + 0.5, /is not a multiple/],
  ])("%s", (memory, message) => {
    expect(() => memorySize(memory, LIMIT)).toThrow(message);
  });
});
