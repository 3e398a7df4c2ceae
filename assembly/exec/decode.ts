/** From instructions to micro-ops, one slot at a time. */

import { H_SCRATCH, PAGE_SIZE } from "../abi";
import { pageAt } from "../bus/ram";
import { breaksAtOffset } from "../debug/points";
import { dA, dB, decode16, decode32, dImm } from "../isa/decode.generated";
import { farOf, OP_AUIPC, OP_BREAK, OP_CROSS } from "../isa/ops.generated";
import { holdsCode, slotsNumber } from "../mmu/code";

/** Fills a slot from the guest's page. `page` are the slots that `u` is one of. */
export function decodeSlot(page: usize, u: usize): void {
  const offset = <u32>(u - page) >> 2;
  const at = pageAt(slotsNumber(<u32>page)) + offset;
  holdsCode(<u32>page);
  if (breaksAtOffset(offset)) {
    store<u16>(u, OP_BREAK);
    return;
  }
  const low = load<u16>(at);
  if ((low & 3) != 3) {
    write(u, decode16(low), offset, true);
  } else if (offset == PAGE_SIZE - 2) {
    store<u16>(u, OP_CROSS);
  } else {
    write(u, decode32(load<u32>(at)), offset, true);
  }
}

/** Fills the hart's own slot with an instruction that is executed by itself. */
export function decodeAlone(h: usize, raw: u32, offset: u32): void {
  write(h + H_SCRATCH, (raw & 3) != 3 ? decode16(raw & 0xffff) : decode32(raw), offset, false);
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
