/** The suite of random programs: batches until time is up or programs differ. */

import { faultsOnClearBits, lacking } from "../oracle/cpu.ts";
import type { Qemu } from "../oracle/qemu.ts";
import { type Batch, runBatch } from "./batch.ts";
import type { Engine } from "./engines.ts";
import { generate } from "./generate.ts";
import type { Options } from "./generator.ts";
import { DATA_KINDS, type Mode, type Program } from "./program.ts";
import { mix } from "./random.ts";
import { describe, toJson } from "./report.ts";
import { shrink } from "./shrink.ts";

export interface Settings {
  readonly seed: number;
  /** Stop after so many minutes … */
  readonly minutes: number;
  /** … or so many programs. */
  readonly programs: number;
  readonly modes: readonly Mode[];
  /** Programs that differ before it stops. */
  readonly failures: number;
}

export interface Failure {
  readonly seed: number;
  /** The smallest program that still fails, or the whole one when it fails only in its batch. */
  readonly program: Program;
  readonly text: string;
}

export interface Totals {
  readonly programs: number;
  readonly instructions: number;
  readonly seconds: number;
  readonly failures: readonly Failure[];
}

const BATCH = 400;
/** Instructions in a body, and times that each is run. */
const [LENGTH, RUNS] = [60, 16];

/** What programs a QEMU can judge. */
export function optionsFor(qemu: Qemu, modes: readonly Mode[]): Options {
  const data = DATA_KINDS.filter((kind) => faultsOnClearBits(qemu.version) || (kind !== "clean" && kind !== "old"));
  return { length: LENGTH, runs: RUNS, without: lacking(qemu.version), modes, data };
}

/** The seed of the n-th program of a run. */
export const programSeed = (seed: number, n: number): number => mix(mix(seed) + n);

/** @param say hears how it goes, a line at a time */
export async function fuzzPrograms(
  settings: Settings,
  engine: Engine,
  qemu: Qemu,
  say: (line: string) => void,
): Promise<Totals> {
  const started = Date.now();
  const seconds = () => (Date.now() - started) / 1000;
  const options = optionsFor(qemu, settings.modes);
  const failures: Failure[] = [];
  let [programs, instructions] = [0, 0];
  while (programs < settings.programs && seconds() < settings.minutes * 60) {
    const count = Math.min(BATCH, settings.programs - programs);
    const seeds = Array.from({ length: count }, (_, i) => programSeed(settings.seed, programs + i));
    const batch = await runBatch(
      seeds.map((seed) => generate(seed, options)),
      engine,
      qemu,
    );
    programs += count;
    instructions += batch.instructions;
    say(`${programs} programs, ${(instructions / 1e6).toFixed(1)} million instructions, ${failures.length} differ`);
    for (const { index } of batch.differences) {
      failures.push(await reproduce(batch, index, engine, qemu, say));
      if (failures.length >= settings.failures) return { programs, instructions, seconds: seconds(), failures };
    }
  }
  return { programs, instructions, seconds: seconds(), failures };
}

async function reproduce(
  batch: Batch,
  index: number,
  engine: Engine,
  qemu: Qemu,
  say: (line: string) => void,
): Promise<Failure> {
  const program = batch.image.programs[index]!;
  const { seed } = program;
  say(`program ${seed} differs; making it smaller`);
  const fails = async (candidates: readonly Program[]) => {
    const wrong = new Set((await runBatch(candidates, engine, qemu)).differences.map((d) => d.index));
    return candidates.map((_, i) => wrong.has(i));
  };
  const [again] = await fails([program]);
  if (!again) {
    const { lines } = batch.differences.find((difference) => difference.index === index)!;
    const text = `program ${seed} differs in its batch only:\n${describe(program, batch.image.slots[index]!, lines)}`;
    return { seed, program, text };
  }
  const smallest = await shrink(program, fails);
  const last = await runBatch([smallest], engine, qemu);
  const lines = last.differences[0]?.lines ?? [];
  return {
    seed,
    program: smallest,
    text: `program ${seed}, made smaller: ${describe(smallest, last.image.slots[0]!, lines)}`,
  };
}

/** The file that a failure is kept in, and its text. */
export const fixtureOf = ({ seed, program }: Failure): readonly [name: string, text: string] => [
  `program-${seed}.json`,
  toJson(program),
];
