/**
 * Control and status registers: which exist, who may touch them, and what of a
 * write takes hold (WARL). Section numbers are the Privileged manual's.
 *
 * Writes never act by themselves on TLBs or interrupts: they return EFFECT_*
 * bits, and exec/zicsr sees to them.
 */

import {
  H_CYCLE_BIAS, H_FCSR, H_ID, H_INSTRET_BIAS, H_MCAUSE, H_MCOUNTEREN, H_MCOUNTINHIBIT, H_MEDELEG, H_MENVCFG, H_MEPC,
  H_MIDELEG, H_MIE, H_MIP, H_MSCRATCH, H_MSTATUS, H_MTVAL, H_MTVEC, H_PMPADDR, H_PMPCFG, H_SATP, H_SCAUSE, H_SCOUNTEREN,
  H_SENVCFG, H_SEPC, H_SSCRATCH, H_STIMECMP, H_STVAL, H_STVEC, PMP_ENTRIES,
} from "../abi";
import { mipNow } from "./interrupt";
import {
  fcsr, instretNow, IP_MEIP, IP_MSIP, IP_MTIP, IP_SEIP, IP_SSIP, IP_STIP, MS_FS, MS_MIE, MS_MPIE, MS_MPP, MS_MPRV,
  MS_MXR, MS_SD, MS_SIE, MS_SPIE, MS_SPP, MS_SUM, MS_TSR, MS_TVM, MS_TW, MS_XL, mstatus, prv, PRV_M, PRV_S, PRV_U,
} from "./state";
import { ENV_STCE, timeNow } from "./time";

/** What a write asks of its caller. */
export const EFFECT_NONE: u32 = 0;
export const EFFECT_INTERRUPTS: u32 = 1; // pending or enabled interrupts may have changed
export const EFFECT_SELECT: u32 = 2; //     the current TLB bank may be another one
export const EFFECT_FLUSH: u32 = 4; //      entries of the TLB may be wrong now
export const EFFECT_PMP: u32 = 8; //        PMP changed
export const EFFECT_ILLEGAL: u32 = 16; //   no such register, or not allowed

const MSTATUS_WRITABLE: u64 = MS_SIE | MS_MIE | MS_SPIE | MS_MPIE | MS_SPP | MS_MPP | MS_FS | MS_MPRV | MS_SUM | MS_MXR |
  MS_TVM | MS_TW | MS_TSR;
const SSTATUS_WRITABLE: u64 = MS_SIE | MS_SPIE | MS_SPP | MS_FS | MS_SUM | MS_MXR;
const SSTATUS_VISIBLE: u64 = SSTATUS_WRITABLE | (<u64>2 << 32);
/** All exceptions but ecall from M (3.1.8: read-only zero) and the reserved ones. */
export const MEDELEG_WRITABLE: u64 = 0xb3ff;
export const S_INTERRUPTS: u64 = IP_SSIP | IP_STIP | IP_SEIP;
const INTERRUPTS: u64 = S_INTERRUPTS | IP_MSIP | IP_MTIP | IP_MEIP;
/** misa: RV64 with A C D F I M S U. */
const MISA: u64 = (<u64>2 << 62) | (1 << 0) | (1 << 2) | (1 << 3) | (1 << 5) | (1 << 8) | (1 << 12) | (1 << 18) | (1 << 20);
// menvcfg: CBIE, CBCFE, CBZE (Zicbom, Zicboz), PBMTE (Svpbmt), STCE (Sstc).
export const ENV_CBIE: u64 = 3 << 4;
export const ENV_CBCFE: u64 = 1 << 6;
export const ENV_CBZE: u64 = 1 << 7;
const ENV_FIOM: u64 = 1;
export const ENV_PBMTE_BIT: u64 = <u64>1 << 62;
const MENVCFG_WRITABLE: u64 = ENV_FIOM | ENV_CBIE | ENV_CBCFE | ENV_CBZE | ENV_PBMTE_BIT | ENV_STCE;
const SENVCFG_WRITABLE: u64 = ENV_FIOM | ENV_CBIE | ENV_CBCFE | ENV_CBZE;
const PPN_MASK: u64 = (<u64>1 << 44) - 1;
/** PMP addresses are bits 55..2 of a 56-bit physical address. */
const PMPADDR_MASK: u64 = (<u64>1 << 54) - 1;
/** mcounteren: CY, TM, IR and the hpm counters (which read zero). */
const COUNTEREN_WRITABLE: u64 = 0xffff_ffff;

/** Where `csrRead` leaves its answer. */
export let csrValue: u64 = 0;

/** 2.1: bits 9..8 are the lowest privilege, bits 11..10 = 3 mean read-only. */
function allowed(h: usize, csr: u32, write: bool): bool {
  if (write && csr >> 10 == 3) return false;
  return prv(h) >= ((csr >> 8) & 3);
}

