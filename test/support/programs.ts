/**
 * Random programs that stay in their data area and come to an end: every
 * computing, loading, storing and branching instruction of the table.
 */

import type { Operands } from "../../src/isa/decode.ts";
import { extract } from "../../src/isa/field.ts";
import type { Operand } from "../../src/isa/format.ts";
import type { Row } from "../../src/isa/row.ts";
import { rows } from "../../src/isa/table/index.ts";
import type { Assembler } from "./assembler.ts";

export type Random = () => number;

/** Pointers into the data area; programs never change them. */
export const POINTERS = [2, 8, 9];
/** Counts loops. */
const COUNTER = 29;
/** Belong to the trap handler. */
export const HANDLER_REGISTERS = [30, 31];
const KEPT = new Set([...POINTERS, COUNTER, ...HANDLER_REGISTERS]);

/** Bytes of the data area, and where in it the pointers stand. */
export const DATA_SIZE = 0x4000;
export const POINTER_OFFSETS = [0x0800, 0x1ff8, 0x3000];

const MEMORY = /^(load|store|fLoad|fStore|cLw|cLd|cFld|cSw|cSd|cFsd|cLwSp|cLdSp|cFldSp|cSwSp|cSdSp|cFsdSp)$/;

const plain = rows.filter((row) => !row.flags.endsBlock);
const memory = plain.filter((row) => MEMORY.test(row.format.name));
const atomic = rows.filter((row) => row.extension === "A" && !row.name.startsWith("lr"));
const floating = plain.filter((row) => /^[FD]$/.test(row.extension) && !MEMORY.test(row.format.name));
const integer = plain.filter((row) => !row.flags.mayTrap && row.name !== "c.addi16sp");
const branches = rows.filter((row) => row.flags.far);

export interface Mix {
  /** Instructions in the body, about. */
  length: number;
  /** Extensions and instructions to leave out. */
  without?: readonly string[];
  /** ecall, ebreak, accesses to nowhere, illegal instructions. */
  traps?: boolean;
}

export const chance = (random: Random, one: number): boolean => random() % one === 0;
export const choose = <T>(random: Random, from: readonly T[]): T => from[random() % from.length]!;

/** Operands of a row; branches get theirs from the assembler. */
function operandsOf(row: Row, random: Random, base: readonly number[], reservedRounding: boolean): Operands {
  const operands: Operands = {};
  for (const [name, field] of Object.entries(row.format.fields) as [Operand, Parameters<typeof extract>[0]][]) {
    let value = extract(field, random());
    if (name === "rd") while (KEPT.has(value)) value = extract(field, random());
    else if (name === "rs1" && base.length) value = choose(random, field.base ? base.filter((r) => r >= 8) : base);
    else if (name === "rm" && !reservedRounding) value = choose(random, [0, 1, 2, 3, 4, 7]);
    operands[name] = value;
  }
  return operands;
}

function emit(out: Assembler, row: Row, random: Random, base: readonly number[] = [], reservedRounding = false): void {
  // Some encodings are reserved or other instructions: try again.
  for (let attempt = 0; ; attempt++) {
    try {
      out.op(row.name, operandsOf(row, random, base, reservedRounding));
      return;
    } catch (error) {
      if (attempt > 200) throw error;
    }
  }
}

const FCSRS = [1, 2, 3];

function one(out: Assembler, random: Random, mix: Mix): void {
  const left = (list: readonly Row[]) =>
    list.filter((row) => !mix.without?.some((name) => name === row.extension || name === row.name));
  switch (random() % 16) {
    case 0:
    case 1:
    case 2:
      emit(out, choose(random, left(memory)), random, POINTERS);
      break;
    case 3:
      if (chance(random, 4)) reserved(out, random);
      else emit(out, choose(random, atomic), random, POINTERS);
      break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
      emit(out, choose(random, left(floating)), random, [], mix.traps && chance(random, 8));
      break;
    case 9:
      // Rounding modes are set to legal values, or all FP that follows would trap.
      if (mix.traps && chance(random, 2)) trap(out, random);
      else if (chance(random, 2)) out.op("csrrwi", { rd: choose(random, [0, 5, 6]), zimm: random() % 5, csr: 2 });
      else out.op("csrrs", { rd: choose(random, [0, 5, 6]), rs1: 0, csr: choose(random, FCSRS) });
      break;
    default:
      emit(out, choose(random, left(integer)), random);
  }
}

