/** Execution until something happens: the hot loop, and the handlers that it leaves for. */

import {
  H_INSTRET, H_INSTRET_END, H_JIT_FROM, H_JIT_N, H_JIT_STATUS, H_PC, H_SCRATCH, HANDLERS, ST_BUDGET, ST_EVENT, ST_JUMP, ST_MISS,
  ST_OK, ST_SPLIT, ST_STEP,
} from "../abi";
import { setPc } from "../hart/state";
import { OP_BREAK, OP_CROSS, OP_DECODE, OP_JIT } from "../isa/ops.generated";
import { fetchedSlots, fetchSlow } from "../mmu/access";
import { fetchHit } from "../mmu/tlb";
import { noteJump } from "../jit/jumps";
import { heat, jitOn } from "../jit/profile";
import { noteSplit } from "../jit/split";
import { decodeEntry, decodeSlot } from "./decode";
import { interpret, isCalled } from "./dispatch.generated";
import { decodedOne, mayBeHot } from "./recall";
import { LEFT_BUDGET, LEFT_JUMP, leftAt, leftBase, leftBudget, leftPage, leftTarget } from "./leave";

/** Instructions that compiled code has retired: for whoever sets it to 0 before. */
export let compiled: i32 = 0;

export function countCompiled(): void {
  compiled = 0;
}

/** No region asks for more budget at a time. */
const ENDING: i32 = 512;

/**
 * Executes up to `n` instructions; H_INSTRET_END must hold what H_INSTRET will
 * be after all of them. On return H_PC and H_INSTRET are true.
 * @param page   the slots of the page that holds the pc (UOP_SLOTS × 8 bytes)
 * @param u      the slot of the pc
 * @param vbase  virtual address of the page
 * @returns      ST_*, never ST_OK
 */
export function execute(h: usize, n: i32, page: usize, u: usize, vbase: u64): i32 {
  for (;;) {
    const why = interpret(h, n, page, u, vbase);
    if (why == LEFT_BUDGET) {
      setPc(h, leftBase + ((leftAt - leftPage) >> 2));
      store<u64>(h, load<u64>(h, H_INSTRET_END), H_INSTRET);
      return ST_BUDGET;
    }
    n = leftBudget;
    if (why == LEFT_JUMP) {
      const target = leftTarget;
      const st = n == 0 ? ST_BUDGET : fetchSlow(h, target);
      if (st != ST_OK) {
        setPc(h, target);
        store<u64>(h, load<u64>(h, H_INSTRET_END) - n, H_INSTRET);
        return st;
      }
      page = fetchedSlots;
      vbase = target & ~4095;
      u = page + ((<usize>target & 4095) << 2);
      continue;
    }
    page = leftPage;
    u = leftAt;
    vbase = leftBase;
    const op = <u32>load<u16>(u);
    if (op == OP_DECODE) {
      decodeSlot(page, u);
      if (jitOn()) decodedOne(<u32>page);
      n++;
      continue;
    }
    if (op == OP_JIT) {
      const target = call_indirect<u64>(load<u32>(u, 4), h, n + 1, vbase, 0);
      compiled += n + 1;
      n = load<i32>(h, H_JIT_N);
      compiled -= n;
      store<u64>(h, target & ~1, H_PC);
      if (target & 1) {
        const st = load<i32>(h, H_JIT_STATUS);
        // A page that the TLB doesn't know: the interpreter finds it, unless that would be by way of this region again.
        if (st == ST_MISS || st == ST_SPLIT) {
          page = fetchHit(h, target);
          if (page) {
            vbase = target & ~4095;
            u = page + ((<usize>target & 4094) << 2);
            if (st == ST_SPLIT) noteSplit(h, <u32>page, <u32>u);
            if (load<u16>(u) != OP_JIT) continue;
            // It is its region's first: polling a device by a loop is like this, every time.
            const size = n ? decodeEntry(h, <u32>page, <u32>target & 4094) : 0;
            if (size) {
              n--;
              const alone = h + H_SCRATCH;
              const did = call_indirect<i32>(load<u32>(HANDLERS + (<u32>load<u16>(alone) << 2)) >> 1, h, alone, n);
              if (did == ST_OK || did == ST_EVENT) u += size << 2;
              else if (did != ST_JUMP) n++;
              if (did == ST_OK) continue;
              if (did != ST_JUMP) setPc(h, vbase + ((u - page) >> 2));
              store<u64>(h, load<u64>(h, H_INSTRET_END) - n, H_INSTRET);
              return did;
            }
          }
        }
        store<u64>(h, load<u64>(h, H_INSTRET_END) - n, H_INSTRET);
        return st >= ST_MISS ? ST_STEP : st;
      }
      vbase = target & ~4095;
      page = fetchHit(h, target);
      if (!page) {
        const missed = n == 0 ? ST_BUDGET : fetchSlow(h, target);
        if (missed != ST_OK) {
          store<u64>(h, load<u64>(h, H_INSTRET_END) - n, H_INSTRET);
          return missed;
        }
        page = fetchedSlots;
      }
      u = page + ((<usize>target & 4095) << 2);
      const from = load<u64>(h, H_JIT_FROM);
      if (from) {
        store<u64>(h, 0, H_JIT_FROM);
        const origin = fetchHit(h, from);
        if (origin) noteJump(<u32>origin, <u32>from & 4094, <u32>page, <u32>target & 4095);
      }
      // Where compiled code leaves to is worth compiling too, if it didn't only leave because the budget ends.
      if (n > ENDING && load<u16>(u) != OP_JIT) {
        mayBeHot(<u32>page);
        if (load<u16>(u) != OP_JIT) heat(h, <u32>page, <u32>u, 1);
      }
      continue;
    }
    let handler = load<u32>(HANDLERS + (op << 2));
    let step: usize = handler & 1 ? 8 : 16;
    let st: i32 = op == OP_CROSS || op == OP_BREAK ? ST_STEP : call_indirect<i32>(handler >> 1, h, u, n);
    while (st == ST_OK) {
      u += step;
      const next = load<u16>(u);
      if (n == 0 || !isCalled(next)) break;
      n--;
      handler = load<u32>(HANDLERS + (<u32>next << 2));
      step = handler & 1 ? 8 : 16;
      st = call_indirect<i32>(handler >> 1, h, u, n);
    }
    if (st == ST_OK) continue;
    if (st == ST_EVENT) u += step; // it has retired, and the next one is due
    else if (st != ST_JUMP) n++; // it has not
    if (st != ST_JUMP) setPc(h, vbase + ((u - page) >> 2));
    store<u64>(h, load<u64>(h, H_INSTRET_END) - n, H_INSTRET);
    return st;
  }
}
