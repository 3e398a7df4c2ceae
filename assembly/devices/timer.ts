/** The timer interrupts of a hart: CLINT's mtimecmp and Sstc's stimecmp against the clock. */

import { H_LINES, H_MENVCFG, H_STIMECMP } from "../abi";
import { IP_MTIP, IP_STIP } from "../hart/state";
import { ENV_STCE, NEVER, TICK_NS, wallclockNow } from "../hart/time";
import { aclintMtimecmp } from "./aclint";
import { rtcDeadline } from "./rtc";

/** Sets the timer lines of a hart from the time. */
export function timerLines(h: usize, hart: u32, now: u64): void {
  let lines = load<u64>(h, H_LINES) & ~(IP_MTIP | IP_STIP);
  if (now >= aclintMtimecmp(hart)) lines |= IP_MTIP;
  if (load<u64>(h, H_MENVCFG) & ENV_STCE && now >= load<u64>(h, H_STIMECMP)) lines |= IP_STIP;
  store<u64>(h, lines, H_LINES);
}

/** The next mtime at which a timer line of this hart rises, or NEVER. */
export function timerDeadline(h: usize, hart: u32, now: u64): u64 {
  let next = NEVER;
  const m = aclintMtimecmp(hart);
  if (m > now) next = m;
  if (load<u64>(h, H_MENVCFG) & ENV_STCE) {
    const s = load<u64>(h, H_STIMECMP);
    if (s > now && s < next) next = s;
  }
  return next;
}

/** The mtime after `now` at which the clock's alarm goes off, or NEVER. */
export function clockDeadline(now: u64): u64 {
  const alarm = rtcDeadline();
  if (alarm == NEVER) return NEVER;
  const clock = wallclockNow();
  return now + (alarm > clock ? (alarm - clock + TICK_NS - 1) / TICK_NS : 1);
}
