import { describe, expect, it } from "vitest";
import { formatTable, geometricMean, makeRow, median, type Row, summarize } from "../../bench/report.ts";

const about = { suite: "s", name: "n", unit: "s", better: "lower" } as const;

describe("median", () => {
  it("is the middle, or between the two", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 10])).toBe(3);
    expect(median([7])).toBe(7);
  });
});

describe("geometricMean", () => {
  it("is the ratio that all of them amount to", () => {
    expect(geometricMean([2, 8])).toBeCloseTo(4);
    expect(geometricMean([0.5, 2, 1])).toBeCloseTo(1);
    expect(geometricMean([3])).toBeCloseTo(3);
  });
});

describe("makeRow", () => {
  const runs = new Map([
    ["wardian", [2, 1, 3]],
    ["qemu-7.2", [4, 4, 4]],
    ["qemu-10.0", [5, 3, 3]],
    ["native", [0.1]],
  ]);

  it("takes medians, and the faster QEMU as qemu", () => {
    expect(makeRow(about, runs)).toEqual({
      ...about,
      results: { wardian: 2, "qemu-7.2": 4, "qemu-10.0": 3, qemu: 3, native: 0.1 },
      ratios: { qemu: 1.5, native: 0.05 },
    });
  });

  it("takes the higher one where higher is better", () => {
    const row = makeRow({ ...about, better: "higher" }, runs);
    expect(row.results.qemu).toBe(4);
    expect(row.ratios).toEqual({ qemu: 0.5, native: 20 });
  });

  it("has no qemu without one", () => {
    expect(makeRow(about, new Map([["wardian", [1]]]))).toEqual({ ...about, results: { wardian: 1 }, ratios: {} });
  });

  it("has no ratio to a time that was too short to see", () => {
    expect(makeRow(about, runs.set("native", [0])).ratios).toEqual({ qemu: 1.5 });
  });
});

describe("summarize", () => {
  const rows: Row[] = [
    { ...about, results: {}, ratios: { qemu: 2, native: 0.1 } },
    { ...about, results: {}, ratios: { qemu: 0.5 } },
  ];

  it("combines the ratios to a peer that all rows have", () => {
    expect(summarize({ suite: "s", name: "least" }, rows, (values) => Math.min(...values))).toEqual({
      suite: "s",
      name: "least",
      unit: "×",
      better: "higher",
      results: {},
      ratios: { qemu: 0.5 },
    });
  });

  it("says nothing of no rows", () => {
    expect(summarize({ suite: "s", name: "mean" }, [], geometricMean).ratios).toEqual({});
  });
});

describe("formatTable", () => {
  it("has a line for each row, the QEMUs by version, ratios at the end", () => {
    const results = { "qemu-10.0": 3, "qemu-7.2": 4, qemu: 3, native: 0.125, wardian: 2 };
    const lines = formatTable([
      { ...about, results, ratios: { qemu: 1.5, native: 0.0625 } },
      { ...about, name: "other", results: { wardian: 1234.5 }, ratios: {} },
      { ...about, name: "mean", unit: "×", results: {}, ratios: { qemu: 1.5 } },
    ]).split("\n");
    expect(lines.map((line) => line.trim().split(/\s{2,}/))).toEqual([
      ["unit", "wardian", "qemu-7.2", "qemu-10.0", "native", "× qemu", "× native"],
      ["s n", "s", "2.00", "4.00", "3.00", "0.125", "1.50", "0.0625"],
      ["s other", "s", "1235", "–", "–", "–", "–", "–"],
      ["s mean", "×", "–", "–", "–", "–", "1.50", "–"],
    ]);
  });
});
