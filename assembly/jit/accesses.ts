/**
 * Loads and stores: what they find in the TLB. Those of a block that lie at known
 * distances from one another, as the fields of a frame or a structure do, have one
 * look into it together, which says that they are all in one page, and aligned.
 * Where they often aren't, they are translated again, each with a look of its own.
 */

import { JIT_WORK, PAGE_SIZE, TLB_ENTRIES, TLB_ENTRY_BITS, TLB_OTHER, TLB_STORE } from "../abi";
import {
  OP_ADDI, OP_FLD, OP_FLW, OP_FSD, OP_FSW, OP_LB, OP_LBU, OP_LD, OP_LH, OP_LHU, OP_LW, OP_LWU, OP_SB, OP_SD, OP_SH, OP_SW,
} from "../isa/ops.generated";
import { shapeOf, WRITES_A } from "../isa/shape.generated";
import {
  access, BLOCK, BR_IF, byte, END, get, I32_ADD, I32_AND, I32_DIV_U, I32_LOAD, I32_LT_U, I32_NE, I32_SHL, I32_SHR_U, I32_SUB,
  I32_WRAP, I32_XOR, i32c, I64_ADD, I64_AND, I64_LOAD, I64_NE, I64_SHR_U, i64c, LOOP, outSeldom, seldom, SELECT, set, tee,
  unsigned, VOID,
} from "./emit";
import {
  hold, holdNone, holds, L_ALONE, L_ENTRY, L_HOME, L_LINEAR, L_STRIP, L_TEMP, L_TLB, L_VA, LINEARS, STRIPS, x,
} from "./parts";
import { leaveIfMissed } from "./missed";
import { fetch, MAX_BLOCK, op, opA, opB, opImm, opSize } from "./region";
import { isSplit } from "./split";

// Of each instruction of the block: { i32 what its base register is above that of its group's root, u8 the group or NONE }.
const PLAN: u32 = JIT_WORK + 0x1_0000;
const P_GROUP: u32 = 4;
const P_SIZE: u32 = 8;
const NONE: u32 = 0xff;
// Of each root, a register or what one of them was set to: the group that takes more of its accesses, or NONE.
const OPEN: u32 = PLAN + MAX_BLOCK * P_SIZE; // u8 each
const ROOTS: u32 = 32 + MAX_BLOCK;
// Of each register: { u32 root, i32 distance from it }.
const VALUES: u32 = OPEN + ROOTS;
// Groups. All places are distances from the root.
const GROUPS: u32 = VALUES + 32 * 8;
const G_LOW: u32 = 0; //     i32
const G_HIGH: u32 = 4; //    i32: behind the last byte
const G_ALIGNED: u32 = 8; // i32: a place that must be a multiple of the size
const G_WIDTH: u32 = 12; //  u32: the largest size
const G_MEMBERS: u32 = 16; // u16
const G_LOADS: u32 = 18; //  u8
const G_STORES: u32 = 19; // u8
const G_APART: u32 = 20; //  u8: each has a look of its own
const G_ROOT: u32 = 21; //   u8: the register that places are counted from, as it is at the block's start, or NONE
const G_STRIP: u32 = 22; //  u8: which local of L_STRIP it has in a strip, or NONE
const G_STEP: u32 = 24; //   i32: how far the root moves in a round, if the block is a loop by itself
const G_SIZE: u32 = 28;
/** From its first byte to its last a group has no more than so many: the more it has, the more often a page ends among them. */
const MOST_BYTES: i32 = 512;

/** Pointers that go through a page in fewer rounds have strips over pages that are neighbours in linear memory as well. */
const SMALL_STEP: i32 = 128;
const MOST_STEP: i32 = 2048;
/** Of so many pages. */
const MOST_PAGES: i32 = 16;

let groups: u32 = 0;
/** A group of the plan has a strip, and moves. */
export let moving: bool = false;
/** What is written is a strip: groups that have a local of L_STRIP need no look. */
export let inStrip: bool = false;
/** The plan of the instruction that is lowered. */
let current: u32 = PLAN;
/** The local that says where the access is that `find` was for, and what to add. */
let local: u32 = 0;
export let within: u32 = 0;

// @ts-ignore: decorator
@inline function group(g: u32): u32 { return GROUPS + g * G_SIZE; }

/** In place of an instruction's offset. */
const NO_STRIP: i32 = -1;

