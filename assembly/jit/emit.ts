/** Writes the bytes of a WebAssembly module (Core Specification 5: Binary Format). */

import { JIT_BODIES, JIT_BODIES_SIZE, JIT_HINTS, JIT_HINTS_SIZE } from "../abi";

// Value types.
export const I32: u8 = 0x7f;
export const I64: u8 = 0x7e;
export const F32: u8 = 0x7d;
export const F64: u8 = 0x7c;
export const VOID: u8 = 0x40;

// Instructions (5.4).
export const BLOCK: u8 = 0x02;
export const LOOP: u8 = 0x03;
export const IF: u8 = 0x04;
export const ELSE: u8 = 0x05;
export const END: u8 = 0x0b;
export const BR: u8 = 0x0c;
export const BR_IF: u8 = 0x0d;
export const RETURN: u8 = 0x0f;
export const CALL: u8 = 0x10;
export const RETURN_CALL: u8 = 0x12;
export const SELECT: u8 = 0x1b;
export const LOCAL_GET: u8 = 0x20;
export const LOCAL_SET: u8 = 0x21;
export const LOCAL_TEE: u8 = 0x22;
export const I32_LOAD: u8 = 0x28;
export const I32_LOAD16_U: u8 = 0x2f;
export const I64_LOAD: u8 = 0x29;
export const I64_LOAD8_S: u8 = 0x30;
export const I64_LOAD8_U: u8 = 0x31;
export const I64_LOAD16_S: u8 = 0x32;
export const I64_LOAD16_U: u8 = 0x33;
export const I64_LOAD32_S: u8 = 0x34;
export const I64_LOAD32_U: u8 = 0x35;
export const F32_LOAD: u8 = 0x2a;
export const F64_LOAD: u8 = 0x2b;
export const F32_STORE: u8 = 0x38;
export const F64_STORE: u8 = 0x39;
export const I32_STORE: u8 = 0x36;
export const I64_STORE: u8 = 0x37;
export const I64_STORE8: u8 = 0x3c;
export const I64_STORE16: u8 = 0x3d;
export const I64_STORE32: u8 = 0x3e;
export const I32_CONST: u8 = 0x41;
export const I64_CONST: u8 = 0x42;
export const I32_EQZ: u8 = 0x45;
export const I32_EQ: u8 = 0x46;
export const I32_NE: u8 = 0x47;
export const I32_LT_S: u8 = 0x48;
export const I32_LT_U: u8 = 0x49;
export const I32_GT_S: u8 = 0x4a;
export const I32_LE_S: u8 = 0x4c;
export const I32_GE_S: u8 = 0x4e;
export const I32_GE_U: u8 = 0x4f;
export const I64_EQZ: u8 = 0x50;
export const I64_EQ: u8 = 0x51;
export const I64_NE: u8 = 0x52;
export const I64_LT_S: u8 = 0x53;
export const I64_LT_U: u8 = 0x54;
export const I64_GT_S: u8 = 0x55;
export const I64_GT_U: u8 = 0x56;
export const I64_GE_S: u8 = 0x59;
export const I64_GE_U: u8 = 0x5a;
export const I32_CLZ: u8 = 0x67;
export const I32_CTZ: u8 = 0x68;
export const I32_POPCNT: u8 = 0x69;
export const I32_ADD: u8 = 0x6a;
export const I32_SUB: u8 = 0x6b;
export const I32_MUL: u8 = 0x6c;
export const I32_DIV_U: u8 = 0x6e;
export const I32_AND: u8 = 0x71;
export const I32_OR: u8 = 0x72;
export const I32_XOR: u8 = 0x73;
export const I32_SHL: u8 = 0x74;
export const I32_SHR_S: u8 = 0x75;
export const I32_SHR_U: u8 = 0x76;
export const I32_ROTL: u8 = 0x77;
export const I32_ROTR: u8 = 0x78;
export const I64_CLZ: u8 = 0x79;
export const I64_CTZ: u8 = 0x7a;
export const I64_POPCNT: u8 = 0x7b;
export const I64_ADD: u8 = 0x7c;
export const I64_SUB: u8 = 0x7d;
export const I64_MUL: u8 = 0x7e;
export const I64_DIV_S: u8 = 0x7f;
export const I64_DIV_U: u8 = 0x80;
export const I64_REM_S: u8 = 0x81;
export const I64_REM_U: u8 = 0x82;
export const I64_AND: u8 = 0x83;
export const I64_OR: u8 = 0x84;
export const I64_XOR: u8 = 0x85;
export const I64_SHL: u8 = 0x86;
export const I64_SHR_S: u8 = 0x87;
export const I64_SHR_U: u8 = 0x88;
export const I64_ROTL: u8 = 0x89;
export const I64_ROTR: u8 = 0x8a;
export const I32_WRAP: u8 = 0xa7;
export const I64_EXTEND_I32_S: u8 = 0xac;
export const I64_EXTEND_I32_U: u8 = 0xad;
export const I32_REINTERPRET: u8 = 0xbc;
export const I64_REINTERPRET: u8 = 0xbd;
export const F32_REINTERPRET: u8 = 0xbe;
export const F64_REINTERPRET: u8 = 0xbf;
export const I64_EXTEND8_S: u8 = 0xc2;
export const I64_EXTEND16_S: u8 = 0xc3;
export const I64_EXTEND32_S: u8 = 0xc4;

