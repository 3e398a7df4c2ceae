/**
 * Regions of a page as a WebAssembly module: the entry's, and those of the
 * functions in the page that they call. Control flow comes from the dominator
 * tree (Ramsey, "Beyond Relooper", 2022).
 *
 * A region is a function (hart, budget, address of the page, depth) → next pc.
 * The budget that is left is in H_JIT_N then; bit 0 of the pc says that what the
 * hart executes next is not for its callers to decide (H_JIT_STATUS says why).
 * A guest's call is a call here, as deep as DEEPEST: what comes back with another
 * pc than the one behind the call is handed on to whoever called.
 */

import {
  H_JIT_FROM, H_JIT_N, H_TLB_FETCH, JIT_BODIES, JIT_BUFFER, JIT_BUFFER_SIZE, JIT_WORK, JIT_WORK_SIZE, ST_STEP, TLB_FETCH,
} from "../abi";
import { pageAddress, pageNumber } from "../bus/ram";
import { OP_BEQ, OP_BGE, OP_BGEU, OP_BLT, OP_BLTU, OP_DECODE, OP_JAL, OP_JIT } from "../isa/ops.generated";
import {
  access, BR_IF, branch, byte, call, ELSE, emitFull, emitted, emitTo, END, get, hint, hintCount, hintsFor, hintsStart, I32,
  i32c, I32_ADD, I32_AND, I32_EQ, I32_EQZ, I32_GE_S, I32_LOAD, I32_LOAD16_U, I32_LT_S, I32_SHL, I32_WRAP, I64, i64c, I64_ADD,
  I64_AND, I64_EQ, I64_GE_S, I64_GE_U, I64_LOAD, I64_LT_S, I64_LT_U, I64_NE, I64_OR, I64_STORE, I64_SUB, IF, RETURN, returnCall,
  seldom, set, size, sized, tee, unsigned, VOID,
} from "./emit";
import { atAccess, inStrip, planAccesses, plannedLooks } from "./accesses";
import { jumpKnown } from "./jumps";
import {
  depthOf, LABEL_FORWARD, LABEL_IF, LABEL_LOOP, LABEL_OUT, LABEL_OUTER, LABEL_STRIP, noLabels, openBlock, openIf, openLoop, pop, push,
} from "./labels";
import { lower } from "./lower";
import { lowerPair } from "./lower-pair";
import { beginLeaving, beginMissed, endLeaving, endMissed } from "./missed";
import {
  COPIES, declareFloats, dirty, fetchOffset, fillAll, floatGroups, flush, forgetFresh, fp, FP_DIRTY, FP_LIMIT, FP_ON, F_OWN, F_REGION, know,
  knowWords, learn, leaveWith, LINEARS, loadBank, loadLimit, L_BUDGET, L_DEPTH, L_ENTRY, L_GOAL, L_HART, L_PAGE, L_TEMP, narrow,
  noteBudget, pending, pushFs, pushPc, ready, retire, settle, setX, SINK, STRIPS, widen, words, writeBack, x,
} from "./parts";
import {
  callsBelow, countOf, dirtyAt, discover, edge, edgeOut, fetch, fpAt, headsTwo, idomOf, isHeader, isMerge, isOuter, isStrip, keptAt,
  kindOf, KIND_BRANCH, KIND_CALL, KIND_CALLR, KIND_CASE, KIND_FALL, KIND_JALR, KIND_LESS, KIND_RETURN, KIND_STOP, KIND_SWITCH,
  liveAt, loopRounds, loopWrites, op, opA, opB, opImm, opSize, ordered, orderedCount, pathOf, readyAt, rpoOf, setKnown, startOf,
  stateBelow, stops, wordsAt, writesFloat,
} from "./region";
import { writeFunctions, writeHints, writeImports, writeTypes } from "./sections";
import { forgetShifts } from "./shifts";
import { beginStrip, endStrip, findStrips, pushDue, pushOn, warmUp } from "./strips";
import { findWords, wordsAfter } from "./words";

