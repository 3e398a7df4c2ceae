/** System reset (SBI 2.0 chapter 10). */

import { DEV_MACHINE, EXIT_POWEROFF, EXIT_REBOOT, M_ATTENTION, M_EXIT, M_EXIT_CODE } from "../abi";
import { SBI_GONE, SBI_INVALID_PARAM, SBI_NOT_SUPPORTED } from "./result";

export function sbiReset(fid: u64, type: u64, reason: u64): i64 {
  if (fid != 0) return SBI_NOT_SUPPORTED;
  // Types 0 shutdown, 1 cold and 2 warm reboot; reasons 0 none, 1 failure, and vendors' above.
  if (type > 2 || (reason > 1 && reason < 0xe000_0000) || reason > 0xffff_ffff) return SBI_INVALID_PARAM;
  store<u32>(DEV_MACHINE, type == 0 ? EXIT_POWEROFF : EXIT_REBOOT, M_EXIT);
  store<u32>(DEV_MACHINE, 0, M_EXIT_CODE);
  store<u32>(DEV_MACHINE, 1, M_ATTENTION);
  return SBI_GONE;
}
