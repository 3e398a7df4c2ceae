/**
 * Breakpoints and watchpoints: the table of them, and what a hart that comes
 * upon one does. Both go by virtual address, whatever the address space.
 *
 * The slot of an instruction with a breakpoint holds OP_BREAK (exec/decode).
 * Pages with a watchpoint never enter the TLB, so that all accesses to them come
 * by the slow paths (mmu/access). Without either, nothing is slower.
 */

import {
  D_BREAK_AT, D_BREAKS, D_HIT, D_HIT_ADDRESS, D_PENDING, D_PENDING_AT, D_QUIET, D_SEEN, D_WATCH, D_WATCH_AT, D_WATCHES,
  DEBUG, H_INSTRET, H_LEFT, PAGE_SIZE,
} from "../abi";
import { getPc, instretNow } from "../hart/state";

const PAGE_MASK: u64 = ~<u64>(PAGE_SIZE - 1);

// ---- Breakpoints -------------------------------------------------------------------

/** Index of the breakpoint at a virtual address, or -1. */
export function breakpointAt(va: u64): i32 {
  const count = load<u32>(DEBUG, D_BREAKS);
  for (let i: u32 = 0; i < count; i++) if (load<u64>(DEBUG + i * 8, D_BREAK_AT) == va) return i;
  return -1;
}

/** Has any page a breakpoint at this offset? Then the slot there is not an instruction's. */
export function breaksAtOffset(offset: u32): bool {
  const count = load<u32>(DEBUG, D_BREAKS);
  for (let i: u32 = 0; i < count; i++) {
    if ((<u32>load<u64>(DEBUG + i * 8, D_BREAK_AT) & (PAGE_SIZE - 1)) == offset) return true;
  }
  return false;
}

/** Notes that this hart's stop where it stands has been told: it goes on from there. */
export function markSeen(h: usize, hart: u32): void {
  const at = DEBUG + D_SEEN + (hart << 4);
  store<u64>(at, getPc(h));
  store<u64>(at, load<u64>(h, H_INSTRET), 8);
}

function seen(h: usize, hart: u32): bool {
  const at = DEBUG + D_SEEN + (hart << 4);
  return load<u64>(at) == getPc(h) && load<u64>(at, 8) == load<u64>(h, H_INSTRET);
}

/** Stands the hart at a breakpoint that it hasn't stopped at yet? Then D_HIT says so. */
export function breakpointStops(h: usize, hart: u32): bool {
  if (load<u32>(DEBUG, D_BREAKS) == 0 || breakpointAt(getPc(h)) < 0 || seen(h, hart)) return false;
  markSeen(h, hart);
  store<u32>(DEBUG, 0, D_HIT);
  return true;
}

/**
 * Must interrupts wait? While a debugger steps, and until the instruction has run
 * that a hart goes on from: else a guest that is slower than its timer never would.
 */
export function interruptsWait(h: usize, hart: u32): bool {
  if (load<u32>(DEBUG, D_QUIET)) return true;
  return load<u32>(DEBUG, D_BREAKS) != 0 && seen(h, hart) && breakpointAt(getPc(h)) >= 0;
}

// ---- Watchpoints -------------------------------------------------------------------

/** Is there a watchpoint in the page of `va`? */
export function pageWatched(va: u64): bool {
  const count = load<u32>(DEBUG, D_WATCHES);
  const first = va & PAGE_MASK;
  const last = first | ~PAGE_MASK;
  for (let i: u32 = 0; i < count; i++) {
    const at = DEBUG + i * D_WATCH;
    if (load<u64>(at, D_WATCH_AT) <= last && load<u64>(at, D_WATCH_AT + 8) >= first) return true;
  }
  return false;
}

/**
 * An access is about to be made; H_LEFT must be true. One that touches a
 * watchpoint must be the last of its run of instructions.
 * @param kind  WATCH_*
 * @returns whether it must be given up and executed alone
 */
export function accessWatched(h: usize, va: u64, size: u32, kind: u32): bool {
  const count = load<u32>(DEBUG, D_WATCHES);
  const end = va + size - 1;
  for (let i: u32 = 0; i < count; i++) {
    const at = DEBUG + i * D_WATCH;
    const first = load<u64>(at, D_WATCH_AT);
    if (first > end || load<u64>(at, D_WATCH_AT + 8) < va || !(load<u32>(at, D_WATCH_AT + 16) & kind)) continue;
    if (load<u64>(h, H_LEFT) > 1) return true;
    store<u32>(DEBUG, kind, D_PENDING);
    store<u64>(DEBUG, instretNow(h), D_PENDING_AT);
    store<u64>(DEBUG, first > va ? first : va, D_HIT_ADDRESS);
    return false;
  }
  return false;
}

/** After the inner loop: was a watched access made, and has its instruction retired? Then D_HIT says so. */
export function watchpointStops(h: usize, hart: u32): bool {
  const kind = load<u32>(DEBUG, D_PENDING);
  if (kind == 0) return false;
  store<u32>(DEBUG, 0, D_PENDING);
  if (load<u64>(h, H_INSTRET) <= load<u64>(DEBUG, D_PENDING_AT)) return false; // it trapped, or waits
  markSeen(h, hart);
  store<u32>(DEBUG, kind, D_HIT);
  return true;
}
