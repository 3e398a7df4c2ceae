/** Entry into traps and return from them (Privileged 3.1.6, 3.1.7, 3.3.2, 12.1). */

import {
  DEV_MACHINE, H_MCAUSE, H_MEDELEG, H_MEPC, H_MIDELEG, H_MSTATUS, H_MTVAL, H_MTVEC, H_PRV, H_RES_ADDR, H_SCAUSE, H_SEPC,
  H_STVAL, H_STVEC, M_FLAGS, MF_SBI, RES_NONE,
} from "../abi";
import {
  EXC_FETCH_ACCESS, EXC_FETCH_PAGE, getPc, MS_MIE, MS_MPIE, MS_MPP, MS_MPRV, MS_SIE, MS_SPIE, MS_SPP, mstatus, prv, PRV_M,
  PRV_S, setPc,
} from "./state";

const INTERRUPT: u64 = <u64>1 << 63;

function vector(tvec: u64, cause: u64): u64 {
  const base = tvec & ~3;
  return tvec & 1 && cause & INTERRUPT ? base + ((cause & 63) << 2) : base;
}

/**
 * Takes a trap at the present pc. The caller selects the TLB banks again.
 * @param cause  mcause's value, interrupt bit included
 * @returns false when the hart can't go on: the handler itself can't be
 *          fetched, or nothing stands in M-mode (built-in SBI). Nothing has
 *          changed then.
 */
export function takeTrap(h: usize, cause: u64, tval: u64): bool {
  const p = prv(h);
  const pc = getPc(h);
  const interrupt = (cause & INTERRUPT) != 0;
  const delegated = load<u64>(h + (interrupt ? H_MIDELEG : H_MEDELEG)) >> (cause & 63) & 1;
  const toS = p <= PRV_S && delegated;
  const target = vector(load<u64>(h + (toS ? H_STVEC : H_MTVEC)), cause);
  if (!toS && load<u32>(DEV_MACHINE, M_FLAGS) & MF_SBI) return false;
  if ((cause == EXC_FETCH_ACCESS || cause == EXC_FETCH_PAGE) && pc == target && p == (toS ? PRV_S : PRV_M)) return false;

  let ms = mstatus(h);
  store<u64>(h, RES_NONE, H_RES_ADDR);
  if (toS) {
    store<u64>(h, pc, H_SEPC);
    store<u64>(h, cause, H_SCAUSE);
    store<u64>(h, tval, H_STVAL);
    ms = (ms & ~(MS_SPIE | MS_SPP)) | (ms & MS_SIE ? MS_SPIE : 0) | (p == PRV_S ? MS_SPP : 0);
    ms &= ~MS_SIE;
    store<u32>(h, PRV_S, H_PRV);
  } else {
    store<u64>(h, pc, H_MEPC);
    store<u64>(h, cause, H_MCAUSE);
    store<u64>(h, tval, H_MTVAL);
    ms = (ms & ~(MS_MPIE | MS_MPP)) | (ms & MS_MIE ? MS_MPIE : 0) | (<u64>p << 11);
    ms &= ~MS_MIE;
    store<u32>(h, PRV_M, H_PRV);
  }
  store<u64>(h, ms, H_MSTATUS);
  setPc(h, target);
  return true;
}

/** mret and sret, once allowed. The caller selects the TLB banks again. */
export function returnFromM(h: usize): void {
  let ms = mstatus(h);
  const p = <u32>((ms & MS_MPP) >> 11);
  ms = (ms & ~(MS_MIE | MS_MPP)) | (ms & MS_MPIE ? MS_MIE : 0) | MS_MPIE;
  if (p != PRV_M) ms &= ~MS_MPRV;
  store<u64>(h, ms, H_MSTATUS);
  store<u32>(h, p, H_PRV);
  setPc(h, load<u64>(h, H_MEPC));
}

export function returnFromS(h: usize): void {
  let ms = mstatus(h);
  const p: u32 = ms & MS_SPP ? PRV_S : 0;
  ms = (ms & ~(MS_SIE | MS_SPP | MS_MPRV)) | (ms & MS_SPIE ? MS_SIE : 0) | MS_SPIE;
  store<u64>(h, ms, H_MSTATUS);
  store<u32>(h, p, H_PRV);
  setPc(h, load<u64>(h, H_SEPC));
}
