/** The suite of engines: random programs by the interpreter and by the JIT, until time is up or they differ. */

import { generate } from "./generate.ts";
import type { Options } from "./generator.ts";
import { buildImage, type Image } from "./image.ts";
import { type Course, lockstep, type Mismatch } from "./lockstep.ts";
import { DATA_KINDS, type Mode, type Program } from "./program.ts";
import { type Failure, programSeed, type Totals } from "./programs.ts";
import { chance, seeded } from "./random.ts";
import { describe, fromJson, toJson } from "./report.ts";
import { shrink } from "./shrink.ts";

export interface EngineSettings {
  readonly seed: number;
  /** Stop after so many minutes … */
  readonly minutes: number;
  /** … or so many instructions … */
  readonly instructions: number;
  /** … or so many programs that differ. */
  readonly failures: number;
  readonly modes: readonly Mode[];
}

export interface EngineTotals extends Totals {
  readonly regions: number;
}

/** How an image's programs are run. */
export interface Setting extends Course {
  /** Ticks from one timer interrupt to the next; 0 without. */
  readonly period: number;
}

const PROGRAMS = 8;
/** Where a program fails by itself only sometimes, it is given so many other slicings. */
const SLICINGS = 4;

const build = (programs: readonly Program[], { harts, period }: Setting): Image =>
  buildImage(programs, { harts, ...(period ? { period } : {}) });

/** The n-th image of a run: a few programs of one kind. */
function imageOf(settings: EngineSettings, n: number): { programs: Program[]; setting: Setting } {
  const seed = programSeed(settings.seed, n * PROGRAMS);
  const random = seeded(seed);
  const harts = chance(random, 4) ? 2 + (random() % 2) : 1;
  const setting = { harts, period: chance(random, 2) ? 20 + (random() % 2000) : 0, slicing: random() };
  const common = { without: new Set<string>(), modes: settings.modes, data: DATA_KINDS };
  const options: Options = chance(random, 8)
    ? { ...common, length: 60, runs: 16 }
    : { ...common, length: 100, runs: 4, hot: true };
  const programs = Array.from({ length: PROGRAMS }, (_, i) => {
    const program = generate(programSeed(settings.seed, n * PROGRAMS + i), options);
    // What another hart's TLB still holds of the old page is each engine's own business.
    return harts > 1 ? without(program) : program;
  });
  return { programs, setting };
}

function without({ remap: _, ...program }: Program): Program {
  return program;
}

/** Lets signals in, and memories of machines that are done with be given back. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** @param say hears how it goes, a line at a time */
export async function fuzzEngines(
  settings: EngineSettings,
  module: WebAssembly.Module,
  say: (line: string) => void,
): Promise<EngineTotals> {
  const started = Date.now();
  const seconds = () => (Date.now() - started) / 1000;
  const failures: Failure[] = [];
  let [images, instructions, regions] = [0, 0, 0];
  while (instructions < settings.instructions && seconds() < settings.minutes * 60) {
    const { programs, setting } = imageOf(settings, images++);
    const image = build(programs, setting);
    const run = lockstep(module, image, setting);
    instructions += run.instructions;
    regions += run.regions;
    if (images % 16 === 0)
      say(`${images * PROGRAMS} programs, ${(instructions / 1e6).toFixed(1)} million instructions`);
    await turn();
    if (!run.mismatch) continue;
    failures.push(await reproduce(image, setting, run.mismatch, module, say));
    if (failures.length >= settings.failures) break;
  }
  return { programs: images * PROGRAMS, instructions, regions, seconds: seconds(), failures };
}

/** Whether the engines differ on a program alone; it may take another way of slicing. */
function failing(program: Program, setting: Setting, module: WebAssembly.Module): [Setting, Mismatch] | undefined {
  for (let i = 0; i < SLICINGS; i++) {
    const other = { ...setting, slicing: setting.slicing + i };
    const { mismatch } = lockstep(module, build([program], other), other);
    if (mismatch) return [other, mismatch];
  }
  return undefined;
}

async function reproduce(
  image: Image,
  setting: Setting,
  mismatch: Mismatch,
  module: WebAssembly.Module,
  say: (line: string) => void,
): Promise<Failure> {
  const index = Math.min(Math.max(0, Math.floor(mismatch.index)), image.programs.length - 1);
  const program = image.programs[index]!;
  const { seed } = program;
  say(`program ${seed} differs; making it smaller`);
  const alone = failing(program, setting, module);
  if (!alone) {
    const text = `program ${seed} differs in its image only:\n${describe(program, image.slots[index]!, mismatch.lines)}`;
    return { seed, program, text };
  }
  const smallest = await shrink(program, async (candidates) => {
    const wrong: boolean[] = [];
    for (const candidate of candidates) {
      wrong.push(failing(candidate, alone[0], module) !== undefined);
      await turn();
    }
    return wrong;
  });
  const [last, { lines }] = failing(smallest, alone[0], module)!;
  const how = `${last.harts} hart(s), interrupts every ${last.period} ticks, slicing ${last.slicing}`;
  const slot = build([smallest], last).slots[0]!;
  return {
    seed,
    program: { ...smallest, setting: last } as Program,
    text: `program ${seed}, made smaller (${how}): ${describe(smallest, slot, lines)}`,
  };
}

/** Runs what was kept of a failure again. @returns what differs, if anything does */
export function replay(text: string, module: WebAssembly.Module): Mismatch | undefined {
  const { setting } = JSON.parse(text) as { setting: Setting };
  return failing(fromJson(text), setting, module)?.[1];
}

export const engineFixtureOf = ({ seed, program }: Failure): readonly [name: string, text: string] => [
  `engines-${seed}.json`,
  toJson(program),
];
