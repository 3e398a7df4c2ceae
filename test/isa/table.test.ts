import { describe, expect, test } from "vitest";
import { R, SHIFT } from "../../src/isa/format.ts";
import { handlerName, opName } from "../../src/isa/names.ts";
import { section, TableError } from "../../src/isa/row.ts";
import { rows } from "../../src/isa/table/index.ts";

describe("the table", () => {
  test("names each instruction once, also as a constant and a function", () => {
    for (const name of [(n: string) => n, opName, handlerName]) {
      expect(new Set(rows.map((row) => name(row.name))).size).toBe(rows.length);
    }
    expect(opName("fcvt.w.s")).toBe("OP_FCVT_W_S");
    expect(handlerName("c.addi")).toBe("c_addi");
  });

  test("has rows overlap only where one is a special case of the other", () => {
    const special: string[] = [];
    for (const x of rows) {
      for (const y of rows) {
        if (x === y || x.size !== y.size || (x.match ^ y.match) & x.mask & y.mask) continue;
        expect([x.mask, y.mask], `${x.name} and ${y.name}`).toContain((x.mask | y.mask) >>> 0);
        expect(x.mask, `${x.name} and ${y.name}`).not.toBe(y.mask);
        if ((x.mask | y.mask) >>> 0 === x.mask) special.push(`${x.name} < ${y.name}`);
      }
    }
    expect(special.sort()).toEqual([
      "c.addi16sp < c.lui",
      "c.ebreak < c.add",
      "c.ebreak < c.jalr",
      "c.jalr < c.add",
      "c.jr < c.mv",
      "c.nop < c.addi",
      "fence.tso < fence",
      "pause < fence",
    ]);
  });

  test("sets the low bits that give the size", () => {
    for (const row of rows) expect((row.match & row.mask & 3) === 3, row.name).toBe(row.size === 4);
  });
});

describe("a faulty row is refused", () => {
  const row = section("X", "");
  test.each([
    ["a pattern of the wrong length", () => row("x", R, "0000000 ----- ----- 000 ----- 011001")],
    ["operand bits that no field covers", () => row("x", SHIFT, "00000 ------- ----- 001 ----- 0010011")],
    ["fixed bits inside a field", () => row("x", R, "0000000 0---- ----- 000 ----- 0110011")],
  ])("%s", (_, make) => expect(make).toThrow(TableError));
});
