/**
 * A: atomics (Unprivileged chapter 14). The immediate holds rs2, aq and rl.
 * LR keeps the place and the value; SC is a compare-and-exchange with them, so
 * an ABA change in between goes unseen. Traps clear the reservation.
 */

import { H_RES_ADDR, H_RES_VALUE, RES_NONE, ST_OK } from "../abi";
import { noteLeft, rd, x, xb } from "../hart/state";
import { amoPointer, pointer } from "../mmu/access";
import { ACC_LOAD, ACC_STORE } from "../mmu/pmp";

// @ts-ignore: decorator
@inline function rs2(h: usize, u: usize): i64 { return x(h, load<u8>(u, 4)); }

/** A copy of the micro-op under way: what an AMO writes may be its own page's code, and take its slot away. */
const SLOT: usize = memory.data(8, 8);

/** Finds the word in RAM. @returns as amoPointer; then the operands are in SLOT */
function start(h: usize, u: usize, n: i32, size: u32, kind: u32): i32 {
  noteLeft(h, n);
  store<u64>(SLOT, load<u64>(u));
  return amoPointer(h, <u64>xb(h, u), size, kind);
}

export function lr_w(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 4, ACC_LOAD);
  if (st) return st;
  const v = load<i32>(pointer);
  store<u64>(h, <u64>pointer, H_RES_ADDR);
  store<u64>(h, <u64><i64>v, H_RES_VALUE);
  rd(h, SLOT, <i64>v);
  return ST_OK;
}

export function lr_d(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 8, ACC_LOAD);
  if (st) return st;
  const v = load<i64>(pointer);
  // Bit 63 tells an 8-byte reservation from a 4-byte one.
  store<u64>(h, <u64>pointer | (<u64>1 << 63), H_RES_ADDR);
  store<u64>(h, <u64>v, H_RES_VALUE);
  rd(h, SLOT, v);
  return ST_OK;
}

export function sc_w(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 4, ACC_STORE);
  if (st) return st;
  const holds = load<u64>(h, H_RES_ADDR) == <u64>pointer && <i64>load<i32>(pointer) == load<i64>(h, H_RES_VALUE);
  if (holds) store<u32>(pointer, <u32>rs2(h, SLOT));
  store<u64>(h, RES_NONE, H_RES_ADDR);
  rd(h, SLOT, holds ? 0 : 1);
  return ST_OK;
}

export function sc_d(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 8, ACC_STORE);
  if (st) return st;
  const holds = load<u64>(h, H_RES_ADDR) == (<u64>pointer | (<u64>1 << 63)) && load<i64>(pointer) == load<i64>(h, H_RES_VALUE);
  if (holds) store<u64>(pointer, <u64>rs2(h, SLOT));
  store<u64>(h, RES_NONE, H_RES_ADDR);
  rd(h, SLOT, holds ? 0 : 1);
  return ST_OK;
}

export function amoswap_w(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 4, ACC_STORE);
  if (st) return st;
  const a = load<i32>(pointer);
  const b = <i32>rs2(h, SLOT);
  store<i32>(pointer, b);
  rd(h, SLOT, <i64>a);
  return ST_OK;
}

export function amoswap_d(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 8, ACC_STORE);
  if (st) return st;
  const a = load<i64>(pointer);
  const b = rs2(h, SLOT);
  store<i64>(pointer, b);
  rd(h, SLOT, a);
  return ST_OK;
}

export function amoadd_w(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 4, ACC_STORE);
  if (st) return st;
  const a = load<i32>(pointer);
  const b = <i32>rs2(h, SLOT);
  store<i32>(pointer, a + b);
  rd(h, SLOT, <i64>a);
  return ST_OK;
}

export function amoadd_d(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 8, ACC_STORE);
  if (st) return st;
  const a = load<i64>(pointer);
  const b = rs2(h, SLOT);
  store<i64>(pointer, a + b);
  rd(h, SLOT, a);
  return ST_OK;
}

