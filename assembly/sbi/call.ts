/**
 * The built-in SBI: what firmware in M-mode would answer to `ecall` from S
 * (RISC-V SBI 2.0, chapter 3). a7 names the extension, a6 the function; a0
 * returns an error and a1 a value; every other register keeps its value.
 */

import { ST_OK, ST_WAIT } from "../abi";
import { getPc, setPc, setX, x } from "../hart/state";
import { sbiBase } from "./base";
import { sbiConsole, sbiGetchar, sbiPutchar } from "./console";
import {
  EID_BASE, EID_DBCN, EID_GETCHAR, EID_HSM, EID_IPI, EID_PUTCHAR, EID_RFENCE, EID_SET_TIMER, EID_SHUTDOWN, EID_SRST,
  EID_TIME,
} from "./extensions";
import { sbiHart } from "./hsm";
import { sbiIpi, sbiSetTimer } from "./ipi";
import { sbiReset } from "./reset";
import { SBI_GONE, SBI_NOT_SUPPORTED, SBI_WAITS, sbiValue, setSbiValue } from "./result";
import { sbiFence } from "./rfence";

/** Answers the ecall at the present pc. @returns ST_OK, or ST_WAIT with nothing changed */
export function sbiCall(h: usize): i32 {
  const eid = <u64>x(h, 17);
  const fid = <u64>x(h, 16);
  const a0 = <u64>x(h, 10);
  const a1 = <u64>x(h, 11);
  const a2 = <u64>x(h, 12);
  const a3 = <u64>x(h, 13);
  setSbiValue(0);
  if (eid <= 8) return legacy(h, eid, a0);
  const pc = getPc(h);
  let error = SBI_NOT_SUPPORTED;
  if (eid == EID_BASE) error = sbiBase(fid, a0);
  else if (eid == EID_TIME) error = fid == 0 ? sbiSetTimer(h, a0) : SBI_NOT_SUPPORTED;
  else if (eid == EID_IPI) error = fid == 0 ? sbiIpi(a0, a1) : SBI_NOT_SUPPORTED;
  else if (eid == EID_RFENCE) error = sbiFence(fid, a0, a1, a2, a3, <u64>x(h, 14));
  else if (eid == EID_HSM) error = sbiHart(h, fid, a0, a1, a2);
  else if (eid == EID_SRST) error = sbiReset(fid, a0, a1);
  else if (eid == EID_DBCN) error = sbiConsole(h, fid, a0, a1, a2);
  if (error == SBI_WAITS) return ST_WAIT;
  if (error == SBI_GONE) return ST_OK;
  setX(h, 10, error);
  setX(h, 11, sbiValue);
  setPc(h, pc + 4);
  return ST_OK;
}

/** Chapter 5: one register of result, no function numbers. */
function legacy(h: usize, eid: u64, a0: u64): i32 {
  let result = SBI_NOT_SUPPORTED;
  if (eid == EID_SET_TIMER) result = sbiSetTimer(h, a0);
  else if (eid == EID_PUTCHAR) result = sbiPutchar(<u32>a0 & 0xff);
  else if (eid == EID_GETCHAR) result = sbiGetchar();
  else if (eid == EID_SHUTDOWN) {
    sbiReset(0, 0, 0);
    return ST_OK;
  }
  setX(h, 10, result);
  setPc(h, getPc(h) + 4);
  return ST_OK;
}
