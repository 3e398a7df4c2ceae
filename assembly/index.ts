/**
 * The core's exports: the calls below and every constant that the host needs to
 * read the shared memory. No call traps WebAssembly, whatever its arguments.
 */

import {
  DEV_MACHINE, FLASH_SIZE, FRAME_PRESENT, FRAME_ROM, FRAME_WATCH, FRAMES, H_TRAP_CAUSE, H_TRAP_TVAL, M_FLAGS, M_FLASH, M_FROMHOST, M_HARTS, M_JIT_HOT,
  M_RAM_BASE, M_RAM_SIZE, M_TICK, M_TOHOST, MAX_HARTS, MAX_RAM_PAGES, MF_COUNTED, MF_FLASH, MF_FMA, MF_JIT, MF_SBI, MROM_SIZE, PAGE_BITS, PAGE_SIZE, RAM,
  STATIC_SIZE,
} from "./abi";
import { frameOf, pagePtr } from "./bus/ram";
import { aclintReset } from "./devices/aclint";
import { pflashReset } from "./devices/pflash";
import { plicReset } from "./devices/plic";
import { rtcReset } from "./devices/rtc";
import { sysconReset } from "./devices/syscon";
import { uartReset } from "./devices/uart";
import { fillHandlers } from "./exec/dispatch.generated";
import { hartReset, hartSupervisor } from "./hart/reset";
import { hartAt, prv } from "./hart/state";
import { JIT_HOT } from "./jit/profile";
import { ACC_FETCH, pmpChanged } from "./mmu/pmp";
import { tlbFlush, tlbFlushAll, tlbSelect } from "./mmu/tlb";
import { pa, translate } from "./mmu/walk";

export * from "./abi";
export { busAdd } from "./bus/dispatch";
export { ACLINT_MTIMECMP } from "./devices/aclint";
export * from "./devices/pflash";
export * from "./devices/plic";
export * from "./devices/rtc";
export * from "./devices/syscon";
export * from "./devices/uart";
export * from "./exec/debug";
export { catchUp, idleTime, skipIdle } from "./exec/idle";
export { run } from "./exec/run";
export { JIT_MOST_BYTES, JIT_MOST_FLIGHT, JIT_MOST_MODULES, JIT_MOST_REGIONS, jitInstall } from "./jit/cache";
export { jitHandler } from "./jit/helper";
export { jitEntry } from "./jit/module";
export { R_COUNT, R_ENTRIES, R_EXECUTED, R_EXECUTED_SIZE, R_LENGTH, R_MOST_ENTRIES } from "./jit/record";
export { F_OWN, L_ALONE, L_AT, L_BUDGET, L_COPY, L_DEPTH, L_ENTRY, L_F, L_GOAL, L_HART, L_HOME, L_LIMIT, L_LINEAR, L_PAGE, L_S, L_STOP, L_STRIP, L_TEMP, L_TLB, L_VA, L_X } from "./jit/parts";
export { guestRange } from "./mmu/access";

/**
 * Makes a machine in fresh (zero) memory: harts in reset, RAM and boot ROM
 * present and empty, no device on the bus. Call it once.
 * @param flags  MF_*; with MF_SBI harts stand in S-mode as firmware leaves them
 * @param tick   counted mode: instructions per tick of mtime
 * @returns false when an argument is out of range or the memory is too small
 */