export function amoxor_w(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 4, ACC_STORE);
  if (st) return st;
  const a = load<i32>(pointer);
  const b = <i32>rs2(h, SLOT);
  store<i32>(pointer, a ^ b);
  rd(h, SLOT, <i64>a);
  return ST_OK;
}

export function amoxor_d(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 8, ACC_STORE);
  if (st) return st;
  const a = load<i64>(pointer);
  const b = rs2(h, SLOT);
  store<i64>(pointer, a ^ b);
  rd(h, SLOT, a);
  return ST_OK;
}

export function amoand_w(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 4, ACC_STORE);
  if (st) return st;
  const a = load<i32>(pointer);
  const b = <i32>rs2(h, SLOT);
  store<i32>(pointer, a & b);
  rd(h, SLOT, <i64>a);
  return ST_OK;
}

export function amoand_d(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 8, ACC_STORE);
  if (st) return st;
  const a = load<i64>(pointer);
  const b = rs2(h, SLOT);
  store<i64>(pointer, a & b);
  rd(h, SLOT, a);
  return ST_OK;
}

export function amoor_w(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 4, ACC_STORE);
  if (st) return st;
  const a = load<i32>(pointer);
  const b = <i32>rs2(h, SLOT);
  store<i32>(pointer, a | b);
  rd(h, SLOT, <i64>a);
  return ST_OK;
}

export function amoor_d(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 8, ACC_STORE);
  if (st) return st;
  const a = load<i64>(pointer);
  const b = rs2(h, SLOT);
  store<i64>(pointer, a | b);
  rd(h, SLOT, a);
  return ST_OK;
}

export function amomin_w(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 4, ACC_STORE);
  if (st) return st;
  const a = load<i32>(pointer);
  const b = <i32>rs2(h, SLOT);
  store<i32>(pointer, a < b ? a : b);
  rd(h, SLOT, <i64>a);
  return ST_OK;
}

export function amomin_d(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 8, ACC_STORE);
  if (st) return st;
  const a = load<i64>(pointer);
  const b = rs2(h, SLOT);
  store<i64>(pointer, a < b ? a : b);
  rd(h, SLOT, a);
  return ST_OK;
}

export function amomax_w(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 4, ACC_STORE);
  if (st) return st;
  const a = load<i32>(pointer);
  const b = <i32>rs2(h, SLOT);
  store<i32>(pointer, a > b ? a : b);
  rd(h, SLOT, <i64>a);
  return ST_OK;
}

export function amomax_d(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 8, ACC_STORE);
  if (st) return st;
  const a = load<i64>(pointer);
  const b = rs2(h, SLOT);
  store<i64>(pointer, a > b ? a : b);
  rd(h, SLOT, a);
  return ST_OK;
}

export function amominu_w(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 4, ACC_STORE);
  if (st) return st;
  const a = load<i32>(pointer);
  const b = <i32>rs2(h, SLOT);
  store<i32>(pointer, <u32>a < <u32>b ? a : b);
  rd(h, SLOT, <i64>a);
  return ST_OK;
}

export function amominu_d(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 8, ACC_STORE);
  if (st) return st;
  const a = load<i64>(pointer);
  const b = rs2(h, SLOT);
  store<i64>(pointer, <u64>a < <u64>b ? a : b);
  rd(h, SLOT, a);
  return ST_OK;
}

export function amomaxu_w(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 4, ACC_STORE);
  if (st) return st;
  const a = load<i32>(pointer);
  const b = <i32>rs2(h, SLOT);
  store<i32>(pointer, <u32>a > <u32>b ? a : b);
  rd(h, SLOT, <i64>a);
  return ST_OK;
}

export function amomaxu_d(h: usize, u: usize, n: i32): i32 {
  const st = start(h, u, n, 8, ACC_STORE);
  if (st) return st;
  const a = load<i64>(pointer);
  const b = rs2(h, SLOT);
  store<i64>(pointer, <u64>a > <u64>b ? a : b);
  rd(h, SLOT, a);
  return ST_OK;
}
