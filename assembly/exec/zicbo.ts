/** Zicbom and Zicboz (CMO chapter). Blocks are 64 bytes; there is no cache to manage. */

import { H_MENVCFG, H_SENVCFG, H_TLB, ST_EVENT, ST_OK, TLB_STORE } from "../abi";
import { ENV_CBCFE, ENV_CBIE, ENV_CBZE } from "../hart/csr";
import { illegal, noteLeft, prv, PRV_M, PRV_U, xb } from "../hart/state";
import { blockTouch, storeSlow } from "../mmu/access";
import { tlbFind } from "../mmu/tlb";

const BLOCK: u64 = 64;

/** A bit of menvcfg allows it to S and U, one of senvcfg to U. */
function allowed(h: usize, bits: u64): bool {
  const p = prv(h);
  if (p < PRV_M && !(load<u64>(h, H_MENVCFG) & bits)) return false;
  return p != PRV_U || (load<u64>(h, H_SENVCFG) & bits) != 0;
}

function manage(h: usize, u: usize, n: i32, bits: u64): i32 {
  if (!allowed(h, bits)) return illegal(h);
  noteLeft(h, n);
  return blockTouch(h, <u64>xb(h, u));
}

export function cbo_clean(h: usize, u: usize, n: i32): i32 { return manage(h, u, n, ENV_CBCFE); }
export function cbo_flush(h: usize, u: usize, n: i32): i32 { return manage(h, u, n, ENV_CBCFE); }
export function cbo_inval(h: usize, u: usize, n: i32): i32 { return manage(h, u, n, ENV_CBIE); }

export function cbo_zero(h: usize, u: usize, n: i32): i32 {
  if (!allowed(h, ENV_CBZE)) return illegal(h);
  noteLeft(h, n);
  const va = <u64>xb(h, u) & ~(BLOCK - 1);
  const e = tlbFind(load<u32>(h, H_TLB) + TLB_STORE, va);
  if (e) {
    const p = <u32>va + load<u32>(e, 8);
    // A call of memory.fill takes longer.
    for (let at: u32 = 0; at < <u32>BLOCK; at += 8) store<u64>(p + at, 0);
    return ST_OK;
  }
  // A block lies within a page: when the first store works, so do all.
  let result = ST_OK;
  for (let at: u64 = 0; at < BLOCK; at += 8) {
    const st = storeSlow(h, va + at, 8, 0);
    if (st == ST_EVENT) result = st;
    else if (st != ST_OK) return st;
  }
  return result;
}
