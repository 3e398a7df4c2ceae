/** What F and D share: is FP on, which rounding, where flags go (Unprivileged chapter 20). */

import { H_FCSR, H_MSTATUS } from "../abi";
import { fflags, takeFlags } from "../fp/state";
import { MS_FS } from "../hart/state";

/** NaN-boxing: a float in a 64-bit register has ones above it. */
const BOX: u64 = 0xffff_ffff_0000_0000;
const NAN32: u32 = 0x7fc0_0000;

/** "No valid rounding mode." */
export const RM_BAD: u32 = 8;

// @ts-ignore: decorator
@inline export function fpOn(h: usize): bool { return (load<u32>(h, H_MSTATUS) & <u32>MS_FS) != 0; }

// @ts-ignore: decorator
@inline export function fpDirty(h: usize): void { store<u32>(h, load<u32>(h, H_MSTATUS) | <u32>MS_FS, H_MSTATUS); }

/** The static rounding mode, or frm for 7; RM_BAD for the reserved ones. */
// @ts-ignore: decorator
@inline export function rounding(h: usize, u: usize): u32 {
  let rm = <u32>load<u8>(u, 6);
  if (rm == 7) rm = load<u32>(h, H_FCSR) >> 5;
  return rm > 4 ? RM_BAD : rm;
}

/** Gathers what the arithmetic raised. */
// @ts-ignore: decorator
@inline export function settle(h: usize): void {
  if (fflags) store<u32>(h, load<u32>(h, H_FCSR) | takeFlags(), H_FCSR);
}

/** A float out of a register: anything not boxed reads as the canonical NaN. */
// @ts-ignore: decorator
@inline export function unbox(v: u64): u32 { return (v & BOX) == BOX ? <u32>v : NAN32; }
// @ts-ignore: decorator
@inline export function box(v: u32): u64 { return BOX | <u64>v; }