/**
 * A load-reserved and its store-conditional. Where either stands alone, or they
 * differ in size, whether the store succeeds is the implementation's choice.
 */
function reserved(out: Assembler, random: Random): void {
  const suffix = choose(random, ["w", "d"]);
  const rs1 = choose(random, POINTERS);
  out.op(`lr.${suffix}`, { rd: choose(random, [5, 6]), rs1 }).op("addi", { rd: 7, rs1: 5, imm: random() % 100 });
  out.op(`sc.${suffix}`, { rd: choose(random, [5, 6, 7]), rs1, rs2: choose(random, [5, 6, 7, 10]) });
}

function trap(out: Assembler, random: Random): void {
  switch (random() % 4) {
    case 0:
      out.op("ecall");
      break;
    case 1:
      out.op(choose(random, ["ebreak", "c.ebreak"]));
      break;
    case 2: // nothing answers in the first page
      out.op(choose(random, ["ld", "lbu", "lw"]), { rd: 5, rs1: 0, imm: random() & 0x7f8 });
      break;
    default:
      if (chance(random, 2)) out.raw(0, 2);
      else out.raw(0xffff_ffff, 4);
  }
}

let labels = 0;

/**
 * Appends a body: straight code, forward branches and jumps, counted loops.
 * @param between  called between instructions, to mix in code of the caller's
 */
export function body(out: Assembler, random: Random, mix: Mix, between?: (out: Assembler) => void): void {
  let left = mix.length;
  const some = (count: number) => {
    for (let i = 0; i < count; i++, left--) {
      one(out, random, mix);
      between?.(out);
    }
  };
  while (left > 0) {
    const label = `body${labels++}`;
    switch (random() % 6) {
      case 0: // forward branch
      case 1: {
        branch(out, random, label);
        some(random() % 6);
        out.label(label);
        break;
      }
      case 2: // loop
        out.op("addi", { rd: COUNTER, rs1: 0, imm: 1 + (random() % 4) }).label(label);
        some(1 + (random() % 8));
        out.op("addi", { rd: COUNTER, rs1: COUNTER, imm: -1 }).to(label, "bne", { rs1: COUNTER, rs2: 0 });
        break;
      case 3: // jump through a register
        out.la(5, label).op(chance(random, 2) ? "c.jr" : "c.jalr", { rs1: 5 });
        some(random() % 3);
        out.label(label);
        break;
      default:
        some(1 + (random() % 8));
    }
  }
}

function branch(out: Assembler, random: Random, label: string): void {
  const row = choose(random, branches);
  const operands = operandsOf(row, random, [], false);
  delete operands.target;
  if (operands.rd !== undefined) operands.rd = choose(random, [0, 1, 5]);
  out.to(label, row.name, operands);
}

/** A 64-bit value of the kinds that find faults: small, extreme, floats and their special values, noise. */
export function interesting(random: Random): bigint {
  const noise = (BigInt(random()) << 32n) | BigInt(random());
  switch (random() % 10) {
    case 0:
      return BigInt.asUintN(64, BigInt((random() % 33) - 16));
    case 1:
      return choose(random, [1n << 63n, (1n << 63n) - 1n, 0xffff_ffffn, 0x8000_0000n, 0x7fff_ffffn, 1n << 32n]);
    case 2: // boxed floats: special, then any
      return 0xffff_ffff_0000_0000n | BigInt(choose(random, [0, 0x8000_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000]));
    case 3:
      return 0xffff_ffff_0000_0000n | BigInt(choose(random, [1, 0x7f_ffff, 0x80_0000, 0x7f7f_ffff, 0x7fa0_0000]));
    case 4:
    case 5: // floats near 1, so that sums and products stay in range
      return 0xffff_ffff_0000_0000n | BigInt(((random() & 0x83ff_ffff) + 0x3e00_0000) >>> 0);
    case 6:
    case 7:
      return (noise & 0x803f_ffff_ffff_ffffn) + 0x3fe0_0000_0000_0000n;
    case 8:
      return choose(random, [
        0n,
        1n << 63n,
        0x7ff0n << 48n,
        0xfff0n << 48n,
        0x7ff8n << 48n,
        1n,
        0x000f_ffff_ffff_ffffn,
      ]);
    default:
      return noise;
  }
}
