/** M: multiplication and division (Unprivileged chapter 13). */

import { rd, xb, xc } from "../hart/state";

/** Upper half of an unsigned 64 × 64 product, by halves. */
// @ts-ignore: decorator
@inline function high(a: u64, b: u64): u64 {
  const al = a & 0xffff_ffff;
  const ah = a >> 32;
  const bl = b & 0xffff_ffff;
  const bh = b >> 32;
  const mid = ah * bl + ((al * bl) >> 32);
  const mid2 = al * bh + (mid & 0xffff_ffff);
  return ah * bh + (mid >> 32) + (mid2 >> 32);
}

// @ts-ignore: decorator
@inline export function mul(h: usize, u: usize): void { rd(h, u, xb(h, u) * xc(h, u)); }

export function mulh(h: usize, u: usize): void {
  const a = xb(h, u);
  const b = xc(h, u);
  rd(h, u, <i64>high(<u64>a, <u64>b) - ((a >> 63) & b) - ((b >> 63) & a));
}

export function mulhsu(h: usize, u: usize): void {
  const a = xb(h, u);
  const b = xc(h, u);
  rd(h, u, <i64>high(<u64>a, <u64>b) - ((a >> 63) & b));
}

// @ts-ignore: decorator
@inline export function mulhu(h: usize, u: usize): void { rd(h, u, <i64>high(<u64>xb(h, u), <u64>xc(h, u))); }

// Division never traps: by zero it gives all ones, and overflow the dividend.

export function div(h: usize, u: usize): void {
  const a = xb(h, u);
  const b = xc(h, u);
  if (b == 0) rd(h, u, -1);
  else if (b == -1) rd(h, u, -a);
  else rd(h, u, a / b);
}

export function divu(h: usize, u: usize): void {
  const b = <u64>xc(h, u);
  rd(h, u, b == 0 ? -1 : <i64>(<u64>xb(h, u) / b));
}

export function rem(h: usize, u: usize): void {
  const a = xb(h, u);
  const b = xc(h, u);
  if (b == 0) rd(h, u, a);
  else if (b == -1) rd(h, u, 0);
  else rd(h, u, a % b);
}

export function remu(h: usize, u: usize): void {
  const a = xb(h, u);
  const b = <u64>xc(h, u);
  rd(h, u, b == 0 ? a : <i64>(<u64>a % b));
}

// @ts-ignore: decorator
@inline export function mulw(h: usize, u: usize): void { rd(h, u, <i64>(<i32>xb(h, u) * <i32>xc(h, u))); }

export function divw(h: usize, u: usize): void {
  const a = <i32>xb(h, u);
  const b = <i32>xc(h, u);
  if (b == 0) rd(h, u, -1);
  // In 64 bits: of a 32-bit `0 - a` the optimizer believes that it isn't negative.
  else if (b == -1) rd(h, u, <i64><i32>(0 - <i64>a));
  else rd(h, u, <i64>(a / b));
}

export function divuw(h: usize, u: usize): void {
  const b = <u32>xc(h, u);
  rd(h, u, b == 0 ? -1 : <i64><i32>(<u32>xb(h, u) / b));
}

export function remw(h: usize, u: usize): void {
  const a = <i32>xb(h, u);
  const b = <i32>xc(h, u);
  if (b == 0) rd(h, u, <i64>a);
  else if (b == -1) rd(h, u, 0);
  else rd(h, u, <i64>(a % b));
}

export function remuw(h: usize, u: usize): void {
  const a = <u32>xb(h, u);
  const b = <u32>xc(h, u);
  rd(h, u, b == 0 ? <i64><i32>a : <i64><i32>(a % b));
}
