/**
 * Strips: a loop of one block whose pointers move by constants is written twice. The
 * second copy does the rounds in which all of them stay in their pages, and the
 * budget lasts: they are looked up in the TLB before it, and budget and rounds are
 * one comparison. Nothing in it can change what a page's entry says: what could
 * leaves the code. Entered when the loop has gone round for a while, since many
 * loops don't.
 */

import { H_JIT_VALUE } from "../abi";
import { OP_CZERO_NEZ, OP_FCLASS_D, OP_FLW, OP_LUI, OP_REMUW, OP_SH1ADD } from "../isa/ops.generated";
import { accessInStrip, lookUpStrips, moving, planAccesses } from "./accesses";
import {
  access, byte, get, I32_GT_S, I32_LE_S, I32_LOAD, I32_LT_U, I32_MUL, I32_STORE, I32_SUB, i32c, outSeldom, SELECT, set,
} from "./emit";
import { L_ALONE, L_BUDGET, L_HART, L_STOP } from "./parts";
import { countOf, fetch, loopsAlone, markStrip, op, opSize, ordered, orderedCount, startOf } from "./region";

/** Rounds of the loop before its first strip. */
const WARM: u32 = 4;
/** Fewer rounds aren't worth the look. */
const LEAST: i32 = 8;
/** Rounds before it is tried again, where there was no strip. */
const AGAIN: u32 = 32;

/** Marks the blocks of the region that have strips. */
export function findStrips(page: u32, slots: u32): void {
  for (let i = orderedCount(); i > 0; i--) {
    const b = ordered(i - 1);
    if (loopsAlone(b) && hasStrips(page, slots, startOf(b), countOf(b))) markStrip(b);
  }
}

/** Has a block, which is a loop by itself, strips? */
function hasStrips(page: u32, slots: u32, start: u32, count: u32): bool {
  let at = start;
  for (let i: u32 = 0; i < count; i++) {
    fetch(page, at);
    if (!isSteady(op)) return false;
    at += opSize;
  }
  planAccesses(page, slots, start, count);
  return moving;
}

/** Those that leave translations alone, even by their handlers: of I and M, of F and D, of Zb* and Zicond. */
function isSteady(o: u16): bool {
  return (o >= OP_LUI && o <= OP_REMUW) || (o >= OP_FLW && o <= OP_FCLASS_D) || (o >= OP_SH1ADD && o <= OP_CZERO_NEZ);
}

/** Before the loop: sets the budget at which its first strip is due. */
export function warmUp(count: u32): void {
  wait(WARM * count);
}

function wait(instructions: u32): void {
  get(L_BUDGET);
  i32c(instructions);
  byte(I32_SUB);
  set(L_STOP);
}

/** Pushes whether a strip is due. */
export function pushDue(): void {
  get(L_BUDGET);
  get(L_STOP);
  byte(I32_LE_S);
}

/**
 * In a block of its own: gets the strip of the block ready, or leaves that block.
 * @param count  the block's instructions
 * @param path   those to where the budget is next looked at; so many are left
 */
export function beginStrip(page: u32, slots: u32, start: u32, count: u32, path: u32): void {
  planAccesses(page, slots, start, count);
  wait(AGAIN * count);
  lookUpStrips(L_ALONE);
  get(L_ALONE);
  i32c(LEAST);
  byte(I32_LT_U);
  outSeldom(0);
  // Where the rounds end, or the budget might. By way of memory: V8 would compute it again in each round.
  get(L_HART);
  get(L_BUDGET);
  get(L_ALONE);
  i32c(count);
  byte(I32_MUL);
  byte(I32_SUB);
  set(L_STOP);
  get(L_STOP);
  i32c(path - 1);
  get(L_STOP);
  i32c(path - 1);
  byte(I32_GT_S);
  byte(SELECT);
  access(I32_STORE, H_JIT_VALUE);
  get(L_HART);
  access(I32_LOAD, H_JIT_VALUE);
  set(L_STOP);
  accessInStrip(true);
}

export function endStrip(): void {
  accessInStrip(false);
}

/** Pushes whether the strip goes on. */
export function pushOn(): void {
  get(L_BUDGET);
  get(L_STOP);
  byte(I32_GT_S);
}
