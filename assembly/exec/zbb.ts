/** Zbb: basic bit manipulation (Unprivileged, "B" chapter). */

import { IMM, rd, xb, xc } from "../hart/state";

// @ts-ignore: decorator
@inline export function andn(h: usize, u: usize): void { rd(h, u, xb(h, u) & ~xc(h, u)); }
// @ts-ignore: decorator
@inline export function orn(h: usize, u: usize): void { rd(h, u, xb(h, u) | ~xc(h, u)); }
// @ts-ignore: decorator
@inline export function xnor(h: usize, u: usize): void { rd(h, u, ~(xb(h, u) ^ xc(h, u))); }

export function clz(h: usize, u: usize): void { rd(h, u, i64.clz(xb(h, u))); }
export function clzw(h: usize, u: usize): void { rd(h, u, <i64>i32.clz(<i32>xb(h, u))); }
export function ctz(h: usize, u: usize): void { rd(h, u, i64.ctz(xb(h, u))); }
export function ctzw(h: usize, u: usize): void { rd(h, u, <i64>i32.ctz(<i32>xb(h, u))); }
export function cpop(h: usize, u: usize): void { rd(h, u, i64.popcnt(xb(h, u))); }
export function cpopw(h: usize, u: usize): void { rd(h, u, <i64>i32.popcnt(<i32>xb(h, u))); }

export function max(h: usize, u: usize): void {
  const a = xb(h, u);
  const b = xc(h, u);
  rd(h, u, a > b ? a : b);
}
export function maxu(h: usize, u: usize): void {
  const a = xb(h, u);
  const b = xc(h, u);
  rd(h, u, <u64>a > <u64>b ? a : b);
}
export function min(h: usize, u: usize): void {
  const a = xb(h, u);
  const b = xc(h, u);
  rd(h, u, a < b ? a : b);
}
export function minu(h: usize, u: usize): void {
  const a = xb(h, u);
  const b = xc(h, u);
  rd(h, u, <u64>a < <u64>b ? a : b);
}

// @ts-ignore: decorator
@inline export function sext_b(h: usize, u: usize): void { rd(h, u, <i64><i8>xb(h, u)); }
// @ts-ignore: decorator
@inline export function sext_h(h: usize, u: usize): void { rd(h, u, <i64><i16>xb(h, u)); }
// @ts-ignore: decorator
@inline export function zext_h(h: usize, u: usize): void { rd(h, u, <i64><u16>xb(h, u)); }

export function rol(h: usize, u: usize): void { rd(h, u, i64.rotl(xb(h, u), xc(h, u))); }
export function ror(h: usize, u: usize): void { rd(h, u, i64.rotr(xb(h, u), xc(h, u))); }
// @ts-ignore: decorator
@inline export function rori(h: usize, u: usize): void { rd(h, u, i64.rotr(xb(h, u), <i64>IMM(u))); }
export function rolw(h: usize, u: usize): void { rd(h, u, <i64>i32.rotl(<i32>xb(h, u), <i32>xc(h, u))); }
export function rorw(h: usize, u: usize): void { rd(h, u, <i64>i32.rotr(<i32>xb(h, u), <i32>xc(h, u))); }
// @ts-ignore: decorator
@inline export function roriw(h: usize, u: usize): void { rd(h, u, <i64>i32.rotr(<i32>xb(h, u), IMM(u))); }

/** Each byte becomes all ones if any of its bits is set. */
export function orc_b(h: usize, u: usize): void {
  let v = <u64>xb(h, u);
  // The top bit of each byte becomes the OR of its bits; no carry leaves a byte.
  v = (((v & 0x7f7f_7f7f_7f7f_7f7f) + 0x7f7f_7f7f_7f7f_7f7f) | v) & 0x8080_8080_8080_8080;
  rd(h, u, <i64>((v >> 7) * 0xff));
}

export function rev8(h: usize, u: usize): void { rd(h, u, <i64>bswap<u64>(<u64>xb(h, u))); }
