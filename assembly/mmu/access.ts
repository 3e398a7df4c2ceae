/**
 * Loads, stores and fetches by virtual address. The interpreter looks into the
 * TLB itself; these are the slow paths. Each has three outcomes: ST_OK,
 * ST_TRAP, or ST_WAIT when a page isn't here yet (nothing has changed then).
 */

import {
  CT_CODE_WRITE, CT_MMIO, CT_TLB_MISS, DEV_MACHINE, FRAME_CODE, FRAME_DIRTY, FRAME_PRESENT, FRAME_ROM, FRAME_WATCH,
  H_TLB, H_TLB_FETCH, H_TRAP_CAUSE, M_ATTENTION, PAGE_SIZE, RAM, ST_EVENT, ST_OK, ST_STEP, ST_TRAP,
  D_WATCHES, DEBUG, TLB_STORE, WATCH_READ, WATCH_WRITE,
} from "../abi";
import { busRead, busValue, busWrite } from "../bus/dispatch";
import { frameOf, pageAt, pageNumber, pagePtr, storePtr } from "../bus/ram";
import { accessWatched, pageWatched } from "../debug/points";
import { htifStored } from "../devices/htif";
import {
  count, EXC_LOAD_MISALIGNED, EXC_LOAD_PAGE, EXC_STORE_ACCESS, EXC_STORE_MISALIGNED, EXC_STORE_PAGE, prv, trap, wait,
} from "../hart/state";
import { codePage, codeWritten, slotsNumber } from "./code";
import { ACC_FETCH, ACC_LOAD, ACC_STORE, pmpAllows, pmpUniform } from "./pmp";
import { dataPrivilege, fetchHit, tlbFind, tlbNoteBig, tlbPut, tlbPutFetch } from "./tlb";
import { accessFault, bigHigh, bigLow, pa, translate } from "./walk";

/** Where `loadSlow` leaves its answer, zero-extended. */
export let loaded: u64 = 0;
/** Where `fetchSlow` leaves the slots of the page. */
export let fetchedSlots: u32 = 0;
/** Where `storePointer` and `fetchHalf` leave theirs. */
export let pointer: u32 = 0;
export let half: u32 = 0;

function readRam(p: u32, size: u32): u64 {
  if (size == 8) return load<u64>(p);
  if (size == 4) return load<u32>(p);
  if (size == 2) return load<u16>(p);
  return load<u8>(p);
}

function writeRam(p: u32, size: u32, value: u64): void {
  if (size == 8) store<u64>(p, value);
  else if (size == 4) store<u32>(p, <u32>value);
  else if (size == 2) store<u16>(p, <u16>value);
  else store<u8>(p, <u8>value);
}

/** Fills an entry of the data bank, if one answer holds for the whole page. */
function fill(h: usize, entries: u32, va: u64, p: u32): void {
  if (!pmpUniform(h, pa) || (load<u32>(DEBUG, D_WATCHES) && pageWatched(va))) return;
  const bank = load<u32>(h, H_TLB);
  tlbPut(bank, entries, va, p - <u32>va);
  if (bigHigh) tlbNoteBig(bank, bigLow, bigHigh);
}

/** Must the access be given up, to be executed alone for a debugger? */
// @ts-ignore: decorator
@inline function watched(h: usize, va: u64, size: u32, kind: u32): bool {
  return load<u32>(DEBUG, D_WATCHES) != 0 && accessWatched(h, va, size, kind);
}

// @ts-ignore: decorator
@inline function crosses(va: u64, size: u32): bool { return (<u32>va & (PAGE_SIZE - 1)) + size > PAGE_SIZE; }

/** After a device was touched: must the loop look at interrupts or the exit state? */
function afterDevice(): i32 {
  return load<u32>(DEV_MACHINE, M_ATTENTION) ? ST_EVENT : ST_OK;
}

// ---- Loads ---------------------------------------------------------------------

/** Finds RAM behind a load. @returns ST_OK with `pointer` (0: a device at `pa`), ST_TRAP, ST_WAIT */
function loadPointer(h: usize, va: u64, size: u32): i32 {
  const privilege = dataPrivilege(h);
  const st = translate(h, va, ACC_LOAD, privilege);
  if (st) return st;
  if (!pmpAllows(h, pa, size, ACC_LOAD, privilege)) return accessFault(h, va, ACC_LOAD);
  pointer = pagePtr(pa);
  if (pointer && !(load<u8>(frameOf(pointer)) & FRAME_PRESENT)) return wait(h, pa);
  return ST_OK;
}

/** The load that missed the TLB, of any alignment; its value is left in `loaded`. */
export function loadSlow(h: usize, va: u64, size: u32): i32 {
  if (watched(h, va, size, WATCH_READ)) return ST_STEP;
  if (crosses(va, size)) return loadCrossing(h, va, size);
  const e = tlbFind(load<u32>(h, H_TLB), va);
  if (e) { // misaligned, or not in its first place: the interpreter's own probe is for the others
    loaded = readRam(<u32>va + load<u32>(e, 8), size);
    return ST_OK;
  }
  count(h, CT_TLB_MISS);
  const st = loadPointer(h, va, size);
  if (st) return st;
  if (pointer) {
    fill(h, 0, va, pointer);
    loaded = readRam(pointer, size);
    return ST_OK;
  }
  count(h, CT_MMIO);
  if (!busRead(pa, size)) return accessFault(h, va, ACC_LOAD);
  loaded = busValue;
  return afterDevice();
}

