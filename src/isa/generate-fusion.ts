/** The numbers of the fused micro-ops, and which pairs they stand for. */

import type { Fusion } from "./fusion.ts";
import { opName } from "./names.ts";

/** Distinct rows in order of appearance, numbered from 1: 0 stands for "in no pair". */
function classes(names: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const name of names) if (!found.has(name)) found.set(name, found.size + 1);
  return found;
}

const list = (values: readonly number[]): string => values.join(", ").replace(/(.{100,116}?), /g, "$1,\n  ");

/**
 * @param opCount  one more than the highest id of an instruction
 * @param idOf     id of an op's constant
 * @returns        the text of assembly/isa/fusion.generated.ts, without its header
 */
export function generateFusion(fusions: readonly Fusion[], opCount: number, idOf: (name: string) => number): string {
  const firsts = classes(fusions.map(({ first }) => first.name));
  const seconds = classes(fusions.map(({ second }) => second.name));
  const firstClass = new Array<number>(opCount).fill(0);
  const secondClass = new Array<number>(opCount).fill(0);
  for (const [name, number] of firsts) firstClass[idOf(opName(name))] = number;
  for (const [name, number] of seconds) secondClass[idOf(opName(name))] = number;
  const columns = seconds.size + 1;
  const table = new Array<number>((firsts.size + 1) * columns).fill(0);
  for (const { id, first, second } of fusions)
    table[firsts.get(first.name)! * columns + seconds.get(second.name)!] = id;
  return `
import { OP_COUNT } from "./ops.generated";

${fusions.map(({ id, name }) => `export const ${name}: u16 = ${id};`).join("\n")}

/** Of each instruction's op: its number among those that come first in a pair, or 0. */
const FIRST_CLASS = memory.data<u8>([
  ${list(firstClass)},
]);

/** The same of those that come second. */
const SECOND_CLASS = memory.data<u8>([
  ${list(secondClass)},
]);

/** Fused op, or 0, by class of the first and of the second. */
const PAIRS = memory.data<u16>([
  ${list(table)},
]);

/** Which op each fused one starts with. */
const FIRST_OF = memory.data<u16>([
  ${list(fusions.map(({ first }) => idOf(opName(first.name))))},
]);

/** Does any pair start with this op? */
// @ts-ignore: decorator
@inline export function startsPair(op: u16): bool { return op < OP_COUNT && load<u8>(FIRST_CLASS + op) != 0; }

/** The op itself, or what a fused one starts with. */
// @ts-ignore: decorator
@inline export function unfused(op: u16): u16 {
  return op < OP_COUNT ? op : load<u16>(FIRST_OF + (<usize>(op - OP_COUNT) << 1));
}

/** The op for two instructions, neither fused already; 0: there is none. */
export function fusionOf(first: u16, second: u16): u16 {
  const row = <usize>load<u8>(FIRST_CLASS + first) * ${columns};
  return load<u16>(PAIRS + ((row + load<u8>(SECOND_CLASS + second)) << 1));
}
`;
}
