/** A region's instructions as the guest has them. */

import { decode, sizeOf } from "../isa/decode.ts";
import { disassemble } from "../isa/disassemble.ts";
import type { RegionRecord } from "./recorder.ts";

/** As many as the translator puts into a region, about. */
const MOST_INSTRUCTIONS = 400;

/**
 * What direct branches and jumps reach from the entry within its page, in
 * order, a line each. The translator leaves out what was never executed.
 */
export function regionCode({ address, virtual, page }: RegionRecord): string[] {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  const entry = Number(address & 0xfffn);
  const base = virtual - BigInt(entry);
  const lines = new Map<number, string>();
  const open = [entry];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    while (at >= 0 && at + 2 <= page.length && !lines.has(at) && lines.size < MOST_INSTRUCTIONS) {
      const low = view.getUint16(at, true);
      const size = sizeOf(low);
      if (at + size > page.length) break;
      const raw = size === 2 ? low : view.getUint32(at, true);
      const pc = base + BigInt(at);
      lines.set(at, `${pc.toString(16)}  ${disassemble(raw, pc).replace("\t", " ")}`);
      const { next, target } = successors(raw, at);
      if (target !== undefined) open.push(target);
      if (!next) break;
      at += size;
    }
  }
  return [...lines].sort(([a], [b]) => a - b).map(([, line]) => line);
}

/** Whether what follows is reached, and which other offset is. */
function successors(raw: number, at: number): { next: boolean; target?: number } {
  const decoded = decode(raw);
  if (!decoded) return { next: false };
  const { row, operands } = decoded;
  const { target, rd } = operands;
  // Jumps without a link don't come back; with one, the callee is a region of its own.
  if (/^(c\.j|c\.jr|mret|sret|ebreak|c\.ebreak|ecall|wfi)$/.test(row.name))
    return target === undefined ? { next: false } : { next: false, target: at + target };
  if (row.name === "jal" || row.name === "jalr")
    return rd === 0 && target !== undefined ? { next: false, target: at + target } : { next: rd !== 0 };
  return target === undefined ? { next: true } : { next: true, target: at + target };
}
