/**
 * What is compiled, and how much of it there may be. The host compiles a module
 * at once, or while the guest goes on in the interpreter; then it is installed
 * if its page is what it was. At a limit everything goes, and what is hot comes
 * back: regions call one another through the table, so one that goes alone would
 * leave others behind that are never found again.
 */

import {
  CT_COMPILED, D_BREAKS, DEBUG, DEV_MACHINE, H_COUNTERS, H_INSTRET, JIT_BUFFER, JIT_FLIGHT, JIT_HEAT, JIT_HEAT_SIZE,
  JIT_LATER, M_JIT_BYTES, M_JIT_CODE, M_JIT_EVICTIONS, M_JIT_FLIGHT, M_JIT_GENERATION, M_JIT_HOT, M_JIT_LOST,
  M_JIT_MODULES, M_JIT_RECALLED, M_JIT_REGIONS, M_JIT_SINCE, M_JIT_STALE, M_JIT_TICKET, M_JIT_TOTAL, M_UOP_NEXT,
  UOP_GENERATION, UOP_HEADER, UOP_POOL, UOP_REGIONS, UOP_SLOTS, UOP_STRIDE, UOP_UNASKED,
} from "../abi";
import { pageAt } from "../bus/ram";
import { hartAt } from "../hart/state";
import { hostCompile, hostForget, hostPlace, hostRecall, hostRevive } from "../host";
import { OP_DECODE, OP_JIT } from "../isa/ops.generated";
import { holdsCode, slotsNumber } from "../mmu/code";
import { forgetJumps } from "./jumps";
import { addEntry, beginModule, entryOf, moduleLength, MOST_ENTRIES, writeModule } from "./module";
import {
  isPlace, recallNotes, recordedEntries, recordedEntry, recordEntry, recordPage, recordStart,
} from "./record";
import { discover } from "./region";
import { forgetSplits } from "./split";

/** Regions, and so slots of the table. */
export const JIT_MOST_REGIONS: u32 = 8192;
/** Modules: each is an instance. */
export const JIT_MOST_MODULES: u32 = 8192;
/** Bytes of modules: their machine code is several times as large, and the host's. */
export const JIT_MOST_BYTES: u32 = 32 << 20;
/** Modules that the host compiles at a time: more would only wait, and what they are of may not be hot by then. */
export const JIT_MOST_FLIGHT: u32 = 8;

// A module that is being compiled.
const F_TICKET: u32 = 0; //     u32: 0 when this entry is free
const F_SLOTS: u32 = 4; //      u32: its page's micro-ops; 0 when nobody wants it any more
const F_GENERATION: u32 = 8; // u32: the page's when it was asked for
const F_COUNT: u32 = 12; //     u32: its regions
const F_ENTRIES: u32 = 16; //   u16 each: their offsets in the page
const F_SIZE: u32 = 128;

// @ts-ignore: decorator
@inline function flight(i: u32): u32 { return JIT_FLIGHT + i * F_SIZE; }

/** Regions that the next module may have; 0 when everything must go first. */
export function regionsLeft(): u32 {
  if (load<u32>(DEV_MACHINE, M_JIT_LOST)) return 0;
  if (load<u32>(DEV_MACHINE, M_JIT_MODULES) >= JIT_MOST_MODULES) return 0;
  if (load<u32>(DEV_MACHINE, M_JIT_BYTES) >= JIT_MOST_BYTES) return 0;
  return JIT_MOST_REGIONS - load<u32>(DEV_MACHINE, M_JIT_REGIONS);
}

/** May another module be asked for now? */
export function flightLeft(): bool {
  return load<u32>(DEV_MACHINE, M_JIT_FLIGHT) < JIT_MOST_FLIGHT;
}

/** Is the region of this entry being compiled? */
export function isUnderWay(slots: u32, offset: u32): bool {
  if (!load<u32>(DEV_MACHINE, M_JIT_FLIGHT)) return false;
  for (let i: u32 = 0; i < JIT_MOST_FLIGHT; i++) {
    const f = flight(i);
    if (!load<u32>(f, F_TICKET) || load<u32>(f, F_SLOTS) != slots || !isCurrent(f)) continue;
    const count = load<u32>(f, F_COUNT);
    for (let e: u32 = 0; e < count; e++) if (load<u16>(f + (e << 1), F_ENTRIES) == offset) return true;
  }
  return false;
}

/** Is the page's code what it was when the module was asked for? */
function isCurrent(f: u32): bool {
  return load<u32>(load<u32>(f, F_SLOTS) - UOP_HEADER, UOP_GENERATION) == load<u32>(f, F_GENERATION);
}

/** Has the module that was just written compiled; there is room for it. */
export function ask(slots: u32, count: u32): void {
  const f = note(slots, count);
  const index = compile(slots, count, load<u32>(f, F_TICKET));
  if (index == JIT_LATER) return;
  if (index >= 0) install(f, index);
  release(f);
}

