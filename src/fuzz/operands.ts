/** Random operands: registers that meet again and again, immediates at their ends. */

import type { Operands } from "../isa/decode.ts";
import { encode } from "../isa/encode.ts";
import { extract, type Field } from "../isa/field.ts";
import type { Operand } from "../isa/format.ts";
import type { Row } from "../isa/row.ts";
import type { Op } from "./program.ts";
import { chance, choose, type Random } from "./random.ts";

/** What registers a program uses for what. */
export interface Registers {
  /** Hold pointers into the data area; nothing writes them. */
  readonly pointers: readonly number[];
  /** That one of them that is aligned and can be loaded from. */
  readonly safe: number;
  /** `safe` can be stored to, too. */
  readonly storable: boolean;
  /** Counts loops; nothing else writes it. */
  readonly counter: number;
  /** Of hot programs: counters of outer loops, depth of recursion, links of two levels of calls. */
  readonly reserved: readonly number[];
  /** Used more often than the rest, x0 among them. */
  readonly hot: readonly number[];
}

/**
 * Pointers always have sp and one of x8…x15 among them, for the compressed forms.
 * @param reserve  how many `reserved` registers there are
 */
export function randomRegisters(random: Random, reserve = 0): Registers {
  const pointers = [2, 8 + (random() % 8)];
  const free = () => {
    for (;;) {
      const register = 5 + (random() % 27);
      if (!pointers.includes(register)) return register;
    }
  };
  const safe = free();
  pointers.push(safe);
  const counter = free();
  const hot = [0, 1, ...Array.from({ length: 5 }, () => random() % 32)];
  const storable = chance(random, 2);
  const reserved: number[] = [];
  while (reserved.length < reserve) {
    // Links often are the registers that the calling convention gives them.
    const register = chance(random, 2) ? choose(random, [1, 5]) : free();
    // Compressed instructions need some of x8…x15 to write to.
    const small = register >= 8 && register < 16;
    if (!small && ![...pointers, ...reserved, counter].includes(register)) reserved.push(register);
  }
  return { pointers, safe, storable, counter, reserved, hot };
}

/** Nothing but the program's frame may write the register. */
export const isKept = ({ pointers, counter, reserved }: Registers, register: number): boolean =>
  pointers.includes(register) || register === counter || reserved.includes(register);

const REGISTER = /^([rf]d|f?r?s[123])$/;

function immediate(field: Field, random: Random): number {
  switch (random() % 8) {
    case 0:
      return extract(field, 0);
    case 1:
      return extract(field, 0xffff_ffff);
    case 2: // one bit set, or one clear
      return extract(field, (1 << (random() % 32)) >>> 0);
    case 3:
      return extract(field, ~(1 << (random() % 32)) >>> 0);
    default:
      return extract(field, random());
  }
}

function register(field: Field, random: Random, hot: readonly number[]): number {
  if (chance(random, 2)) {
    const value = choose(random, hot);
    if (value >= field.base && value - field.base < 2 ** field.bits) return value;
  }
  return extract(field, random());
}

/**
 * Operands for a row.
 * @param base  registers that rs1 is taken from, as far as the field can name them; any when empty
 */
export function randomOperands(row: Row, random: Random, registers: Registers, base: readonly number[] = []): Operands {
  const operands: Operands = {};
  for (const [name, field] of Object.entries(row.format.fields) as [Operand, Field][]) {
    let value = REGISTER.test(name) ? register(field, random, registers.hot) : immediate(field, random);
    if (name === "rd") while (isKept(registers, value)) value = extract(field, random());
    else if (name === "rs1" && base.length) {
      value = choose(
        random,
        base.filter((r) => r >= field.base && r - field.base < 2 ** field.bits),
      );
    } else if (name === "rm")
      value = chance(random, 40) ? 5 + (random() % 2) : choose(random, [0, 1, 2, 3, 4, 7, 7, 7]);
    operands[name] = value;
  }
  return operands;
}

/** An instruction of a row; encodings that are reserved or another instruction are tried again. */
export function randomOp(row: Row, random: Random, registers: Registers, base: readonly number[] = []): Op {
  for (let attempt = 0; ; attempt++) {
    const operands = randomOperands(row, random, registers, base);
    try {
      encode(row.name, operands.target === undefined ? operands : { ...operands, target: 0 });
      return { kind: "op", name: row.name, operands };
    } catch (error) {
      if (attempt > 200) throw error;
    }
  }
}
