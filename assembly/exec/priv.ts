/** Privileged instructions (Privileged 3.3, 12.2) and Svinval (chapter 11). */

import { H_STATE, HART_WFI, ST_EVENT, ST_JUMP } from "../abi";
import {
  B, IMM, illegal, MS_TSR, MS_TVM, MS_TW, mstatus, prv, PRV_M, PRV_S, PRV_U, x, xb,
} from "../hart/state";
import { returnFromM, returnFromS } from "../hart/trap";
import { tlbFlush, tlbFlushAsid, tlbFlushPage, tlbSelect } from "../mmu/tlb";

export function mret(h: usize, u: usize, n: i32): i32 {
  if (prv(h) < PRV_M) return illegal(h);
  returnFromM(h);
  tlbSelect(h);
  return ST_JUMP;
}

export function sret(h: usize, u: usize, n: i32): i32 {
  const p = prv(h);
  if (p == PRV_U || (p == PRV_S && mstatus(h) & MS_TSR)) return illegal(h);
  returnFromS(h);
  tlbSelect(h);
  return ST_JUMP;
}

/** U may wait only if TW is clear: 3.1.6.5 lets it trap at once, S as well when TW is set. */
export function wfi(h: usize, u: usize, n: i32): i32 {
  const p = prv(h);
  if (p == PRV_U || (p == PRV_S && mstatus(h) & MS_TW)) return illegal(h);
  store<u32>(h, HART_WFI, H_STATE);
  return ST_EVENT;
}

function fenceAllowed(h: usize): bool {
  const p = prv(h);
  return p == PRV_M || (p == PRV_S && !(mstatus(h) & MS_TVM));
}

export function sfence_vma(h: usize, u: usize, n: i32): i32 {
  if (!fenceAllowed(h)) return illegal(h);
  const asidRegister = <u32>IMM(u) & 31;
  const asid = <u32>x(h, asidRegister) & 0xffff;
  if (B(u) != 0) tlbFlushPage(h, <u64>xb(h, u), asidRegister ? <i32>asid : -1);
  else if (asidRegister) tlbFlushAsid(h, asid);
  else tlbFlush(h);
  return ST_EVENT; // what is fetched next may be another page
}

/** The two fences around it order nothing that isn't ordered here, so it may act at once. */
export function sinval_vma(h: usize, u: usize, n: i32): i32 { return sfence_vma(h, u, n); }

export function sfence_w_inval(h: usize, u: usize, n: i32): i32 { return prv(h) == PRV_U ? illegal(h) : ST_EVENT; }
export function sfence_inval_ir(h: usize, u: usize, n: i32): i32 { return prv(h) == PRV_U ? illegal(h) : ST_EVENT; }