function loadCrossing(h: usize, va: u64, size: u32): i32 {
  const lowSize = PAGE_SIZE - (<u32>va & (PAGE_SIZE - 1));
  let st = loadPointer(h, va, lowSize);
  if (st) return st;
  const low = pointer;
  if (!low) return accessFault(h, va, ACC_LOAD);
  st = loadPointer(h, va + lowSize, size - lowSize);
  if (st) return st;
  if (!pointer) return accessFault(h, va + lowSize, ACC_LOAD);
  let v: u64 = 0;
  for (let i: u32 = 0; i < size; i++) {
    const p = i < lowSize ? low + i : pointer + (i - lowSize);
    v |= <u64>load<u8>(p) << (i << 3);
  }
  loaded = v;
  return ST_OK;
}

// ---- Stores ----------------------------------------------------------------------

/** Finds RAM behind a store and makes it writable. As `loadPointer`. */
function storeTarget(h: usize, va: u64, size: u32): i32 {
  const privilege = dataPrivilege(h);
  const st = translate(h, va, ACC_STORE, privilege);
  if (st) return st;
  if (!pmpAllows(h, pa, size, ACC_STORE, privilege)) return accessFault(h, va, ACC_STORE);
  pointer = storePtr(pa);
  if (pointer && !(load<u8>(frameOf(pointer)) & FRAME_PRESENT)) return wait(h, pa);
  return ST_OK;
}

/** Tells the frame that [p, p + size) changes. @returns its state from before */
function noteStore(h: usize, p: u32, size: u32): u8 {
  const frame = frameOf(p);
  const state = load<u8>(frame);
  store<u8>(frame, state | FRAME_DIRTY);
  if (state & FRAME_CODE) {
    count(h, CT_CODE_WRITE);
    codeWritten(p, size);
  }
  return state;
}

/** The store that missed the TLB, of any alignment. */
export function storeSlow(h: usize, va: u64, size: u32, value: u64): i32 {
  if (watched(h, va, size, WATCH_WRITE)) return ST_STEP;
  if (crosses(va, size)) return storeCrossing(h, va, size, value);
  const e = tlbFind(load<u32>(h, H_TLB) + TLB_STORE, va);
  if (e) {
    writeRam(<u32>va + load<u32>(e, 8), size, value);
    return ST_OK;
  }
  count(h, CT_TLB_MISS);
  const st = storeTarget(h, va, size);
  if (st) return st;
  if (!pointer) {
    count(h, CT_MMIO);
    if (!busWrite(pa, size, value)) return accessFault(h, va, ACC_STORE);
    return afterDevice();
  }
  const state = noteStore(h, pointer, size);
  if (state & FRAME_ROM) return ST_OK; // as on the board: ignored
  if (!(state & (FRAME_CODE | FRAME_WATCH))) fill(h, TLB_STORE, va, pointer);
  writeRam(pointer, size, value);
  if (state & FRAME_WATCH) {
    htifStored(pa, size);
    return afterDevice();
  }
  return ST_OK;
}

function storeCrossing(h: usize, va: u64, size: u32, value: u64): i32 {
  const lowSize = PAGE_SIZE - (<u32>va & (PAGE_SIZE - 1));
  // Both halves must be known to succeed before either is written.
  let st = storeTarget(h, va, lowSize);
  if (st) return st;
  const low = pointer;
  if (!low) return accessFault(h, va, ACC_STORE);
  st = storeTarget(h, va + lowSize, size - lowSize);
  if (st) return st;
  if (!pointer) return accessFault(h, va + lowSize, ACC_STORE);
  const lowRom = noteStore(h, low, lowSize) & FRAME_ROM;
  const highRom = noteStore(h, pointer, size - lowSize) & FRAME_ROM;
  for (let i: u32 = 0; i < size; i++) {
    const byte = <u8>(value >> (i << 3));
    if (i < lowSize) {
      if (!lowRom) store<u8>(low + i, byte);
    } else if (!highRom) {
      store<u8>(pointer + (i - lowSize), byte);
    }
  }
  return ST_OK;
}

/**
 * RAM for an AMO, LR (`access` ACC_LOAD) or SC, left in `pointer`. AMOs must be
 * aligned, and only RAM supports them (PMA AMOArithmetic, RsrvEventual).
 */