function compile(slots: u32, count: u32, ticket: u32): i32 {
  const region = counted(count, moduleLength);
  // From now on stores anywhere in this page are noticed.
  holdsCode(slots);
  recordStart();
  for (let i: u32 = 0; i < count; i++) recordEntry(entryOf(i));
  recordPage(slots);
  return hostCompile(JIT_BUFFER, moduleLength, region, count, ticket, pageAt(slotsNumber(slots)));
}

/** Counts a module. @returns the number of its first region */
function counted(count: u32, length: u32): u32 {
  const region = load<u32>(DEV_MACHINE, M_JIT_REGIONS);
  add(M_JIT_REGIONS, count);
  add(M_JIT_TOTAL, count);
  add(M_JIT_MODULES, 1);
  add(M_JIT_CODE, length);
  add(M_JIT_BYTES, length);
  return region;
}

function add(field: u32, n: u32): void {
  store<u32>(DEV_MACHINE + field, load<u32>(DEV_MACHINE + field) + n);
}

/** Notes a module as being compiled. @returns its entry */
function note(slots: u32, count: u32): u32 {
  let i: u32 = 0;
  while (load<u32>(flight(i), F_TICKET)) i++;
  const f = flight(i);
  add(M_JIT_FLIGHT, 1);
  add(M_JIT_TICKET, 1);
  if (!load<u32>(DEV_MACHINE, M_JIT_TICKET)) add(M_JIT_TICKET, 1);
  store<u32>(f, load<u32>(DEV_MACHINE, M_JIT_TICKET), F_TICKET);
  store<u32>(f, slots, F_SLOTS);
  store<u32>(f, generationOf(slots), F_GENERATION);
  store<u32>(f, count, F_COUNT);
  for (let e: u32 = 0; e < count; e++) store<u16>(f + (e << 1), <u16>entryOf(e), F_ENTRIES);
  return f;
}

function generationOf(slots: u32): u32 {
  const known = load<u32>(slots - UOP_HEADER, UOP_GENERATION);
  if (known) return known;
  add(M_JIT_GENERATION, 1);
  if (!load<u32>(DEV_MACHINE, M_JIT_GENERATION)) add(M_JIT_GENERATION, 1);
  const made = load<u32>(DEV_MACHINE, M_JIT_GENERATION);
  store<u32>(slots - UOP_HEADER, made, UOP_GENERATION);
  return made;
}

function release(f: u32): void {
  store<u32>(f, 0, F_TICKET);
  add(M_JIT_FLIGHT, -1);
}

/**
 * The module with this ticket is compiled, or will never be. Not to be called
 * while a hart runs.
 * @returns whether its regions are in use from now on
 */
export function jitInstall(ticket: u32): bool {
  if (!ticket) return false;
  let i: u32 = 0;
  while (i < JIT_MOST_FLIGHT && load<u32>(flight(i), F_TICKET) != ticket) i++;
  if (i == JIT_MOST_FLIGHT) return false;
  if (load<u32>(DEV_MACHINE, M_JIT_LOST)) evict(hartAt(0));
  const f = flight(i);
  release(f);
  // A debugger wants to see every instruction.
  if (!load<u32>(f, F_SLOTS) || !isCurrent(f) || load<u32>(DEBUG, D_BREAKS)) {
    add(M_JIT_STALE, 1);
    return false;
  }
  const index = hostPlace(ticket);
  if (index < 0) return false;
  install(f, index);
  return true;
}

function install(f: u32, index: i32): void {
  const slots = load<u32>(f, F_SLOTS);
  const count = load<u32>(f, F_COUNT);
  for (let e: u32 = 0; e < count; e++) enter(slots, load<u16>(f + (e << 1), F_ENTRIES), index + e);
  hasRegions(slots);
}

function hasRegions(slots: u32): void {
  // A store anywhere in this page takes its regions away.
  store<u16>(slots - UOP_HEADER, 1, UOP_REGIONS);
}

function forgetPair(slot: u32): void {
  // Where a region starts there is none.
  if (load<u16>(slot) != OP_JIT) store<u16>(slot, OP_DECODE);
}

function enter(slots: u32, offset: u32, index: i32): void {
  const slot = slots + (offset << 2);
  // A pair that this instruction is the second of reads its fields from this slot: it is decoded anew, as two.
  if (offset >= 2) forgetPair(slot - 8);
  if (offset >= 4) forgetPair(slot - 16);
  store<u16>(slot, OP_JIT);
  store<i32>(slot, index, 4);
}

/** Instructions that the interpreter has retired on a hart, but for some of the run under way. */
export function interpreted(h: usize): u64 {
  return load<u64>(h, H_INSTRET) - load<u64>(h, H_COUNTERS + CT_COMPILED * 8);
}

