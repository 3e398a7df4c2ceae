/** Pending interrupts and their order (Privileged 3.1.9 and 3.1.14). */

import { H_LINES, H_MENVCFG, H_MIDELEG, H_MIE, H_MIP } from "../abi";
import {
  IP_MEIP, IP_MSIP, IP_MTIP, IP_SEIP, IP_SSIP, IP_STIP, MS_MIE, MS_SIE, mstatus, prv, PRV_M, PRV_S,
} from "./state";
import { ENV_STCE } from "./time";

/** mip as software reads it: its own bits and the lines of devices and timers. */
export function mipNow(h: usize): u64 {
  let soft = load<u64>(h, H_MIP);
  if (load<u64>(h, H_MENVCFG) & ENV_STCE) soft &= ~IP_STIP; // then STIP is stimecmp's alone
  return soft | load<u64>(h, H_LINES);
}

/** Enabled and pending, whatever mstatus and privilege say: what ends a WFI. */
export function interruptsEnabled(h: usize): u64 {
  return mipNow(h) & load<u64>(h, H_MIE);
}

/** The number of the interrupt to take now, or -1. */
export function interruptDue(h: usize): i32 {
  const enabled = interruptsEnabled(h);
  if (!enabled) return -1;
  const p = prv(h);
  const ms = mstatus(h);
  const mideleg = load<u64>(h, H_MIDELEG);
  const machine = enabled & ~mideleg;
  if (machine && (p < PRV_M || ms & MS_MIE)) return highest(machine);
  const supervisor = enabled & mideleg;
  if (supervisor && (p < PRV_S || (p == PRV_S && ms & MS_SIE))) return highest(supervisor);
  return -1;
}

function highest(pending: u64): i32 {
  if (pending & IP_MEIP) return 11;
  if (pending & IP_MSIP) return 3;
  if (pending & IP_MTIP) return 7;
  if (pending & IP_SEIP) return 9;
  if (pending & IP_SSIP) return 1;
  if (pending & IP_STIP) return 5;
  return -1;
}
