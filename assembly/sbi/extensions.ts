/** Extension ids (SBI 2.0, each chapter's head). */

export const EID_BASE: u64 = 0x10;
export const EID_TIME: u64 = 0x5449_4d45;
export const EID_IPI: u64 = 0x73_5049;
export const EID_RFENCE: u64 = 0x5246_4e43;
export const EID_HSM: u64 = 0x48_534d;
export const EID_SRST: u64 = 0x5352_5354;
export const EID_DBCN: u64 = 0x4442_434e;
// Legacy calls (chapter 5) have one function each.
export const EID_SET_TIMER: u64 = 0;
export const EID_PUTCHAR: u64 = 1;
export const EID_GETCHAR: u64 = 2;
export const EID_SHUTDOWN: u64 = 8;
