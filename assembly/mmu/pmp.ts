/**
 * Physical memory protection (Privileged 3.7): 16 entries, 4-byte grain.
 * With no entry on, M-mode may do anything and (as every board we emulate
 * relies on before firmware sets PMP) S and U nothing.
 */

import { H_PMPADDR, H_PMPCFG, H_PMP_ACTIVE, PAGE_SIZE, PMP_ENTRIES } from "../abi";
import { PRV_M } from "../hart/state";

export const ACC_LOAD: u32 = 1; //  = PMP and PTE's "R" in this order
export const ACC_STORE: u32 = 2; // "W"
export const ACC_FETCH: u32 = 4; // "X"

export const PMP_LOCK: u32 = 0x80;
const A_OFF: u32 = 0;
const A_TOR: u32 = 1;
const A_NA4: u32 = 2;

/** The result of `find`: the first entry that touches [pa, pa + size). */
let hitConfig: u32 = 0;
let hitWhole: bool = false;

// @ts-ignore: decorator
@inline function config(h: usize, i: u32): u32 { return load<u8>(h + i, H_PMPCFG); }
// @ts-ignore: decorator
@inline function address(h: usize, i: u32): u64 { return load<u64>(h + (i << 3), H_PMPADDR); }

/** Keeps H_PMP_ACTIVE in step with the configuration registers. */
export function pmpChanged(h: usize): void {
  let active: u32 = 0;
  for (let i: u32 = 0; i < PMP_ENTRIES; i++) if (((config(h, i) >> 3) & 3) != A_OFF) active = 1;
  store<u32>(h, active, H_PMP_ACTIVE);
}

function find(h: usize, pa: u64, size: u64): bool {
  const last = pa + size - 1;
  for (let i: u32 = 0; i < PMP_ENTRIES; i++) {
    const c = config(h, i);
    const mode = (c >> 3) & 3;
    if (mode == A_OFF) continue;
    const a = address(h, i);
    let low: u64;
    let high: u64; // inclusive
    if (mode == A_TOR) {
      low = i == 0 ? 0 : address(h, i - 1) << 2;
      if (a << 2 <= low) continue;
      high = (a << 2) - 1;
    } else if (mode == A_NA4) {
      low = a << 2;
      high = low + 3;
    } else {
      const ones = a ^ (a + 1); // trailing ones and the zero above them
      low = (a & ~ones) << 2;
      high = low + ((ones << 2) | 3);
    }
    if (last < low || pa > high) continue;
    hitConfig = c;
    hitWhole = pa >= low && last <= high;
    return true;
  }
  return false;
}

/** May `privilege` make this access? An access that an entry covers in part fails. */
export function pmpAllows(h: usize, pa: u64, size: u64, access: u32, privilege: u32): bool {
  if (!load<u32>(h, H_PMP_ACTIVE)) return privilege == PRV_M;
  if (!find(h, pa, size)) return privilege == PRV_M;
  if (!hitWhole) return false;
  if (privilege == PRV_M && !(hitConfig & PMP_LOCK)) return true;
  return (hitConfig & access) == access;
}

/** Is the answer the same for each byte of this page? Then a TLB entry may hold it. */
export function pmpUniform(h: usize, pa: u64): bool {
  if (!load<u32>(h, H_PMP_ACTIVE)) return true;
  return !find(h, pa & ~<u64>(PAGE_SIZE - 1), PAGE_SIZE) || hitWhole;
}
