/** Random programs over the whole table: their code is the generator's, what they run in is from here. */

import { Generator, type Options } from "./generator.ts";
import { type Hot, hotCode, RESERVED } from "./hot.ts";
import { type Registers, randomRegisters } from "./operands.ts";
import {
  DATA_PAGES,
  DATA_SIZE,
  type DataKind,
  INPUT_REGISTERS,
  PAGE,
  type Paging,
  type Program,
  SPANS,
} from "./program.ts";
import { chance, choose, type Random, seeded } from "./random.ts";
import { EDGES, edge } from "./values.ts";

const bit = (n: number): bigint => 1n << BigInt(n);
const [SUM, MXR, TVM, TW, TSR, PBMTE] = [bit(18), bit(19), bit(20), bit(21), bit(22), bit(62)];
/** Off, or dirty from the beginning: when else FS becomes dirty is the implementation's choice (3.1.6.6). */
const FS_DIRTY = 3n << 13n;
const MPIE = bit(7);

/** The program of a seed. */
export function generate(seed: number, options: Options): Program {
  const random = seeded(seed);
  const registers = randomRegisters(random, options.hot ? RESERVED : 0);
  const mode = choose(random, options.modes);
  const paging = mode === "M" ? undefined : randomPaging(random, options.data);
  const generator = new Generator(random, registers, mode, options, paging);
  const code: Hot = options.hot ? hotCode(generator) : { body: generator.body() };
  return {
    seed,
    mode,
    paging,
    ...code,
    status: randomStatus(random) | (generator.interruptible && mode === "M" ? MPIE : 0n),
    menvcfg: randomEnvironment(random) | (chance(random, 2) ? PBMTE : 0n),
    senvcfg: randomEnvironment(random),
    // Most programs cross from one page to the next somewhere.
    start: chance(random, 4) ? random() & 0xffe : PAGE - 2 * (random() % (options.length * 2)),
    pointers: registers.pointers,
    inputs: randomInputs(random, registers, options.runs, paging),
    data: randomData(random),
  };
}

function randomPaging(random: Random, kinds: readonly DataKind[]): Paging {
  const data = Array.from({ length: DATA_PAGES }, (): DataKind => (chance(random, 3) ? choose(random, kinds) : "rw"));
  data[random() % DATA_PAGES] = "rw";
  const span = chance(random, 3) ? choose(random, SPANS) : "page";
  if (span !== "page") return { span, levels: choose(random, [3, 4, 5] as const), data: data.fill("rw"), code: "rw" };
  return { span, levels: choose(random, [3, 4, 5] as const), data, code: choose(random, ["", "r", "rw"] as const) };
}

function randomStatus(random: Random): bigint {
  let status = chance(random, 20) ? 0n : FS_DIRTY;
  for (const [mask, one] of [
    [SUM, 2],
    [MXR, 3],
    [TVM, 10],
    [TW, 10],
    [TSR, 10],
  ] as const) {
    if (chance(random, one)) status |= mask;
  }
  return status;
}

/** FIOM and the fields of cache blocks; CBIE = 2 is reserved. */
function randomEnvironment(random: Random): bigint {
  if (!chance(random, 3)) return 0xf1n;
  return BigInt((random() & 0xc1) | choose(random, [0x00, 0x10, 0x30]));
}

function randomInputs(random: Random, registers: Registers, runs: number, paging: Paging | undefined): BigUint64Array {
  const fit = registers.storable ? ["rw"] : ["rw", "r", "clean"];
  const readable = (paging?.data ?? []).flatMap((kind, page) => (fit.includes(kind) ? [page] : []));
  const inputs = new BigUint64Array(runs * INPUT_REGISTERS);
  for (let run = 0; run < runs; run++) {
    const at = run * INPUT_REGISTERS;
    for (let i = 1; i < INPUT_REGISTERS; i++) inputs[at + i] = edge(random);
    for (const pointer of registers.pointers)
      inputs[at + pointer] = BigInt(randomOffset(random, paging?.span === "page"));
    const offset =
      paging?.span === "page" ? choose(random, readable) * PAGE + (random() & 0xff8) : 2056 + (random() & 0x1ff8);
    inputs[at + registers.safe] = BigInt(offset);
  }
  return inputs;
}

/** Near the border of two pages as a rule. Without pages of its own, all that an immediate reaches has to be data. */
function randomOffset(random: Random, paging: boolean): number {
  const border = PAGE * (paging ? random() % (DATA_PAGES + 1) : 1 + (random() % (DATA_PAGES - 1)));
  let offset = chance(random, 3) ? 2056 + (random() % (DATA_SIZE - 4400)) : border - 64 + (random() % 72);
  if (!chance(random, 6)) offset &= ~7;
  return offset;
}

function randomData(random: Random): BigUint64Array {
  const data = new BigUint64Array(DATA_SIZE / 8);
  const part = 256;
  for (let at = 0; at < data.length; at += part) {
    const from = random() % (EDGES.length - part);
    data.set(EDGES.subarray(from, from + part), at);
  }
  return data;
}
