/**
 * Core-local interruptor with the SiFive CLINT's layout (RISC-V ACLINT
 * specification 1.0, chapters 2 and 3): MSIP, MTIMECMP and MTIME.
 */

import { DEV_ACLINT, DEV_MACHINE, H_LINES, M_ATTENTION, M_HARTS, MAX_HARTS } from "../abi";
import { hartAt, IP_MSIP } from "../hart/state";
import { NEVER, timeNow, timeSet } from "../hart/time";

// Registers: offsets in the window. MSIP is the line in the hart's H_LINES.
export const ACLINT_MTIMECMP: u32 = 0; // u64 for each hart

// Memory map.
const AT_MTIMECMP: u32 = 0x4000;
const AT_MTIME: u32 = 0xbff8;

function harts(): u32 {
  const n = load<u32>(DEV_MACHINE, M_HARTS);
  return n < <u32>MAX_HARTS ? n : <u32>MAX_HARTS;
}

// @ts-ignore: decorator
@inline function attention(): void { store<u32>(DEV_MACHINE, 1, M_ATTENTION); }

/** mtimecmp has no reset value: the largest keeps the interrupt quiet. */
export function aclintReset(): void {
  for (let i: u32 = 0; i < <u32>MAX_HARTS; i++) {
    store<u64>(DEV_ACLINT + (i << 3), NEVER, ACLINT_MTIMECMP);
    aclintSetMsip(i, false);
  }
}

/** `hart` < MAX_HARTS. */
export function aclintMtimecmp(hart: u32): u64 {
  return load<u64>(DEV_ACLINT + (hart << 3), ACLINT_MTIMECMP);
}

/** Sets the software interrupt of a hart; `hart` < MAX_HARTS. */
export function aclintSetMsip(hart: u32, level: bool): void {
  const h = hartAt(hart);
  const lines = load<u64>(h, H_LINES);
  store<u64>(h, level ? lines | IP_MSIP : lines & ~IP_MSIP, H_LINES);
  attention();
}

/** The part of a 64-bit register that an access of 4 or 8 bytes sees. */
function part(v: u64, offset: u32, size: i32): u64 {
  if (size == 8) return v;
  return offset & 4 ? v >> 32 : v & 0xffff_ffff;
}

/** A 64-bit register after a write of 4 or 8 bytes. */
function merge(old: u64, offset: u32, size: i32, v: u64): u64 {
  if (size == 8) return v;
  return offset & 4 ? (old & 0xffff_ffff) | (v << 32) : (old & ~(<u64>0xffff_ffff)) | (v & 0xffff_ffff);
}

/** Only aligned accesses of 4 and 8 bytes answer. */
export function aclintRead(offset: u32, size: i32): u64 {
  if (size < 4 || offset & (size - 1)) return 0;
  if (offset < AT_MTIMECMP) {
    const hart = offset >> 2;
    if (hart >= harts()) return 0;
    const low: u64 = load<u64>(hartAt(hart), H_LINES) & IP_MSIP ? 1 : 0;
    if (size == 4 || hart + 1 >= harts()) return low;
    return low | (load<u64>(hartAt(hart + 1), H_LINES) & IP_MSIP ? <u64>1 << 32 : 0);
  }
  if (offset >= AT_MTIME) return offset < AT_MTIME + 8 ? part(timeNow(), offset, size) : 0;
  const hart = (offset - AT_MTIMECMP) >> 3;
  return hart < harts() ? part(aclintMtimecmp(hart), offset, size) : 0;
}

export function aclintWrite(offset: u32, size: i32, value: u64): void {
  if (size < 4 || offset & (size - 1)) return;
  if (offset < AT_MTIMECMP) {
    const hart = offset >> 2;
    if (hart < harts()) aclintSetMsip(hart, (value & 1) != 0);
    if (size == 8 && hart + 1 < harts()) aclintSetMsip(hart + 1, ((value >> 32) & 1) != 0);
    return;
  }
  if (offset >= AT_MTIME) {
    if (offset < AT_MTIME + 8) {
      timeSet(size == 8 ? value : merge(timeNow(), offset, size, value));
      attention();
    }
    return;
  }
  const hart = (offset - AT_MTIMECMP) >> 3;
  if (hart >= harts()) return;
  store<u64>(DEV_ACLINT + (hart << 3), merge(aclintMtimecmp(hart), offset, size, value), ACLINT_MTIMECMP);
  attention();
}
