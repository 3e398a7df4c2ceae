/**
 * What is hot: entries that slices end at (a sample every slice costs nothing)
 * and entries that compiled code leaves to. Hot ones are translated.
 */

import {
  D_BREAKS, DEBUG, DEV_MACHINE, JIT_HEAT, M_FLAGS, M_JIT_HOT, M_JIT_RECALLED, M_JIT_REGIONS, M_JIT_SINCE, MF_JIT, UOP_DROPS,
  UOP_HEADER,
} from "../abi";
import { pageAt } from "../bus/ram";
import { OP_JIT } from "../isa/ops.generated";
import { slotsNumber } from "../mmu/code";
import { ask, evict, flightLeft, interpreted, isUnderWay, regionsLeft } from "./cache";
import { addEntry, beginModule, writeModule } from "./module";
import { discover, headOf } from "./region";

/** Entries of the table of candidates, { key u32, heat u32 }, that has JIT_HEAT_SIZE bytes: a newer one takes an older one's place. */
const HEAT_BITS: u32 = 10;
/** A sample is worth as much as so many arrivals: two of them in one place are enough. */
export const SAMPLE_HEAT: u32 = 32;
/** M_JIT_HOT unless the host says otherwise. */
export const JIT_HOT: u32 = 64;
/** Tried, and not to be tried again while it stays in the table. */
const COLD: u32 = 0xffff_ffff;
/**
 * A region costs its engine a millisecond or two of CPU, on whatever thread: one is due for so many instructions that
 * the interpreter has executed, which takes it longer than that, and some at once.
 */
const INTERPRETED_PER_REGION: u64 = 1_500_000;
const FIRST_REGIONS: u64 = 32;
/** A page may lose its regions so often before they become harder to get: each time twice as hard, so often at most. */
const FREE_DROPS: u32 = 4;
const MOST_DOUBLINGS: u32 = 10;

/** The slot has been arrived at; translates it when that has happened often. */
export function heat(h: usize, slots: u32, slot: u32, by: u32): void {
  const e = JIT_HEAT + (((slot >> 3) * 0x9e37_79b1) >> (32 - HEAT_BITS)) * 8;
  const drops = <u32>load<u16>(slots - UOP_HEADER, UOP_DROPS);
  // What was tried before the page's code changed says nothing about what is there now.
  const key = slot + (drops & 7);
  if (load<u32>(e) != key) {
    store<u32>(e, key);
    store<u32>(e, by, 4);
    return;
  }
  const now = load<u32>(e, 4);
  if (now == COLD) return;
  const hot = load<u32>(DEV_MACHINE, M_JIT_HOT);
  if (now + by < wanted(hot, drops)) {
    store<u32>(e, now + by, 4);
    return;
  }
  // Else its turn will come.
  if ((hot > 1 && !isDue(h)) || !flightLeft()) return;
  store<u32>(e, COLD, 4);
  // A debugger wants to see every instruction.
  if (load<u32>(DEBUG, D_BREAKS)) return;
  const room = regionsLeft();
  if (room) translate(slots, (slot - slots) >> 2, by == SAMPLE_HEAT, room);
  else evict(h);
}

/** Heat at which an entry of a page is translated that has lost its regions so often. */
function wanted(hot: u32, drops: u32): u32 {
  if (hot == 1 || drops <= FREE_DROPS) return hot;
  const doublings = drops - FREE_DROPS;
  return hot << (doublings < MOST_DOUBLINGS ? doublings : MOST_DOUBLINGS);
}

function isDue(h: usize): bool {
  const done = interpreted(h);
  const since = load<u64>(DEV_MACHINE, M_JIT_SINCE);
  const passed = done > since ? done - since : 0;
  const made = load<u32>(DEV_MACHINE, M_JIT_REGIONS) - load<u32>(DEV_MACHINE, M_JIT_RECALLED);
  return made <= FIRST_REGIONS + passed / INTERPRETED_PER_REGION;
}

function translate(slots: u32, found: u32, sampled: bool, room: u32): void {
  const page = pageAt(slotsNumber(slots));
  const all = load<u32>(DEV_MACHINE, M_JIT_HOT) == 1;
  if (!discover(page, slots, found, all)) return;
  // Of a loop that a sample hit somewhere, the head is the better entry: it is passed on every way round.
  const offset = sampled ? headOf(found) : found;
  if (load<u16>(slots + (offset << 2)) == OP_JIT || isUnderWay(slots, offset)) return;
  beginModule(page);
  addEntry(offset);
  const regions = writeModule(slots, all, room);
  if (regions) ask(slots, regions);
}

export function jitOn(): bool {
  return (load<u32>(DEV_MACHINE, M_FLAGS) & MF_JIT) != 0;
}
