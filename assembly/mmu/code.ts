/**
 * Pages of micro-ops. One belongs to each guest page that was executed from;
 * its slots are decoded one by one on first use (slot 0 means "not yet").
 *
 * A store into a page that holds code clears the slots that it may have
 * changed; when stores go on and nothing of the page is decoded in between, the
 * page loses all its slots and its FRAME_CODE bit, and stores are fast again.
 */

import {
  FRAME_CODE, PAGE_SIZE, UOP_HEADER, UOP_PAGE, UOP_PAGES, UOP_POOL, UOP_SLOTS, UOP_STRIDE, CODE_OF, DEV_MACHINE, M_JIT_LOST,
  M_UOP_NEXT, UOP_ASKED, UOP_DROPS, UOP_GENERATION, UOP_REGIONS, UOP_UNASKED,
} from "../abi";
import { codeOf, frameOf, pageAt, pageCount, pageNumber } from "../bus/ram";
import { unfused } from "../isa/fusion.generated";
import { OP_PAGE_END } from "../isa/ops.generated";
import { tlbDropStores, tlbFlushAll } from "./tlb";

/** Stores into a code page, none of it decoded in between, before it counts as data. */
const DATA_AFTER: u32 = 64;
/** Slots that are decoded before it is asked what is known of a page: less isn't worth hashing it. */
const ASK_AFTER: u32 = 16;
/** Each time that its code has changed it is twice as many, so often at most. */
const MOST_DOUBLINGS: u32 = 6;

/** The slots of a guest page, made if need be. May empty every TLB. */
export function codePage(number: u32): u32 {
  const known = load<u32>(codeOf(number));
  if (known) return known;
  let next = load<u32>(DEV_MACHINE, M_UOP_NEXT);
  if (next == UOP_PAGES) {
    forgetAllCode();
    next = 0;
  }
  store<u32>(DEV_MACHINE, next + 1, M_UOP_NEXT);
  const at = UOP_POOL + next * UOP_STRIDE;
  memory.fill(at, 0, UOP_PAGE);
  store<u32>(at, number);
  const slots = at + UOP_HEADER;
  store<u16>(slots + UOP_SLOTS * 8, OP_PAGE_END);
  store<u16>(at, ASK_AFTER, UOP_UNASKED);
  store<u32>(codeOf(number), slots);
  return slots;
}

/** The pool is full: start again. Slots in use stay valid until the next fetch lookup. */
function forgetAllCode(): void {
  memory.fill(CODE_OF, 0, <usize>pageCount() << 2);
  const pages = pageCount();
  for (let i: u32 = 0; i < pages; i++) {
    const frame = frameOf(pageAt(i));
    store<u8>(frame, load<u8>(frame) & ~FRAME_CODE);
  }
  store<u32>(DEV_MACHINE, 1, M_JIT_LOST);
  tlbFlushAll();
}

// @ts-ignore: decorator
@inline export function slotsNumber(slots: u32): u32 { return load<u32>(slots - UOP_HEADER); }

/** Called when a slot of this page is decoded: stores must notice from now on. */
export function holdsCode(slots: u32): void {
  const page = pageAt(slotsNumber(slots));
  store<u32>(slots - UOP_HEADER, 0, 4);
  const frame = frameOf(page);
  const state = load<u8>(frame);
  if (state & FRAME_CODE) return;
  store<u8>(frame, state | FRAME_CODE);
  tlbDropStores(page);
}

/** Empties slots `first` to `last` of a page, to be decoded again. */
export function forgetSlots(slots: u32, first: u32, last: u32): void {
  memory.fill(slots + (first << 3), 0, (last - first + 1) << 3);
  // One before may be fused with one that is gone. It only ends being fused: its own predecessor may need it.
  for (let i: u32 = first < 2 ? 0 : first - 2; i < first; i++) {
    const u = slots + (i << 3);
    store<u16>(u, unfused(load<u16>(u)));
  }
}

/** Bytes [ptr, ptr + size) of linear memory, within one guest page, are about to change. */
export function codeWritten(ptr: u32, size: u32): void {
  const slots = load<u32>(codeOf(pageNumber(ptr)));
  if (slots) {
    const writes = load<u32>(slots - UOP_HEADER, 4) + 1;
    const asked = <u32>load<u16>(slots - UOP_HEADER, UOP_ASKED);
    store<u16>(slots - UOP_HEADER, ASK_AFTER << (asked < MOST_DOUBLINGS ? asked : MOST_DOUBLINGS), UOP_UNASKED);
    if (load<u32>(slots - UOP_HEADER, UOP_GENERATION)) regionsLost(slots);
    if (load<u16>(slots - UOP_HEADER, UOP_REGIONS)) {
      // Regions of this page may contain what changes: all of them go, and all slots with them.
      store<u16>(slots - UOP_HEADER, 0, UOP_REGIONS);
      memory.fill(slots, 0, UOP_SLOTS * 8);
      store<u32>(slots - UOP_HEADER, writes, 4);
      return;
    }
    if (writes < DATA_AFTER && size < PAGE_SIZE) {
      store<u32>(slots - UOP_HEADER, writes, 4);
      const at = ptr & (PAGE_SIZE - 1);
      // An instruction that starts up to two bytes earlier may reach in here.
      const first = at < 2 ? 0 : (at - 2) >> 1;
      const last = (at + size - 1) >> 1;
      forgetSlots(slots, first, last);
      return;
    }
    memory.fill(slots, 0, UOP_SLOTS * 8);
    store<u32>(slots - UOP_HEADER, 0, 4);
  }
  const frame = frameOf(ptr);
  store<u8>(frame, load<u8>(frame) & ~FRAME_CODE);
}

/** Regions of a page are to be translated anew, if it has any. */
export function dropRegions(slots: u32): void {
  if (!load<u16>(slots - UOP_HEADER, UOP_REGIONS)) return;
  regionsLost(slots);
  store<u16>(slots - UOP_HEADER, 0, UOP_REGIONS);
  memory.fill(slots, 0, UOP_SLOTS * 8);
}

/** What was translated of this page, or is being translated, is no longer its code. */
function regionsLost(slots: u32): void {
  store<u32>(slots - UOP_HEADER, 0, UOP_GENERATION);
  const drops = load<u16>(slots - UOP_HEADER, UOP_DROPS);
  if (drops < 0xffff) store<u16>(slots - UOP_HEADER, drops + 1, UOP_DROPS);
}
