import { describe, expect, test } from "vitest";
import { decode } from "../../src/isa/decode.ts";
import { disassemble } from "../../src/isa/disassemble.ts";
import { EncodeError, encode } from "../../src/isa/encode.ts";
import { rows } from "../../src/isa/table/index.ts";
import { operandSamples, rawOf } from "./operands.ts";
import { seeded } from "./random.ts";

test("every row survives encode and decode", () => {
  const random = seeded(1);
  for (const row of rows) {
    const samples = operandSamples(row, random, 40);
    expect(samples.length, row.name).toBeGreaterThan(0);
    for (const operands of samples) {
      const raw = encode(row.name, operands);
      expect(raw).toBe(rawOf(row, operands));
      const decoded = decode(raw);
      expect(decoded?.row.name).toBe(row.name);
      expect(decoded?.operands).toEqual(operands);
    }
  }
});

describe("encode refuses", () => {
  test.each([
    ["a value that doesn't fit", "addi", { rd: 1, rs1: 1, imm: 2048 }],
    ["an odd branch target", "beq", { rs1: 1, rs2: 1, target: 3 }],
    ["a register out of reach of a compressed instruction", "c.lw", { rd: 7, rs1: 8, imm: 0 }],
    ["a register that isn't one", "add", { rd: 32, rs1: 0, rs2: 0 }],
    ["a missing operand", "add", { rd: 1, rs1: 1 }],
    ["a reserved encoding", "c.addi4spn", { rd: 8, imm: 0 }],
    ["operands that make another instruction", "c.addi", { rd: 0, imm: 1 }],
    ["an unknown name", "addd", {}],
  ])("%s", (_, name, operands) => expect(() => encode(name, operands)).toThrow(EncodeError));
});

test("rounding mode and ordering may be left out", () => {
  expect(disassemble(encode("fadd.d", { fd: 10, fs1: 11, fs2: 12 }), 0n)).toBe("fadd.d\tfa0,fa1,fa2");
  expect(disassemble(encode("sc.w", { rd: 10, rs1: 11, rs2: 12 }), 0n)).toBe("sc.w\ta0,a2,(a1)");
});
