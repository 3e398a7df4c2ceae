/** Results of SBI calls (SBI 2.0 chapter 3). */

export const SBI_SUCCESS: i64 = 0;
export const SBI_FAILED: i64 = -1;
export const SBI_NOT_SUPPORTED: i64 = -2;
export const SBI_INVALID_PARAM: i64 = -3;
export const SBI_INVALID_ADDRESS: i64 = -5;
export const SBI_ALREADY_AVAILABLE: i64 = -6;

/** Not an SBI code: a page isn't here yet, make the same call again later. */
export const SBI_WAITS: i64 = 1;
/** Not an SBI code: the call doesn't return to its caller. */
export const SBI_GONE: i64 = 2;

/** The value that goes with the error code. */
export let sbiValue: i64 = 0;

export function setSbiValue(v: i64): void {
  sbiValue = v;
}
