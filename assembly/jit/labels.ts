/** The labels that enclose the code being written, innermost last: block, and what a branch to it does. */

import { JIT_WORK, JIT_WORK_SIZE } from "../abi";
import { BLOCK, byte, END, IF, LOOP, VOID } from "./emit";

const LABELS: u32 = JIT_WORK + JIT_WORK_SIZE - 4096; // { block u16, kind u16 }

export const LABEL_FORWARD: u32 = 0;
export const LABEL_LOOP: u32 = 1;
export const LABEL_IF: u32 = 2;
/** Behind it is what goes on to the address in L_TEMP. */
export const LABEL_OUT: u32 = 3;
/** Of the outer one of two loops with one header. */
export const LABEL_OUTER: u32 = 4;
/** Of a strip. */
export const LABEL_STRIP: u32 = 5;
/** Behind it is what leaves for an access that missed (jit/missed): of the region, and of a block. */
export const LABEL_MISSED: u32 = 6;
export const LABEL_BEHIND: u32 = 7;

let labels: u32 = 0;

export function noLabels(): void {
  labels = 0;
}

/** An `if`, `block` or `loop` has been opened. */
export function push(block: u32, kind: u32): void {
  store<u16>(LABELS + labels * 4, <u16>block);
  store<u16>(LABELS + labels * 4, <u16>kind, 2);
  labels++;
}

export function openBlock(block: u32, kind: u32): void {
  byte(BLOCK);
  byte(VOID);
  push(block, kind);
}

export function openLoop(block: u32, kind: u32): void {
  byte(LOOP);
  byte(VOID);
  push(block, kind);
}

export function openIf(block: u32): void {
  byte(IF);
  byte(VOID);
  push(block, LABEL_IF);
}

/** Ends the innermost. */
export function pop(): void {
  byte(END);
  labels--;
}

/** How many labels out the one is that leads to a block. */
export function depthOf(block: u32, kind: u32): u32 {
  for (let i = labels; i > 0; i--) {
    const at = LABELS + (i - 1) * 4;
    if (load<u16>(at) == block && load<u16>(at, 2) == kind) return labels - i;
  }
  unreachable();
  return 0;
}
