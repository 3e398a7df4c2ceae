import { describe, expect, it } from "vitest";
import { advantage, formatTable, makeRow, median, type Row } from "../../bench/report.ts";
import { labelOf } from "../../src/oracle/qemu.ts";

const about = { suite: "s", name: "n", unit: "s", better: "lower" } as const;

describe("median", () => {
  it("is the middle, or between the two", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 10])).toBe(3);
    expect(median([7])).toBe(7);
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
    });
  });

  it("takes the higher one where higher is better", () => {
    expect(makeRow({ ...about, better: "higher" }, runs).results.qemu).toBe(4);
  });

  it("has no qemu without one", () => {
    expect(makeRow(about, new Map([["wardian", [1]]])).results).toEqual({ wardian: 1 });
  });
});

describe("advantage", () => {
  const row = (better: Row["better"]): Row => ({ ...about, better, results: { wardian: 2, qemu: 3 } });

  it("is above 1 where wardian is better", () => {
    expect(advantage(row("lower"), "qemu")).toBe(1.5);
    expect(advantage(row("higher"), "qemu")).toBeCloseTo(2 / 3);
    expect(advantage(row("lower"), "native")).toBeUndefined();
  });
});

describe("formatTable", () => {
  it("has a line for each row, the QEMUs by version, ratios at the end", () => {
    const results = { "qemu-10.0": 3, "qemu-7.2": 4, qemu: 3, native: 0.125, wardian: 2 };
    const lines = formatTable([
      { ...about, results },
      { ...about, name: "other", results: { wardian: 1234.5 } },
    ]).split("\n");
    expect(lines.map((line) => line.trim().split(/\s{2,}/))).toEqual([
      ["unit", "wardian", "qemu-7.2", "qemu-10.0", "native", "× qemu", "× native"],
      ["s n", "s", "2.00", "4.00", "3.00", "0.125", "1.50", "0.0625"],
      ["s other", "s", "1235", "–", "–", "–", "–", "–"],
    ]);
  });
});

describe("labelOf", () => {
  it("is the program and its minor version", () => {
    expect(labelOf("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright")).toBe("qemu-10.0");
    expect(() => labelOf("hello")).toThrow(/install the package/);
  });
});
