/** Numbering of the micro-ops: special ones, then each row's, a `_FAR` twin right after its row. */

import { farOpName, opName } from "./names.ts";
import type { Row } from "./row.ts";

/** Ops that no row has; the ids below FIRST_OP that they leave are spare. */
export const SPECIAL_OPS = [
  "OP_DECODE",
  "OP_PAGE_END",
  "OP_CROSS",
  "OP_ILLEGAL",
  "OP_ILLEGAL_C",
  "OP_BREAK",
  "OP_JIT",
] as const;

export const FIRST_OP = 8;

export interface Op {
  readonly id: number;
  /** The constant's name, such as "OP_BEQ_FAR". */
  readonly name: string;
  readonly row: Row | undefined;
  readonly far: boolean;
}

export function numberOps(rows: readonly Row[]): Op[] {
  const ops: Op[] = SPECIAL_OPS.map((name, id) => ({ id, name, row: undefined, far: false }));
  let id = FIRST_OP;
  for (const row of rows) {
    ops.push({ id: id++, name: opName(row.name), row, far: false });
    if (row.flags.far) ops.push({ id: id++, name: farOpName(row.name), row, far: true });
  }
  return ops;
}