// Regions of the module being written: the offsets of their entries, u16 each.
const ENTRIES: u32 = JIT_WORK + JIT_WORK_SIZE - 4096 - 256;
export const MOST_ENTRIES: u32 = 30;
/** Instructions after which calls add no more regions. */
const MOST_INSTRUCTIONS: u32 = 1200;
/** WebAssembly frames on top of one another: each takes some hundred bytes of the host's stack. */
const DEEPEST: i32 = 250;

let page: u32 = 0;
let slots: u32 = 0;
let entry: u32 = 0;
let entries: u32 = 0;
let mostEntries: u32 = 0;
let instructions: u32 = 0;
/** Whether code that was never executed is translated as well. */
let everything: bool = false;

export let moduleLength: u32 = 0;

export function entryOf(i: u32): u32 {
  return load<u16>(ENTRIES + (i << 1));
}

/** Guest physical address of the i-th region of the module that was written last, 0 where there is none. */
export function jitEntry(i: u32): u64 {
  return i < entries ? pageAddress(pageNumber(page)) + entryOf(i) : 0;
}

/** What comes next is another module, of the page at this linear address. */
export function beginModule(guestPage: u32): void {
  page = guestPage;
  entries = 0;
}

export function addEntry(offset: u32): void {
  store<u16>(ENTRIES + (entries << 1), <u16>offset);
  entries++;
}

/**
 * Writes the module of the regions at the entries that were added, which `discover` has approved of.
 * @param pageSlots  its micro-ops
 * @param all        translate what was never executed as well
 * @param room       regions that it may have, those that were added among them
 * @returns how many regions it has, 0 when it doesn't fit; see `moduleLength`
 */
export function writeModule(pageSlots: u32, all: bool, room: u32): u32 {
  slots = pageSlots;
  everything = all;
  mostEntries = room < MOST_ENTRIES ? room : MOST_ENTRIES;
  instructions = 0;
  hintsStart(0);
  emitTo(JIT_BODIES);
  for (let i: u32 = 0; i < entries; i++) {
    if (!discover(page, slots, entryOf(i), all)) return 0;
    findWords(page);
    findStrips(page, slots);
    entry = entryOf(i);
    writeBody(i);
    if (emitFull()) return 0;
  }
  const bodies = <u32>(emitted() - JIT_BODIES);
  if (bodies + hintCount * 8 + 4096 > JIT_BUFFER_SIZE) return 0;
  emitTo(JIT_BUFFER);
  byte(0); byte(0x61); byte(0x73); byte(0x6d);
  byte(1); byte(0); byte(0); byte(0);
  writeTypes();
  writeImports();
  writeFunctions(entries);
  writeHints();
  byte(10);
  const section = size();
  unsigned(entries);
  memory.copy(emitted(), JIT_BODIES, bodies);
  emitTo(emitted() + bodies);
  sized(section);
  moduleLength = <u32>(emitted() - JIT_BUFFER);
  return entries;
}

function writeBody(index: u32): void {
  const body = size();
  hintsFor(F_OWN + index);
  unsigned(3 + floatGroups());
  unsigned(4 + COPIES); byte(I64); // L_VA, L_TEMP, L_GOAL, L_COPY, L_AT
  unsigned(5 + STRIPS + LINEARS); byte(I32); // L_ENTRY, L_TLB, L_HOME, L_STOP, L_STRIP, L_LINEAR, L_ALONE
  unsigned(31); byte(I64);
  declareFloats();
  noLabels();
  know(0, 0, 0, 0, 0);
  loadBank();
  beginLeaving();
  openBlock(0, LABEL_OUT);
  const first = ordered(0);
  if (!isHeader(first)) checkBudget(first);
  tree(first);
  byte(0); // unreachable: every path has left
  pop();
  follow();
  endLeaving();
  byte(END);
  sized(body);
}

// ---- Control flow -----------------------------------------------------------------------

