/** Loads and stores of RV64I, and what F, D and C share with them: TLB first, then mmu/access. */

import { H_TLB, PAGE_SIZE, ST_EVENT, ST_OK, TLB_STORE } from "../abi";
import { IMM, noteLeft, rd, xa, xb } from "../hart/state";
import { loaded, loadSlow, storeSlow } from "../mmu/access";
import { tlbIndex } from "../mmu/tlb";

/** Page bits of an address, and the bits that are zero when an access of `size` is aligned. */
// @ts-ignore: decorator
@inline function tagged(va: u64, size: u64): u64 { return va & (~<u64>(PAGE_SIZE - 1) | (size - 1)); }

/** Linear address of a load that hits the TLB, or 0. */
// @ts-ignore: decorator
@inline export function hitLoad(h: usize, va: u64, size: u64): usize {
  const e = load<u32>(h, H_TLB) + tlbIndex(va);
  return load<u64>(e) == tagged(va, size) ? <usize>(<u32>va + load<u32>(e, 8)) : 0;
}

/** Linear address of a store that hits the TLB, or 0. */
// @ts-ignore: decorator
@inline export function hitStore(h: usize, va: u64, size: u64): usize {
  const e = load<u32>(h, H_TLB) + tlbIndex(va);
  return load<u64>(e, TLB_STORE) == tagged(va, size) ? <usize>(<u32>va + load<u32>(e, TLB_STORE + 8)) : 0;
}

// How a loaded value is extended.
const SIGN: u32 = 0x100;

/** The miss path of loads: `kind` is the size in bytes, with SIGN when it is sign-extended. */
function loadMiss(h: usize, u: usize, n: i32, kind: u32): i32 {
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

function storeMiss(h: usize, u: usize, n: i32, size: u32): i32 {
  noteLeft(h, n);
  return storeSlow(h, <u64>(xb(h, u) + IMM(u)), size, <u64>xa(h, u));
}

// @ts-ignore: decorator
@inline export function lb(h: usize, u: usize, n: i32): i32 {
  const p = hitLoad(h, <u64>(xb(h, u) + IMM(u)), 1);
  if (!p) return loadMiss(h, u, n, SIGN | 1);
  rd(h, u, <i64>load<i8>(p));
  return ST_OK;
}
// @ts-ignore: decorator
@inline export function lbu(h: usize, u: usize, n: i32): i32 {
  const p = hitLoad(h, <u64>(xb(h, u) + IMM(u)), 1);
  if (!p) return loadMiss(h, u, n, 1);
  rd(h, u, <i64>load<u8>(p));
  return ST_OK;
}
// @ts-ignore: decorator
@inline export function lh(h: usize, u: usize, n: i32): i32 {
  const p = hitLoad(h, <u64>(xb(h, u) + IMM(u)), 2);
  if (!p) return loadMiss(h, u, n, SIGN | 2);
  rd(h, u, <i64>load<i16>(p));
  return ST_OK;
}
// @ts-ignore: decorator
@inline export function lhu(h: usize, u: usize, n: i32): i32 {
  const p = hitLoad(h, <u64>(xb(h, u) + IMM(u)), 2);
  if (!p) return loadMiss(h, u, n, 2);
  rd(h, u, <i64>load<u16>(p));
  return ST_OK;
}
// @ts-ignore: decorator
@inline export function lw(h: usize, u: usize, n: i32): i32 {
  const p = hitLoad(h, <u64>(xb(h, u) + IMM(u)), 4);
  if (!p) return loadMiss(h, u, n, SIGN | 4);
  rd(h, u, <i64>load<i32>(p));
  return ST_OK;
}
// @ts-ignore: decorator
@inline export function lwu(h: usize, u: usize, n: i32): i32 {
  const p = hitLoad(h, <u64>(xb(h, u) + IMM(u)), 4);
  if (!p) return loadMiss(h, u, n, 4);
  rd(h, u, <i64>load<u32>(p));
  return ST_OK;
}
// @ts-ignore: decorator
@inline export function ld(h: usize, u: usize, n: i32): i32 {
  const p = hitLoad(h, <u64>(xb(h, u) + IMM(u)), 8);
  if (!p) return loadMiss(h, u, n, 8);
  rd(h, u, load<i64>(p));
  return ST_OK;
}
// @ts-ignore: decorator
@inline export function sb(h: usize, u: usize, n: i32): i32 {
  const p = hitStore(h, <u64>(xb(h, u) + IMM(u)), 1);
  if (!p) return storeMiss(h, u, n, 1);
  store<u8>(p, <u8>xa(h, u));
  return ST_OK;
}
// @ts-ignore: decorator
@inline export function sh(h: usize, u: usize, n: i32): i32 {
  const p = hitStore(h, <u64>(xb(h, u) + IMM(u)), 2);
  if (!p) return storeMiss(h, u, n, 2);
  store<u16>(p, <u16>xa(h, u));
  return ST_OK;
}
// @ts-ignore: decorator
@inline export function sw(h: usize, u: usize, n: i32): i32 {
  const p = hitStore(h, <u64>(xb(h, u) + IMM(u)), 4);
  if (!p) return storeMiss(h, u, n, 4);
  store<u32>(p, <u32>xa(h, u));
  return ST_OK;
}
// @ts-ignore: decorator
@inline export function sd(h: usize, u: usize, n: i32): i32 {
  const p = hitStore(h, <u64>(xb(h, u) + IMM(u)), 8);
  if (!p) return storeMiss(h, u, n, 8);
  store<u64>(p, <u64>xa(h, u));
  return ST_OK;
}
