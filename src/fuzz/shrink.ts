/** Makes a program that fails smaller, as long as it fails. */

import { INPUT_REGISTERS, type Node, type Program, runsOf } from "./program.ts";

/** Which of these programs fail; they are few hundred at most. */
export type Fails = (candidates: readonly Program[]) => Promise<readonly boolean[]>;

const CANDIDATES = 128;
const ROUNDS = 200;

/** @param program  one that fails @returns one that fails, and of which no part can be left out */
export async function shrink(program: Program, fails: Fails): Promise<Program> {
  let best = program;
  best = (await firstFailing(singleRuns(best), fails)) ?? best;
  for (const candidates of [smallerBodies, zeroedInputs, plainer, smallerBodies]) {
    for (let round = 0; round < ROUNDS; round++) {
      const smaller = await firstFailing(candidates(best), fails);
      if (!smaller) break;
      best = smaller;
    }
  }
  return best;
}

async function firstFailing(candidates: readonly Program[], fails: Fails): Promise<Program | undefined> {
  for (let at = 0; at < candidates.length; at += CANDIDATES) {
    const some = candidates.slice(at, at + CANDIDATES);
    const found = (await fails(some)).indexOf(true);
    if (found >= 0) return some[found];
  }
  return undefined;
}

function singleRuns(program: Program): Program[] {
  return Array.from({ length: runsOf(program) }, (_, run) => ({
    ...program,
    inputs: program.inputs.slice(run * INPUT_REGISTERS, (run + 1) * INPUT_REGISTERS),
  }));
}

const bodyOf = (node: Node): readonly Node[] => ("body" in node ? node.body : []);

/** All programs with something left out, those that lack most first. */
function smallerBodies(program: Program): Program[] {
  return smaller(program.body).map((body) => ({ ...program, body }));
}

function smaller(nodes: readonly Node[]): (readonly Node[])[] {
  const without = (from: number, to: number, by: readonly Node[] = []) => [
    ...nodes.slice(0, from),
    ...by,
    ...nodes.slice(to),
  ];
  const out: (readonly Node[])[] = [];
  for (let size = nodes.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < nodes.length; from += size) out.push(without(from, Math.min(nodes.length, from + size)));
  }
  nodes.forEach((node, i) => {
    if (!("body" in node)) return;
    out.push(without(i, i + 1, bodyOf(node)));
    for (const body of smaller(node.body)) out.push(without(i, i + 1, [{ ...node, body }]));
    if (node.kind === "loop" && node.count > 1) out.push(without(i, i + 1, [{ ...node, count: node.count - 1 }]));
  });
  return out;
}

/** Registers that start from zero, many at once first. Pointers stay: see the generator on what they must be. */
function zeroedInputs(program: Program): Program[] {
  const used = [...program.inputs.keys()].filter(
    (i) => program.inputs[i] !== 0n && !program.pointers.includes(i % INPUT_REGISTERS),
  );
  const out: Program[] = [];
  for (let size = used.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < used.length; from += size) {
      const inputs = program.inputs.slice();
      for (const i of used.slice(from, from + size)) inputs[i] = 0n;
      out.push({ ...program, inputs });
    }
  }
  return out;
}

const ALL_CACHE_BLOCKS = 0xf1n;
const FS = 3n << 13n;

/** Without what may not matter: contents of memory, odd modes. */
function plainer(program: Program): Program[] {
  const out: Program[] = [];
  if (program.data.some((value) => value !== 0n))
    out.push({ ...program, data: new BigUint64Array(program.data.length) });
  if (program.status !== FS) out.push({ ...program, status: FS });
  if (program.menvcfg !== ALL_CACHE_BLOCKS || program.senvcfg !== ALL_CACHE_BLOCKS)
    out.push({ ...program, menvcfg: ALL_CACHE_BLOCKS, senvcfg: ALL_CACHE_BLOCKS });
  if (program.start % 8) out.push({ ...program, start: program.start & ~7 });
  if (program.start !== 0) out.push({ ...program, start: 0 });
  return out;
}
