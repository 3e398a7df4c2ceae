/**
 * TLB banks: see the layout in abi. A hart points at one bank for loads and
 * stores and at one for fetches; changes of privilege, SUM or satp only move
 * the pointers. A full flush bumps the generation, and a stale bank is cleared
 * when it is next selected.
 */

import {
  CT_TLB_FLUSH, H_BANKS, H_BANK_CLOCK, H_PRV, H_SATP, H_TLB, H_TLB_FETCH, H_TLB_GEN, PAGE_SIZE, TLB_BANK, TLB_BANKS,
  TLB_BIG_HIGH, TLB_BIG_LOW, TLB_BITS, TLB_ENTRIES, TLB_ENTRY_BITS, TLB_FETCH, TLB_GENERATION, TLB_HEADER, TLB_KEY, TLB_LOG, TLB_LOGGED,
  TLB_MODES, TLB_OTHER, TLB_ROOM, TLB_SPACES, TLB_STORE, MAX_HARTS, DEV_MACHINE, M_HARTS,
} from "../abi";
import { count, hartAt, MS_MPP, MS_MPRV, MS_SUM, mstatus, PRV_M, PRV_S, PRV_U } from "../hart/state";

const MODE_U: u32 = 0;
const MODE_S: u32 = 1;
const MODE_S_SUM: u32 = 2;
const MODE_M: u32 = 3;

const PAGE_MASK: u64 = ~<u64>(PAGE_SIZE - 1);

/** Byte offset of the entry where a page of data is, unless another has taken its place: see `tlbPut`. */
// @ts-ignore: decorator
@inline export function tlbIndex(va: u64): u32 {
  return <u32>(va >> (12 - TLB_ENTRY_BITS)) & ((TLB_ENTRIES - 1) << TLB_ENTRY_BITS);
}

/**
 * The same of code, where there is only one place. Higher page bits are folded in:
 * programs and libraries like to lie at multiples of large powers of two from one another.
 */
// @ts-ignore: decorator
@inline export function fetchIndex(va: u64): u32 {
  const page = <u32>(va >> 12);
  return ((page ^ (page >> TLB_BITS)) & (TLB_ENTRIES - 1)) << TLB_ENTRY_BITS;
}

/**
 * The entry of a page of data among the bank's loads or stores, or 0. Where it was in its second place it is in its first
 * one now, where everybody looks without a call.
 */
export function tlbFind(entries: usize, va: u64): usize {
  const index = tlbIndex(va);
  const page = va & PAGE_MASK;
  const e = entries + index;
  const tag = load<u64>(e);
  if (tag == page) return e;
  const other = entries + (index ^ TLB_OTHER);
  if (load<u64>(other) != page) return 0;
  const rest = load<u64>(e, 8);
  store<u64>(e, page);
  store<u64>(e, load<u64>(other, 8), 8);
  store<u64>(other, tag);
  store<u64>(other, rest, 8);
  return e;
}

/** How many pages have been entered. */
let clock: u32 = 0;

/**
 * Enters a page of data, in its first place. Two pages may share that, as stacks and heaps at multiples of large powers of
 * two from one another do: each has a second one. The older entry of the two places makes room, so that what the TLB
 * knows doesn't depend on which place who was found in.
 * @param bank     and
 * @param entries  offset of its loads or stores
 */
export function tlbPut(bank: usize, entries: u32, va: u64, addend: u32): void {
  const index = tlbIndex(va);
  const e = bank + entries + index;
  const tag = load<u64>(e);
  if (!(tag & (PAGE_SIZE - 1))) {
    const other = bank + entries + (index ^ TLB_OTHER);
    if (load<u64>(other) & (PAGE_SIZE - 1) || <i32>(load<u32>(other, 12) - load<u32>(e, 12)) < 0) {
      store<u64>(other, tag);
      store<u64>(other, load<u64>(e, 8), 8);
    }
  }
  store<u64>(e, va & PAGE_MASK);
  store<u32>(e, addend, 8);
  store<u32>(e, clock++, 12);
  log(bank, entries + index);
}

/** An entry of the bank is in use, and perhaps the other one of its places. */
// @ts-ignore: decorator
@inline function log(bank: usize, at: u32): void {
  const room = load<u32>(bank, TLB_ROOM);
  if (!room) return;
  store<u16>(bank + ((room - 1) << 1), <u16>(at >> TLB_ENTRY_BITS), TLB_LOGGED);
  store<u32>(bank, room - 1, TLB_ROOM);
}

