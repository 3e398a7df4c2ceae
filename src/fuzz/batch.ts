/** Runs programs on an engine and on the oracle, at the same time, and compares. */

import type { Qemu } from "../oracle/qemu.ts";
import { compare, type Difference } from "./compare.ts";
import { type Engine, type Outcome, runOnQemu } from "./engines.ts";
import { RAM_BASE, RESULT_NAMES, RESULT_SIZE, RETIRED_AT, RUN_COST, TRAP_COST } from "./harness.ts";
import { buildImage, type Image } from "./image.ts";
import { type Program, runsOf } from "./program.ts";

export interface Batch {
  readonly image: Image;
  readonly ours: Outcome;
  readonly differences: readonly Difference[];
  /** Instructions of programs that were executed on both, without the harness's own. */
  readonly instructions: number;
}

export async function runBatch(programs: readonly Program[], engine: Engine, qemu: Qemu): Promise<Batch> {
  const image = buildImage(programs);
  const oracle = runOnQemu(qemu, image);
  // The other process starts while we compute; its failure is seen below.
  oracle.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 15));
  const ours = engine(image);
  const differences = compare(image, ours, await oracle);
  return { image, ours, differences, instructions: instructionsOf(image, ours) };
}

/** What the harness counted on our side, less what it spent itself, which is estimated too high. */
function instructionsOf(image: Image, { ram }: Outcome): number {
  const view = new DataView(ram.buffer, ram.byteOffset);
  const retired = Number(view.getBigUint64(RETIRED_AT - RAM_BASE, true));
  const runs = image.programs.reduce((sum, program) => sum + runsOf(program), 0);
  let traps = 0;
  const at = RESULT_NAMES.indexOf("traps") * 8;
  image.slots.forEach((slot, i) => {
    for (let run = 0; run < runsOf(image.programs[i]!); run++)
      traps += Number(view.getBigUint64(slot.results - RAM_BASE + run * RESULT_SIZE + at, true));
  });
  return Math.max(0, retired - runs * RUN_COST - traps * TRAP_COST);
}
