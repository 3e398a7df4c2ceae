/** Integers wider than 64 bits, as far as the arithmetic of this room needs them. */

const LOW: u64 = 0xffff_ffff;

/** Right shift by n ≥ 0 of any size; the result's bit 0 is also set if a one was lost ("sticky"). */
// @ts-ignore: decorator
@inline
export function shiftRightSticky(x: u64, n: i32): u64 {
  if (n > 63) return u64(x != 0);
  return (x >> n) | u64((x & (((<u64>1) << n) - 1)) != 0);
}

/** The upper 64 bits of a 64 × 64 bit product. */
// @ts-ignore: decorator
@inline
export function mulHigh(a: u64, b: u64): u64 {
  const al = a & LOW;
  const ah = a >> 32;
  const bl = b & LOW;
  const bh = b >> 32;
  const mid = ah * bl + ((al * bl) >> 32);
  return ah * bh + (mid >> 32) + ((al * bh + (mid & LOW)) >> 32);
}

/** What `divideHigh` left over. */
export let remainder: u64 = 0;

/**
 * floor(n × 2^64 / d), the remainder in `remainder`; needs bit 63 of d set and
 * 2n < d. Long division with two digits of 32 bits (Knuth, TAOCP 2, 4.3.1,
 * algorithm D). A digit's estimate is at most 2 too large, the first, as 2n < d,
 * at most 1.
 */
export function divideHigh(n: u64, d: u64): u64 {
  const dh = d >> 32;
  const dl = d & LOW;
  let high = n / dh;
  if (high * dl > ((n - high * dh) << 32)) high--;
  n = (n << 32) - high * d;
  let low = n / dh;
  let rest = n - low * dh;
  while (low > LOW || low * dl > (rest << 32)) {
    low--;
    rest += dh;
    if (rest > LOW) break;
  }
  remainder = (n << 32) - low * d;
  return (high << 32) | low;
}