/** How many bytes `op` loads or stores, if that is lowered in line, or 0. */
function sizeOf(o: u16): u32 {
  switch (<i32>o) {
    case OP_LB: case OP_LBU: case OP_SB: return 1;
    case OP_LH: case OP_LHU: case OP_SH: return 2;
    case OP_LW: case OP_LWU: case OP_SW: case OP_FLW: case OP_FSW: return 4;
    case OP_LD: case OP_SD: case OP_FLD: case OP_FSD: return 8;
    default: return 0;
  }
}

function stores(o: u16): bool {
  return o == OP_SB || o == OP_SH || o == OP_SW || o == OP_SD || o == OP_FSW || o == OP_FSD;
}

/**
 * Finds the groups of a block.
 * @param page   linear address of the guest's page
 * @param slots  its micro-ops
 * @param start  the block's offset in the page
 * @param count  its instructions
 */
export function planAccesses(page: u32, slots: u32, start: u32, count: u32): void {
  groups = 0;
  holdNone();
  memory.fill(OPEN, <u8>NONE, ROOTS);
  for (let r: u32 = 0; r < 32; r++) store<u64>(VALUES + r * 8, r);
  let roots: u32 = 32;
  let at = start;
  for (let i: u32 = 0; i < count; i++) {
    fetch(page, at);
    const p = PLAN + i * P_SIZE;
    store<u8>(p, <u8>NONE, P_GROUP);
    const size = sizeOf(op);
    if (size && opB) {
      const from = load<i32>(VALUES + opB * 8, 4);
      const joined = join(load<u32>(VALUES + opB * 8), from + opImm, size);
      store<i32>(p, from);
      store<u8>(p, <u8>joined, P_GROUP);
      const g = group(joined);
      if (isSplit(slots + (at << 2))) store<u8>(g, 1, G_APART);
      if (stores(op)) store<u8>(g, 1, G_STORES);
      else store<u8>(g, 1, G_LOADS);
    }
    if (shapeOf(op) & WRITES_A && opA < 32 && opA) {
      const value = VALUES + opA * 8;
      if (op == OP_ADDI && opB) {
        store<u32>(value, load<u32>(VALUES + opB * 8));
        store<i32>(value, load<i32>(VALUES + opB * 8, 4) + opImm, 4);
      } else {
        store<u64>(value, roots++);
      }
    }
    at += opSize;
  }
  planStrips();
}

/** Gives locals to the groups whose root moves by a constant in each round, and stays aligned. */
function planStrips(): void {
  let next: u32 = 0;
  moving = false;
  for (let i: u32 = 0; i < groups; i++) {
    const g = group(i);
    const root = <u32>load<u8>(g, G_ROOT);
    store<u8>(g, <u8>NONE, G_STRIP);
    if (next == STRIPS || root == NONE || load<u32>(VALUES + root * 8) != root) continue;
    const step = load<i32>(VALUES + root * 8, 4);
    if (abs(step) > MOST_STEP || step & (load<u32>(g, G_WIDTH) - 1)) continue;
    if (abs(step) > SMALL_STEP && load<u8>(g, G_LOADS) && load<u8>(g, G_STORES)) continue;
    store<u8>(g, <u8>(next++), G_STRIP);
    store<i32>(g, step, G_STEP);
    if (step) moving = true;
  }
}

/** The group of an access to [place, place + size): the root's open one if it can be, or else a new one. */
function join(root: u32, place: i32, size: u32): u32 {
  const open = <u32>load<u8>(OPEN + root);
  if (open != NONE && extend(group(open), place, size)) return open;
  const g = group(groups);
  store<i32>(g, place, G_LOW);
  store<i32>(g, place + <i32>size, G_HIGH);
  store<i32>(g, place, G_ALIGNED);
  store<u32>(g, size, G_WIDTH);
  store<u64>(g, 1, G_MEMBERS);
  store<u8>(g, <u8>(root < 32 ? root : NONE), G_ROOT);
  store<u8>(OPEN + root, <u8>groups);
  return groups++;
}

function extend(g: u32, place: i32, size: u32): bool {
  const width = load<u32>(g, G_WIDTH);
  const low = min(load<i32>(g, G_LOW), place);
  const high = max(load<i32>(g, G_HIGH), place + <i32>size);
  const smaller = size < width ? size : width;
  if (high - low > MOST_BYTES || (place - load<i32>(g, G_ALIGNED)) & (smaller - 1)) return false;
  store<i32>(g, low, G_LOW);
  store<i32>(g, high, G_HIGH);
  if (size > width) {
    store<i32>(g, place, G_ALIGNED);
    store<u32>(g, size, G_WIDTH);
  }
  store<u16>(g, load<u16>(g, G_MEMBERS) + 1, G_MEMBERS);
  return true;
}

