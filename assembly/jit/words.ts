/** Which registers hold sign-extended words, for whose extension nothing need be done again. */

import {
  OP_ADDI, OP_ADDIW, OP_ADDW, OP_AND, OP_ANDI, OP_DIVUW, OP_DIVW, OP_LB, OP_LBU, OP_LH, OP_LHU, OP_LUI, OP_LW, OP_MULW,
  OP_OR, OP_ORI, OP_REMUW, OP_REMW, OP_SLLIW, OP_SLLW, OP_SLT, OP_SLTI, OP_SLTIU, OP_SLTU, OP_SRAI, OP_SRAIW, OP_SRAW,
  OP_SRLIW, OP_SRLW, OP_SUBW, OP_XOR, OP_XORI,
} from "../isa/ops.generated";
import { shapeOf, WRITES_A } from "../isa/shape.generated";
import { calls, countOf, edge, fetch, op, opA, opB, opImm, opSize, ordered, orderedCount, setWords, startOf, wordsAt } from "./region";

/** What `fetch` has decoded makes of the registers that hold sign-extended words; bit 0 stands for x0. */
export function wordsAfter(words: u32): u32 {
  if (!(shapeOf(op) & WRITES_A) || opA > 31) return words;
  const bit: u32 = 1 << opA;
  return isWord(words) ? words | bit : words & ~bit;
}

// @ts-ignore: decorator
@inline function both(words: u32): bool { return (words >> opB & words >> (opImm & 31) & 1) != 0; }

function isWord(words: u32): bool {
  switch (<i32>op) {
    case OP_LUI: case OP_LB: case OP_LH: case OP_LW: case OP_LBU: case OP_LHU: case OP_ADDIW: case OP_SLLIW: case OP_SRLIW:
    case OP_SRAIW: case OP_ADDW: case OP_SUBW: case OP_SLLW: case OP_SRLW: case OP_SRAW: case OP_MULW: case OP_DIVW: case OP_DIVUW:
    case OP_REMW: case OP_REMUW: case OP_SLT: case OP_SLTU: case OP_SLTI: case OP_SLTIU:
      return true;
    case OP_ADDI: return opB == 0 || (opImm == 0 && (words >> opB & 1) != 0);
    case OP_ANDI: case OP_ORI: case OP_XORI: case OP_SRAI: return (words >> opB & 1) != 0;
    case OP_AND: case OP_OR: case OP_XOR: return both(words);
    default: return false;
  }
}

/** Finds `wordsAt` of the region that was discovered. */
export function findWords(page: u32): void {
  for (let i: u32 = 0; i < orderedCount(); i++) setWords(ordered(i), i ? ~0 : 1);
  let changed = true;
  while (changed) {
    changed = false;
    for (let i: u32 = 0; i < orderedCount(); i++) {
      const b = ordered(i);
      let words = wordsAt(b);
      let at = startOf(b);
      for (let j = countOf(b); j > 0; j--) {
        fetch(page, at);
        words = wordsAfter(words);
        at += opSize;
      }
      if (calls(b)) words = 1;
      for (let e: u32 = 0; e < 2; e++) {
        const to = edge(b, e);
        if (to < 0 || (wordsAt(to) & words) == wordsAt(to)) continue;
        setWords(to, wordsAt(to) & words);
        changed = true;
      }
    }
  }
}
