/** Disassembles in the style of `objdump -M no-aliases`. */

import { csrName } from "./csr-names.ts";
import { type Decoded, decode, sizeOf } from "./decode.ts";
import type { Operand } from "./format.ts";
import { FLOAT_REGISTERS, INTEGER_REGISTERS } from "./registers.ts";

const ROUNDING_MODES = ["rne", "rtz", "rdn", "rup", "rmm", "unknown", "unknown", "dyn"];
const DYN = 7;

const hex = (n: number | bigint): string => `0x${n.toString(16)}`;

function fenceSet(bits: number): string {
  const letters = ["i", "o", "r", "w"].filter((_, n) => bits & (8 >> n));
  return letters.join("") || "unknown";
}

/** An operand's text; empty when it is left out. */
function operandText(operand: Operand, value: number, pc: bigint): string {
  switch (operand) {
    case "rd":
    case "rs1":
    case "rs2":
      return INTEGER_REGISTERS[value]!;
    case "fd":
    case "fs1":
    case "fs2":
    case "fs3":
      return FLOAT_REGISTERS[value]!;
    case "imm":
    case "zimm":
    case "aq":
    case "rl":
      return String(value);
    case "shamt":
      return hex(value);
    case "target":
      return hex(BigInt.asUintN(64, pc + BigInt(value)));
    case "upper":
      return hex((value >>> 12) & 0xfffff);
    case "csr":
      return csrName(value);
    case "rm":
      return value === DYN ? "" : ROUNDING_MODES[value]!;
    case "pred":
    case "succ":
      return fenceSet(value);
    case "hint":
      return value === 0 ? "" : String(value);
  }
}

function render({ row, operands }: Decoded, pc: bigint): string {
  const { aq = 0, rl = 0 } = operands;
  const order = aq || rl ? `.${aq ? "aq" : ""}${rl ? "rl" : ""}` : "";
  const text = row.syntax
    .replace(/[a-z]+[0-9]?/g, (word) => {
      const value = operands[word as Operand];
      return value === undefined ? word : operandText(word as Operand, value, pc);
    })
    .replace(/,$/, "");
  return text ? `${row.name}${order}\t${text}` : `${row.name}${order}`;
}

/**
 * One instruction's text, mnemonic and operands apart by a tab, such as
 * "addi\ta0,a0,1". An illegal one is ".2byte" or ".4byte" and its bits.
 * @param raw  the instruction's bits; the upper half of a compressed one is ignored
 * @param pc   its address, for the targets of jumps
 */
export function disassemble(raw: number, pc: bigint): string {
  const decoded = decode(raw);
  if (decoded) return render(decoded, pc);
  const size = sizeOf(raw);
  return `.${size}byte\t${hex(size === 2 ? raw & 0xffff : raw >>> 0)}`;
}