/** The instruction that is lowered next is the block's i-th. */
export function atAccess(i: u32): void {
  current = PLAN + i * P_SIZE;
}

/**
 * Sees to it that `linear` can push where the access of this instruction is: leaves
 * for the interpreter, which finds the page, if the TLB doesn't know it.
 */
export function find(size: u32, offset: i32): void {
  const planned = <u32>load<u8>(current, P_GROUP);
  const isStore = stores(op);
  const g = group(planned);
  if (inStrip && planned != NONE && load<u8>(g, G_STRIP) != NONE) {
    local = L_ALONE;
    within = opImm < 0 ? 0 : opImm;
    x(opB);
    byte(I32_WRAP);
    get(L_STRIP + load<u8>(g, G_STRIP));
    byte(I32_ADD);
    if (opImm < 0) {
      i32c(opImm);
      byte(I32_ADD);
    }
    set(local);
    return;
  }
  if (planned == NONE || load<u16>(g, G_MEMBERS) == 1 || load<u8>(g, G_APART)) {
    within = 0;
    local = L_ALONE;
    look(opImm, 0, size, !isStore, isStore, offset);
    return;
  }
  const width = load<u32>(g, G_WIDTH);
  const first = firstOf(g);
  const from = load<i32>(current);
  const holder = planned % LINEARS;
  within = from + opImm - first;
  local = L_LINEAR + holder;
  if (holds(holder, planned)) return;
  look(first - from, spanOf(g), width, load<u8>(g, G_LOADS) != 0, load<u8>(g, G_STORES) != 0, offset);
  hold(holder, planned);
}

/** The place of the group's first unit of its widest size. */
function firstOf(g: u32): i32 {
  const low = load<i32>(g, G_LOW);
  return low - ((low - load<i32>(g, G_ALIGNED)) & (load<u32>(g, G_WIDTH) - 1));
}

/** Bytes from there to its last unit. */
function spanOf(g: u32): i32 {
  return (load<i32>(g, G_HIGH) - 1 - firstOf(g)) & ~(load<u32>(g, G_WIDTH) - 1);
}

/** Pushes the linear address that `within` counts from. */
export function linear(): void {
  get(local);
}

/** Looks [x[opB] + from, + span + width) up and sets the local. */
function look(from: i32, span: i32, width: u32, loads: bool, isStore: bool, offset: i32): void {
  lookUp(opB, from, span, width, loads, isStore, offset);
  get(L_VA);
  byte(I32_WRAP);
  pushAddend(isStore);
  byte(I32_ADD);
  set(local);
}

/**
 * Leaves in L_ENTRY the entry of the page of [x[base] + from, + span + width), or leaves the code; see `compareTag`.
 * Pages next to each other never have the same place, so one compare with the last
 * unit's page, where the first's would be, tells that there is one page and that the
 * TLB knows it.
 */
function lookUp(base: u32, from: i32, span: i32, width: u32, loads: bool, isStore: bool, offset: i32): void {
  x(base);
  if (from) {
    i64c(from);
    byte(I64_ADD);
  }
  tee(L_VA);
  if (span) {
    i64c(span);
    byte(I64_ADD);
  }
  i64c(<i64>(~<u64>(PAGE_SIZE - 1) | (width - 1)));
  byte(I64_AND);
  set(L_TEMP);
  pushHome(L_VA);
  tee(L_ENTRY);
  set(L_HOME);
  if (loads) compareTag(0, offset);
  if (loads && isStore) {
    get(L_HOME);
    set(L_ENTRY);
  }
  if (isStore) compareTag(TLB_STORE, offset);
}

/** Pushes the first place for the page of the address in a local. */
function pushHome(address: u32): void {
  get(address);
  i64c(12 - TLB_ENTRY_BITS);
  byte(I64_SHR_U);
  byte(I32_WRAP);
  i32c((TLB_ENTRIES - 1) << TLB_ENTRY_BITS);
  byte(I32_AND);
  get(L_TLB);
  byte(I32_ADD);
}

/** Pushes what the entry at L_ENTRY says to add to an address. */
function pushAddend(isStore: bool): void {
  get(L_ENTRY);
  access(I32_LOAD, (isStore ? TLB_STORE : 0) + 8);
}

/**
 * Leaves unless L_TEMP is the tag of the entry at L_ENTRY, or of the other one that the page may have: L_ENTRY is that one then.
 * @param offset  of the instruction that the interpreter is to execute; NO_STRIP: out of the block around
 */