/** 3.1.11, 12.1.5: may this privilege read counter `bit`? */
function counterAllowed(h: usize, bit: u32): bool {
  const p = prv(h);
  if (p < PRV_M && !(load<u64>(h, H_MCOUNTEREN) >> bit & 1)) return false;
  return p > PRV_U || (load<u64>(h, H_SCOUNTEREN) >> bit & 1) != 0;
}

/** Sstc 2.1: stimecmp from S needs menvcfg.STCE and mcounteren.TM. */
function stimecmpAllowed(h: usize): bool {
  if (prv(h) == PRV_M) return true;
  return (load<u64>(h, H_MENVCFG) & ENV_STCE) != 0 && (load<u64>(h, H_MCOUNTEREN) & 2) != 0;
}

function fpOff(h: usize): bool {
  return !(mstatus(h) & MS_FS);
}

/** Fields XLEN and SD are derived; see 3.1.6. */
function withSd(v: u64): u64 {
  return (v & MS_FS) == MS_FS ? v | MS_SD : v;
}

/** Reads a register into `csrValue`. @returns false: illegal instruction */
export function csrRead(h: usize, csr: u32, write: bool): bool {
  if (!allowed(h, csr, write)) return false;
  let v: u64 = 0;
  switch (csr) {
    case 0x001: if (fpOff(h)) return false; v = fcsr(h) & 31; break;
    case 0x002: if (fpOff(h)) return false; v = fcsr(h) >> 5; break;
    case 0x003: if (fpOff(h)) return false; v = fcsr(h); break;

    case 0x100: v = withSd(mstatus(h) & SSTATUS_VISIBLE | (<u64>2 << 32)); break;
    case 0x104: v = load<u64>(h, H_MIE) & load<u64>(h, H_MIDELEG); break;
    case 0x105: v = load<u64>(h, H_STVEC); break;
    case 0x106: v = load<u64>(h, H_SCOUNTEREN); break;
    case 0x10a: v = load<u64>(h, H_SENVCFG); break;
    case 0x140: v = load<u64>(h, H_SSCRATCH); break;
    case 0x141: v = load<u64>(h, H_SEPC); break;
    case 0x142: v = load<u64>(h, H_SCAUSE); break;
    case 0x143: v = load<u64>(h, H_STVAL); break;
    case 0x144: v = mipNow(h) & load<u64>(h, H_MIDELEG); break;
    case 0x14d: if (!stimecmpAllowed(h)) return false; v = load<u64>(h, H_STIMECMP); break;
    case 0x180: if (prv(h) == PRV_S && mstatus(h) & MS_TVM) return false; v = load<u64>(h, H_SATP); break;

    case 0x300: v = withSd(mstatus(h) | MS_XL); break;
    case 0x301: v = MISA; break;
    case 0x302: v = load<u64>(h, H_MEDELEG); break;
    case 0x303: v = load<u64>(h, H_MIDELEG); break;
    case 0x304: v = load<u64>(h, H_MIE); break;
    case 0x305: v = load<u64>(h, H_MTVEC); break;
    case 0x306: v = load<u64>(h, H_MCOUNTEREN); break;
    case 0x30a: v = load<u64>(h, H_MENVCFG); break;
    case 0x320: v = load<u64>(h, H_MCOUNTINHIBIT); break;
    case 0x340: v = load<u64>(h, H_MSCRATCH); break;
    case 0x341: v = load<u64>(h, H_MEPC); break;
    case 0x342: v = load<u64>(h, H_MCAUSE); break;
    case 0x343: v = load<u64>(h, H_MTVAL); break;
    case 0x344: v = mipNow(h); break;

    case 0xb00: v = counterNow(h, H_CYCLE_BIAS, 1); break;
    case 0xb02: v = counterNow(h, H_INSTRET_BIAS, 4); break;
    case 0xc00: if (!counterAllowed(h, 0)) return false; v = counterNow(h, H_CYCLE_BIAS, 1); break;
    case 0xc01: if (!counterAllowed(h, 1)) return false; v = timeNow(); break;
    case 0xc02: if (!counterAllowed(h, 2)) return false; v = counterNow(h, H_INSTRET_BIAS, 4); break;

    case 0xf11: case 0xf12: case 0xf13: case 0xf15: break; // vendor, arch, implementation, config: 0
    case 0xf14: v = load<u32>(h, H_ID); break;
    default:
      if (csr >= 0x3a0 && csr <= 0x3af) {
        if (csr & 1) return false; // odd pmpcfg exist on RV32 only
        if (csr <= 0x3a2) v = load<u64>(h + ((csr - 0x3a0) << 2), H_PMPCFG);
      } else if (csr >= 0x3b0 && csr <= 0x3ef) {
        if (csr - 0x3b0 < PMP_ENTRIES) v = load<u64>(h + ((csr - 0x3b0) << 3), H_PMPADDR);
      } else if (csr >= 0xc03 && csr <= 0xc1f) {
        if (!counterAllowed(h, csr & 31)) return false; // Zihpm: hardwired to zero
      } else if (!((csr >= 0xb03 && csr <= 0xb1f) || (csr >= 0x323 && csr <= 0x33f))) {
        return false;
      }
  }
  csrValue = v;
  return true;
}