export function init(harts: u32, ramBase: u64, ramSize: u64, flags: u32, tick: u32): bool {
  if (__heap_base > STATIC_SIZE || load<u32>(DEV_MACHINE, M_HARTS)) return false;
  if (harts == 0 || harts > <u32>MAX_HARTS || tick == 0 || flags & ~(MF_SBI | MF_COUNTED | MF_JIT | MF_FMA | MF_FLASH)) return false;
  if (ramSize == 0 || ramSize & (PAGE_SIZE - 1) || ramBase & (PAGE_SIZE - 1)) return false;
  if (ramSize > <u64>MAX_RAM_PAGES << PAGE_BITS || ramBase > <u64>1 << 55) return false;
  const flash: u64 = flags & MF_FLASH ? FLASH_SIZE : 0;
  if (RAM + ramSize + MROM_SIZE + flash > <u64>memory.size() << 16) return false;
  fillHandlers();
  store<u32>(DEV_MACHINE, harts, M_HARTS);
  store<u64>(DEV_MACHINE, ramBase, M_RAM_BASE);
  store<u64>(DEV_MACHINE, ramSize, M_RAM_SIZE);
  store<u32>(DEV_MACHINE, flags, M_FLAGS);
  store<u32>(DEV_MACHINE, tick, M_TICK);
  store<u32>(DEV_MACHINE, JIT_HOT, M_JIT_HOT);
  const pages = <u32>(ramSize >> PAGE_BITS);
  memory.fill(FRAMES, FRAME_PRESENT, pages);
  memory.fill(FRAMES + pages, FRAME_PRESENT | FRAME_ROM, <usize>(MROM_SIZE + flash) >> PAGE_BITS);
  if (flash) store<u32>(DEV_MACHINE, RAM + <u32>ramSize + MROM_SIZE, M_FLASH);
  resetAll();
  return true;
}

/** Harts and devices as after power-on; RAM, clocks and the bus stay. */
export function resetAll(): void {
  const harts = load<u32>(DEV_MACHINE, M_HARTS);
  for (let i: u32 = 0; i < harts; i++) {
    const h = hartAt(i);
    hartReset(h, i);
    if (load<u32>(DEV_MACHINE, M_FLAGS) & MF_SBI) hartSupervisor(h, i);
    tlbSelect(h);
  }
  plicReset();
  aclintReset();
  uartReset();
  rtcReset();
  sysconReset();
  pflashReset();
}

/** After the host has written a hart's registers: what is derived from them is made anew. */
export function hartChanged(hart: u32): void {
  if (hart >= load<u32>(DEV_MACHINE, M_HARTS)) return;
  pmpChanged(hartAt(hart));
  tlbFlush(hartAt(hart));
}

/** Watches the doublewords at these physical addresses (0: none). @returns false when they aren't RAM */
export function htifWatch(tohost: u64, fromhost: u64): bool {
  if (!watchable(tohost) || (fromhost != 0 && !watchable(fromhost))) return false;
  store<u64>(DEV_MACHINE, tohost, M_TOHOST);
  store<u64>(DEV_MACHINE, fromhost, M_FROMHOST);
  const frame = frameOf(pagePtr(tohost));
  store<u8>(frame, load<u8>(frame) | FRAME_WATCH);
  tlbFlushAll();
  return true;
}

function watchable(address: u64): bool {
  return address % 8 == 0 && address - load<u64>(DEV_MACHINE, M_RAM_BASE) < load<u64>(DEV_MACHINE, M_RAM_SIZE);
}

/** The boot ROM is the host's to write: offset in it → linear address, or 0. */
export function romRange(offset: u32, size: u32): u32 {
  if (!load<u32>(DEV_MACHINE, M_HARTS) || offset >= MROM_SIZE || size > MROM_SIZE - offset) return 0;
  return RAM + <u32>load<u64>(DEV_MACHINE, M_RAM_SIZE) + offset;
}

/** Flash, which the host fills before anything runs: offset in both banks → linear address, or 0. */
export function flashRange(offset: u32, size: u32): u32 {
  const flash = load<u32>(DEV_MACHINE, M_FLASH);
  return !flash || offset >= FLASH_SIZE || size > FLASH_SIZE - offset ? 0 : flash + offset;
}

/**
 * Where a hart would fetch `va` from, for debuggers: the physical address, or
 * -1. Changes nothing that the guest sees.
 */
export function debugTranslate(hart: u32, va: u64): i64 {
  if (hart >= load<u32>(DEV_MACHINE, M_HARTS)) return -1;
  const h = hartAt(hart);
  const cause = load<u64>(h, H_TRAP_CAUSE);
  const tval = load<u64>(h, H_TRAP_TVAL);
  const st = translate(h, va, ACC_FETCH, prv(h));
  store<u64>(h, cause, H_TRAP_CAUSE);
  store<u64>(h, tval, H_TRAP_TVAL);
  return st == 0 ? <i64>pa : -1;
}
