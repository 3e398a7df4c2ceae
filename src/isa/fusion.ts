/**
 * Fused micro-ops: two instructions that often follow one another, executed as
 * one. The first one's slot gets the fused op and keeps its own operands; the
 * second one's slot stays as it is, so that jumps to it still work.
 */

import { FUSED_PAIRS } from "./fusion-pairs.ts";
import { opName } from "./names.ts";
import type { Row } from "./row.ts";

export interface Fusion {
  readonly id: number;
  /** The constant's name, such as "OP_LUI_THEN_ADDI". */
  readonly name: string;
  readonly first: Row;
  readonly second: Row;
}

/** A pair in `FUSED_PAIRS` can't be fused; `message` names it. Only a faulty list throws this. */
export class FusionError extends Error {
  override readonly name = "FusionError";
}

/**
 * @param rows     the table
 * @param firstId  the id after the last instruction's op
 * @throws FusionError
 */
export function numberFusions(rows: readonly Row[], firstId: number): Fusion[] {
  const byName = new Map(rows.map((row) => [row.name, row]));
  const seen = new Set<string>();
  return FUSED_PAIRS.map((pair, i) => {
    const [first, second] = pair.split(" ").map((name) => byName.get(name));
    if (!first || !second) throw new FusionError(`${pair}: not two instructions of the table`);
    if (first.flags.endsBlock) throw new FusionError(`${pair}: the first one may not go on to the second`);
    if (seen.has(pair)) throw new FusionError(`${pair}: listed twice`);
    seen.add(pair);
    const name = `${opName(first.name)}_THEN_${opName(second.name).slice("OP_".length)}`;
    return { id: firstId + i, name, first, second };
  });
}
