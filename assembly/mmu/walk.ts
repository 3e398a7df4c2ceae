/**
 * Virtual to physical (Privileged "Sv39: Virtual-Memory System", 12.3.2; Sv48
 * and Sv57 differ in the number of levels). Svade: a clear A or D bit faults.
 */

import { CT_WALK, FRAME_PRESENT, H_MENVCFG, H_SATP, PAGE_SIZE } from "../abi";
import { frameOf, pagePtr } from "../bus/ram";
import {
  count, EXC_FETCH_ACCESS, EXC_FETCH_PAGE, EXC_LOAD_ACCESS, EXC_LOAD_PAGE, EXC_STORE_ACCESS, EXC_STORE_PAGE, MS_MXR,
  MS_SUM, mstatus, PRV_M, PRV_S, PRV_U, trap, wait,
} from "../hart/state";
import { ACC_FETCH, ACC_LOAD, ACC_STORE, pmpAllows } from "./pmp";

const PTE_V: u64 = 1;
const PTE_R: u64 = 2;
const PTE_W: u64 = 4;
const PTE_X: u64 = 8;
const PTE_U: u64 = 16;
const PTE_A: u64 = 64;
const PTE_D: u64 = 128;
const PTE_PBMT: u64 = <u64>3 << 61; // Svpbmt
const PTE_N: u64 = <u64>1 << 63; //   Svnapot
const PTE_RESERVED: u64 = <u64>0x7f << 54;
const PPN_MASK: u64 = ((<u64>1 << 44) - 1) << 10;
/** menvcfg.PBMTE: PBMT bits are in use. */
export const ENV_PBMTE: u64 = <u64>1 << 62;

/** Where `translate` leaves its answer. */
export let pa: u64 = 0;
/** Virtual range that the leaf PTE covers, when it is larger than a page; else size 0. */
export let bigLow: u64 = 0;
export let bigHigh: u64 = 0;

export function accessFault(h: usize, va: u64, access: u32): i32 {
  return trap(h, access == ACC_FETCH ? EXC_FETCH_ACCESS : access == ACC_LOAD ? EXC_LOAD_ACCESS : EXC_STORE_ACCESS, va);
}

function pageFault(h: usize, va: u64, access: u32): i32 {
  return trap(h, access == ACC_FETCH ? EXC_FETCH_PAGE : access == ACC_LOAD ? EXC_LOAD_PAGE : EXC_STORE_PAGE, va);
}

/**
 * Translates `va` for an access of `privilege`; the physical address is left in
 * `pa`. PMP of the final address is the caller's business (it knows the size).
 * @returns ST_OK (0), ST_TRAP or ST_WAIT
 */
export function translate(h: usize, va: u64, access: u32, privilege: u32): i32 {
  bigHigh = 0;
  const satp = load<u64>(h, H_SATP);
  const mode = <u32>(satp >> 60);
  if (privilege == PRV_M || mode == 0) {
    pa = va;
    return 0;
  }
  count(h, CT_WALK);
  let level: i32 = <i32>mode - 6; // 8 → 2, 9 → 3, 10 → 4
  // Bits above the top index must equal its highest bit.
  const unused: u64 = 64 - (21 + 9 * <u64>level);
  if (<u64>((<i64>(va << unused)) >> unused) != va) return pageFault(h, va, access);

  const ms = mstatus(h);
  const pbmt = (load<u64>(h, H_MENVCFG) & ENV_PBMTE) != 0;
  let table: u64 = (satp & ((<u64>1 << 44) - 1)) << 12; // step 1
  while (true) {
    const pteAddress = table + (((va >> (12 + 9 * <u64>level)) & 511) << 3); // step 2
    const p = pagePtr(pteAddress);
    if (!p || !pmpAllows(h, pteAddress, 8, ACC_LOAD, PRV_S)) return accessFault(h, va, access);
    if (!(load<u8>(frameOf(p)) & FRAME_PRESENT)) return wait(h, pteAddress);
    const pte = load<u64>(p);
    // Step 3: reserved encodings.
    if (!(pte & PTE_V) || (pte & (PTE_R | PTE_W)) == PTE_W || pte & PTE_RESERVED) return pageFault(h, va, access);
    if (pte & PTE_PBMT && (!pbmt || (pte & PTE_PBMT) == PTE_PBMT)) return pageFault(h, va, access);
    const ppn = (pte & PPN_MASK) >> 10;
    if (pte & (PTE_R | PTE_X)) return leaf(h, va, access, privilege, ms, pte, ppn, level);
    // Step 4: a pointer to the next level.
    if (pte & (PTE_A | PTE_D | PTE_U | PTE_N | PTE_PBMT)) return pageFault(h, va, access);
    if (--level < 0) return pageFault(h, va, access);
    table = ppn << 12;
  }
}

function leaf(h: usize, va: u64, access: u32, privilege: u32, ms: u64, pte: u64, ppn: u64, level: i32): i32 {
  // Step 5: permissions.
  if (privilege == PRV_U) {
    if (!(pte & PTE_U)) return pageFault(h, va, access);
  } else if (pte & PTE_U && (access == ACC_FETCH || !(ms & MS_SUM))) {
    return pageFault(h, va, access);
  }
  let allowed = pte;
  if (ms & MS_MXR && pte & PTE_X) allowed |= PTE_R;
  const need: u64 = access == ACC_LOAD ? PTE_R : access == ACC_STORE ? PTE_W : PTE_X;
  if (!(allowed & need)) return pageFault(h, va, access);
  // Step 6: misaligned superpage; Svnapot is 64 KiB at level 0 only.
  let bits: u64 = 12 + 9 * <u64>level;
  let low = (<u64>1 << (bits - 12)) - 1;
  if (ppn & low) return pageFault(h, va, access);
  if (pte & PTE_N) {
    if (level != 0 || (ppn & 15) != 8) return pageFault(h, va, access);
    bits = 16;
    low = 15;
  }
  // Step 7 under Svade.
  if (!(pte & PTE_A) || (access == ACC_STORE && !(pte & PTE_D))) return pageFault(h, va, access);
  const inside = (<u64>1 << bits) - 1;
  pa = ((ppn & ~low) << 12) | (va & inside);
  if (inside >= PAGE_SIZE) {
    bigLow = va & ~inside;
    bigHigh = va | inside;
  }
  return 0;
}
