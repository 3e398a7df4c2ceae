/** What the numbers in a core's regions are called. */

import type { Abi } from "../core/abi.ts";
import { FLOAT_REGISTERS, INTEGER_REGISTERS } from "../isa/registers.ts";
import type { Naming } from "./wasm-text.ts";

/** The translator's locals by their constants' names; those of the registers are behind L_X. */
const LOCALS = /^L_(?![XFS]$)/;
/** Constants of the hart's layout that are no field. */
const NO_FIELD = /^H_(END|BANKS)$/;

/**
 * @param abi     the core's constants
 * @param inTable the name of the core's function at a place in its table
 */
export function namingOf(abi: Abi, inTable: (index: number) => string | undefined): Naming {
  const entries = Object.entries(abi);
  const locals = new Map(
    entries.filter(([name]) => LOCALS.test(name)).map(([name, index]) => [index, name.slice(2).toLowerCase()]),
  );
  const fields = entries.filter(([name]) => name.startsWith("H_") && !NO_FIELD.test(name)).sort((a, b) => b[1] - a[1]);
  const strips = (index: number) => (index > abi.L_STRIP! && index < abi.L_LINEAR! ? index - abi.L_STRIP! : undefined);
  return {
    local: (index) =>
      locals.get(index) ??
      prefixed("strip", strips(index)) ??
      INTEGER_REGISTERS[index - abi.L_X!] ??
      FLOAT_REGISTERS[index - abi.L_F!] ??
      suffixed(FLOAT_REGISTERS[index - abi.L_S!], ".s"),
    offset: (offset, base) => (base === "$hart" ? fieldName(abi, fields, offset) : tlbName(abi, offset)),
    // The last argument: the handler's place in the table, and the instruction's size above it.
    argument: (callee, position, value) => {
      const handler = callee === "$handler" && position === 3 ? inTable(value & 0xff_ffff) : undefined;
      return handler === undefined ? undefined : `$${plain(handler)}|${value >>> 24}<<24`;
    },
  };
}

const prefixed = (prefix: string, number: number | undefined) => (number === undefined ? undefined : prefix + number);
const suffixed = (name: string | undefined, suffix: string) => (name === undefined ? undefined : name + suffix);

/** A function's own name, without its file's. */
const plain = (name: string): string => name.slice(name.lastIndexOf("/") + 1);

function fieldName(abi: Abi, fields: readonly [string, number][], offset: number): string | undefined {
  if (offset >= abi.H_END!) return undefined;
  const field = fields.find(([, at]) => at <= offset);
  if (!field) return undefined;
  const more = offset - field[1];
  const registers = field[0] === "H_X" ? INTEGER_REGISTERS : field[0] === "H_F" ? FLOAT_REGISTERS : undefined;
  const register = registers?.[more >> 3];
  if (register !== undefined) return `${field[0]}.${register}${plus(more & 7)}`;
  return field[0] + plus(more);
}

function tlbName(abi: Abi, offset: number): string | undefined {
  const name = ["TLB_FETCH", "TLB_STORE"].find((bank) => offset >= abi[bank]! && offset < abi[bank]! + abi.TLB_STORE!);
  return name === undefined ? undefined : name + plus(offset - abi[name]!);
}

const plus = (n: number): string => (n === 0 ? "" : `+${n}`);
