/**
 * Remote fences (SBI 2.0 chapter 8). One hart runs at a time, so a fence may act
 * on the others at once: each looks its pc up again when its turn comes.
 */

import { DEV_MACHINE, M_HARTS } from "../abi";
import { hartAt } from "../hart/state";
import { tlbFlush, tlbFlushAsid, tlbFlushPage } from "../mmu/tlb";
import { hartMask, maskOk } from "./harts";
import { SBI_INVALID_PARAM, SBI_NOT_SUPPORTED, SBI_SUCCESS } from "./result";

const FENCE_I: u64 = 0;
const SFENCE_VMA: u64 = 1;
const SFENCE_VMA_ASID: u64 = 2;

/** Above this many pages, forgetting everything is cheaper. */
const MANY_PAGES: u64 = 64;

export function sbiFence(fid: u64, mask: u64, base: u64, start: u64, size: u64, asid: u64): i64 {
  if (fid > SFENCE_VMA_ASID) return SBI_NOT_SUPPORTED; // hypervisor fences
  const harts = hartMask(mask, base);
  if (!maskOk) return SBI_INVALID_PARAM;
  if (fid == FENCE_I) return SBI_SUCCESS; // stores already took the old instructions away
  const count = load<u32>(DEV_MACHINE, M_HARTS);
  for (let i: u32 = 0; i < count; i++) {
    if (harts >> i & 1) fenceOne(hartAt(i), start, size, fid == SFENCE_VMA_ASID ? <i32>(asid & 0xffff) : -1);
  }
  return SBI_SUCCESS;
}

function fenceOne(h: usize, start: u64, size: u64, asid: i32): void {
  const everything = start + size < start || (start == 0 && size == 0) || size == u64.MAX_VALUE || size > MANY_PAGES << 12;
  if (!everything) {
    // Counted, since the range may end where addresses do.
    const first = start & ~0xfff;
    const pages = (start - first + size + 4095) >> 12;
    for (let i: u64 = 0; i < pages; i++) tlbFlushPage(h, first + (i << 12), asid);
  } else if (asid >= 0) {
    tlbFlushAsid(h, asid);
  } else {
    tlbFlush(h);
  }
}