/** mcycle and minstret count retired instructions; `inhibit` is their mcountinhibit bit. */
function counterNow(h: usize, bias: u32, inhibit: u64): u64 {
  const b = load<u64>(h + bias);
  return load<u64>(h, H_MCOUNTINHIBIT) & inhibit ? b : instretNow(h) + b;
}

function setCounter(h: usize, bias: u32, inhibit: u64, v: u64): void {
  // The write happens instead of this instruction's own increment (3.1.10).
  store<u64>(h + bias, load<u64>(h, H_MCOUNTINHIBIT) & inhibit ? v : v - instretNow(h) - 1);
}

function setInhibit(h: usize, v: u64): void {
  const now = v & 5;
  const was = load<u64>(h, H_MCOUNTINHIBIT);
  const cycle = counterNow(h, H_CYCLE_BIAS, 1);
  const instret = counterNow(h, H_INSTRET_BIAS, 4);
  store<u64>(h, now, H_MCOUNTINHIBIT);
  if ((was ^ now) & 1) store<u64>(h, now & 1 ? cycle : cycle - instretNow(h), H_CYCLE_BIAS);
  if ((was ^ now) & 4) store<u64>(h, now & 4 ? instret : instret - instretNow(h), H_INSTRET_BIAS);
}

function setStatus(h: usize, v: u64, mask: u64): u32 {
  const was = mstatus(h);
  if (mask & MS_MPP && (v & MS_MPP) == (<u64>2 << 11)) v = (v & ~MS_MPP) | (was & MS_MPP); // no such mode
  const now = (was & ~mask) | (v & mask);
  store<u64>(h, now, H_MSTATUS);
  const changed = was ^ now;
  let effect = EFFECT_NONE;
  if (now & ~was & (MS_SIE | MS_MIE)) effect |= EFFECT_INTERRUPTS;
  if (changed & (MS_SUM | MS_MPRV | MS_MPP)) effect |= EFFECT_SELECT;
  if (changed & MS_MXR) effect |= EFFECT_FLUSH;
  return effect;
}

function setBits(h: usize, field: u32, v: u64, mask: u64): void {
  store<u64>(h + field, (load<u64>(h + field) & ~mask) | (v & mask));
}

/** CBIE = 2 is reserved (CMO 2.5.1): a write of it keeps the field. */
function setEnv(h: usize, field: u32, v: u64, mask: u64): void {
  if ((v & ENV_CBIE) == 2 << 4) mask &= ~ENV_CBIE;
  setBits(h, field, v, mask);
}

/** tvec modes: direct and vectored (3.1.7); a write of another one keeps the mode. */
function setTvec(h: usize, field: u32, v: u64): void {
  const mode = v & 2 ? load<u64>(h + field) & 3 : v & 3;
  store<u64>(h + field, (v & ~3) | mode);
}

function dirtyFp(h: usize): void {
  store<u64>(h, mstatus(h) | MS_FS, H_MSTATUS);
}

