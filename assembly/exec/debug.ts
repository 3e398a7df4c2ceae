/** What debuggers do to a machine between two runs: breakpoints, watchpoints, CSRs, memory by virtual address. */

import {
  D_BREAK_AT, D_BREAKS, D_PENDING, D_QUIET, D_VALUE, D_WATCH, D_WATCH_AT, D_WATCHES, DEBUG, DEV_MACHINE, H_FCSR,
  H_INSTRET, H_INSTRET_END, H_LEFT, H_PRV, H_SATP, M_CURRENT, M_HARTS, M_JIT_REGIONS, M_UOP_NEXT, MAX_BREAKPOINTS, MAX_WATCHPOINTS,
  PAGE_SIZE, UOP_HEADER, UOP_POOL, UOP_STRIDE, WATCH_READ, WATCH_WRITE,
} from "../abi";
import { pagePtr } from "../bus/ram";
import { breakpointAt, markSeen } from "../debug/points";
import {
  csrRead, csrValue, csrWrite, EFFECT_FLUSH, EFFECT_ILLEGAL, EFFECT_PMP, EFFECT_SELECT,
} from "../hart/csr";
import { fcsr, hartAt, prv, PRV_M } from "../hart/state";
import { evict } from "../jit/cache";
import { forgetSlots } from "../mmu/code";
import { pmpChanged } from "../mmu/pmp";
import { tlbFlush, tlbFlushAll, tlbSelect } from "../mmu/tlb";

// ---- Breakpoints and watchpoints -----------------------------------------------------

/** @returns false: there are MAX_BREAKPOINTS already */
export function debugBreak(va: u64): bool {
  if (breakpointAt(va) >= 0) return true;
  const count = load<u32>(DEBUG, D_BREAKS);
  if (count >= MAX_BREAKPOINTS) return false;
  // Compiled code would go past it.
  if (load<u32>(DEV_MACHINE, M_JIT_REGIONS)) evict(hartAt(0));
  store<u64>(DEBUG + count * 8, va, D_BREAK_AT);
  store<u32>(DEBUG, count + 1, D_BREAKS);
  decodeAgain(va);
  return true;
}

/** @returns false: there is none */
export function debugUnbreak(va: u64): bool {
  const i = breakpointAt(va);
  if (i < 0) return false;
  const last = load<u32>(DEBUG, D_BREAKS) - 1;
  store<u64>(DEBUG + <u32>i * 8, load<u64>(DEBUG + last * 8, D_BREAK_AT), D_BREAK_AT);
  store<u32>(DEBUG, last, D_BREAKS);
  decodeAgain(va);
  return true;
}

/** Empties the slot at an address's offset in every page of micro-ops. */
function decodeAgain(va: u64): void {
  const slot = (<u32>va & (PAGE_SIZE - 1)) >> 1;
  const pages = load<u32>(DEV_MACHINE, M_UOP_NEXT);
  for (let i: u32 = 0; i < pages; i++) forgetSlots(UOP_POOL + i * UOP_STRIDE + UOP_HEADER, slot, slot);
}

/** Watches [va, va + size) for accesses of `kind` (WATCH_*). @returns false: no range, or too many */
export function debugWatch(va: u64, size: u64, kind: u32): bool {
  const count = load<u32>(DEBUG, D_WATCHES);
  if (count >= MAX_WATCHPOINTS || size == 0 || va + (size - 1) < va || !isKind(kind)) return false;
  const at = DEBUG + count * D_WATCH;
  store<u64>(at, va, D_WATCH_AT);
  store<u64>(at, va + (size - 1), D_WATCH_AT + 8);
  store<u32>(at, kind, D_WATCH_AT + 16);
  store<u32>(DEBUG, count + 1, D_WATCHES);
  tlbFlushAll();
  return true;
}

function isKind(kind: u32): bool { return kind != 0 && (kind & ~(WATCH_READ | WATCH_WRITE)) == 0; }

/** @returns false: there is none of this range and kind */
export function debugUnwatch(va: u64, size: u64, kind: u32): bool {
  const count = load<u32>(DEBUG, D_WATCHES);
  for (let i: u32 = 0; i < count; i++) {
    const at = DEBUG + i * D_WATCH + D_WATCH_AT;
    if (load<u64>(at) != va || load<u64>(at, 8) != va + (size - 1) || load<u32>(at, 16) != kind) continue;
    memory.copy(at, DEBUG + D_WATCH_AT + (count - 1) * D_WATCH, D_WATCH);
    store<u32>(DEBUG, count - 1, D_WATCHES);
    return true;
  }
  return false;
}

/** Removes every breakpoint and watchpoint, and lets interrupts in. */
export function debugClear(): void {
  while (load<u32>(DEBUG, D_BREAKS)) debugUnbreak(load<u64>(DEBUG, D_BREAK_AT));
  store<u32>(DEBUG, 0, D_WATCHES);
  store<u32>(DEBUG, 0, D_PENDING);
  store<u32>(DEBUG, 0, D_QUIET);
}

