/** A region as a WebAssembly module: its control flow from the dominator tree (Ramsey, "Beyond Relooper", 2022). */

import {
  H_JIT_N, H_PC, H_TLB_FETCH, JIT_BUFFER, JIT_WORK, JIT_WORK_SIZE, ST_OK, ST_STEP, TLB_BITS, TLB_ENTRIES, TLB_ENTRY_BITS, TLB_FETCH,
} from "../abi";
import { OP_BEQ, OP_BGE, OP_BGEU, OP_BLT, OP_BLTU, OP_JAL, OP_JIT } from "../isa/ops.generated";
import {
  access, BLOCK, branch, byte, ELSE, emitFull, emitStart, emitted, END, get, I32, I32_ADD, I32_AND, I32_EQ, I32_LOAD, I32_LOAD16_U,
  I32_LT_S, I32_SHL, I32_SHR_U, I32_STORE, I32_SUB, I32_WRAP, I32_XOR, I64, I64_ADD, I64_AND, I64_EQ, I64_GE_S, I64_GE_U, I64_LOAD,
  I64_LT_S, I64_LT_U, I64_NE, I64_SHR_U, I64_STORE, i32c, i64c, IF, LOOP, RETURN, returnCallIndirect, set, size, sized, tee, unsigned,
  VOID,
} from "./emit";
import { lower } from "./lower";
import {
  fill, L_BUDGET, L_ENTRY, L_HART, L_PAGE, L_TEMP, leave, LOCALS_END, lowerLink, T_REGION, x,
} from "./parts";
import {
  blockCount, countOf, edge, edgeOut, fetch, idomOf, isHeader, isMerge, KIND_BRANCH, KIND_CALL, KIND_FALL, KIND_JALR, kindOf,
  op, opA, opB, opImm, opSize, ordered, orderedCount, rpoOf, startOf,
} from "./region";

// The labels that enclose the code being written, innermost last: block, and what a branch to it does.
const LABELS: u32 = JIT_WORK + JIT_WORK_SIZE - 4096; // { block u16, kind u16 }
const LABEL_FORWARD: u32 = 0;
const LABEL_LOOP: u32 = 1;
const LABEL_IF: u32 = 2;
let labels: u32 = 0;

let page: u32 = 0;
let entry: u32 = 0;

function push(block: u32, kind: u32): void {
  store<u16>(LABELS + labels * 4, <u16>block);
  store<u16>(LABELS + labels * 4, <u16>kind, 2);
  labels++;
}

/** How many labels out the one is that leads to a block. */
function depthOf(block: u32, kind: u32): u32 {
  for (let i = labels; i > 0; i--) {
    const at = LABELS + (i - 1) * 4;
    if (load<u16>(at) == block && load<u16>(at, 2) == kind) return labels - i;
  }
  unreachable();
  return 0;
}

function name(length: u32, a: u64): void {
  unsigned(length);
  for (let i: u32 = 0; i < length; i++) byte(<u32>(a >> (i << 3)) & 0xff);
}

function types(): void {
  byte(1);
  const s = size();
  unsigned(4);
  byte(0x60); unsigned(3); byte(I32); byte(I32); byte(I64); unsigned(1); byte(I32);
  byte(0x60); unsigned(4); byte(I32); byte(I64); byte(I32); byte(I32); unsigned(1); byte(I32);
  byte(0x60); unsigned(5); byte(I32); byte(I64); byte(I32); byte(I64); byte(I32); unsigned(1); byte(I32);
  byte(0x60); unsigned(4); byte(I32); byte(I32); byte(I32); byte(I32); unsigned(1); byte(I32);
  sized(s);
}

/** "env" "memory" and "env" "table". */
function imports(): void {
  byte(2);
  const s = size();
  unsigned(2);
  name(3, 0x76_6e_65);
  name(6, 0x79_72_6f_6d_65_6d);
  byte(2); byte(0); unsigned(0);
  name(3, 0x76_6e_65);
  name(5, 0x65_6c_62_61_74);
  byte(1); byte(0x70); byte(0); unsigned(0);
  sized(s);
}

/**
 * Writes the module of the region that `discover` has found.
 * @returns its length, or 0 when it doesn't fit
 */
export function writeModule(guestPage: u32, from: u32): u32 {
  page = guestPage;
  entry = from;
  labels = 0;
  emitStart();
  byte(0); byte(0x61); byte(0x73); byte(0x6d);
  byte(1); byte(0); byte(0); byte(0);
  types();
  imports();
  byte(3); unsigned(2); unsigned(1); unsigned(0);
  byte(7); unsigned(5); unsigned(1); name(1, 0x66); byte(0); unsigned(0);
  byte(10);
  const section = size();
  unsigned(1);
  const body = size();
  unsigned(3);
  unsigned(1); byte(I64); // L_VA
  unsigned(2); byte(I32); // L_ENTRY, L_STATUS
  unsigned(LOCALS_END - L_TEMP); byte(I64);
  fillSources();
  tree(ordered(0));
  byte(0); // unreachable: every path has left
  byte(END);
  sized(body);
  sized(section);
  return emitFull() ? 0 : emitted();
}

/** Loads every register that some instruction reads; the others are written first or not at all. */
function fillSources(): void {
  let wanted: u32 = 0;
  for (let b: u32 = 0; b < blockCount; b++) {
    let at = startOf(b);
    const count = countOf(b);
    for (let i: u32 = 0; i < count; i++) {
      fetch(page, at);
      // A field may be a number: a register too many does no harm.
      if (opB < 32) wanted |= 1 << opB;
      if (opA < 32) wanted |= 1 << opA;
      if (<u32>opImm < 32) wanted |= 1 << <u32>opImm;
      at += opSize;
    }
  }
  for (let r: u32 = 1; r < 32; r++) if (wanted >> r & 1) fill(r);
}

