import type { Operands } from "../../src/isa/decode.ts";
import { decode } from "../../src/isa/decode.ts";
import { extract } from "../../src/isa/field.ts";
import type { Operand } from "../../src/isa/format.ts";
import type { Row } from "../../src/isa/row.ts";

/**
 * Operand values of a row: the extremes (all operand bits 0, all 1, each field
 * alone all 1), then random ones. Reserved and other rows' encodings are left out.
 */
export function operandSamples(row: Row, random: () => number, count: number): Operands[] {
  const fields = Object.entries(row.format.fields);
  const fill = (bits: (name: string) => number): Operands => {
    const operands: Operands = {};
    for (const [name, field] of fields) operands[name as Operand] = extract(field, bits(name) >>> 0);
    return operands;
  };
  const samples = [fill(() => 0), fill(() => 0xffffffff)];
  for (const [name] of fields) samples.push(fill((other) => (other === name ? 0xffffffff : 0)));
  for (let n = 0; n < count; n++) samples.push(fill(() => random()));
  return samples.filter((operands) => decode(rawOf(row, operands))?.row === row);
}

/** Bits of a row with these operands, put together apart from the encoder: piece by piece. */
export function rawOf(row: Row, operands: Operands): number {
  let raw = row.match;
  for (const [name, field] of Object.entries(row.format.fields)) {
    for (const { raw: at, to, width } of field.pieces) {
      const bits = ((operands[name as Operand]! - field.base) >> to) & (2 ** width - 1);
      raw = (raw | (bits << at)) >>> 0;
    }
  }
  return raw;
}
