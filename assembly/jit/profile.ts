/**
 * What is hot: entries that slices end at (a sample every slice costs nothing)
 * and entries that compiled code leaves to. Hot ones are translated.
 */

import {
  D_BREAKS, DEBUG, DEV_MACHINE, H_INSTRET_END, JIT_BUFFER, JIT_WORK, JIT_WORK_SIZE, M_FLAGS, M_JIT_CODE, M_JIT_HOT, M_JIT_REGIONS, M_JIT_TOTAL,
  M_JIT_UOPS, M_UOP_NEXT, MF_JIT, UOP_HEADER, UOP_POOL, UOP_SLOTS, UOP_STRIDE,
} from "../abi";
import { pageAt } from "../bus/ram";
import { hostCompile } from "../host";
import { OP_DECODE, OP_JIT } from "../isa/ops.generated";
import { holdsCode, slotsNumber } from "../mmu/code";
import { uopsLeft } from "./helper";
import { entryOf, moduleLength, writeModule } from "./module";
import { discover, headOf } from "./region";

/** A small table of candidates: { slot u32, heat u32 }. */
const HEAT_BITS: u32 = 10;
const HEAT: u32 = JIT_WORK + JIT_WORK_SIZE / 2;
/** A sample is worth as much as so many arrivals. */
export const SAMPLE_HEAT: u32 = 8;
/** M_JIT_HOT unless the host says otherwise. */
export const JIT_HOT: u32 = 64;
/** Tried, and not to be tried again while it stays in the table. */
const COLD: u32 = 0xffff_ffff;
/** Regions alive at once: engines of today copy the table into every instance. */
const MOST_REGIONS: u32 = 1000;
/** A region costs its engine some milliseconds: one is due for so many instructions, and some at once. */
const INSTRUCTIONS_PER_REGION: u64 = 3_000_000;
const FIRST_REGIONS: u64 = 16;

/** The slot has been arrived at; translates it when that has happened often. */
export function heat(h: usize, slots: u32, slot: u32, by: u32): void {
  const e = HEAT + (((slot >> 3) * 0x9e37_79b1) >> (32 - HEAT_BITS)) * 8;
  if (load<u32>(e) != slot) {
    store<u32>(e, slot);
    store<u32>(e, by, 4);
    return;
  }
  const now = load<u32>(e, 4);
  if (now == COLD) return;
  const hot = load<u32>(DEV_MACHINE, M_JIT_HOT);
  if (now + by < hot) {
    store<u32>(e, now + by, 4);
    return;
  }
  const total = <u64>load<u32>(DEV_MACHINE, M_JIT_TOTAL);
  // Else its turn will come.
  if (hot > 1 && total > FIRST_REGIONS + load<u64>(h, H_INSTRET_END) / INSTRUCTIONS_PER_REGION) return;
  store<u32>(e, COLD, 4);
  // A debugger wants to see every instruction.
  if (load<u32>(DEBUG, D_BREAKS)) return;
  if (load<u32>(DEV_MACHINE, M_JIT_REGIONS) == MOST_REGIONS || !uopsLeft()) {
    dropRegions();
    return;
  }
  translate(slots, (slot - slots) >> 2, by == SAMPLE_HEAT);
}

function translate(slots: u32, found: u32, sampled: bool): void {
  const page = pageAt(slotsNumber(slots));
  const all = load<u32>(DEV_MACHINE, M_JIT_HOT) == 1;
  if (!discover(page, found, all ? 0 : slots)) return;
  // Of a loop that a sample hit somewhere, the head is the better entry: it is passed on every way round.
  const offset = sampled ? headOf(found) : found;
  if (load<u16>(slots + (offset << 2)) == OP_JIT) return;
  const regions = writeModule(page, slots, offset, all, MOST_REGIONS - load<u32>(DEV_MACHINE, M_JIT_REGIONS));
  if (!regions) return;
  const region = load<u32>(DEV_MACHINE, M_JIT_REGIONS);
  const length = moduleLength;
  const index = hostCompile(JIT_BUFFER, length, region, regions);
  if (index < 0) return;
  store<u32>(DEV_MACHINE, region + regions, M_JIT_REGIONS);
  store<u32>(DEV_MACHINE, load<u32>(DEV_MACHINE, M_JIT_TOTAL) + regions, M_JIT_TOTAL);
  store<u32>(DEV_MACHINE, load<u32>(DEV_MACHINE, M_JIT_CODE) + length, M_JIT_CODE);
  holdsCode(slots);
  for (let i: u32 = 0; i < regions; i++) install(slots, entryOf(i), index + i);
  // From now on a store anywhere in this page takes its regions away.
  store<u32>(slots - UOP_HEADER, 1, 8);
}

function install(slots: u32, offset: u32, index: i32): void {
  const slot = slots + (offset << 2);
  // A pair that this instruction is the second of reads its fields from this slot: it is decoded anew, as two.
  if (offset >= 2) store<u16>(slot - 8, OP_DECODE);
  if (offset >= 4) store<u16>(slot - 16, OP_DECODE);
  store<u16>(slot, OP_JIT);
  store<i32>(slot, index, 4);
}

/** No room for another: all go, and what is hot comes back. No region is running when this is called. */
function dropRegions(): void {
  const pages = load<u32>(DEV_MACHINE, M_UOP_NEXT);
  for (let i: u32 = 0; i < pages; i++) {
    const slots = UOP_POOL + i * UOP_STRIDE + UOP_HEADER;
    if (!load<u32>(slots - UOP_HEADER, 8)) continue;
    store<u32>(slots - UOP_HEADER, 0, 8);
    memory.fill(slots, 0, UOP_SLOTS * 8);
  }
  memory.fill(HEAT, 0, 8 << HEAT_BITS);
  store<u32>(DEV_MACHINE, 0, M_JIT_REGIONS);
  store<u32>(DEV_MACHINE, 0, M_JIT_UOPS);
}

export function jitOn(): bool {
  return (load<u32>(DEV_MACHINE, M_FLAGS) & MF_JIT) != 0;
}
