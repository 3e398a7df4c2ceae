/** Debug console (SBI 2.0 chapter 12) and the legacy console calls (chapter 5). */

import { H_WAIT_ADDR } from "../abi";
import { uartSend, uartTake } from "../devices/uart";
import { guestRange } from "../mmu/access";
import {
  SBI_FAILED, SBI_INVALID_PARAM, SBI_NOT_SUPPORTED, SBI_SUCCESS, SBI_WAITS, setSbiValue,
} from "./result";

/** One call moves at most this much, so that none takes long; it reports how much. */
const MOST: u64 = 4096;

export function sbiConsole(h: usize, fid: u64, a0: u64, a1: u64, a2: u64): i64 {
  if (fid == 2) return sbiPutchar(<u32>a0 & 0xff) == 0 ? SBI_SUCCESS : SBI_FAILED;
  if (fid > 2) return SBI_NOT_SUPPORTED;
  if (a2 != 0) return SBI_INVALID_PARAM;
  const length = a0 < MOST ? <u32>a0 : <u32>MOST;
  setSbiValue(0);
  if (length == 0) return SBI_SUCCESS;
  const at = guestRange(a1, length, fid == 1);
  if (at == 1) {
    store<u64>(h, a1, H_WAIT_ADDR);
    return SBI_WAITS;
  }
  if (!at) return SBI_INVALID_PARAM;
  let i: u32 = 0;
  if (fid == 0) {
    while (i < length && uartSend(load<u8>(at + i))) i++;
  } else {
    for (; i < length; i++) {
      const c = uartTake();
      if (c < 0) break;
      store<u8>(at + i, <u8>c);
    }
  }
  setSbiValue(i);
  return SBI_SUCCESS;
}

export function sbiPutchar(c: u32): i64 {
  return uartSend(c) ? 0 : -1;
}

export function sbiGetchar(): i64 {
  return <i64>uartTake();
}
