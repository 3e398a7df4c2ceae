/**
 * Shifts that belong together: rotations, which the base ISA has as two shifts and
 * an or, and words that are zero-extended by a shift to the left and one back.
 * What was only a step on the way is left to the engine to drop.
 */

import { JIT_WORK } from "../abi";
import { OP_SLLI, OP_SLLIW, OP_SRLI, OP_SRLIW } from "../isa/ops.generated";
import {
  byte, get, I32_ROTL, I32_SHL, I32_SHR_U, I32_WRAP, i32c, I64_EXTEND_I32_U, I64_ROTL, I64_SHL, I64_SHR_U, i64c,
  tee,
} from "./emit";
import { COPIES, end, endWord, L_COPY, SINK, versionOf, x } from "./parts";
import { op, opA, opB, opImm } from "./region";

// Of each register, what it was shifted from: { version u32 of its own, version u32 of the source, op u16, source u8, by u8 }.
const SHIFTED: u32 = JIT_WORK + 0x1_4000;
const S_SOURCE_VERSION: u32 = 4;
const S_OP: u32 = 8;
const S_SOURCE: u32 = 10;
const S_BY: u32 = 11;
const S_SIZE: u32 = 12;
// Of each local L_COPY what it holds, of registers that a shift has overwritten: { version u32, register u8 }.
const COPIED: u32 = SHIFTED + 32 * S_SIZE;

let nextCopy: u32 = 0;

// @ts-ignore: decorator
@inline function shifted(r: u32): u32 { return SHIFTED + r * S_SIZE; }

/** Nothing is known at the start of a block. */
export function forgetShifts(): void {
  memory.fill(SHIFTED, 0, 32 * S_SIZE + COPIES * 8);
}

/** The shift whose result x[r] is, or 0. */
function shiftOf(r: u32): u32 {
  const s = shifted(r);
  return r < 32 && load<u16>(s, S_OP) && load<u32>(s) == versionOf(r) ? s : 0;
}

/** The local that holds the source of a shift, or 0 when none does any more. */
function sourceOf(s: u32): u32 {
  const r = <u32>load<u8>(s, S_SOURCE);
  const version = load<u32>(s, S_SOURCE_VERSION);
  for (let i: u32 = 0; i < COPIES; i++) {
    const c = COPIED + i * 8;
    if (load<u8>(c, 4) == <u8>r && load<u32>(c) == version) return L_COPY + i;
  }
  return 0;
}

/** Pushes it. @returns false when it is gone */
function pushSource(s: u32): bool {
  const r = <u32>load<u8>(s, S_SOURCE);
  if (versionOf(r) == load<u32>(s, S_SOURCE_VERSION)) {
    x(r);
    return true;
  }
  const copy = sourceOf(s);
  if (copy) get(copy);
  return copy != 0;
}

/** SLLI, SRLI, SLLIW or SRLIW. */
export function lowerShift(): void {
  const source = opB;
  const version = versionOf(source);
  if (op == OP_SRLI && zeroExtended()) return;
  x(source);
  if (opA == source && source) {
    const c = COPIED + nextCopy * 8;
    store<u32>(c, version);
    store<u8>(c, <u8>source, 4);
    tee(L_COPY + nextCopy);
    nextCopy = (nextCopy + 1) % COPIES;
  }
  if (op == OP_SLLI || op == OP_SRLI) {
    i64c(opImm);
    byte(op == OP_SLLI ? I64_SHL : I64_SHR_U);
    end();
  } else {
    byte(I32_WRAP);
    i32c(opImm);
    byte(op == OP_SLLIW ? I32_SHL : I32_SHR_U);
    endWord();
  }
  if (opA == SINK || !source) return;
  const s = shifted(opA);
  store<u32>(s, versionOf(opA));
  store<u32>(s, version, S_SOURCE_VERSION);
  store<u16>(s, op, S_OP);
  store<u8>(s, <u8>source, S_SOURCE);
  store<u8>(s, <u8>opImm, S_BY);
}

/** A shift to the right of what was shifted to the left by 32. */
function zeroExtended(): bool {
  const s = shiftOf(opB);
  if (!s || load<u16>(s, S_OP) != OP_SLLI || load<u8>(s, S_BY) != 32 || !pushSource(s)) return false;
  byte(I32_WRAP);
  byte(I64_EXTEND_I32_U);
  if (opImm != 32) {
    i64c(opImm < 32 ? 32 - opImm : opImm - 32);
    byte(opImm < 32 ? I64_SHL : I64_SHR_U);
  }
  end();
  return true;
}

/** An or that makes a rotation of two shifts. @returns false when it doesn't */
export function lowerRotation(): bool {
  let left = shiftOf(opB);
  let right = shiftOf(<u32>opImm);
  if (!left || !right) return false;
  if (load<u16>(left, S_OP) == OP_SRLI || load<u16>(left, S_OP) == OP_SRLIW) {
    const other = left;
    left = right;
    right = other;
  }
  const isWord = load<u16>(left, S_OP) == OP_SLLIW;
  if (load<u16>(left, S_OP) != (isWord ? OP_SLLIW : OP_SLLI) || load<u16>(right, S_OP) != (isWord ? OP_SRLIW : OP_SRLI)) return false;
  const by = load<u8>(left, S_BY);
  // Without a bit from the left the word's sign would be another.
  if (!by || by + load<u8>(right, S_BY) != (isWord ? 32 : 64)) return false;
  if (load<u8>(left, S_SOURCE) != load<u8>(right, S_SOURCE)) return false;
  if (load<u32>(left, S_SOURCE_VERSION) != load<u32>(right, S_SOURCE_VERSION) || !pushSource(left)) return false;
  if (isWord) {
    byte(I32_WRAP);
    i32c(by);
    byte(I32_ROTL);
    endWord();
  } else {
    i64c(by);
    byte(I64_ROTL);
    end();
  }
  return true;
}
