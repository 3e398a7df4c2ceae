/**
 * HTIF, as Spike's tests use it: a store to `tohost` of (code << 1 | 1) ends the
 * machine with that code; device 1 command 1 prints a character.
 */

import { DEV_MACHINE, EXIT_CODE, M_ATTENTION, M_EXIT, M_EXIT_CODE, M_FROMHOST, M_RAM_BASE, M_TOHOST, RAM } from "../abi";
import { uartSend } from "./uart";

/** A store of `size` bytes at `pa` has been made in a watched page. */
export function htifStored(pa: u64, size: u32): void {
  const tohost = load<u64>(DEV_MACHINE, M_TOHOST);
  if (!tohost || pa + size <= tohost || pa >= tohost + 8) return;
  const base = load<u64>(DEV_MACHINE, M_RAM_BASE);
  const at = RAM + <u32>(tohost - base);
  const v = load<u64>(at);
  if (v == 0) return;
  if (v >> 48 == 0x0101) {
    uartSend(<u32>v & 0xff);
    store<u64>(at, 0);
    const fromhost = load<u64>(DEV_MACHINE, M_FROMHOST);
    if (fromhost) store<u64>(RAM + <u32>(fromhost - base), <u64>0x0101 << 48);
  } else if (v & 1 && v >> 48 == 0) {
    store<u32>(DEV_MACHINE, EXIT_CODE, M_EXIT);
    store<u32>(DEV_MACHINE, <u32>(v >> 1), M_EXIT_CODE);
    store<u32>(DEV_MACHINE, 1, M_ATTENTION);
  }
}
