/** Zba: address generation (Unprivileged, "B" chapter). */

import { IMM, rd, xb, xc } from "../hart/state";

// @ts-ignore: decorator
@inline export function sh1add(h: usize, u: usize): void { rd(h, u, xc(h, u) + (xb(h, u) << 1)); }
// @ts-ignore: decorator
@inline export function sh2add(h: usize, u: usize): void { rd(h, u, xc(h, u) + (xb(h, u) << 2)); }
// @ts-ignore: decorator
@inline export function sh3add(h: usize, u: usize): void { rd(h, u, xc(h, u) + (xb(h, u) << 3)); }
// @ts-ignore: decorator
@inline export function add_uw(h: usize, u: usize): void { rd(h, u, xc(h, u) + <i64><u32>xb(h, u)); }
// @ts-ignore: decorator
@inline export function sh1add_uw(h: usize, u: usize): void { rd(h, u, xc(h, u) + (<i64><u32>xb(h, u) << 1)); }
// @ts-ignore: decorator
@inline export function sh2add_uw(h: usize, u: usize): void { rd(h, u, xc(h, u) + (<i64><u32>xb(h, u) << 2)); }
// @ts-ignore: decorator
@inline export function sh3add_uw(h: usize, u: usize): void { rd(h, u, xc(h, u) + (<i64><u32>xb(h, u) << 3)); }
// @ts-ignore: decorator
@inline export function slli_uw(h: usize, u: usize): void { rd(h, u, <i64><u32>xb(h, u) << IMM(u)); }
