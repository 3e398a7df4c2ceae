/** Zbs: single bits (Unprivileged, "B" chapter). */

import { IMM, rd, xb, xc } from "../hart/state";

// @ts-ignore: decorator
@inline export function bclr(h: usize, u: usize): void { rd(h, u, xb(h, u) & ~(<i64>1 << xc(h, u))); }
// @ts-ignore: decorator
@inline export function bclri(h: usize, u: usize): void { rd(h, u, xb(h, u) & ~(<i64>1 << IMM(u))); }
// @ts-ignore: decorator
@inline export function bext(h: usize, u: usize): void { rd(h, u, (xb(h, u) >> xc(h, u)) & 1); }
// @ts-ignore: decorator
@inline export function bexti(h: usize, u: usize): void { rd(h, u, (xb(h, u) >> IMM(u)) & 1); }
// @ts-ignore: decorator
@inline export function binv(h: usize, u: usize): void { rd(h, u, xb(h, u) ^ (<i64>1 << xc(h, u))); }
// @ts-ignore: decorator
@inline export function binvi(h: usize, u: usize): void { rd(h, u, xb(h, u) ^ (<i64>1 << IMM(u))); }
// @ts-ignore: decorator
@inline export function bset(h: usize, u: usize): void { rd(h, u, xb(h, u) | (<i64>1 << xc(h, u))); }
// @ts-ignore: decorator
@inline export function bseti(h: usize, u: usize): void { rd(h, u, xb(h, u) | (<i64>1 << IMM(u))); }
