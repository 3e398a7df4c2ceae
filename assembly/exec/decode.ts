/** From instructions to micro-ops, one slot at a time. */

import { H_SCRATCH, PAGE_SIZE } from "../abi";
import { pageAt } from "../bus/ram";
import { breaksAtOffset } from "../debug/points";
import { dA, dB, decode16, decode32, dImm } from "../isa/decode.generated";
import { fusionOf, startsPair, unfused } from "../isa/fusion.generated";
import { farOf, OP_AUIPC, OP_BREAK, OP_CROSS, OP_DECODE } from "../isa/ops.generated";
import { holdsCode, slotsNumber } from "../mmu/code";

/**
 * Fills a slot from the guest's page, and the next one when the two are fused.
 * `page` are the slots that `u` is one of.
 */
export function decodeSlot(page: usize, u: usize): void {
  const guest = pageAt(slotsNumber(<u32>page));
  holdsCode(<u32>page);
  const offset = <u32>(u - page) >> 2;
  const size = fill(guest, u, offset);
  const first = load<u16>(u);
  if (!startsPair(first) || offset + size >= PAGE_SIZE) return;
  const next = u + (<usize>size << 2);
  const isNew = load<u16>(next) == OP_DECODE;
  if (isNew) fill(guest, next, offset + size);
  const op = fusionOf(first, unfused(load<u16>(next)));
  if (op) store<u16>(u, op);
  else if (isNew) store<u16>(next, OP_DECODE); // its own turn comes: it may start a pair itself
}

/** Decodes one instruction, unless it has a breakpoint. @returns its size in bytes */
function fill(guest: u32, u: usize, offset: u32): u32 {
  if (breaksAtOffset(offset)) {
    store<u16>(u, OP_BREAK);
    return 2;
  }
  const at = guest + offset;
  const low = load<u16>(at);
  if ((low & 3) != 3) {
    write(u, decode16(low), offset, true);
    return 2;
  }
  if (offset == PAGE_SIZE - 2) store<u16>(u, OP_CROSS);
  else write(u, decode32(load<u32>(at)), offset, true);
  return 4;
}

/** Fills the hart's own slot with an instruction that is executed by itself. */
export function decodeAlone(h: usize, raw: u32, offset: u32): void {
  write(h + H_SCRATCH, (raw & 3) != 3 ? decode16(raw & 0xffff) : decode32(raw), offset, false);
}

/** The same with the instruction at an offset of the page with these slots. @returns its size, or 0: it crosses pages */
export function decodeEntry(h: usize, slots: u32, offset: u32): u32 {
  const at = pageAt(slotsNumber(slots)) + offset;
  const isShort = (load<u16>(at) & 3) != 3;
  if (!isShort && offset > PAGE_SIZE - 4) return 0;
  decodeAlone(h, isShort ? load<u16>(at) : load<u32>(at), offset);
  return isShort ? 2 : 4;
}

/**
 * Turns the decoder's answer into a slot. What depends on the pc is made relative
 * to the page: branches become a distance in micro-ops or, when they leave the
 * page (or there is none), an offset from the page's start.
 */
function write(u: usize, op: u16, offset: u32, near: bool): void {
  let imm = dImm;
  const far = farOf(op);
  if (far) {
    const target = <i32>offset + imm;
    if (near && <u32>target < PAGE_SIZE) {
      imm <<= 2;
    } else {
      op = far;
      imm = target;
    }
  } else if (op == OP_AUIPC) {
    imm += offset;
  }
  store<u16>(u, op);
  store<u8>(u, <u8>dA, 2);
  store<u8>(u, <u8>dB, 3);
  store<i32>(u, imm, 4);
}