function compareTag(bank: u32, offset: i32): void {
  get(L_TEMP);
  get(L_ENTRY);
  access(I64_LOAD, bank);
  byte(I64_NE);
  seldom();
  get(L_TEMP);
  // Banks begin at multiples of their parts' size.
  get(L_ENTRY);
  i32c(TLB_OTHER);
  byte(I32_XOR);
  tee(L_ENTRY);
  access(I64_LOAD, bank);
  byte(I64_NE);
  if (offset == NO_STRIP) outSeldom(1);
  else leaveIfMissed(offset, 1);
  byte(END);
}

/** How many looks the planned block has into the TLB, of which each may miss. */
export function plannedLooks(): u32 {
  let looks: u32 = 0;
  for (let i: u32 = 0; i < groups; i++) {
    const g = group(i);
    if (inStrip && load<u8>(g, G_STRIP) != NONE) continue;
    if (load<u8>(g, G_APART)) looks += load<u16>(g, G_MEMBERS);
    else looks += (load<u8>(g, G_LOADS) ? 1 : 0) + (load<u8>(g, G_STORES) ? 1 : 0);
  }
  return looks;
}

// ---- Strips (jit/strips) ------------------------------------------------------------------

/** From here on accesses are those of a strip, or not any more. */
export function accessInStrip(yes: bool): void {
  inStrip = yes;
}

/**
 * Looks up where the planned block's strips begin, and sets L_STRIP and `rounds`, a local of i32, to the rounds in which
 * all of them stay in their pages; out of the block around where the TLB doesn't know one.
 */
export function lookUpStrips(rounds: u32): void {
  i32c(PAGE_SIZE);
  set(rounds);
  for (let i: u32 = 0; i < groups; i++) {
    const g = group(i);
    const strip = <u32>load<u8>(g, G_STRIP);
    if (strip == NONE) continue;
    const isStore = load<u8>(g, G_STORES) != 0;
    const width = load<u32>(g, G_WIDTH);
    lookUp(load<u8>(g, G_ROOT), firstOf(g), spanOf(g), width, load<u8>(g, G_LOADS) != 0, isStore, NO_STRIP);
    pushAddend(isStore);
    set(L_STRIP + strip);
    const step = load<i32>(g, G_STEP);
    if (!step) continue;
    const far = abs(step) > SMALL_STEP;
    if (far) countPages(isStore ? TLB_STORE : 0, L_STRIP + strip, step > 0 ? PAGE_SIZE : -(<i32>PAGE_SIZE));
    // To where the page ends, or begins, from where the root is now.
    if (step > 0) i32c(<i32>PAGE_SIZE - spanOf(g) - width);
    get(L_VA);
    byte(I32_WRAP);
    i32c(PAGE_SIZE - 1);
    byte(I32_AND);
    if (step > 0) byte(I32_SUB);
    if (far) {
      get(L_HOME);
      i32c(12);
      byte(I32_SHL);
      byte(I32_ADD);
    }
    const size = abs(step);
    i32c(size & (size - 1) ? size : ctz(size));
    byte(size & (size - 1) ? I32_DIV_U : I32_SHR_U);
    i32c(1);
    byte(I32_ADD);
    tee(L_ENTRY);
    get(rounds);
    get(L_ENTRY);
    get(rounds);
    byte(I32_LT_U);
    byte(SELECT);
    set(rounds);
  }
}

/**
 * Counts in L_HOME the pages behind the one whose tag is in L_TEMP, or before it, that the TLB knows in their first places
 * with the same addend: they are neighbours in linear memory too.
 */
function countPages(bank: u32, addend: u32, by: i32): void {
  i32c(0);
  set(L_HOME);
  byte(BLOCK);
  byte(VOID);
  byte(LOOP);
  byte(VOID);
  get(L_TEMP);
  i64c(by);
  byte(I64_ADD);
  tee(L_TEMP);
  pushHome(L_TEMP);
  tee(L_ENTRY);
  access(I64_LOAD, bank);
  byte(I64_NE);
  byte(BR_IF);
  unsigned(1);
  get(L_ENTRY);
  access(I32_LOAD, bank + 8);
  get(addend);
  byte(I32_NE);
  byte(BR_IF);
  unsigned(1);
  get(L_HOME);
  i32c(1);
  byte(I32_ADD);
  tee(L_HOME);
  i32c(MOST_PAGES - 1);
  byte(I32_LT_U);
  byte(BR_IF);
  unsigned(0);
  byte(END);
  byte(END);
}