/** Enters a page of code. */
export function tlbPutFetch(bank: usize, va: u64, slots: u32, number: u32): void {
  const at = TLB_FETCH + fetchIndex(va);
  const e = bank + at;
  store<u64>(e, va & PAGE_MASK);
  store<u32>(e, slots, 8);
  store<u32>(e, number, 12);
  log(bank, at);
}

/** The micro-ops of the page that the fetch TLB has for an address, or 0. */
// @ts-ignore: decorator
@inline export function fetchHit(h: usize, va: u64): u32 {
  const e = load<u32>(h, H_TLB_FETCH) + TLB_FETCH + fetchIndex(va);
  return load<u64>(e) == (va & PAGE_MASK) ? load<u32>(e, 8) : 0;
}

/** The privilege that loads and stores have: MPRV lends them MPP's (Privileged 3.1.6.3). */
export function dataPrivilege(h: usize): u32 {
  const ms = mstatus(h);
  const p = load<u32>(h, H_PRV);
  return p == PRV_M && ms & MS_MPRV ? <u32>((ms & MS_MPP) >> 11) : p;
}

// @ts-ignore: decorator
@inline function bankAt(h: usize, space: u32, mode: u32): usize { return h + H_BANKS + (space * TLB_MODES + mode) * TLB_BANK; }

/** The space of the current satp, taking over the oldest one when it is new. */
function spaceOf(h: usize): u32 {
  const satp = load<u64>(h, H_SATP);
  for (let s: u32 = 0; s < TLB_SPACES; s++) if (load<u64>(bankAt(h, s, 0), TLB_KEY) == satp) return s;
  const s = load<u32>(h, H_BANK_CLOCK) % TLB_SPACES;
  store<u32>(h, s + 1, H_BANK_CLOCK);
  for (let mode: u32 = 0; mode < MODE_M; mode++) {
    store<u64>(bankAt(h, s, mode), satp, TLB_KEY);
    store<u32>(bankAt(h, s, mode), 0, TLB_GENERATION);
  }
  return s;
}

function clear(bank: usize): void {
  const room = load<u32>(bank, TLB_ROOM);
  if (room) {
    for (let i = room; i < TLB_LOG; i++) {
      const at = <u32>load<u16>(bank + (i << 1), TLB_LOGGED) << TLB_ENTRY_BITS;
      store<u64>(bank + at, u64.MAX_VALUE);
      if (at < TLB_FETCH) store<u64>(bank + (at ^ TLB_OTHER), u64.MAX_VALUE);
    }
  } else {
    memory.fill(bank, 0xff, TLB_HEADER);
  }
  store<u32>(bank, TLB_LOG, TLB_ROOM);
  store<u64>(bank, u64.MAX_VALUE, TLB_BIG_LOW);
  store<u64>(bank, 0, TLB_BIG_HIGH);
}

function fresh(h: usize, bank: usize): u32 {
  const generation = load<u32>(h, H_TLB_GEN);
  if (load<u32>(bank, TLB_GENERATION) != generation) {
    clear(bank);
    store<u32>(bank, generation, TLB_GENERATION);
  }
  return <u32>bank;
}

/** Points the hart at the banks of its present privilege, SUM and satp. */
export function tlbSelect(h: usize): void {
  const p = load<u32>(h, H_PRV);
  const d = dataPrivilege(h);
  const space: u32 = p == PRV_M && d == PRV_M ? 0 : spaceOf(h);
  let mode = MODE_M;
  if (d == PRV_U) mode = MODE_U;
  else if (d == PRV_S) mode = mstatus(h) & MS_SUM ? MODE_S_SUM : MODE_S;
  store<u32>(h, fresh(h, bankAt(h, mode == MODE_M ? 0 : space, mode)), H_TLB);
  // Fetches of S do not depend on SUM: both modes would do, one is enough.
  mode = p == PRV_M ? MODE_M : p == PRV_S ? MODE_S : MODE_U;
  store<u32>(h, fresh(h, bankAt(h, mode == MODE_M ? 0 : space, mode)), H_TLB_FETCH);
}

/** Forgets everything. */
export function tlbFlush(h: usize): void {
  count(h, CT_TLB_FLUSH);
  let generation = load<u32>(h, H_TLB_GEN) + 1;
  if (generation == 0) generation = 1; // 0 marks a bank as stale
  store<u32>(h, generation, H_TLB_GEN);
  tlbSelect(h);
}

