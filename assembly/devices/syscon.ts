/** SiFive's test finisher, which board `virt` uses for power-off and reboot. */

import { DEV_MACHINE, EXIT_CODE, EXIT_NONE, EXIT_POWEROFF, EXIT_REBOOT, M_ATTENTION, M_EXIT, M_EXIT_CODE } from "../abi";

const FINISH_FAIL: u32 = 0x3333;
const FINISH_PASS: u32 = 0x5555;
const FINISH_RESET: u32 = 0x7777;

/** The device's only state is the machine's exit. */
export function sysconReset(): void {
  store<u32>(DEV_MACHINE, EXIT_NONE, M_EXIT);
  store<u32>(DEV_MACHINE, 0, M_EXIT_CODE);
}

export function sysconRead(offset: u32, size: i32): u64 { return 0; }

/** A verdict in the low half of the word at 0, for a failure its code in the high half. */
export function sysconWrite(offset: u32, size: i32, value: u64): void {
  if (offset != 0 || size < 2) return;
  const code = <u32>(value >> 16) & 0xffff;
  switch (<u32>value & 0xffff) {
    case FINISH_PASS: finish(EXIT_POWEROFF, 0); break;
    // A failure with code 0 must not look like success.
    case FINISH_FAIL: finish(EXIT_CODE, size >= 4 && code ? code : 1); break;
    case FINISH_RESET: finish(EXIT_REBOOT, 0); break;
  }
}

function finish(exit: u32, code: u32): void {
  store<u32>(DEV_MACHINE, exit, M_EXIT);
  store<u32>(DEV_MACHINE, code, M_EXIT_CODE);
  store<u32>(DEV_MACHINE, 1, M_ATTENTION);
}
