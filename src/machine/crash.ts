/** What is told of a guest that can't go on. */

import type { Core } from "../core/core.ts";
import { sizeOf } from "../isa/decode.ts";
import { disassemble } from "../isa/disassemble.ts";
import { INTEGER_REGISTERS } from "../isa/registers.ts";
import { hex64, hexInstruction, readInstruction } from "./inspect.ts";

/** Privileged manual, table "mcause values after trap": exceptions by number. */
const CAUSES: Readonly<Record<number, string>> = {
  0: "instruction address misaligned",
  1: "instruction access fault",
  2: "illegal instruction",
  3: "breakpoint",
  4: "load address misaligned",
  5: "load access fault",
  6: "store address misaligned",
  7: "store access fault",
  8: "environment call from U-mode",
  9: "environment call from S-mode",
  11: "environment call from M-mode",
  12: "instruction page fault",
  13: "load page fault",
  15: "store page fault",
};

const MODES: Readonly<Record<number, string>> = { 0: "U", 1: "S", 3: "M" };
const INTERRUPT = 1n << 63n;
const INSTRUCTIONS_SHOWN = 4;
const RA = 1;
/** mstatus: the modes that traps came from (Privileged 3.1.6.1). */
const MPP = 3n << 11n;
const SPP = 1n << 8n;

export function causeName(cause: bigint): string {
  if (cause & INTERRUPT) return `interrupt ${cause & ~INTERRUPT}`;
  return CAUSES[Number(cause)] ?? `exception ${cause}`;
}

/** Several lines without a last newline: why the hart stopped that ran last, its registers and the code at its pc. */
export function crashReport(core: Core): string {
  const { abi } = core;
  const hart = core.machineU32(abi.M_CURRENT);
  const pc = core.hartU64(hart, abi.H_PC);
  const cause = core.hartU64(hart, abi.H_TRAP_CAUSE);
  const lines = [
    `hart ${hart}: ${causeName(cause)} that no handler can take, in ${MODES[core.hartU32(hart, abi.H_PRV)] ?? "?"}-mode`,
    `  pc ${hex64(pc)}  cause ${cause & INTERRUPT ? "interrupt " : ""}${cause & ~INTERRUPT}  ` +
      `tval ${hex64(core.hartU64(hart, abi.H_TRAP_TVAL))}  satp ${hex64(core.hartU64(hart, abi.H_SATP))}  ` +
      `mstatus ${hex64(core.hartU64(hart, abi.H_MSTATUS))}`,
  ];
  for (const level of ["M", "S"] as const) {
    const [epc, cause, tval] = [`H_${level}EPC`, `H_${level}CAUSE`, `H_${level}TVAL`].map((name) =>
      core.hartU64(hart, abi[name]!),
    ) as [bigint, bigint, bigint];
    // A trap that its handler has not survived is the one to know about.
    if ((epc | cause | tval) !== 0n)
      lines.push(`  last trap into ${level}-mode: ${causeName(cause)}  pc ${hex64(epc)}  tval ${hex64(tval)}`);
  }
  for (let row = 0; row < 32; row += 4) {
    const cells = [];
    for (let i = row; i < row + 4; i++) cells.push(`${INTEGER_REGISTERS[i]!.padStart(4)} ${hex64(core.x(hart, i))}`);
    lines.push(`  ${cells.join(" ")}`);
  }
  lines.push(...listing(core, hart, pc, "pc"));
  // A hart stops where nothing can be executed; the code that led there is more telling.
  if (readInstruction(core, hart, pc) === undefined) {
    const [from, name] = trappedFrom(core, hart);
    if (from !== undefined && readInstruction(core, hart, from) !== undefined)
      lines.push(...listing(core, hart, from, name));
    else lines.push(...listing(core, hart, core.x(hart, RA), "ra"));
  }
  return lines.join("\n");
}

/** Where the last trap into the hart's present mode came from, if it came from that same mode. */
function trappedFrom(core: Core, hart: number): [pc: bigint | undefined, name: string] {
  const { abi } = core;
  const status = core.hartU64(hart, abi.H_MSTATUS);
  const mode = core.hartU32(hart, abi.H_PRV);
  if (mode === 3 && (status & MPP) === MPP) return [core.hartU64(hart, abi.H_MEPC!), "mepc"];
  if (mode === 1 && status & SPP) return [core.hartU64(hart, abi.H_SEPC!), "sepc"];
  return [undefined, ""];
}

function listing(core: Core, hart: number, from: bigint, name: string): string[] {
  const lines: string[] = [];
  for (let at = from, i = 0; i < INSTRUCTIONS_SHOWN; i++) {
    const raw = readInstruction(core, hart, at);
    const mark = i === 0 ? `   <- ${name}` : "";
    if (raw === undefined) {
      lines.push(`  ${hex64(at)}: there is nothing to execute here${mark}`);
      break;
    }
    const text = disassemble(raw, at).replace("\t", " ");
    lines.push(`  ${hex64(at)}: ${hexInstruction(raw).padEnd(8)}  ${text}${mark}`);
    at += BigInt(sizeOf(raw));
  }
  return lines;
}
