/** Base (SBI 2.0 chapter 4). */

import {
  EID_BASE, EID_DBCN, EID_GETCHAR, EID_HSM, EID_IPI, EID_PUTCHAR, EID_RFENCE, EID_SET_TIMER, EID_SHUTDOWN, EID_SRST,
  EID_TIME,
} from "./extensions";
import { SBI_NOT_SUPPORTED, SBI_SUCCESS, setSbiValue } from "./result";

const SPEC_2_0: i64 = 2 << 24;
/** Implementation ids up to 12 are taken; ours isn't registered. */
const IMPLEMENTATION: i64 = 0x57_4152;
const VERSION: i64 = 1;

function known(eid: u64): bool {
  return eid == EID_BASE || eid == EID_TIME || eid == EID_IPI || eid == EID_RFENCE || eid == EID_HSM ||
    eid == EID_SRST || eid == EID_DBCN || eid == EID_SET_TIMER || eid == EID_PUTCHAR || eid == EID_GETCHAR ||
    eid == EID_SHUTDOWN;
}

export function sbiBase(fid: u64, a0: u64): i64 {
  switch (<u32>fid) {
    case 0: setSbiValue(SPEC_2_0); break;
    case 1: setSbiValue(IMPLEMENTATION); break;
    case 2: setSbiValue(VERSION); break;
    case 3: setSbiValue(known(a0) ? 1 : 0); break;
    case 4: case 5: case 6: setSbiValue(0); break; // mvendorid, marchid, mimpid
    default: return SBI_NOT_SUPPORTED;
  }
  return SBI_SUCCESS;
}
