/**
 * The guest's clock. Two modes: real time, read from the host, and counted:
 * mtime = (instructions retired + bias) / M_TICK, the same on every run.
 */

import {
  DEV_MACHINE, H_TIME_BIAS, M_CURRENT, M_FLAGS, M_TICK, M_TIME_BIAS, MF_COUNTED,
} from "../abi";
import { hostTicks, hostWallclock } from "../host";
import { hartAt, instretNow } from "./state";

/** Nanoseconds per tick of the 10 MHz timebase. */
export const TICK_NS: u64 = 100;
/** menvcfg.STCE: stimecmp is in use (Sstc). */
export const ENV_STCE: u64 = <u64>1 << 63;
/** "No deadline." */
export const NEVER: u64 = u64.MAX_VALUE;

export function counted(): bool {
  return (load<u32>(DEV_MACHINE, M_FLAGS) & MF_COUNTED) != 0;
}

/** mtime, ticks, as the hart whose slice is under way sees it. */
export function timeNow(): u64 {
  const bias = load<u64>(DEV_MACHINE, M_TIME_BIAS);
  if (!counted()) return <u64>hostTicks() + bias;
  const h = hartAt(load<u32>(DEV_MACHINE, M_CURRENT));
  return (instretNow(h) + load<u64>(h, H_TIME_BIAS)) / load<u32>(DEV_MACHINE, M_TICK) + bias;
}

/** A guest's write to mtime moves every hart's clock. */
export function timeSet(v: u64): void {
  const bias = load<u64>(DEV_MACHINE, M_TIME_BIAS);
  store<u64>(DEV_MACHINE, v - (timeNow() - bias), M_TIME_BIAS);
}

/** Wall clock in ns; in counted mode it starts at 2026-01-01 and follows mtime. */
export function wallclockNow(): u64 {
  if (!counted()) return <u64>hostWallclock();
  return 1767225600_000_000_000 + timeNow() * TICK_NS;
}

/** Counted mode: instructions this hart may retire before mtime reaches `deadline`. */
export function instructionsUntil(h: usize, deadline: u64): u64 {
  if (deadline == NEVER) return u64.MAX_VALUE; // not a time: mtime may come to stand there
  const tick = <u64>load<u32>(DEV_MACHINE, M_TICK);
  const bias = load<u64>(DEV_MACHINE, M_TIME_BIAS);
  const target = deadline - bias;
  if (target > u64.MAX_VALUE / tick) return u64.MAX_VALUE;
  return target * tick - (instretNow(h) + load<u64>(h, H_TIME_BIAS));
}
