/**
 * Loads and stores: what the loop does in line to look into the TLB, and where it
 * turns to when that fails.
 */

import { H_TLB, PAGE_SIZE, ST_EVENT, ST_OK } from "../abi";
import { IMM, noteLeft, rd, xa, xb } from "../hart/state";
import { loaded, loadSlow, storeSlow } from "../mmu/access";
import { tlbIndex } from "../mmu/tlb";

/** Page bits of an address, and the bits that are zero when an access of `size` is aligned. */
// @ts-ignore: decorator
@inline export function tagged(va: u64, size: u64): u64 { return va & (~<u64>(PAGE_SIZE - 1) | (size - 1)); }

/** The entry where a load's page would be; a store's is TLB_STORE further on. */
// @ts-ignore: decorator
@inline export function entry(h: usize, va: u64): usize { return load<u32>(h, H_TLB) + tlbIndex(va); }

// How a loaded value is extended.
export const SIGN: u32 = 0x100;

/** The miss path of loads: `kind` is the size in bytes, with SIGN when it is sign-extended. */
export function loadMiss(h: usize, u: usize, n: i32, kind: u32): i32 {
  noteLeft(h, n);
  const st = loadSlow(h, <u64>(xb(h, u) + IMM(u)), kind & 15);
  if (st != ST_OK && st != ST_EVENT) return st;
  let v = <i64>loaded;
  if (kind == (SIGN | 1)) v = <i64><i8>v;
  else if (kind == (SIGN | 2)) v = <i64><i16>v;
  else if (kind == (SIGN | 4)) v = <i64><i32>v;
  rd(h, u, v);
  return st;
}

export function storeMiss(h: usize, u: usize, n: i32, size: u32): i32 {
  noteLeft(h, n);
  return storeSlow(h, <u64>(xb(h, u) + IMM(u)), size, <u64>xa(h, u));
}
