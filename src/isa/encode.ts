/** Encodes instructions from the table. */

import { decode, type Operands } from "./decode.ts";
import { insert } from "./field.ts";
import type { Operand } from "./format.ts";
import type { Row } from "./row.ts";
import { rows } from "./table/index.ts";

/** The instruction can't be encoded; `message` says which operand is wrong. */
export class EncodeError extends Error {
  override readonly name = "EncodeError";
}

const byName = new Map(rows.map((row) => [row.name, row]));

/** The row of a mnemonic, or undefined. */
export const rowOf = (name: string): Row | undefined => byName.get(name);

/** Operands that may be left out: rounding mode dyn, no ordering, no hint. */
const DEFAULTS: Operands = { rm: 7, aq: 0, rl: 0, hint: 0 };

/**
 * @param name      mnemonic, as in the table
 * @param operands  by the names in the row's format; rm, aq and rl may be left out
 * @returns         the instruction's bits, 16 or 32 by the row's size
 * @throws EncodeError when a value doesn't fit, is missing, or makes another instruction of it
 */
export function encode(name: string, operands: Operands = {}): number {
  const row = rowOf(name);
  if (!row) throw new EncodeError(`There is no instruction "${name}" in the table.`);
  let raw = row.match;
  for (const [key, field] of Object.entries(row.format.fields)) {
    const value = operands[key as Operand] ?? DEFAULTS[key as Operand];
    if (value === undefined) throw new EncodeError(`${name} needs the operand ${key}; its operands: ${row.syntax}.`);
    const bits = insert(field, value);
    if (bits === undefined) throw new EncodeError(`${name} can't encode ${key} = ${value}.`);
    raw = (raw | bits) >>> 0;
  }
  if (decode(raw)?.row !== row) {
    throw new EncodeError(`${name} with these operands is reserved or another instruction; change its operands.`);
  }
  return raw;
}
