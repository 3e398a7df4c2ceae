/** Zicond: conditional zero (Unprivileged chapter 12.1). */

import { rd, xb, xc } from "../hart/state";

// @ts-ignore: decorator
@inline export function czero_eqz(h: usize, u: usize): void { rd(h, u, xc(h, u) == 0 ? 0 : xb(h, u)); }
// @ts-ignore: decorator
@inline export function czero_nez(h: usize, u: usize): void { rd(h, u, xc(h, u) != 0 ? 0 : xb(h, u)); }