export function amoPointer(h: usize, va: u64, size: u32, access: u32): i32 {
  if (va & (size - 1)) return trap(h, access == ACC_LOAD ? EXC_LOAD_MISALIGNED : EXC_STORE_MISALIGNED, va);
  if (watched(h, va, size, access == ACC_LOAD ? WATCH_READ : WATCH_READ | WATCH_WRITE)) return ST_STEP;
  if (access == ACC_LOAD) {
    const e = tlbFind(load<u32>(h, H_TLB), va);
    if (e) {
      pointer = <u32>va + load<u32>(e, 8);
      return ST_OK;
    }
    const st = loadPointer(h, va, size);
    if (st) return st;
    if (!pointer) return accessFault(h, va, ACC_LOAD);
    fill(h, 0, va, pointer);
    return ST_OK;
  }
  const e = tlbFind(load<u32>(h, H_TLB) + TLB_STORE, va);
  if (e) {
    pointer = <u32>va + load<u32>(e, 8);
    return ST_OK;
  }
  const st = storeTarget(h, va, size);
  if (st) return st;
  if (!pointer) return accessFault(h, va, ACC_STORE);
  const state = noteStore(h, pointer, size);
  if (state & FRAME_ROM) return accessFault(h, va, ACC_STORE);
  if (!(state & (FRAME_CODE | FRAME_WATCH))) fill(h, TLB_STORE, va, pointer);
  return ST_OK;
}

/** Cache-block management: allowed where a load is (W implies R); faults as a store (CMO 2.5.2). */
export function blockTouch(h: usize, va: u64): i32 {
  const block = va & ~63;
  const privilege = dataPrivilege(h);
  const st = translate(h, block, ACC_LOAD, privilege);
  if (st == ST_TRAP) {
    const cause = load<u64>(h, H_TRAP_CAUSE);
    return trap(h, cause == EXC_LOAD_PAGE ? EXC_STORE_PAGE : EXC_STORE_ACCESS, block);
  }
  if (st) return st;
  if (!pmpAllows(h, pa, 64, ACC_LOAD, privilege)) return accessFault(h, block, ACC_STORE);
  return ST_OK;
}

// ---- Fetches ------------------------------------------------------------------------

/**
 * The page of micro-ops at `va`, left in `fetchedSlots` and in the fetch bank.
 * ST_STEP: PMP cuts through the page, so each instruction is fetched by itself.
 */
export function fetchSlow(h: usize, va: u64): i32 {
  const privilege = prv(h);
  const st = translate(h, va, ACC_FETCH, privilege);
  if (st) return st;
  if (!pmpUniform(h, pa)) return ST_STEP;
  if (!pmpAllows(h, pa, 2, ACC_FETCH, privilege)) return accessFault(h, va, ACC_FETCH);
  const p = pagePtr(pa);
  if (!p) return accessFault(h, va, ACC_FETCH);
  if (!(load<u8>(frameOf(p)) & FRAME_PRESENT)) return wait(h, pa);
  const low = bigLow;
  const high = bigHigh;
  fetchedSlots = codePage(pageNumber(p));
  const bank = load<u32>(h, H_TLB_FETCH);
  tlbPutFetch(bank, va, fetchedSlots, pageNumber(p));
  if (high) tlbNoteBig(bank, low, high);
  return ST_OK;
}

/** Two bytes of an instruction, left in `half`: for the instructions that cross pages. */
export function fetchHalf(h: usize, va: u64): i32 {
  const known = fetchHit(h, va);
  if (known) {
    half = load<u16>(pageAt(slotsNumber(known)) + (<u32>va & (PAGE_SIZE - 1)));
    return ST_OK;
  }
  const privilege = prv(h);
  const st = translate(h, va, ACC_FETCH, privilege);
  if (st) return st;
  if (!pmpAllows(h, pa, 2, ACC_FETCH, privilege)) return accessFault(h, va, ACC_FETCH);
  const p = pagePtr(pa);
  if (!p) return accessFault(h, va, ACC_FETCH);
  if (!(load<u8>(frameOf(p)) & FRAME_PRESENT)) return wait(h, pa);
  half = load<u16>(p);
  return ST_OK;
}

/**
 * The one way for DMA and the host into guest RAM: the linear address of
 * [address, address + size), made ready to be written if `write`.
 * @returns 0: not wholly RAM; 1: a page isn't here yet
 */
export function guestRange(address: u64, size: u32, write: bool): u32 {
  const p = pagePtr(address);
  if (!p || size == 0) return 0;
  const q = pagePtr(address + size - 1);
  if (!q || q - p != size - 1) return 0;
  const last = frameOf(q);
  for (let frame = frameOf(p); frame <= last; frame++) {
    const state = load<u8>(frame);
    if (!(state & FRAME_PRESENT)) return 1;
    if (write) {
      if (state & FRAME_ROM) return 0;
      store<u8>(frame, state | FRAME_DIRTY);
      if (state & FRAME_CODE) {
        const page = RAM + <u32>(frame - frameOf(RAM)) * PAGE_SIZE;
        const from = page < p ? p : page;
        const to = page + PAGE_SIZE - 1 > q ? q : page + PAGE_SIZE - 1;
        codeWritten(from, to - from + 1);
      }
    }
  }
  return p;
}
