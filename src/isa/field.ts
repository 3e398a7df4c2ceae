/**
 * Operand fields: which bits of an instruction hold an operand. Layouts are
 * written as the manuals write them: `["12", "5:4|9:6|2|3"]` puts operand bits
 * 5, 4, 9…6, 2 and 3 into instruction bits 12 downwards.
 */

/** `width` bits at `raw` in the instruction are the operand's bits from `to`. */
export interface Piece {
  readonly raw: number;
  readonly to: number;
  readonly width: number;
}

export interface Field {
  readonly pieces: readonly Piece[];
  /** One more than the highest operand bit. */
  readonly bits: number;
  readonly signed: boolean;
  /** Added to the bits: 8 for the three-bit registers of compressed instructions. */
  readonly base: number;
}

/** Part of a layout: the highest instruction bit, then the operand's bits from there down. */
export type Part = readonly [top: number, operandBits: string];

function make(parts: readonly Part[], signed: boolean, base: number): Field {
  const pieces: Piece[] = [];
  let bits = 0;
  for (const [top, text] of parts) {
    let next = top;
    for (const range of text.split("|")) {
      const [high, low] = range.split(":").map(Number);
      const width = high! - (low ?? high!) + 1;
      next -= width;
      pieces.push({ raw: next + 1, to: low ?? high!, width });
      bits = Math.max(bits, high! + 1);
    }
  }
  return { pieces, bits, signed, base };
}

export const unsigned = (...parts: Part[]): Field => make(parts, false, 0);
export const signed = (...parts: Part[]): Field => make(parts, true, 0);
/** A register number of five bits whose highest instruction bit is `top`. */
export const register = (top: number): Field => make([[top, "4:0"]], false, 0);
/** A register number of three bits, x8…x15 or f8…f15. */
export const smallRegister = (top: number): Field => make([[top, "2:0"]], false, 8);

/** Ones where the instruction holds the field. */
export function fieldMask(field: Field): number {
  return field.pieces.reduce((mask, p) => (mask | ((2 ** p.width - 1) << p.raw)) >>> 0, 0);
}

/** The operand's value, sign-extended when the field is signed. */
export function extract(field: Field, raw: number): number {
  let value = 0;
  for (const p of field.pieces) value |= ((raw >>> p.raw) & (2 ** p.width - 1)) << p.to;
  if (field.signed) value = (value << (32 - field.bits)) >> (32 - field.bits);
  return value + field.base;
}

/** The instruction bits that hold `value`, or undefined when the field can't. */
export function insert(field: Field, value: number): number | undefined {
  let raw = 0;
  for (const p of field.pieces) raw |= (((value - field.base) >> p.to) & (2 ** p.width - 1)) << p.raw;
  return extract(field, raw >>> 0) === value ? raw >>> 0 : undefined;
}
