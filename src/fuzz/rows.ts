/** The table's rows by what a generator has to do for them. Every row is in one of these lists. */

import type { Row } from "../isa/row.ts";
import { rows } from "../isa/table/index.ts";

const MEMORY = /^(load|store|fLoad|fStore|cLw|cLd|cFld|cSw|cSd|cFsd|cLwSp|cLdSp|cFldSp|cSwSp|cSdSp|cFsdSp)$/;
const isMemory = (row: Row): boolean => MEMORY.test(row.format.name);
const isFloating = (row: Row): boolean => /^[FD]$/.test(row.extension) && !isMemory(row);
const named = (...names: string[]) => rows.filter((row) => names.includes(row.name));

export type RowClass =
  | "memory"
  | "block"
  | "reserved"
  | "atomic"
  | "floating"
  | "branch"
  | "indirect"
  | "csr"
  | "order"
  | "translation"
  | "trap"
  | "return"
  | "stack"
  | "integer"
  | "never";

/** Waiting has no end without interrupts. */
const NEVER = named("wfi");

function classOf(row: Row): RowClass {
  if (NEVER.includes(row)) return "never";
  if (isMemory(row)) return "memory";
  if (row.format.name === "cacheBlock") return "block";
  if (/^sc\./.test(row.name)) return "reserved";
  if (row.extension === "A") return "atomic";
  if (isFloating(row)) return "floating";
  if (row.flags.far) return "branch";
  if (/^(jalr|c\.jr|c\.jalr)$/.test(row.name)) return "indirect";
  if (row.extension === "Zicsr") return "csr";
  if (/^(fence|pause)/.test(row.name)) return "order";
  if (/^s(fence|inval)/.test(row.name)) return "translation";
  if (/^(ecall|ebreak|c\.ebreak)$/.test(row.name)) return "trap";
  if (/^[ms]ret$/.test(row.name)) return "return";
  if (row.name === "c.addi16sp") return "stack";
  return "integer";
}

const lists = new Map<RowClass, Row[]>();
for (const row of rows) lists.set(classOf(row), [...(lists.get(classOf(row)) ?? []), row]);

/** The rows of a class, without those whose extension or name is left out. */
export function rowsOf(name: RowClass, without: ReadonlySet<string> = new Set()): readonly Row[] {
  return (lists.get(name) ?? []).filter((row) => !without.has(row.extension) && !without.has(row.name));
}