/** On to a block from a place where locals hold `ready`, if that isn't through a label. */
function tree(b: u32): void {
  if (!isHeader(b)) {
    within(b, orderedCount());
    return;
  }
  settle();
  if (callsBelow(b)) {
    flush();
    fillAll(liveAt(b));
    setKnown(b, liveAt(b), 0, 0, 0);
  } else {
    // What the loop writes stays in locals on its way round.
    const held = liveAt(b) | loopWrites(b);
    fillAll(held);
    widen();
    if (loopRounds(b) && !stateBelow(b) && !(fp & FP_LIMIT)) loadLimit();
    if (writesFloat(b) && !stateBelow(b) && !(fp & FP_DIRTY)) wantDirty(b);
    setKnown(b, ready | held, ~0, dirty | loopWrites(b), stateBelow(b) ? 0 : fp);
  }
  // V8 keeps for the inner one of two loops in registers what it needs, if it sees that there are two.
  if (headsTwo(b)) openLoop(b, LABEL_OUTER);
  if (isStrip(b)) warmUp(countOf(b));
  openLoop(b, LABEL_LOOP);
  know(readyAt(b), dirtyAt(b), 0, fpAt(b), 0);
  checkBudget(b);
  within(b, orderedCount());
  pop();
  if (headsTwo(b)) pop();
}

/**
 * Leaves before a loop whose head writes an f register anyhow, unless mstatus.FS
 * is dirty, which it is after the interpreter went round once. So nobody looks
 * at it in the loop.
 */
function wantDirty(b: u32): void {
  pushFs(FP_DIRTY);
  byte(I32_EQZ);
  seldom();
  writeBack(~0);
  leaveWith(startOf(b), ST_STEP);
  byte(END);
  learn(FP_ON | FP_DIRTY);
}

/** Leaves before a block if the budget might end before it is next looked at. */
function checkBudget(b: u32): void {
  get(L_BUDGET);
  i32c(pathOf(b));
  byte(I32_LT_S);
  seldom();
  push(0, LABEL_IF);
  const at = startOf(b);
  if (at == entry) {
    writeBack(~0);
    leaveWith(at, ST_STEP);
  } else {
    leaveTo(at);
  }
  pop();
}

/** The block inside labels for those merges that it dominates and whose number is at most `below`. */
function within(b: u32, below: u32): void {
  for (let i = below; i > rpoOf(b); i--) {
    const merge = ordered(i - 1);
    if (idomOf(merge) != b || !isMerge(merge) || merge == b) continue;
    // Without calls on the way, what locals hold here they hold there.
    setKnown(merge, ~0, callsBelow(b) ? 0 : ready, 0, ~0);
    openBlock(merge, LABEL_FORWARD);
    within(b, i - 1);
    pop();
    know(readyAt(merge), dirtyAt(merge), 0, fpAt(merge), 0);
    tree(merge);
    return;
  }
  code(b);
}

/** Goes to a place in the page by way of `follow`. */
function leaveTo(offset: i32): void {
  writeBack(~0);
  settle();
  pushPc(offset);
  set(L_TEMP);
  branch(depthOf(0, LABEL_OUT));
}

function code(b: u32): void {
  instructions += countOf(b);
  if (isStrip(b)) strip(b);
  straight(b);
}

/** The block once more, for the rounds that need no looks. */
function strip(b: u32): void {
  const r = ready;
  const d = dirty;
  const f = fp;
  const n = narrow;
  pushDue();
  openIf(b);
  beginStrip(page, slots, startOf(b), countOf(b), pathOf(b));
  openLoop(b, LABEL_STRIP);
  know(r, d, 0, f, n);
  straight(b);
  endStrip();
  pop();
  pop();
  know(r, d, 0, f, n);
}

