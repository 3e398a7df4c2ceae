/** RV64I (Unprivileged chapters 2 and 4), without loads and stores. */

import { ST_OK } from "../abi";
import { EXC_BREAK, EXC_ECALL_U, IMM, prv, rd, trap, xa, xb, xc } from "../hart/state";

// ---- Immediates --------------------------------------------------------------------

// @ts-ignore: decorator
@inline export function addi(h: usize, u: usize): void { rd(h, u, xb(h, u) + IMM(u)); }
// @ts-ignore: decorator
@inline export function slti(h: usize, u: usize): void { rd(h, u, <i64>(xb(h, u) < <i64>IMM(u))); }
// @ts-ignore: decorator
@inline export function sltiu(h: usize, u: usize): void { rd(h, u, <i64>(<u64>xb(h, u) < <u64><i64>IMM(u))); }
// @ts-ignore: decorator
@inline export function xori(h: usize, u: usize): void { rd(h, u, xb(h, u) ^ IMM(u)); }
// @ts-ignore: decorator
@inline export function ori(h: usize, u: usize): void { rd(h, u, xb(h, u) | <i64>IMM(u)); }
// @ts-ignore: decorator
@inline export function andi(h: usize, u: usize): void { rd(h, u, xb(h, u) & IMM(u)); }
// @ts-ignore: decorator
@inline export function slli(h: usize, u: usize): void { rd(h, u, xb(h, u) << IMM(u)); }
// @ts-ignore: decorator
@inline export function srli(h: usize, u: usize): void { rd(h, u, <i64>(<u64>xb(h, u) >> IMM(u))); }
// @ts-ignore: decorator
@inline export function srai(h: usize, u: usize): void { rd(h, u, xb(h, u) >> IMM(u)); }
// @ts-ignore: decorator
@inline export function addiw(h: usize, u: usize): void { rd(h, u, <i64>(<i32>xb(h, u) + IMM(u))); }
// @ts-ignore: decorator
@inline export function slliw(h: usize, u: usize): void { rd(h, u, <i64>(<i32>xb(h, u) << IMM(u))); }
// @ts-ignore: decorator
@inline export function srliw(h: usize, u: usize): void { rd(h, u, <i64><i32>(<u32>xb(h, u) >> IMM(u))); }
// @ts-ignore: decorator
@inline export function sraiw(h: usize, u: usize): void { rd(h, u, <i64>(<i32>xb(h, u) >> IMM(u))); }
// @ts-ignore: decorator
@inline export function lui(h: usize, u: usize): void { rd(h, u, <i64>IMM(u)); }

/** The decoder has added the instruction's place in its page to the immediate. */
// @ts-ignore: decorator
@inline export function auipc(h: usize, u: usize, vbase: u64): void { rd(h, u, <i64>vbase + IMM(u)); }

// ---- Register with register ------------------------------------------------------------

// @ts-ignore: decorator
@inline export function add(h: usize, u: usize): void { rd(h, u, xb(h, u) + xc(h, u)); }
// @ts-ignore: decorator
@inline export function sub(h: usize, u: usize): void { rd(h, u, xb(h, u) - xc(h, u)); }
// @ts-ignore: decorator
@inline export function sll(h: usize, u: usize): void { rd(h, u, xb(h, u) << xc(h, u)); }
// @ts-ignore: decorator
@inline export function slt(h: usize, u: usize): void { rd(h, u, <i64>(xb(h, u) < xc(h, u))); }
// @ts-ignore: decorator
@inline export function sltu(h: usize, u: usize): void { rd(h, u, <i64>(<u64>xb(h, u) < <u64>xc(h, u))); }
// @ts-ignore: decorator
@inline export function xor(h: usize, u: usize): void { rd(h, u, xb(h, u) ^ xc(h, u)); }
// @ts-ignore: decorator
@inline export function srl(h: usize, u: usize): void { rd(h, u, <i64>(<u64>xb(h, u) >> xc(h, u))); }
// @ts-ignore: decorator
@inline export function sra(h: usize, u: usize): void { rd(h, u, xb(h, u) >> xc(h, u)); }
// @ts-ignore: decorator
@inline export function or(h: usize, u: usize): void { rd(h, u, xb(h, u) | xc(h, u)); }
// @ts-ignore: decorator
@inline export function and(h: usize, u: usize): void { rd(h, u, xb(h, u) & xc(h, u)); }
// @ts-ignore: decorator
@inline export function addw(h: usize, u: usize): void { rd(h, u, <i64>(<i32>xb(h, u) + <i32>xc(h, u))); }
// @ts-ignore: decorator
@inline export function subw(h: usize, u: usize): void { rd(h, u, <i64>(<i32>xb(h, u) - <i32>xc(h, u))); }
// @ts-ignore: decorator
@inline export function sllw(h: usize, u: usize): void { rd(h, u, <i64>(<i32>xb(h, u) << <i32>xc(h, u))); }
// @ts-ignore: decorator
@inline export function srlw(h: usize, u: usize): void { rd(h, u, <i64><i32>(<u32>xb(h, u) >> <u32>xc(h, u))); }
// @ts-ignore: decorator
@inline export function sraw(h: usize, u: usize): void { rd(h, u, <i64>(<i32>xb(h, u) >> <i32>xc(h, u))); }

// ---- Branches: is it taken? ----------------------------------------------------------------

// @ts-ignore: decorator
@inline export function beq(h: usize, u: usize): bool { return xa(h, u) == xb(h, u); }
// @ts-ignore: decorator
@inline export function bne(h: usize, u: usize): bool { return xa(h, u) != xb(h, u); }
// @ts-ignore: decorator
@inline export function blt(h: usize, u: usize): bool { return xa(h, u) < xb(h, u); }
// @ts-ignore: decorator
@inline export function bge(h: usize, u: usize): bool { return xa(h, u) >= xb(h, u); }
// @ts-ignore: decorator
@inline export function bltu(h: usize, u: usize): bool { return <u64>xa(h, u) < <u64>xb(h, u); }
// @ts-ignore: decorator
@inline export function bgeu(h: usize, u: usize): bool { return <u64>xa(h, u) >= <u64>xb(h, u); }

// ---- The rest --------------------------------------------------------------------------------

/** One hart runs at a time and stores are seen at once: nothing to order. */
// @ts-ignore: decorator
@inline export function fence(h: usize, u: usize): void {}
// @ts-ignore: decorator
@inline export function fence_tso(h: usize, u: usize): void {}
/** Stores take decoded instructions away as they happen: nothing is left to do. */
// @ts-ignore: decorator
@inline export function fence_i(h: usize, u: usize, n: i32): i32 { return ST_OK; }
/** Zihintpause. */
// @ts-ignore: decorator
@inline export function pause(h: usize, u: usize): void {}

export function ecall(h: usize, u: usize, n: i32): i32 { return trap(h, EXC_ECALL_U + prv(h), 0); }
/** The trap's value is the pc: exec/run fills it in. */
export function ebreak(h: usize, u: usize, n: i32): i32 { return trap(h, EXC_BREAK, 0); }