/** Writes a register; the value is already merged for set and clear forms. */
export function csrWrite(h: usize, csr: u32, v: u64): u32 {
  switch (csr) {
    case 0x001: dirtyFp(h); store<u32>(h, (fcsr(h) & ~31) | (<u32>v & 31), H_FCSR); return EFFECT_NONE;
    case 0x002: dirtyFp(h); store<u32>(h, (fcsr(h) & 31) | ((<u32>v & 7) << 5), H_FCSR); return EFFECT_NONE;
    case 0x003: dirtyFp(h); store<u32>(h, <u32>v & 0xff, H_FCSR); return EFFECT_NONE;

    case 0x100: return setStatus(h, v, SSTATUS_WRITABLE);
    case 0x104: setBits(h, H_MIE, v, load<u64>(h, H_MIDELEG)); return EFFECT_INTERRUPTS;
    case 0x105: setTvec(h, H_STVEC, v); return EFFECT_NONE;
    case 0x106: store<u64>(h, v & COUNTEREN_WRITABLE, H_SCOUNTEREN); return EFFECT_NONE;
    case 0x10a: setEnv(h, H_SENVCFG, v, SENVCFG_WRITABLE); return EFFECT_NONE;
    case 0x140: store<u64>(h, v, H_SSCRATCH); return EFFECT_NONE;
    case 0x141: store<u64>(h, v & ~1, H_SEPC); return EFFECT_NONE;
    case 0x142: store<u64>(h, v, H_SCAUSE); return EFFECT_NONE;
    case 0x143: store<u64>(h, v, H_STVAL); return EFFECT_NONE;
    case 0x144: setBits(h, H_MIP, v, IP_SSIP & load<u64>(h, H_MIDELEG)); return EFFECT_INTERRUPTS;
    case 0x14d: store<u64>(h, v, H_STIMECMP); return EFFECT_INTERRUPTS;
    case 0x180: return setSatp(h, v);

    case 0x300: return setStatus(h, v, MSTATUS_WRITABLE);
    case 0x301: return EFFECT_NONE; // misa is fixed
    case 0x302: store<u64>(h, v & MEDELEG_WRITABLE, H_MEDELEG); return EFFECT_NONE;
    case 0x303: store<u64>(h, v & S_INTERRUPTS, H_MIDELEG); return EFFECT_INTERRUPTS;
    case 0x304: store<u64>(h, v & INTERRUPTS, H_MIE); return EFFECT_INTERRUPTS;
    case 0x305: setTvec(h, H_MTVEC, v); return EFFECT_NONE;
    case 0x306: store<u64>(h, v & COUNTEREN_WRITABLE, H_MCOUNTEREN); return EFFECT_NONE;
    case 0x30a: setEnv(h, H_MENVCFG, v, MENVCFG_WRITABLE); return EFFECT_INTERRUPTS | EFFECT_FLUSH;
    case 0x320: setInhibit(h, v); return EFFECT_NONE;
    case 0x340: store<u64>(h, v, H_MSCRATCH); return EFFECT_NONE;
    case 0x341: store<u64>(h, v & ~1, H_MEPC); return EFFECT_NONE;
    case 0x342: store<u64>(h, v, H_MCAUSE); return EFFECT_NONE;
    case 0x343: store<u64>(h, v, H_MTVAL); return EFFECT_NONE;
    case 0x344: setBits(h, H_MIP, v, S_INTERRUPTS & ~(load<u64>(h, H_MENVCFG) & ENV_STCE ? IP_STIP : 0)); return EFFECT_INTERRUPTS;

    case 0xb00: setCounter(h, H_CYCLE_BIAS, 1, v); return EFFECT_NONE;
    case 0xb02: setCounter(h, H_INSTRET_BIAS, 4, v); return EFFECT_NONE;
    default:
      if (csr >= 0x3a0 && csr <= 0x3a2) return setPmpConfig(h, (csr - 0x3a0) << 2, v);
      if (csr >= 0x3b0 && csr < 0x3b0 + PMP_ENTRIES) return setPmpAddress(h, csr - 0x3b0, v);
      return EFFECT_NONE; // hardwired to zero
  }
}

/** The value that csrrs and csrrc merge with: of SEIP, only software's bit (3.1.9). */
export function csrMergeBase(h: usize, csr: u32, read: u64): u64 {
  return csr == 0x344 ? (read & ~IP_SEIP) | (load<u64>(h, H_MIP) & IP_SEIP) : read;
}

/** 12.1.11: a write with an unsupported mode has no effect at all. */
function setSatp(h: usize, v: u64): u32 {
  const mode = <u32>(v >> 60);
  if (mode != 0 && (mode < 8 || mode > 10)) return EFFECT_NONE;
  store<u64>(h, mode == 0 ? 0 : v & ((<u64>15 << 60) | (<u64>0xffff << 44) | PPN_MASK), H_SATP);
  return EFFECT_SELECT;
}

/** 3.7.1: locked entries keep; R=0 W=1 is reserved and keeps as well. */
function setPmpConfig(h: usize, first: u32, v: u64): u32 {
  for (let i: u32 = 0; i < 8; i++) {
    const at = h + H_PMPCFG + first + i;
    const c = <u8>(v >> (i << 3)) & 0x9f;
    if (load<u8>(at) & 0x80 || (c & 3) == 2) continue;
    store<u8>(at, c);
  }
  return EFFECT_PMP | EFFECT_FLUSH;
}

function setPmpAddress(h: usize, i: u32, v: u64): u32 {
  const config = load<u8>(h + H_PMPCFG + i);
  if (config & 0x80) return EFFECT_NONE;
  // A locked TOR entry above also locks this one: it is that entry's base.
  if (i + 1 < PMP_ENTRIES) {
    const next = load<u8>(h + H_PMPCFG + i + 1);
    if (next & 0x80 && ((next >> 3) & 3) == 1) return EFFECT_NONE;
  }
  store<u64>(h + (i << 3), v & PMPADDR_MASK, H_PMPADDR);
  return EFFECT_PMP | EFFECT_FLUSH;
}