/** This hart goes on from where it stands, breakpoint or not. */
export function debugPass(hart: u32): void {
  if (hart < load<u32>(DEV_MACHINE, M_HARTS)) markSeen(hartAt(hart), hart);
}

/** Whether interrupts are to wait, as they should while one instruction is stepped. */
export function debugQuiet(on: bool): void { store<u32>(DEBUG, on ? 1 : 0, D_QUIET); }

// ---- CSRs ------------------------------------------------------------------------------

// fflags, frm and fcsr can be seen with the FPU off as well.
const CSR_FFLAGS: u32 = 1;
const CSR_FRM: u32 = 2;
const CSR_FCSR: u32 = 3;

/** Makes `hart` the one whose clock registers read, in M-mode. `left`: as of H_LEFT. */
function lend(hart: u32, left: u64): usize {
  const h = hartAt(hart);
  store<u32>(DEV_MACHINE, hart, M_CURRENT);
  store<u64>(h, load<u64>(h, H_INSTRET), H_INSTRET_END);
  store<u64>(h, left, H_LEFT);
  store<u32>(h, PRV_M, H_PRV);
  return h;
}

/** Reads a CSR as M-mode would, into D_VALUE. @returns false: no such register */
export function csrPeek(hart: u32, csr: u32): bool {
  if (hart >= load<u32>(DEV_MACHINE, M_HARTS) || csr > 0xfff) return false;
  const f = fcsr(hartAt(hart));
  if (csr >= CSR_FFLAGS && csr <= CSR_FCSR) {
    store<u64>(DEBUG, csr == CSR_FFLAGS ? f & 31 : csr == CSR_FRM ? f >> 5 : f, D_VALUE);
    return true;
  }
  const privilege = prv(hartAt(hart));
  const h = lend(hart, 0);
  const exists = csrRead(h, csr, false);
  store<u32>(h, privilege, H_PRV);
  if (exists) store<u64>(DEBUG, csrValue, D_VALUE);
  return exists;
}

/** Writes a CSR as M-mode would; what it can't hold isn't kept. @returns false: none, or read-only */
export function csrPoke(hart: u32, csr: u32, value: u64): bool {
  if (hart >= load<u32>(DEV_MACHINE, M_HARTS) || csr > 0xfff) return false;
  const f = fcsr(hartAt(hart));
  const v = <u32>value;
  if (csr >= CSR_FFLAGS && csr <= CSR_FCSR) {
    const next = csr == CSR_FFLAGS ? (f & ~31) | (v & 31) : csr == CSR_FRM ? (f & 31) | ((v & 7) << 5) : v & 0xff;
    store<u32>(hartAt(hart), next, H_FCSR);
    return true;
  }
  const privilege = prv(hartAt(hart));
  // mcycle and minstret: a write takes the place of its own instruction's increment, and here is none.
  const h = lend(hart, csr == 0xb00 || csr == 0xb02 ? 1 : 0);
  const effect = csrRead(h, csr, true) ? csrWrite(h, csr, value) : EFFECT_ILLEGAL;
  store<u32>(h, privilege, H_PRV);
  if (effect & EFFECT_ILLEGAL) return false;
  if (effect & EFFECT_PMP) pmpChanged(h);
  if (effect & EFFECT_FLUSH) tlbFlush(h);
  if (effect & EFFECT_SELECT) tlbSelect(h);
  return true;
}

// ---- Memory ----------------------------------------------------------------------------

const PTE_V: u64 = 1;
const PTE_LEAF: u64 = 0xa; // R or X
const PTE_N: u64 = <u64>1 << 63;

/**
 * The physical address of `va` as a hart's page tables have it, whatever they
 * permit; -1 when nothing is mapped. M-mode's addresses are physical, but those
 * that aren't RAM or ROM are looked up as well, so that firmware and kernel can
 * be read at once. (Privileged 12.3.2)
 */
export function debugTranslateData(hart: u32, va: u64): i64 {
  if (hart >= load<u32>(DEV_MACHINE, M_HARTS)) return -1;
  const h = hartAt(hart);
  const satp = load<u64>(h, H_SATP);
  const mode = <u32>(satp >> 60);
  if (mode == 0 || (prv(h) == PRV_M && pagePtr(va))) return <i64>va;
  let level: i32 = <i32>mode - 6;
  const unused: u64 = 64 - (21 + 9 * <u64>level);
  if (<u64>((<i64>(va << unused)) >> unused) != va) return -1;
  let table = (satp & ((<u64>1 << 44) - 1)) << 12;
  for (; level >= 0; level--) {
    const shift: u64 = 12 + 9 * <u64>level;
    const p = pagePtr(table + (((va >> shift) & 511) << 3));
    if (!p) return -1;
    const pte = load<u64>(p);
    if (!(pte & PTE_V)) return -1;
    const ppn = (pte >> 10) & ((<u64>1 << 44) - 1);
    if (pte & PTE_LEAF) {
      const inside = (<u64>1 << (pte & PTE_N ? 16 : shift)) - 1;
      return <i64>(((ppn << 12) & ~inside) | (va & inside));
    }
    table = ppn << 12;
  }
  return -1;
}
