/**
 * What compiled code imports and calls: the interpreter's handlers. The
 * caller has set H_PC to the instruction. It returns ST_OK, or has set H_PC,
 * H_JIT_N and H_JIT_STATUS for leaving.
 */

import {
  CT_CODE_WRITE, H_COUNTERS, H_FCSR, H_JIT_N, H_JIT_STATUS, H_JIT_UOP, H_JIT_VALUE, H_MSTATUS, H_PC, ST_EVENT, ST_JUMP, ST_OK,
} from "../abi";

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

// @ts-ignore: decorator
@inline function codeWrites(h: usize): u64 { return load<u64>(h, H_COUNTERS + CT_CODE_WRITE * 8); }

const FS_DIRTY: u32 = 0x6000;

/**
 * Leaves what L_LIMIT is now in H_JIT_VALUE (see parts.ts).
 * @param uop   the instruction's micro-op
 * @param info  the handler's place in the table | instruction's size << 24
 */
export function jitCall(h: usize, uop: u64, n: i32, info: u32): i32 {
  const writes = codeWrites(h);
  store<u64>(h, uop, H_JIT_UOP);
  const st = call_indirect<i32>(info & 0xff_ffff, h, h + H_JIT_UOP, n);
  const plain = (load<u32>(h, H_MSTATUS) & FS_DIRTY) == FS_DIRTY && (load<u32>(h, H_FCSR) & 0xe1) == 1;
  store<u32>(h, plain ? 253 << 24 : 0, H_JIT_VALUE);
  if (st == ST_OK && codeWrites(h) == writes) return ST_OK;
  if (st == ST_OK || st == ST_EVENT) return leaveBehind(h, n, info >> 24);
  if (st == ST_JUMP) return leave(h, n, st);
  return leaveAt(h, n, st);
}

/** Its place in the table: it is no export, since it traps when what it is told is wrong. */
export function jitHandler(): i32 { return jitCall.index; }