function tree(b: u32): void {
  const loop = isHeader(b);
  if (loop) {
    byte(LOOP);
    byte(VOID);
    push(b, LABEL_LOOP);
  }
  within(b, orderedCount());
  if (loop) {
    byte(END);
    labels--;
  }
}

/** The block inside labels for those merges that it dominates and whose number is at most `below`. */
function within(b: u32, below: u32): void {
  for (let i = below; i > rpoOf(b); i--) {
    const merge = ordered(i - 1);
    if (idomOf(merge) != b || !isMerge(merge) || merge == b) continue;
    byte(BLOCK);
    byte(VOID);
    push(merge, LABEL_FORWARD);
    within(b, i - 1);
    byte(END);
    labels--;
    tree(merge);
    return;
  }
  code(b);
}

/** Code of one block: budget, instructions, and where it goes. */
function code(b: u32): void {
  if (emitFull()) return;
  const count = countOf(b);
  let at = startOf(b);
  if (count) {
    get(L_BUDGET);
    i32c(count);
    byte(I32_LT_S);
    byte(IF);
    byte(VOID);
    leave(at, at == entry ? ST_STEP : ST_OK);
    byte(END);
    get(L_BUDGET);
    i32c(count);
    byte(I32_SUB);
    set(L_BUDGET);
  }
  const kind = kindOf(b);
  const jumps = kind == KIND_BRANCH || kind == KIND_JALR || kind == KIND_CALL;
  for (let i: u32 = 0; i < count; i++) {
    fetch(page, at);
    const last = i == count - 1;
    if (last && (jumps || isPlainJump())) break;
    lower(at, count - 1 - i);
    at += opSize;
  }
  if (kind == KIND_FALL) {
    goTo(b, 0);
  } else if (kind == KIND_BRANCH) {
    condition();
    byte(IF);
    byte(VOID);
    push(b, LABEL_IF);
    goTo(b, 0);
    byte(ELSE);
    goTo(b, 1);
    byte(END);
    labels--;
  } else if (kind == KIND_CALL) {
    lowerLink(at + opSize);
    get(L_PAGE);
    i64c(edgeOut(b, 0));
    byte(I64_ADD);
    set(L_TEMP);
    follow();
  } else if (kind == KIND_JALR) {
    // The target is read before the link is written: they may be one register.
    x(opB);
    i64c(opImm);
    byte(I64_ADD);
    i64c(-2);
    byte(I64_AND);
    set(L_TEMP);
    lowerLink(at + opSize);
    follow();
  } else {
    leave(edgeOut(b, 0), ST_OK);
  }
}

/**
 * Goes to the address in L_TEMP: straight into the region that starts there, if
 * the fetch TLB knows the page and there is one; else by way of the loop.
 */
function follow(): void {
  // The entry of the fetch bank.
  get(L_TEMP);
  i64c(12);
  byte(I64_SHR_U);
  byte(I32_WRAP);
  set(L_ENTRY);
  get(L_ENTRY);
  get(L_ENTRY);
  i32c(TLB_BITS);
  byte(I32_SHR_U);
  byte(I32_XOR);
  i32c(TLB_ENTRIES - 1);
  byte(I32_AND);
  i32c(TLB_ENTRY_BITS);
  byte(I32_SHL);
  get(L_HART);
  access(I32_LOAD, H_TLB_FETCH);
  byte(I32_ADD);
  set(L_ENTRY);
  get(L_ENTRY);
  access(I64_LOAD, TLB_FETCH);
  get(L_TEMP);
  i64c(-4096);
  byte(I64_AND);
  byte(I64_EQ);
  byte(IF);
  byte(VOID);
  // Its slot.
  get(L_ENTRY);
  access(I32_LOAD, TLB_FETCH + 8);
  get(L_TEMP);
  byte(I32_WRAP);
  i32c(4095);
  byte(I32_AND);
  i32c(2);
  byte(I32_SHL);
  byte(I32_ADD);
  tee(L_ENTRY);
  access(I32_LOAD16_U, 0);
  i32c(OP_JIT);
  byte(I32_EQ);
  byte(IF);
  byte(VOID);
  get(L_HART);
  get(L_BUDGET);
  get(L_TEMP);
  i64c(-4096);
  byte(I64_AND);
  get(L_ENTRY);
  access(I32_LOAD, 4);
  returnCallIndirect(T_REGION);
  byte(END);
  byte(END);
  get(L_HART);
  get(L_TEMP);
  access(I64_STORE, H_PC);
  get(L_HART);
  get(L_BUDGET);
  access(I32_STORE, H_JIT_N);
  i32c(ST_OK);
  byte(RETURN);
}

/** jal without a link: nothing but its edge is left of it. */
function isPlainJump(): bool {
  return op == OP_JAL && opA == 32;
}

function goTo(b: u32, taken: u32): void {
  const to = edge(b, taken);
  if (to < 0) leave(edgeOut(b, taken), ST_OK);
  else if (rpoOf(to) <= rpoOf(b)) branch(depthOf(to, LABEL_LOOP));
  else if (isMerge(to)) branch(depthOf(to, LABEL_FORWARD));
  else tree(to);
}

/** Is the branch taken? */
function condition(): void {
  x(opA);
  x(opB);
  if (op == OP_BEQ) byte(I64_EQ);
  else if (op == OP_BLT) byte(I64_LT_S);
  else if (op == OP_BGE) byte(I64_GE_S);
  else if (op == OP_BLTU) byte(I64_LT_U);
  else if (op == OP_BGEU) byte(I64_GE_U);
  else byte(I64_NE);
}

export function moduleAddress(): u32 {
  return JIT_BUFFER;
}