/** All regions go, and those under way will not be installed. None may be running. @param h  a hart: its next regions are due from now on */
export function evict(h: usize): void {
  const pages = load<u32>(DEV_MACHINE, M_UOP_NEXT);
  for (let i: u32 = 0; i < pages; i++) {
    const slots = UOP_POOL + i * UOP_STRIDE + UOP_HEADER;
    store<u32>(slots - UOP_HEADER, 0, UOP_GENERATION);
    if (!load<u16>(slots - UOP_HEADER, UOP_REGIONS)) continue;
    store<u16>(slots - UOP_HEADER, 0, UOP_REGIONS);
    memory.fill(slots, 0, UOP_SLOTS * 8);
    store<u16>(slots - UOP_HEADER, 1, UOP_UNASKED);
  }
  for (let i: u32 = 0; i < JIT_MOST_FLIGHT; i++) store<u32>(flight(i), 0, F_SLOTS);
  memory.fill(JIT_HEAT, 0, JIT_HEAT_SIZE);
  forgetSplits();
  forgetJumps();
  store<u32>(DEV_MACHINE, 0, M_JIT_REGIONS);
  store<u32>(DEV_MACHINE, 0, M_JIT_MODULES);
  store<u32>(DEV_MACHINE, 0, M_JIT_BYTES);
  store<u32>(DEV_MACHINE, 0, M_JIT_RECALLED);
  store<u32>(DEV_MACHINE, 0, M_JIT_LOST);
  store<u64>(DEV_MACHINE, interpreted(h), M_JIT_SINCE);
  add(M_JIT_EVICTIONS, 1);
  hostForget();
}

// ---- Regions from earlier runs ------------------------------------------------------------

/** Of the host's `recall`: it knows nothing of this page. */
const UNKNOWN: i32 = 0;
/** A module's ticket: it is compiled at once, whatever else the host does. */
const NOW: u32 = 0;

/**
 * Asks the host what it knows of the page with these micro-ops; that is in JIT_RECORD then.
 * @returns what `revive` is to be told, 0 when there is nothing
 */
export function recall(slots: u32): i32 {
  if (load<u32>(DEBUG, D_BREAKS) || !recallsLeft()) return UNKNOWN;
  holdsCode(slots);
  const known = hostRecall(pageAt(slotsNumber(slots)));
  if (known) recallNotes(slots);
  return known;
}

/** Half of everything is for what turns out to be hot now, or what was hot once would drive it out. */
function recallsLeft(): bool {
  if (load<u32>(DEV_MACHINE, M_JIT_MODULES) >= JIT_MOST_MODULES / 2) return false;
  if (load<u32>(DEV_MACHINE, M_JIT_BYTES) >= JIT_MOST_BYTES / 2) return false;
  return regionsLeft() >= JIT_MOST_REGIONS / 2 + MOST_ENTRIES;
}

/**
 * Puts regions of a page in use that `recall` has found, and whose instructions are decoded by now: their module, or
 * one made anew of all that were known.
 */
export function revive(slots: u32, known: i32): void {
  if (known > 0) reviveModule(slots, <u32>known);
  else reviveEntries(slots);
}

function reviveModule(slots: u32, length: u32): void {
  const count = recordedEntries();
  if (!count || count > MOST_ENTRIES) return;
  beginModule(pageAt(slotsNumber(slots)));
  for (let i: u32 = 0; i < count; i++) {
    if (!isPlace(recordedEntry(i))) return;
    addEntry(recordedEntry(i));
  }
  const index = hostRevive(counted(count, length), count);
  enterAll(slots, count, index);
}

/** All that were known of a page become one module; if that would be too large, the first half of them. */
function reviveEntries(slots: u32): void {
  for (let most = MOST_ENTRIES; most; most >>= 1) {
    const regions = writeKnown(slots, most);
    if (!regions) continue;
    enterAll(slots, regions, compile(slots, regions, NOW));
    return;
  }
}

function writeKnown(slots: u32, most: u32): u32 {
  const page = pageAt(slotsNumber(slots));
  const all = load<u32>(DEV_MACHINE, M_JIT_HOT) == 1;
  const count = recordedEntries();
  let roots: u32 = 0;
  beginModule(page);
  for (let i: u32 = 0; i < count && roots < most; i++) {
    const offset = recordedEntry(i);
    if (!isPlace(offset) || !discover(page, slots, offset, all)) continue;
    addEntry(offset);
    roots++;
  }
  return roots ? writeModule(slots, all, MOST_ENTRIES) : 0;
}

function enterAll(slots: u32, count: u32, index: i32): void {
  if (index < 0) return;
  add(M_JIT_RECALLED, count);
  generationOf(slots);
  for (let i: u32 = 0; i < count; i++) enter(slots, entryOf(i), index + i);
  hasRegions(slots);
}
