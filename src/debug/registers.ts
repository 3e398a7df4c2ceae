/**
 * Registers as GDB numbers and describes them: x0 to x31 and the pc are 0 to 32,
 * f0 to f31 33 to 64, CSR n is 65 + n, and after those comes the privilege (GDB
 * manual, "RISC-V Features").
 */

import { csrName } from "../isa/csr-names.ts";
import { FLOAT_REGISTERS, INTEGER_REGISTERS } from "../isa/registers.ts";
import type { Register } from "./target.ts";

export const REG_PC = 32;
export const REG_F = 33;
export const REG_CSR = 65;
export const REG_PRIV = REG_CSR + 0x1000;
/** Packet `g` has the registers below this one, 64 bits each. */
export const REG_PACKET = REG_CSR;

const CSRS = 0x1000;
/** fflags, frm and fcsr belong to the FPU's description. */
const isFpu = (csr: number): boolean => csr >= 1 && csr <= 3;

/** @param hasCsr which CSRs the machine has */
export function listRegisters(hasCsr: (csr: number) => boolean): Register[] {
  const cpu = INTEGER_REGISTERS.map((name, number) => ({ number, name, group: "cpu", bits: 64 }) as const);
  const fpu = FLOAT_REGISTERS.map((name, i) => ({ number: REG_F + i, name, group: "fpu", bits: 64 }) as const);
  const csrs: Register[] = [];
  for (let csr = 0; csr < CSRS; csr++) {
    if (!hasCsr(csr)) continue;
    const number = REG_CSR + csr;
    if (isFpu(csr)) csrs.push({ number, name: csrName(csr), group: "fpu", bits: 32 });
    else csrs.push({ number, name: csrName(csr), group: "csr", bits: 64 });
  }
  return [
    ...cpu,
    { number: REG_PC, name: "pc", group: "cpu", bits: 64 },
    ...fpu,
    ...csrs,
    { number: REG_PRIV, name: "priv", group: "virtual", bits: 64 },
  ];
}

const DOUBLE =
  '<union id="riscv_double"><field name="float" type="ieee_single"/><field name="double" type="ieee_double"/></union>';

/** The target description: an XML document (GDB manual, appendix "Target Descriptions"). */
export function describeTarget(registers: readonly Register[]): string {
  const feature = (group: Register["group"], types = "") => {
    const lines = registers.filter((register) => register.group === group).map(describeRegister);
    return `<feature name="org.gnu.gdb.riscv.${group}">\n${types}${lines.join("")}</feature>\n`;
  };
  return [
    '<?xml version="1.0"?>\n<!DOCTYPE target SYSTEM "gdb-target.dtd">\n<target version="1.0">\n',
    "<architecture>riscv:rv64</architecture>\n",
    feature("cpu"),
    feature("fpu", `${DOUBLE}\n`),
    feature("csr"),
    feature("virtual"),
    "</target>\n",
  ].join("");
}

function describeRegister({ number, name, group, bits }: Register): string {
  const types: Record<string, string> = {
    pc: "code_ptr",
    ra: "code_ptr",
    sp: "data_ptr",
    gp: "data_ptr",
    tp: "data_ptr",
  };
  const type = group === "fpu" && bits === 64 ? "riscv_double" : group === "cpu" ? (types[name] ?? "int") : "int";
  const groups = group === "csr" ? ' group="csr"' : "";
  return `<reg name="${name}" bitsize="${bits}" type="${type}" regnum="${number}"${groups}/>\n`;
}
