/** What flash commands change for the harts: settled before anything else executes. */

import { DEV_PFLASH, FLASH_BANK, FRAME_CODE, FRAME_DIRTY, DEV_MACHINE, M_FLASH, PAGE_SIZE } from "../abi";
import { frameOf } from "../bus/ram";
import { PF_BANK, PF_HIGH, PF_LOW, PF_TURNED } from "../devices/pflash";
import { codeWritten } from "./code";
import { tlbFlushAll } from "./tlb";

/** Drops code decoded from what has changed, and TLB entries of banks that became memory or stopped being it. */
export function flashSettle(): void {
  let flush = false;
  for (let i: u32 = 0; i < 2; i++) {
    const bank = DEV_PFLASH + i * PF_BANK;
    if (load<u32>(bank, PF_TURNED)) flush = true;
    store<u32>(bank, 0, PF_TURNED);
    const from = load<u32>(bank, PF_LOW) & ~(PAGE_SIZE - 1);
    const to = load<u32>(bank, PF_HIGH);
    store<u32>(bank, 0, PF_HIGH);
    const p = load<u32>(DEV_MACHINE, M_FLASH) + i * FLASH_BANK;
    for (let at = from; at < to; at += PAGE_SIZE) {
      const frame = frameOf(p + at);
      const state = load<u8>(frame);
      store<u8>(frame, state | FRAME_DIRTY);
      if (state & FRAME_CODE) codeWritten(p + at, PAGE_SIZE);
    }
  }
  if (flush) tlbFlushAll();
}
