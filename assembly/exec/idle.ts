/** What the host asks when no hart has anything to do. */

import {
  DEV_MACHINE, H_INSTRET, H_INSTRET_END, H_LEFT, H_STATE, H_TIME_BIAS, HART_RUNNING, HART_STOPPED, M_CURRENT, M_HARTS, M_TICK,
} from "../abi";
import { rtcTick } from "../devices/rtc";
import { clockDeadline, timerDeadline, timerLines } from "../devices/timer";
import { interruptsEnabled } from "../hart/interrupt";
import { hartAt } from "../hart/state";
import { counted, NEVER, timeNow, TICK_NS } from "../hart/time";

/** Makes `hart` the one whose clock devices read, between slices. */
function view(hart: u32): usize {
  const h = hartAt(hart);
  store<u32>(DEV_MACHINE, hart, M_CURRENT);
  store<u64>(h, load<u64>(h, H_INSTRET), H_INSTRET_END);
  store<u64>(h, 0, H_LEFT);
  return h;
}

/**
 * Ticks from now until a hart has something to do: 0 when one runs or was woken
 * by another, else until a timer or the clock's alarm goes off, or NEVER.
 */
function ticksToEvent(): u64 {
  const harts = load<u32>(DEV_MACHINE, M_HARTS);
  let least = NEVER;
  if (harts) {
    view(0);
    rtcTick(); // may raise a line
  }
  for (let i: u32 = 0; i < harts; i++) {
    const h = view(i);
    const state = load<u32>(h, H_STATE);
    if (state == HART_STOPPED) continue;
    // A timer may have gone off since the hart looked: it is pending, and no deadline any more.
    const now = timeNow();
    timerLines(h, i, now);
    if (state == HART_RUNNING || interruptsEnabled(h)) return 0;
    const deadline = timerDeadline(h, i, now);
    if (deadline != NEVER && deadline - now < least) least = deadline - now;
  }
  if (harts) {
    const now = timeNow();
    const alarm = clockDeadline(now);
    if (alarm != NEVER && alarm - now < least) least = alarm - now;
  }
  return least;
}

/** Nanoseconds until something happens by itself; -1: never. */
export function idleTime(): f64 {
  const ticks = ticksToEvent();
  return ticks == NEVER ? -1 : <f64>ticks * <f64>TICK_NS;
}

/** Counted mode: a hart's clock in instructions. */
// @ts-ignore: decorator
@inline function clockOf(h: usize): u64 { return load<u64>(h, H_INSTRET) + load<u64>(h, H_TIME_BIAS); }

/**
 * Counted mode, after each round of slices: harts that waited or stood still
 * move on to the time of the one that is furthest.
 */
export function catchUp(): void {
  if (!counted()) return;
  const harts = load<u32>(DEV_MACHINE, M_HARTS);
  let latest: u64 = 0;
  for (let i: u32 = 0; i < harts; i++) if (clockOf(hartAt(i)) > latest) latest = clockOf(hartAt(i));
  for (let i: u32 = 0; i < harts; i++) {
    const h = hartAt(i);
    if (load<u32>(h, H_STATE) != HART_RUNNING) store<u64>(h, latest - load<u64>(h, H_INSTRET), H_TIME_BIAS);
  }
}

/** Counted mode, when every hart seems idle: moves all clocks to the next event. @returns false: there is none */
export function skipIdle(): bool {
  if (!counted()) return false;
  catchUp();
  const ticks = ticksToEvent();
  if (ticks == NEVER || ticks > 1 << 50) return false;
  if (ticks == 0) return true;
  const harts = load<u32>(DEV_MACHINE, M_HARTS);
  const tick = <u64>load<u32>(DEV_MACHINE, M_TICK);
  for (let i: u32 = 0; i < harts; i++) {
    const h = hartAt(i);
    const clock = clockOf(h);
    // To the start of that tick.
    store<u64>(h, load<u64>(h, H_TIME_BIAS) + (clock / tick + ticks) * tick - clock, H_TIME_BIAS);
  }
  return true;
}
