/**
 * Decodes by searching the table: the plain counterpart of the generated
 * decoder, for tools and for tests of the other.
 */

import { extract } from "./field.ts";
import { type Operand, SINK } from "./format.ts";
import { numberOps } from "./ops.ts";
import { bySpecificity, type Row } from "./row.ts";
import { rows } from "./table/index.ts";

export type Operands = Partial<Record<Operand, number>>;

export interface Decoded {
  readonly row: Row;
  readonly operands: Operands;
}

/** What the interpreter runs: op id and three operands, as `assembly/isa` fills them in. */
export interface MicroOp {
  readonly op: number;
  readonly a: number;
  readonly b: number;
  readonly imm: number;
}

/** Bytes of the instruction that starts with these bits. */
export const sizeOf = (raw: number): 2 | 4 => ((raw & 3) === 3 ? 4 : 2);

/** Candidates by what every row fixes (opcode, or quadrant and funct3), the most specific first. */
const bucketOf = (raw: number): number => (sizeOf(raw) === 4 ? raw & 0x7f : 0x80 | ((raw >>> 11) & 0x1c) | (raw & 3));
const buckets = new Map<number, Row[]>();
for (const row of [...rows].sort(bySpecificity)) {
  const bucket = bucketOf(row.match);
  buckets.set(bucket, [...(buckets.get(bucket) ?? []), row]);
}

/**
 * @param raw  the instruction's bits, 0…2³²−1; the upper half of a compressed one is ignored
 * @returns    undefined when the encoding isn't legal
 */
export function decode(raw: number): Decoded | undefined {
  const bits = sizeOf(raw) === 2 ? raw & 0xffff : raw;
  const row = buckets.get(bucketOf(bits))?.find(({ mask, match }) => (bits & mask) >>> 0 === match);
  if (!row) return undefined;
  const operands: Operands = {};
  for (const [name, field] of Object.entries(row.format.fields)) operands[name as Operand] = extract(field, bits);
  return row.nonzero.some((name) => operands[name] === 0) ? undefined : { row, operands };
}

const opIds = new Map(numberOps(rows).flatMap((op) => (op.row && !op.far ? [[op.row, op.id] as const] : [])));

/** The micro-op of a decoded instruction (see format.ts). */
export function microOp({ row, operands }: Decoded): MicroOp {
  const { a, b, imm } = row.format;
  const slot = (from: number | Operand) => (typeof from === "number" ? from : operands[from]!);
  return {
    op: opIds.get(row)!,
    a: a === "rd" && operands.rd === 0 ? SINK : slot(a),
    b: slot(b),
    imm: imm.reduce((sum, [name, shift]) => sum | (operands[name]! << shift), 0),
  };
}