let at: usize = 0;

/** Where the next byte goes. */
export function emitTo(address: usize): void {
  at = address;
}

export function emitted(): usize {
  return at;
}

/** Whether the buffer of bodies is so full that the next instruction might not fit. */
export function emitFull(): bool {
  return at > JIT_BODIES + JIT_BODIES_SIZE - 4096 || hintCount == MOST_HINTS;
}

// ---- Branch hints (the proposal's custom section "metadata.code.branch_hint") -----------

const MOST_HINTS: u32 = JIT_HINTS_SIZE >> 3;
export let hintCount: u32 = 0;
let bodyStart: usize = 0;
let bodyIndex: u32 = 0;

export function hintsStart(count: u32): void {
  hintCount = count;
}

/** The body of a function begins here: hints count from its locals. */
export function hintsFor(index: u32): void {
  bodyIndex = index;
  bodyStart = at;
}

/** The `if` or `br_if` that is written next is seldom (0) or mostly (1) true. */
export function hint(likely: u32): void {
  if (hintCount == MOST_HINTS) return;
  store<u32>(JIT_HINTS + (hintCount << 3), bodyIndex);
  store<u32>(JIT_HINTS + (hintCount << 3), <u32>(at - bodyStart) | (likely << 31), 4);
  hintCount++;
}

/** An `if` that is seldom true. */
export function seldom(): void {
  hint(0);
  byte(IF);
  byte(VOID);
}

/** A condition is on the stack that is seldom true: then it goes so many labels out. */
export function outSeldom(label: u32): void {
  hint(0);
  byte(BR_IF);
  unsigned(label);
}

export function byte(v: u32): void {
  store<u8>(at, <u8>v);
  at++;
}

/** Unsigned LEB128. */
export function unsigned(v: u32): void {
  while (v >= 0x80) {
    byte((v & 0x7f) | 0x80);
    v >>= 7;
  }
  byte(v);
}

/** Signed LEB128. */
export function signed(v: i64): void {
  while (true) {
    const low = <u32>v & 0x7f;
    v >>= 7;
    if ((v == 0 && !(low & 0x40)) || (v == -1 && low & 0x40)) {
      byte(low);
      return;
    }
    byte(low | 0x80);
  }
}

/** Room for a size that is known later: five bytes. @returns where, for `sized` */
export function size(): usize {
  const place = at;
  at += 5;
  return place;
}

/** Fills the room with the number of bytes that were written behind it. */
export function sized(place: usize): void {
  let v = <u32>(at - place - 5);
  for (let i: u32 = 0; i < 4; i++) {
    store<u8>(place + i, <u8>((v & 0x7f) | 0x80));
    v >>= 7;
  }
  store<u8>(place + 4, <u8>v);
}

// ---- Instructions with their immediates ---------------------------------------------

export function get(local: u32): void {
  byte(LOCAL_GET);
  unsigned(local);
}

export function set(local: u32): void {
  byte(LOCAL_SET);
  unsigned(local);
}

export function tee(local: u32): void {
  byte(LOCAL_TEE);
  unsigned(local);
}

export function i32c(v: i32): void {
  byte(I32_CONST);
  signed(v);
}

export function i64c(v: i64): void {
  byte(I64_CONST);
  signed(v);
}

/** A load or store; no alignment is promised. */
export function access(op: u8, offset: u32): void {
  byte(op);
  byte(0);
  unsigned(offset);
}

export function call(f: u32): void {
  byte(CALL);
  unsigned(f);
}

/** In place of a return. */
export function returnCall(f: u32): void {
  byte(RETURN_CALL);
  unsigned(f);
}

export function branch(label: u32): void {
  byte(BR);
  unsigned(label);
}
