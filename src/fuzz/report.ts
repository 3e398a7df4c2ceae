/** A program that fails, as text for whoever mends it, and as JSON for a fixture. */

import { FLOAT_REGISTERS, INTEGER_REGISTERS } from "../isa/registers.ts";
import { listing } from "./compare.ts";
import type { Slot } from "./image.ts";
import { INPUT_REGISTERS, type Program, runsOf } from "./program.ts";

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const NAMES = [...INTEGER_REGISTERS, ...FLOAT_REGISTERS];

/** Mode, code, what registers start from, and what differs. */
export function describe(program: Program, slot: Slot, lines: readonly string[]): string {
  const { mode, paging, status, menvcfg, senvcfg } = program;
  const space = paging
    ? `, Sv${12 + 9 * paging.levels} by ${paging.span}, data pages ${paging.data.join(" ")} at ${hex(slot.dataBase)}`
    : "";
  const out = [`${mode}-mode${space}; mstatus ${hex(status)}, menvcfg ${hex(menvcfg)}, senvcfg ${hex(senvcfg)}`];
  for (let run = 0; run < runsOf(program); run++) {
    const values = [...program.inputs.slice(run * INPUT_REGISTERS, (run + 1) * INPUT_REGISTERS)].flatMap((value, i) => {
      if (program.pointers.includes(i)) return [`${NAMES[i]} = data + ${BigInt.asIntN(64, value)}`];
      return value ? [`${NAMES[i]} = ${hex(value)}`] : [];
    });
    out.push(`run ${run}: ${values.join(", ")}`);
  }
  return [...out, ...listing(slot).map((line) => `  ${line}`), ...lines].join("\n");
}

/** Numbers of 64 bits are strings in hexadecimal. */
export function toJson(program: Program): string {
  const replace = (_: string, value: unknown) => {
    if (typeof value === "bigint") return hex(value);
    if (!(value instanceof BigUint64Array)) return value;
    return value.every((v) => v === 0n) ? value.length : [...value].map(hex);
  };
  return `${JSON.stringify(program, replace, 1)}\n`;
}

/** What `toJson` wrote. */
export function fromJson(text: string): Program {
  const data = JSON.parse(text);
  const array = (value: number | string[]) =>
    typeof value === "number" ? new BigUint64Array(value) : BigUint64Array.from(value, BigInt);
  return {
    ...data,
    paging: data.paging ?? undefined,
    status: BigInt(data.status),
    menvcfg: BigInt(data.menvcfg),
    senvcfg: BigInt(data.senvcfg),
    inputs: array(data.inputs),
    data: array(data.data),
  };
}
