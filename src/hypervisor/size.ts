/** Sizes of memory as people write them. */

import { MachineError } from "./errors.ts";

const UNITS: Readonly<Record<string, number>> = { "": 2 ** 20, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
const PAGE = 4096;
/** Less than this holds no kernel and no device tree. */
const LEAST = 4 * 2 ** 20;

/**
 * Bytes of guest memory: a number of bytes, or text such as "512M" or "2G"
 * (without a unit, MiB).
 * @param limit  the most that this core can give, bytes
 * @throws MachineError
 */
export function memorySize(memory: number | string, limit: number): number {
  const bytes = typeof memory === "number" ? memory : parseSize(memory);
  if (!Number.isFinite(bytes) || bytes % PAGE !== 0)
    throw new MachineError(`The memory of ${memory} is not a multiple of ${PAGE} bytes; choose one, such as 512M.`);
  if (bytes < LEAST) throw new MachineError(`The guest's memory is too small; give it at least ${LEAST / 2 ** 20}M.`);
  if (bytes > limit)
    throw new MachineError(`The guest's memory is too large; give it at most ${Math.floor(limit / 2 ** 20)}M.`);
  return bytes;
}

/** Bytes of text such as "512M". @throws MachineError */
export function parseSize(text: string): number {
  const match = /^(\d{1,12})([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  if (!match) throw new MachineError(`"${text}" is not a size of memory; write it as 512M or 2G.`);
  return Number(match[1]) * UNITS[match[2]!.toUpperCase()]!;
}
