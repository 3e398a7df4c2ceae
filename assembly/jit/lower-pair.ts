/**
 * A product of binary64 numbers and the sum behind it that takes it, as of vectors and
 * matrices: of the product nobody asks but whether it has underflowed, since its
 * overflow, or a NaN, is seen in the sum.
 */

import { OP_FADD_D, OP_FMUL_D, OP_FSUB_D } from "../isa/ops.generated";
import { BLOCK, BR_IF, branch, byte, END, F64, get, I32_AND, I32_EQZ, I32_LT_U, i32c, outSeldom, set, tee, unsigned, VOID } from "./emit";
import {
  F32_ABS, F32_ADD, F32_MUL, F32_SUB, F64_LT, f64c, is64, isExactZero, leastExponent, needLimit, plain, pushExponent,
  roundsOtherwise, second, slow, ZERO_FACTOR,
} from "./fp-ways";
import { dirty, f, fp, FP_DIRTY, FP_ON, know, L_R, learn, narrow, pending, ready, retire, setF } from "./parts";
import { fetch, op, opA, opB, opSize } from "./region";

const L_PRODUCT: u32 = L_R + 1;

/**
 * Lowers the instruction that was fetched from an offset of the page, and the next one, if they are such.
 * @returns how many bytes both have, or 0 when nothing was done
 */
export function lowerPair(page: u32, offset: u32): u32 {
  if (op != OP_FMUL_D || roundsOtherwise()) return 0;
  const product = opA;
  const next = offset + opSize;
  const fits = fetch(page, next) && takes(product);
  fetch(page, offset);
  if (!fits) return 0;
  needLimit();
  f(opB);
  f(second());
  is64(F32_MUL);
  set(L_PRODUCT);
  fetch(page, next);
  term(opB, product);
  term(second(), product);
  is64(op == OP_FADD_D ? F32_ADD : F32_SUB);
  set(L_R);
  byte(BLOCK);
  byte(VOID);
  byte(BLOCK);
  byte(VOID);
  pushExponent(L_PRODUCT, F64);
  i32c(leastExponent(F64));
  byte(I32_LT_U);
  outSeldom(0);
  plain(L_R, F64, true);
  byte(I32_EQZ);
  outSeldom(0);
  branch(1);
  byte(END);
  handlers(page, offset, next, product);
  byte(END);
  get(L_PRODUCT);
  setF(product);
  get(L_R);
  setF(opA);
  retire();
  retire();
  learn(FP_ON | FP_DIRTY);
  return next + opSize - offset;
}

/** Is what was fetched a sum with the product? */
function takes(product: u32): bool {
  return (op == OP_FADD_D || op == OP_FSUB_D) && (opB == product || second() == product) && !roundsOtherwise();
}

/** Pushes what is added: the product, or another register. */
function term(r: u32, product: u32): void {
  if (r == product) get(L_PRODUCT);
  else f(r);
}

/** The handlers do it, one after the other, unless the product is zero because a factor is. */
function handlers(page: u32, offset: u32, next: u32, product: u32): void {
  fetch(page, offset);
  isExactZero(L_PRODUCT, F64, ZERO_FACTOR);
  // Not as above: V8 would keep that one's outcome instead of branching by it.
  get(L_R);
  is64(F32_ABS);
  f64c(Infinity);
  byte(F64_LT);
  byte(I32_AND);
  byte(BR_IF);
  unsigned(0);
  const r = ready;
  const d = dirty;
  const p = pending;
  const n = narrow;
  slow(F64, offset);
  tee(L_PRODUCT);
  // The second handler finds it, and the ways that join know nothing of it.
  setF(product);
  retire();
  fetch(page, next);
  slow(F64, next);
  set(L_R);
  know(r, d, p, fp, n);
}
