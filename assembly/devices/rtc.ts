/** Goldfish real-time clock (Android emulator, GOLDFISH-VIRTUAL-HARDWARE): nanoseconds since 1970, one alarm. */

import { DEV_RTC } from "../abi";
import { NEVER, wallclockNow } from "../hart/time";
import { plicSetLine } from "./plic";

/** PLIC source on board `virt`. */
export const RTC_SOURCE: u32 = 11;

// Registers: offsets in the window.
export const RTC_OFFSET: u32 = 0; //   u64: guest's time − wall clock, ns
export const RTC_ALARM: u32 = 8; //    u64: alarm time, ns
export const RTC_LATCH: u32 = 16; //   u32: TIME_HIGH as of the last read of TIME_LOW
export const RTC_ARMED: u32 = 20; //   u32: the alarm is running
export const RTC_PENDING: u32 = 24; // u32: the interrupt is due
export const RTC_ENABLED: u32 = 28; // u32: the interrupt is enabled

// Memory map.
const TIME_LOW: u32 = 0x00;
const TIME_HIGH: u32 = 0x04;
const ALARM_LOW: u32 = 0x08;
const ALARM_HIGH: u32 = 0x0c;
const IRQ_ENABLED: u32 = 0x10;
const CLEAR_ALARM: u32 = 0x14;
const ALARM_STATUS: u32 = 0x18;
const CLEAR_INTERRUPT: u32 = 0x1c;

const LOW: u64 = 0xffff_ffff;

export function rtcReset(): void {
  memory.fill(DEV_RTC, 0, 32);
  update();
}

function now(): u64 { return wallclockNow() + load<u64>(DEV_RTC, RTC_OFFSET); }

function update(): void {
  plicSetLine(RTC_SOURCE, (load<u32>(DEV_RTC, RTC_PENDING) & load<u32>(DEV_RTC, RTC_ENABLED)) != 0);
}

/** Wall clock (ns) at which `rtcTick` has something to do, or NEVER. */
export function rtcDeadline(): u64 {
  if (!load<u32>(DEV_RTC, RTC_ARMED)) return NEVER;
  const alarm = load<u64>(DEV_RTC, RTC_ALARM);
  const offset = load<u64>(DEV_RTC, RTC_OFFSET);
  // An alarm before the clock's zero is overdue, not far away.
  return <i64>offset > 0 && alarm < offset ? 0 : alarm - offset;
}

/** Rings the alarm if its time has come. */
export function rtcTick(): void {
  if (!load<u32>(DEV_RTC, RTC_ARMED) || load<u64>(DEV_RTC, RTC_ALARM) > now()) return;
  store<u32>(DEV_RTC, 0, RTC_ARMED);
  store<u32>(DEV_RTC, 1, RTC_PENDING);
  update();
}

/** Sets half of the guest's time by moving its offset. */
function setTime(v: u64): void {
  store<u64>(DEV_RTC, v - wallclockNow(), RTC_OFFSET);
}

/** Registers are 32 bits wide; other accesses read zero and write nothing. */
export function rtcRead(offset: u32, size: i32): u64 {
  if (size != 4) return 0;
  switch (offset) {
    case TIME_LOW: {
      const v = now();
      store<u32>(DEV_RTC, <u32>(v >> 32), RTC_LATCH);
      return v & LOW;
    }
    case TIME_HIGH: return load<u32>(DEV_RTC, RTC_LATCH);
    case ALARM_LOW: return load<u64>(DEV_RTC, RTC_ALARM) & LOW;
    case ALARM_HIGH: return load<u64>(DEV_RTC, RTC_ALARM) >> 32;
    case IRQ_ENABLED: return load<u32>(DEV_RTC, RTC_ENABLED);
    case ALARM_STATUS: return load<u32>(DEV_RTC, RTC_ARMED);
  }
  return 0;
}

export function rtcWrite(offset: u32, size: i32, value: u64): void {
  if (size != 4) return;
  const v = value & LOW;
  switch (offset) {
    case TIME_LOW: setTime((now() & ~LOW) | v); break;
    case TIME_HIGH: setTime((now() & LOW) | (v << 32)); break;
    case ALARM_LOW: {
      // Writing the low half arms the alarm; drivers write the high half first.
      store<u64>(DEV_RTC, (load<u64>(DEV_RTC, RTC_ALARM) & ~LOW) | v, RTC_ALARM);
      store<u32>(DEV_RTC, 1, RTC_ARMED);
      rtcTick();
      break;
    }
    case ALARM_HIGH: store<u64>(DEV_RTC, (load<u64>(DEV_RTC, RTC_ALARM) & LOW) | (v << 32), RTC_ALARM); break;
    case IRQ_ENABLED: store<u32>(DEV_RTC, <u32>v & 1, RTC_ENABLED); break;
    case CLEAR_ALARM: store<u32>(DEV_RTC, 0, RTC_ARMED); break;
    case CLEAR_INTERRUPT: store<u32>(DEV_RTC, 0, RTC_PENDING); break;
    default: return;
  }
  update();
}
