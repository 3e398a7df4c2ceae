/** Inter-processor interrupts and the timer (SBI 2.0 chapters 6 and 7). */

import { DEV_MACHINE, H_MIP, H_STIMECMP, M_HARTS } from "../abi";
import { hartAt, IP_SSIP } from "../hart/state";
import { hartMask, maskOk } from "./harts";
import { SBI_INVALID_PARAM, SBI_SUCCESS } from "./result";

export function sbiIpi(mask: u64, base: u64): i64 {
  const harts = hartMask(mask, base);
  if (!maskOk) return SBI_INVALID_PARAM;
  const count = load<u32>(DEV_MACHINE, M_HARTS);
  for (let i: u32 = 0; i < count; i++) {
    if (!(harts >> i & 1)) continue;
    const h = hartAt(i);
    store<u64>(h, load<u64>(h, H_MIP) | IP_SSIP, H_MIP);
  }
  return SBI_SUCCESS;
}

/** With Sstc the timer is stimecmp, whoever writes it. */
export function sbiSetTimer(h: usize, deadline: u64): i64 {
  store<u64>(h, deadline, H_STIMECMP);
  return SBI_SUCCESS;
}
