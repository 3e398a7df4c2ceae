/** Hart state management (SBI 2.0 chapter 9). */

import {
  DEV_MACHINE, H_MSTATUS, H_OPAQUE, H_PRV, H_RES_ADDR, H_SATP, H_STATE, HART_RUNNING, HART_STOPPED, HART_SUSPENDED, M_HARTS,
  RES_NONE,
} from "../abi";
import { pagePtr } from "../bus/ram";
import { hartAt, MS_SIE, PRV_S, setPc, setX } from "../hart/state";
import { tlbSelect } from "../mmu/tlb";
import {
  SBI_ALREADY_AVAILABLE, SBI_GONE, SBI_INVALID_ADDRESS, SBI_INVALID_PARAM, SBI_NOT_SUPPORTED, SBI_SUCCESS, setSbiValue,
} from "./result";

const STARTED: i64 = 0;
const STOPPED: i64 = 1;
const SUSPENDED: i64 = 4;

const RETENTIVE: u64 = 0;

export function sbiHart(h: usize, fid: u64, a0: u64, a1: u64, a2: u64): i64 {
  switch (<u32>fid) {
    case 0: return start(a0, a1, a2);
    case 1:
      store<u32>(h, HART_STOPPED, H_STATE);
      return SBI_GONE;
    case 2: return status(a0);
    case 3: return suspend(h, a0);
    default: return SBI_NOT_SUPPORTED;
  }
}

function start(id: u64, address: u64, opaque: u64): i64 {
  if (id >= load<u32>(DEV_MACHINE, M_HARTS)) return SBI_INVALID_PARAM;
  const h = hartAt(<u32>id);
  if (load<u32>(h, H_STATE) != HART_STOPPED) return SBI_ALREADY_AVAILABLE;
  if (address & 1 || !pagePtr(address)) return SBI_INVALID_ADDRESS;
  // Table "HSM Hart Start Register State": S-mode, no paging, no interrupts.
  setPc(h, address);
  setX(h, 10, id);
  setX(h, 11, opaque);
  store<u64>(h, opaque, H_OPAQUE);
  store<u64>(h, 0, H_SATP);
  store<u64>(h, load<u64>(h, H_MSTATUS) & ~MS_SIE, H_MSTATUS);
  store<u64>(h, RES_NONE, H_RES_ADDR);
  store<u32>(h, PRV_S, H_PRV);
  tlbSelect(h);
  store<u32>(h, HART_RUNNING, H_STATE);
  return SBI_SUCCESS;
}

function status(id: u64): i64 {
  if (id >= load<u32>(DEV_MACHINE, M_HARTS)) return SBI_INVALID_PARAM;
  const state = load<u32>(hartAt(<u32>id), H_STATE);
  setSbiValue(state == HART_STOPPED ? STOPPED : state == HART_SUSPENDED ? SUSPENDED : STARTED);
  return SBI_SUCCESS;
}

/** Retentive suspend is a WFI that others can see. */
function suspend(h: usize, type: u64): i64 {
  if (type != RETENTIVE) return type == 0x8000_0000 ? SBI_NOT_SUPPORTED : SBI_INVALID_PARAM;
  store<u32>(h, HART_SUSPENDED, H_STATE);
  return SBI_SUCCESS;
}
