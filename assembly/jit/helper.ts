/**
 * What compiled code calls, by way of the table: the slow paths of loads and
 * stores, and the interpreter's handlers. The caller has set H_PC to the
 * instruction. Each returns ST_OK, or has set H_PC, H_JIT_N and H_JIT_STATUS for
 * leaving.
 */

import {
  CT_CODE_WRITE, DEV_MACHINE, H_COUNTERS, H_FCSR, H_JIT_N, H_JIT_STATUS, H_JIT_VALUE, H_MSTATUS, H_PC, H_X, JIT_UOPS,
  JIT_UOPS_SIZE, M_JIT_UOPS, ST_EVENT, ST_JUMP, ST_OK,
} from "../abi";
import { noteLeft } from "../hart/state";
import { loaded, loadSlow, storeSlow } from "../mmu/access";

const SIGN: u32 = 0x100;
export const BOXED: u32 = 0x200;

function leave(h: usize, n: i32, st: i32): i32 {
  store<i32>(h, n, H_JIT_N);
  store<i32>(h, st, H_JIT_STATUS);
  return st;
}

/** It has retired, and the region ends behind it. */
function leaveBehind(h: usize, n: i32, size: u32): i32 {
  store<u64>(h, load<u64>(h, H_PC) + size, H_PC);
  return leave(h, n, ST_EVENT);
}

/** It has not retired. */
function leaveAt(h: usize, n: i32, st: i32): i32 {
  return leave(h, n + 1, st);
}

/** @param info  kind as of exec/memory, or BOXED | 4 | register << 16, from 33 on the f registers | instruction's size << 24 */
export function jitLoad(h: usize, va: u64, info: u32, n: i32): i32 {
  noteLeft(h, n);
  const st = loadSlow(h, va, info & 15);
  if (st != ST_OK && st != ST_EVENT) return leaveAt(h, n, st);
  const kind = info & 0x30f;
  let v = <i64>loaded;
  if (kind & BOXED) v |= 0xffff_ffff << 32;
  if (kind == (SIGN | 1)) v = <i64><i8>v;
  else if (kind == (SIGN | 2)) v = <i64><i16>v;
  else if (kind == (SIGN | 4)) v = <i64><i32>v;
  store<i64>(h, v, H_JIT_VALUE);
  if (st == ST_OK) return ST_OK;
  store<i64>(h + ((info >> 16 & 0xff) << 3), v, H_X);
  return leaveBehind(h, n, info >> 24);
}

// @ts-ignore: decorator
@inline function codeWrites(h: usize): u64 { return load<u64>(h, H_COUNTERS + CT_CODE_WRITE * 8); }

/** @param info  size | instruction's size << 24 */
export function jitStore(h: usize, va: u64, info: u32, value: u64, n: i32): i32 {
  noteLeft(h, n);
  const writes = codeWrites(h);
  const st = storeSlow(h, va, info & 15, value);
  if (st != ST_OK && st != ST_EVENT) return leaveAt(h, n, st);
  // The region itself may have changed.
  return st == ST_EVENT || codeWrites(h) != writes ? leaveBehind(h, n, info >> 24) : ST_OK;
}

const FS_DIRTY: u32 = 0x6000;

/**
 * Leaves what L_LIMIT is now in H_JIT_VALUE (see parts.ts).
 * @param info  the handler's place in the table | instruction's size << 24
 */
export function jitCall(h: usize, u: usize, n: i32, info: u32): i32 {
  const writes = codeWrites(h);
  const st = call_indirect<i32>(info & 0xff_ffff, h, u, n);
  const plain = (load<u32>(h, H_MSTATUS) & FS_DIRTY) == FS_DIRTY && (load<u32>(h, H_FCSR) & 0xe1) == 1;
  store<u32>(h, plain ? 253 << 24 : 0, H_JIT_VALUE);
  if (st == ST_OK && codeWrites(h) == writes) return ST_OK;
  if (st == ST_OK || st == ST_EVENT) return leaveBehind(h, n, info >> 24);
  if (st == ST_JUMP) return leave(h, n, st);
  return leaveAt(h, n, st);
}

export function loadHelper(): i32 { return jitLoad.index; }
export function storeHelper(): i32 { return jitStore.index; }
export function callHelper(): i32 { return jitCall.index; }

/** A micro-op for a handler that a region calls; there is room, or `uopsLeft` said no. */
export function uopFor(op: u16, a: u32, b: u32, imm: i32): u32 {
  const used = load<u32>(DEV_MACHINE, M_JIT_UOPS);
  const at = JIT_UOPS + used;
  store<u32>(DEV_MACHINE, used + 8, M_JIT_UOPS);
  store<u16>(at, op);
  store<u8>(at, <u8>a, 2);
  store<u8>(at, <u8>b, 3);
  store<i32>(at, imm, 4);
  return at;
}

export function uopsLeft(): bool {
  return load<u32>(DEV_MACHINE, M_JIT_UOPS) < JIT_UOPS_SIZE - 4096;
}
