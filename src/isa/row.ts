/** A row of the instruction table, and the check that each bit of it is accounted for once. */

import { fieldMask } from "./field.ts";
import type { Format, Operand } from "./format.ts";

export interface Flags {
  /** Control may not go on at the next instruction, or what code means may change. */
  readonly endsBlock?: true;
  /** May trap when executed (FP: whenever mstatus.FS is off). */
  readonly mayTrap?: true;
  /** Worth translating; the others are left to the interpreter. */
  readonly lowerable?: true;
  /** Has a second micro-op, `_FAR`, for a target outside the page. */
  readonly far?: true;
}

export interface Row {
  /** Mnemonic, such as "c.addi" or "fcvt.w.s". */
  readonly name: string;
  /** Legal encodings have `raw & mask == match`; of several rows the one with more mask bits decides. */
  readonly mask: number;
  readonly match: number;
  /** Bytes. */
  readonly size: 2 | 4;
  readonly format: Format;
  readonly extension: string;
  readonly flags: Flags;
  /** Operands in assembly, from the format. */
  readonly syntax: string;
  /** Operands that may not be 0 (register x0 included): such encodings are reserved. */
  readonly nonzero: readonly Operand[];
  /** Where the manual specifies it. */
  readonly section: string;
}

const ones = (n: number): number => (n ? (n & 1) + ones(n >>> 1) : 0);

/** For sorting: of rows that match the same bits the one with most fixed bits comes first. */
export const bySpecificity = (x: Row, y: Row): number => ones(y.mask) - ones(x.mask);

/** A row of the table contradicts itself; `message` names it. Only a faulty table throws this. */
export class TableError extends Error {
  override readonly name = "TableError";
}

/** Makes the rows of one section of the manual. */
export type RowMaker = (name: string, format: Format, pattern: string, flags?: Flags, nonzero?: Operand[]) => Row;

/**
 * Rows are written as bit patterns, high bit first, spaces free:
 * `0` and `1` are fixed, `-` belongs to an operand, `x` is ignored by hardware.
 */
export function section(extension: string, where: string): RowMaker {
  return (name, format, pattern, flags = {}, nonzero = []) => {
    const bits = pattern.replaceAll(" ", "");
    if (!/^([01x-]{16}|[01x-]{32})$/.test(bits)) throw new TableError(`${name}: pattern of ${bits.length} bits`);
    const bitsOf = (kinds: string) => [...bits].reduce((n, bit) => n * 2 + (kinds.includes(bit) ? 1 : 0), 0);
    let held = 0;
    for (const field of Object.values(format.fields)) {
      const mask = fieldMask(field);
      if (held & mask) throw new TableError(`${name}: two operands share bits`);
      held = (held | mask) >>> 0;
    }
    if (held !== bitsOf("-")) throw new TableError(`${name}: format ${format.name} doesn't cover the operand bits`);
    const size = bits.length === 16 ? 2 : 4;
    return {
      name,
      mask: bitsOf("01"),
      match: bitsOf("1"),
      size,
      format,
      extension,
      flags,
      syntax: format.syntax,
      nonzero,
      section: where,
    };
  };
}

export const ALU: Flags = { lowerable: true };
export const ACCESS: Flags = { lowerable: true, mayTrap: true };
export const JUMP: Flags = { lowerable: true, endsBlock: true };
export const NEAR_JUMP: Flags = { lowerable: true, endsBlock: true, far: true };
/** Left to the interpreter. */
export const SLOW: Flags = { mayTrap: true };
export const SYSTEM: Flags = { mayTrap: true, endsBlock: true };
