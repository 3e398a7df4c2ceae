/**
 * Leaving for an access whose page the TLB doesn't know. A block has as many ways out as it has looks into the TLB, and
 * each must store what is dirty there: written for every one of them that would be most of a region. So they meet: at the
 * end of the block, where registers are stored, and at the end of the region, where the rest is done. What differs is in
 * one number, L_AT:
 *
 *   bits 0..11   where the instruction is in the page
 *   bits 12..23  instructions retired that L_BUDGET doesn't know of
 *   bits 32..63  bit 32 + r: x[r] is dirty
 */

import { H_JIT_N, H_JIT_STATUS, JIT_WORK, ST_MISS } from "../abi";
import {
  access, branch, byte, END, get, I32_ADD, I32_AND, I32_STORE, I32_SUB, I32_WRAP, i32c, I64_ADD, I64_AND, I64_OR, I64_SHR_U, I64_XOR,
  i64c, IF, outSeldom, RETURN, seldom, set, VOID,
} from "./emit";
import { depthOf, LABEL_BEHIND, LABEL_MISSED, openBlock, pop } from "./labels";
import { dirty, L_AT, L_BUDGET, L_ENTRY, L_HART, L_PAGE, L_TEMP, L_VA, pending, ready, storeX, writeBack } from "./parts";

/** Of each x register: of which ways out of the block it is dirty, a bit each. */
const WAYS: u32 = JIT_WORK + 0x1_4800; // u64 × 32
const MOST_WAYS: u32 = 64;
const INTEGERS: u64 = 0xffff_ffff;

/** The region has a way out. */
let used: bool = false;
/** The block that is written has ways out that meet. */
let meeting: bool = false;
let block: u32 = 0;
let ways: u32 = 0;
/** Registers that some way stores, and those that all may, since their locals hold them. */
let stored: u32 = 0;
let always: u32 = 0;

/** Opens what encloses a region. */
export function beginLeaving(): void {
  used = false;
  openBlock(0, LABEL_MISSED);
}

/** Opens what encloses the instructions of a block, if it has more looks than one. */
export function beginMissed(b: u32, looks: u32): void {
  meeting = looks > 1;
  if (!meeting) return;
  block = b;
  ways = 0;
  stored = 0;
  always = ~0;
  memory.fill(WAYS, 0, 32 * 8);
  openBlock(b, LABEL_BEHIND);
  openBlock(b, LABEL_MISSED);
}

/** A condition is on the stack that is seldom true, `inside` so many labels: then leaves for the interpreter to execute this instruction. */
export function leaveIfMissed(offset: i32, inside: u32): void {
  used = true;
  const isMeeting = meeting && ways < MOST_WAYS;
  const together = isMeeting ? <u32>(dirty & ready) : 0;
  const alone = dirty & ~<u64>together;
  if (alone) {
    seldom();
    writeBack(alone);
    inside++;
  }
  i64c(offset | pending << 12 | <i64>(<u64>together << 32));
  set(L_AT);
  const target = inside + (isMeeting ? depthOf(block, LABEL_MISSED) : depthOf(0, LABEL_MISSED));
  if (alone) {
    branch(target);
    byte(END);
  } else {
    outSeldom(target);
  }
  if (!isMeeting) return;
  stored |= together;
  always &= <u32>ready;
  for (let r: u32 = 1; r < 32; r++) {
    if (!(together >> r & 1)) continue;
    const at = WAYS + (r << 3);
    store<u64>(at, load<u64>(at) | <u64>1 << ways);
  }
  ways++;
}

/** Ends what `beginMissed` has opened. */
export function endMissed(): void {
  if (!meeting) return;
  branch(depthOf(block, LABEL_BEHIND));
  pop();
  if (ways) {
    storeAll();
    branch(depthOf(0, LABEL_MISSED));
  } else {
    byte(0); // unreachable
  }
  pop();
  meeting = false;
}

function storeAll(): void {
  // A local that holds its register may be stored though it isn't newer.
  let left = stored;
  for (let r: u32 = 1; r < 32; r++) if (left & always & 1 << r) storeX(r);
  left &= ~always;
  if (!left) return;
  get(L_AT);
  i64c(32);
  byte(I64_SHR_U);
  byte(I32_WRAP);
  set(L_ENTRY);
  for (let r: u32 = 1; r < 32; r++) {
    if (!(left >> r & 1)) continue;
    const which = load<u64>(WAYS + (r << 3));
    get(L_ENTRY);
    i32c(1 << r);
    byte(I32_AND);
    byte(IF);
    byte(VOID);
    for (let other = r; other < 32; other++) {
      if (!(left >> other & 1) || load<u64>(WAYS + (other << 3)) != which) continue;
      storeX(other);
      left &= ~(1 << other);
    }
    byte(END);
  }
}

/** Ends what `beginLeaving` has opened, and leaves. A group of accesses says whether a page ends in it, by the address of its last. */
export function endLeaving(): void {
  pop();
  if (!used) {
    byte(0); // unreachable
    return;
  }
  get(L_HART);
  get(L_BUDGET);
  get(L_AT);
  i64c(12);
  byte(I64_SHR_U);
  byte(I32_WRAP);
  i32c(0xfff);
  byte(I32_AND);
  byte(I32_SUB);
  access(I32_STORE, H_JIT_N);
  get(L_HART);
  i32c(ST_MISS);
  // ST_SPLIT is one more: bit 12 differs in pages next to each other.
  get(L_VA);
  get(L_TEMP);
  byte(I64_XOR);
  i64c(12);
  byte(I64_SHR_U);
  byte(I32_WRAP);
  i32c(1);
  byte(I32_AND);
  byte(I32_ADD);
  access(I32_STORE, H_JIT_STATUS);
  get(L_PAGE);
  get(L_AT);
  i64c(0xffe);
  byte(I64_AND);
  i64c(1);
  byte(I64_OR);
  byte(I64_ADD);
  byte(RETURN);
}
