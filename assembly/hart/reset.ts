/** A hart as it comes out of reset (Privileged 3.4). */

import {
  H_END, H_ID, H_MCOUNTEREN, H_MEDELEG, H_MENVCFG, H_MIDELEG, H_MSTATUS, H_PMPADDR, H_PMPCFG, H_PMP_ACTIVE,
  H_PRV, H_RES_ADDR, H_SCOUNTEREN, H_STATE, H_STIMECMP, H_TLB_GEN, HART_RUNNING, HART_STOPPED, RES_NONE,
} from "../abi";
import { ENV_CBCFE, ENV_CBZE, ENV_CBIE, ENV_PBMTE_BIT, MEDELEG_WRITABLE, S_INTERRUPTS } from "./csr";
import { EXC_ECALL_S, PRV_M, PRV_S, setX } from "./state";
import { ENV_STCE } from "./time";

/** M-mode, everything else zero. */
export function hartReset(h: usize, id: u32): void {
  // The TLB banks stay where they are: another generation makes their entries stale.
  const generation = load<u32>(h, H_TLB_GEN) + 1;
  memory.fill(h, 0, H_END);
  store<u32>(h, id, H_ID);
  store<u32>(h, PRV_M, H_PRV);
  store<u64>(h, RES_NONE, H_RES_ADDR);
  store<u64>(h, u64.MAX_VALUE, H_STIMECMP);
  store<u32>(h, generation ? generation : 1, H_TLB_GEN);
  store<u32>(h, HART_RUNNING, H_STATE);
}

/**
 * What firmware leaves to S-mode, for the built-in SBI: everything delegated
 * but its own calls, counters and timer usable, all memory allowed by PMP.
 * Harts other than the first wait for hart_start.
 */
export function hartSupervisor(h: usize, id: u32): void {
  store<u32>(h, PRV_S, H_PRV);
  store<u64>(h, MEDELEG_WRITABLE & ~(<u64>1 << EXC_ECALL_S), H_MEDELEG);
  store<u64>(h, S_INTERRUPTS, H_MIDELEG);
  store<u64>(h, 7, H_MCOUNTEREN);
  store<u64>(h, 7, H_SCOUNTEREN); // as OpenSBI leaves it: Linux relies on user programs reading the time
  store<u64>(h, ENV_STCE | ENV_PBMTE_BIT | ENV_CBZE | ENV_CBCFE | (ENV_CBIE & 16), H_MENVCFG);
  store<u64>(h, (<u64>1 << 54) - 1, H_PMPADDR);
  store<u8>(h, 0x1f, H_PMPCFG); // NAPOT, RWX
  store<u32>(h, 1, H_PMP_ACTIVE);
  setX(h, 10, id);
  if (id != 0) store<u32>(h, HART_STOPPED, H_STATE);
}
