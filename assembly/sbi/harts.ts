/** Hart masks (SBI 2.0 section 3.1). */

import { DEV_MACHINE, M_HARTS } from "../abi";

/** Which harts `mask` and `base` name, as bits from hart 0; `maskOk` says whether all exist. */
export let maskOk: bool = false;

export function hartMask(mask: u64, base: u64): u64 {
  const harts = <u64>load<u32>(DEV_MACHINE, M_HARTS);
  const all = ((<u64>1) << harts) - 1;
  maskOk = true;
  if (base == u64.MAX_VALUE) return all;
  if (base >= harts) {
    maskOk = mask == 0;
    return 0;
  }
  const named = mask << base;
  maskOk = named >> base == mask && !(named & ~all);
  return maskOk ? named : 0;
}
