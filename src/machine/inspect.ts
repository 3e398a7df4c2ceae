/** Looking into a stopped hart. */

import type { Core } from "../core/core.ts";

/** The halfword that a hart would fetch at a virtual address; undefined if it can't be fetched from RAM. */
function halfword(core: Core, hart: number, va: bigint): number | undefined {
  const pa = core.calls.debugTranslate(hart, BigInt.asUintN(64, va));
  if (pa < 0n) return undefined;
  const { MROM_BASE, MROM_SIZE } = core.abi;
  const at =
    pa >= BigInt(MROM_BASE) && pa < BigInt(MROM_BASE + MROM_SIZE)
      ? core.calls.romRange(Number(pa) - MROM_BASE, 2) >>> 0
      : core.calls.guestRange(pa, 2, 0) >>> 0;
  return at < 2 ? undefined : core.view.getUint16(at, true);
}

/** The instruction at a virtual address, 16 or 32 bits. */
export function readInstruction(core: Core, hart: number, pc: bigint): number | undefined {
  const low = halfword(core, hart, pc);
  if (low === undefined || (low & 3) !== 3) return low;
  const high = halfword(core, hart, pc + 2n);
  return high === undefined ? undefined : ((high << 16) | low) >>> 0;
}

/** 16 hexadecimal digits. */
export const hex64 = (value: bigint): string => BigInt.asUintN(64, value).toString(16).padStart(16, "0");

/** An instruction as hexadecimal digits of its own width. */
export const hexInstruction = (raw: number): string => raw.toString(16).padStart((raw & 3) === 3 ? 8 : 4, "0");