/** Code of one block: its instructions, and where it goes. */
function straight(b: u32): void {
  if (emitFull()) return;
  const count = countOf(b);
  knowWords(wordsAt(b));
  let at = startOf(b);
  planAccesses(page, slots, at, count);
  forgetShifts();
  forgetFresh();
  beginMissed(b, plannedLooks());
  const kind = kindOf(b);
  const jumps = kind != KIND_FALL && kind != KIND_STOP;
  for (let i: u32 = 0; i < count; i++) {
    fetch(page, at);
    if (i == count - 1 && (jumps || isPlainJump())) {
      retire();
      break;
    }
    const both = i + 1 < count ? lowerPair(page, at) : 0;
    if (both) {
      at += both;
      i++;
      continue;
    }
    atAccess(i);
    lower(at);
    knowWords(wordsAfter(words));
    retire();
    at += opSize;
  }
  endMissed();
  if (kind == KIND_FALL) {
    goTo(b, 0);
  } else if (kind == KIND_BRANCH) {
    condition();
    goEither(b);
  } else if (kind == KIND_SWITCH) {
    target();
    get(L_TEMP);
    get(L_PAGE);
    byte(I64_SUB);
    set(L_GOAL);
    goTo(b, 0);
  } else if (kind == KIND_LESS || kind == KIND_CASE) {
    get(L_GOAL);
    i64c(edgeOut(b, 0));
    byte(kind == KIND_LESS ? I64_LT_U : I64_EQ);
    if (kind == KIND_CASE) hint(1);
    goEither(b);
  } else if (kind == KIND_CALL) {
    link(at + opSize);
    flush();
    settle();
    callTo(edgeOut(b, 1));
    comeBack(b);
  } else if (kind == KIND_CALLR) {
    target();
    link(at + opSize);
    flush();
    settle();
    callLoose();
    comeBack(b);
  } else if (kind == KIND_RETURN) {
    target();
    flush();
    noteBudget();
    get(L_TEMP);
    byte(RETURN);
  } else if (kind == KIND_JALR) {
    target();
    flush();
    if (jumpKnown(slots + (at << 2))) {
      settle();
      branch(depthOf(0, LABEL_OUT));
    } else {
      noteBudget();
      get(L_HART);
      pushPc(at);
      i64c(1);
      byte(I64_OR);
      access(I64_STORE, H_JIT_FROM);
      get(L_TEMP);
      byte(RETURN);
    }
  } else {
    leaveTo(edgeOut(b, 0));
  }
}

/** On by the condition on the stack: to one of two blocks, or of a case's by where L_GOAL says. */
function goEither(b: u32): void {
  openIf(b);
  const r = ready;
  const d = dirty;
  const p = pending;
  const f = fp;
  const n = narrow;
  goTo(b, 0);
  byte(ELSE);
  know(r, d, p, f, n);
  if (kindOf(b) == KIND_CASE) {
    writeBack(~0);
    settle();
    get(L_PAGE);
    get(L_GOAL);
    byte(I64_ADD);
    set(L_TEMP);
    branch(depthOf(0, LABEL_OUT));
  } else {
    goTo(b, 1);
  }
  pop();
  byte(0); // unreachable
}

/** jal without a link: nothing but its edge is left of it. */
function isPlainJump(): bool {
  return op == OP_JAL && opA == SINK;
}

/** Leaves jalr's target in L_TEMP: it is read before the link is written, they may be one register. */
function target(): void {
  x(opB);
  if (opImm) {
    i64c(opImm);
    byte(I64_ADD);
  }
  i64c(-2);
  byte(I64_AND);
  set(L_TEMP);
}

/** Writes the return address of a call. */
function link(next: i32): void {
  if (opA == SINK) return;
  pushPc(next);
  setX(opA);
}

/** Calls the region at a place in the page; its answer is left in L_TEMP. */
function callTo(offset: i32): void {
  const known = <u32>offset < 4096 ? entryFor(<u32>offset) : -1;
  pushPc(offset);
  set(L_TEMP);
  if (known < 0) {
    callLoose();
    return;
  }
  tooDeep();
  get(L_HART);
  get(L_BUDGET);
  get(L_PAGE);
  get(L_DEPTH);
  i32c(1);
  byte(I32_ADD);
  call(F_OWN + known);
  set(L_TEMP);
}

/** The module's region at an offset of the page, which becomes one if it may; or -1. */
function entryFor(offset: u32): i32 {
  for (let i: u32 = 0; i < entries; i++) if (entryOf(i) == offset) return i;
  const slot = load<u16>(slots + (offset << 2));
  if (slot == OP_JIT || (slot == OP_DECODE && !everything)) return -1;
  if (entries == mostEntries || instructions > MOST_INSTRUCTIONS) return -1;
  if (!fetch(page, offset) || stops(op)) return -1;
  addEntry(offset);
  return entries - 1;
}

