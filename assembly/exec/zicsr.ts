/** Zicsr (Unprivileged chapter 6): reads and writes of CSRs, and what follows from a write. */

import { ST_EVENT, ST_OK } from "../abi";
import {
  csrMergeBase, csrRead, csrValue, csrWrite, EFFECT_FLUSH, EFFECT_ILLEGAL, EFFECT_INTERRUPTS, EFFECT_PMP, EFFECT_SELECT,
} from "../hart/csr";
import { interruptDue } from "../hart/interrupt";
import { B, IMM, illegal, noteLeft, rd, xb } from "../hart/state";
import { pmpChanged } from "../mmu/pmp";
import { tlbFlush, tlbSelect } from "../mmu/tlb";

const CSR_SATP: u32 = 0x180;

// What to do with the old value.
const REPLACE: i32 = 0;
const SET: i32 = 1;
const CLEAR: i32 = 2;

/**
 * @param source  the operand
 * @param write   false for csrrs and csrrc of x0 (or 0): then nothing is written
 */
function access(h: usize, u: usize, n: i32, how: i32, source: u64, write: bool): i32 {
  noteLeft(h, n);
  const csr = <u32>IMM(u) & 0xfff;
  // csrrw to x0 does not read; no register here has read side effects, so only the check matters.
  if (!csrRead(h, csr, write)) return illegal(h);
  const old = csrValue;
  if (!write) {
    rd(h, u, <i64>old);
    return ST_OK;
  }
  let v = source;
  if (how == SET) v = csrMergeBase(h, csr, old) | source;
  else if (how == CLEAR) v = csrMergeBase(h, csr, old) & ~source;
  const effect = csrWrite(h, csr, v);
  if (effect & EFFECT_ILLEGAL) return illegal(h);
  rd(h, u, <i64>old);
  if (effect == 0) return ST_OK;
  let st = ST_OK;
  if (effect & EFFECT_PMP) pmpChanged(h);
  if (effect & EFFECT_FLUSH) {
    tlbFlush(h);
    st = ST_EVENT;
  } else if (effect & EFFECT_SELECT) {
    tlbSelect(h);
    if (csr == CSR_SATP) st = ST_EVENT; // fetches translate anew
  }
  // Timer lines are the loop's business; a register that moves them ends the slice's inner loop.
  if (effect & EFFECT_INTERRUPTS && (interruptDue(h) >= 0 || movesTimer(csr))) st = ST_EVENT;
  return st;
}

/** stimecmp and menvcfg (STCE) decide about STIP. */
function movesTimer(csr: u32): bool { return csr == 0x14d || csr == 0x30a; }

export function csrrw(h: usize, u: usize, n: i32): i32 { return access(h, u, n, REPLACE, <u64>xb(h, u), true); }
export function csrrs(h: usize, u: usize, n: i32): i32 { return access(h, u, n, SET, <u64>xb(h, u), B(u) != 0); }
export function csrrc(h: usize, u: usize, n: i32): i32 { return access(h, u, n, CLEAR, <u64>xb(h, u), B(u) != 0); }
export function csrrwi(h: usize, u: usize, n: i32): i32 { return access(h, u, n, REPLACE, B(u), true); }
export function csrrsi(h: usize, u: usize, n: i32): i32 { return access(h, u, n, SET, B(u), B(u) != 0); }
export function csrrci(h: usize, u: usize, n: i32): i32 { return access(h, u, n, CLEAR, B(u), B(u) != 0); }