function asidOf(satp: u64): u32 { return <u32>(satp >> 44) & 0xffff; }

/** sfence.vma with an ASID and no address. */
export function tlbFlushAsid(h: usize, asid: u32): void {
  for (let s: u32 = 0; s < TLB_SPACES; s++) {
    if (asidOf(load<u64>(bankAt(h, s, 0), TLB_KEY)) != asid) continue;
    for (let mode: u32 = 0; mode < MODE_M; mode++) store<u32>(bankAt(h, s, mode), 0, TLB_GENERATION);
  }
  tlbSelect(h);
}

// @ts-ignore: decorator
@inline function forget(e: usize, page: u64): void {
  if ((load<u64>(e) & PAGE_MASK) == page) store<u64>(e, u64.MAX_VALUE);
}

/** sfence.vma with an address; `asid` < 0 means every address space. */
export function tlbFlushPage(h: usize, va: u64, asid: i32): void {
  const page = va & PAGE_MASK;
  let stale = false;
  for (let s: u32 = 0; s < TLB_SPACES; s++) {
    if (asid >= 0 && asidOf(load<u64>(bankAt(h, s, 0), TLB_KEY)) != <u32>asid) continue;
    for (let mode: u32 = 0; mode < MODE_M; mode++) {
      const bank = bankAt(h, s, mode);
      if (va >= load<u64>(bank, TLB_BIG_LOW) && va <= load<u64>(bank, TLB_BIG_HIGH)) {
        // One PTE may stand behind many of our entries: forget them all.
        store<u32>(bank, 0, TLB_GENERATION);
        stale = true;
        continue;
      }
      forget(bank + tlbIndex(va), page);
      forget(bank + (tlbIndex(va) ^ TLB_OTHER), page);
      forget(bank + TLB_STORE + tlbIndex(va), page);
      forget(bank + TLB_STORE + (tlbIndex(va) ^ TLB_OTHER), page);
      forget(bank + TLB_FETCH + fetchIndex(va), page);
    }
  }
  if (stale) tlbSelect(h);
}

/** Notes that entries of [low, high] may share a PTE (superpage or NAPOT). */
export function tlbNoteBig(bank: usize, low: u64, high: u64): void {
  if (low < load<u64>(bank, TLB_BIG_LOW)) store<u64>(bank, low, TLB_BIG_LOW);
  if (high > load<u64>(bank, TLB_BIG_HIGH)) store<u64>(bank, high, TLB_BIG_HIGH);
}

/** Removes store entries for a page of linear memory from every bank of every hart. */
export function tlbDropStores(page: u32): void {
  const harts = load<u32>(DEV_MACHINE, M_HARTS);
  for (let i: u32 = 0; i < harts; i++) {
    const h = hartAt(i);
    for (let b: u32 = 0; b < TLB_BANKS; b++) {
      const bank = h + H_BANKS + b * TLB_BANK;
      // Before it is used again all of a stale one goes.
      if (load<u32>(bank, TLB_GENERATION) != load<u32>(h, H_TLB_GEN)) continue;
      const room = load<u32>(bank, TLB_ROOM);
      if (room) {
        for (let k = room; k < TLB_LOG; k++) {
          const at = <u32>load<u16>(bank + (k << 1), TLB_LOGGED) << TLB_ENTRY_BITS;
          if (at < TLB_STORE || at >= TLB_FETCH) continue;
          drop(bank + at, page);
          drop(bank + (at ^ TLB_OTHER), page);
        }
      } else {
        for (let at = TLB_STORE; at < TLB_FETCH; at += 1 << TLB_ENTRY_BITS) drop(bank + at, page);
      }
    }
  }
}

// @ts-ignore: decorator
@inline function drop(e: usize, page: u32): void {
  if (<u32>load<u64>(e) + load<u32>(e, 8) == page) store<u64>(e, u64.MAX_VALUE);
}

/** Empties the TLBs of every hart: fetch entries point at micro-op pages that are going away. */
export function tlbFlushAll(): void {
  const harts = load<u32>(DEV_MACHINE, M_HARTS);
  for (let i: u32 = 0; i < harts && i < <u32>MAX_HARTS; i++) tlbFlush(hartAt(i));
}