/** At the greatest depth calls are jumps: who comes back finds no caller, and all of them unwind. */
function tooDeep(): void {
  get(L_DEPTH);
  i32c(DEEPEST);
  byte(I32_GE_S);
  seldom();
  branch(depthOf(0, LABEL_OUT) + 1);
  byte(END);
}

/** Pushes the arguments and the place in the table of the region that `findRegion` has found. */
function pushFound(deeper: bool): void {
  get(L_HART);
  get(L_BUDGET);
  get(L_TEMP);
  i64c(-4096);
  byte(I64_AND);
  get(L_DEPTH);
  if (deeper) {
    i32c(1);
    byte(I32_ADD);
  }
  get(L_ENTRY);
  access(I32_LOAD, 4);
}

/** Calls the region at the address in L_TEMP, if there is one, else leaves for there. */
function callLoose(): void {
  tooDeep();
  findRegion();
  byte(IF);
  byte(VOID);
  pushFound(true);
  call(F_REGION);
  set(L_TEMP);
  byte(ELSE);
  noteBudget();
  get(L_TEMP);
  byte(RETURN);
  byte(END);
}

/** Behind a call: on with the next block, if that is where the callee came back to. */
function comeBack(b: u32): void {
  get(L_TEMP);
  pushPc(edgeOut(b, 0));
  byte(I64_NE);
  seldom();
  get(L_TEMP);
  byte(RETURN);
  byte(END);
  get(L_HART);
  access(I32_LOAD, H_JIT_N);
  set(L_BUDGET);
  loadBank();
  know(0, 0, 0, 0, 0);
  const to = edge(b, 0);
  if (to >= 0 && !isHeader(to)) {
    // The way from here on has not been looked at.
    get(L_BUDGET);
    i32c(pathOf(to));
    byte(I32_LT_S);
    seldom();
    get(L_TEMP);
    byte(RETURN);
    byte(END);
  }
  goTo(b, 0);
}

/** Leaves in L_ENTRY the slot of the address in L_TEMP; pushes whether a region starts there. */
function findRegion(): void {
  get(L_TEMP);
  fetchOffset();
  get(L_HART);
  access(I32_LOAD, H_TLB_FETCH);
  byte(I32_ADD);
  tee(L_ENTRY);
  access(I64_LOAD, TLB_FETCH);
  get(L_TEMP);
  i64c(-4096);
  byte(I64_AND);
  byte(I64_EQ);
  byte(IF);
  byte(I32);
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
  byte(ELSE);
  i32c(0);
  byte(END);
}

/**
 * Goes to the address in L_TEMP: straight into the region that starts there, if
 * the fetch TLB knows the page and there is one; else by way of the loop.
 */
function follow(): void {
  findRegion();
  byte(IF);
  byte(VOID);
  pushFound(false);
  returnCall(F_REGION);
  byte(END);
  know(0, 0, 0, 0, 0);
  noteBudget();
  get(L_TEMP);
  byte(RETURN);
}

function goTo(b: u32, taken: u32): void {
  const to = edge(b, taken);
  if (to < 0) {
    leaveTo(edgeOut(b, taken));
  } else if (rpoOf(to) <= rpoOf(b)) {
    writeBack(~dirtyAt(to));
    settle();
    fillAll(readyAt(to));
    if (<u32>to == b && inStrip) {
      pushOn();
      byte(BR_IF);
      unsigned(depthOf(to, LABEL_STRIP));
    }
    branch(depthOf(to, isOuter(b, to) ? LABEL_OUTER : LABEL_LOOP));
  } else if (isMerge(to)) {
    writeBack(~keptAt(to));
    settle();
    widen();
    setKnown(to, readyAt(to) & ready, keptAt(to), dirtyAt(to) | (dirty & keptAt(to)), fpAt(to) & fp);
    branch(depthOf(to, LABEL_FORWARD));
  } else {
    tree(to);
  }
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
