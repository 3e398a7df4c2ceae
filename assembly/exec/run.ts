/** `run`: the one call by which a hart makes progress. */

import {
  CT_COMPILED, CT_INTERRUPT, CT_TRAP, DEV_MACHINE, EXIT_CRASH, EXIT_NONE, H_COUNTERS, H_INSTRET, H_INSTRET_END, H_LEFT, H_SCRATCH, H_STATE,
  H_TRAP_CAUSE, H_TRAP_TVAL, HART_RUNNING, HART_STOPPED, M_ATTENTION, M_CURRENT, M_EXIT, M_FLAGS, M_FLASH, M_HARTS,
  MF_SBI, RUN_BAD, RUN_BUDGET, RUN_DEBUG, RUN_EXIT, RUN_IDLE, RUN_STOPPED, RUN_TRAPS, RUN_WAIT, ST_BUDGET, ST_EVENT, ST_STEP, ST_TRAP,
  ST_WAIT,
} from "../abi";
import { breakpointStops, interruptsWait, watchpointStops } from "../debug/points";
import { rtcTick } from "../devices/rtc";
import { clockDeadline, timerDeadline, timerLines } from "../devices/timer";
import { interruptDue, interruptsEnabled } from "../hart/interrupt";
import {
  count, EXC_BREAK, EXC_ECALL_S, EXC_ILLEGAL, getPc, hartAt, TVAL_RAW,
} from "../hart/state";
import { counted, instructionsUntil, timeNow } from "../hart/time";
import { takeTrap } from "../hart/trap";
import { fetchedSlots, fetchHalf, fetchSlow, half } from "../mmu/access";
import { flashSettle } from "../mmu/flash";
import { fetchHit, tlbSelect } from "../mmu/tlb";
import { OP_JIT } from "../isa/ops.generated";
import { heat, jitOn, SAMPLE_HEAT } from "../jit/profile";
import { sbiCall } from "../sbi/call";
import { decodeAlone } from "./decode";
import { compiled, countCompiled, execute } from "./execute";
import { mayBeHot } from "./recall";

const INTERRUPT: u64 = <u64>1 << 63;

/**
 * Runs a hart until it has retired exactly `n` instructions, or earlier for a
 * stated reason. Never runs for ever: traps, which retire nothing, are limited
 * to `n` as well.
 * @returns RUN_*
 */
export function run(hart: u32, n: i32): i32 {
  if (hart >= load<u32>(DEV_MACHINE, M_HARTS)) return RUN_BAD;
  if (n <= 0) return RUN_BUDGET;
  const h = hartAt(hart);
  countCompiled();
  const why = advance(hart, h, n);
  const counter = h + H_COUNTERS + CT_COMPILED * 8;
  store<u64>(counter, load<u64>(counter) + compiled);
  return why;
}

function advance(hart: u32, h: usize, n: i32): i32 {
  const goal = load<u64>(h, H_INSTRET) + n;
  let traps = n;
  let limit = goal; // where the inner loop must stop for the timer
  let look = true; // at devices and the clock, before going on
  store<u32>(DEV_MACHINE, hart, M_CURRENT);
  while (true) {
    const done = load<u64>(h, H_INSTRET);
    store<u64>(h, done, H_INSTRET_END);
    store<u64>(h, 0, H_LEFT);
    if (look) {
      look = false;
      store<u32>(DEV_MACHINE, 0, M_ATTENTION);
      if (load<u32>(DEV_MACHINE, M_FLASH)) flashSettle();
      if (load<u32>(DEV_MACHINE, M_EXIT) != EXIT_NONE) return RUN_EXIT;
      const state = load<u32>(h, H_STATE);
      if (state == HART_STOPPED) return RUN_STOPPED;
      rtcTick();
      const now = timeNow();
      timerLines(h, hart, now);
      if (state != HART_RUNNING) {
        if (!interruptsEnabled(h)) return RUN_IDLE;
        store<u32>(h, HART_RUNNING, H_STATE);
      }
      limit = goal;
      if (counted()) {
        const timer = timerDeadline(h, hart, now);
        const alarm = clockDeadline(now);
        const until = instructionsUntil(h, timer < alarm ? timer : alarm);
        if (until < goal - done) limit = done + until;
      }
    }
    if (done == goal) return RUN_BUDGET;
    const due = interruptDue(h);
    if (due >= 0 && !interruptsWait(h, hart)) {
      count(h, CT_INTERRUPT);
      if (!enterTrap(h, INTERRUPT | <u64>due, 0)) return RUN_EXIT;
      if (--traps == 0) return RUN_TRAPS;
    }
    let st = enter(h, <i32>(limit - done));
    // Compiled code asks for a step too when the budget ends at its entry.
    if (st == ST_STEP && load<u64>(h, H_INSTRET) == limit) st = ST_BUDGET;
    if (st == ST_STEP) {
      if (breakpointStops(h, hart)) return RUN_DEBUG;
      st = step(h);
    }
    if (watchpointStops(h, hart)) return RUN_DEBUG;
    // Where a budget ends is a sample, unless compiled code has used it up.
    if (st == ST_BUDGET && jitOn() && compiled < n >> 1) sample(h);
    if (st == ST_TRAP) {
      count(h, CT_TRAP);
      st = handle(h);
      if (st == ST_WAIT) return RUN_WAIT;
      if (st == ST_EVENT) look = true;
      if (--traps == 0) return RUN_TRAPS;
    } else if (st == ST_WAIT) {
      return RUN_WAIT;
    } else if (st == ST_EVENT || load<u64>(h, H_INSTRET) == limit) {
      look = true;
    }
  }
}

/** Looks the pc up and executes from there. @returns ST_* */
function enter(h: usize, budget: i32): i32 {
  const pc = getPc(h);
  const va = pc & ~4095;
  let page: usize = fetchHit(h, pc);
  if (!page) {
    const st = fetchSlow(h, pc);
    if (st) return st;
    page = fetchedSlots;
  }
  store<u64>(h, load<u64>(h, H_INSTRET) + budget, H_INSTRET_END);
  return execute(h, budget, page, page + ((<usize>pc & 4095) << 2), va);
}

/** A slice ends here: what is often found running is hot. */
function sample(h: usize): void {
  const pc = getPc(h);
  const slots = fetchHit(h, pc);
  if (!slots) return;
  const slot = slots + ((<u32>pc & 4095) << 2);
  if (load<u16>(slot) == OP_JIT) return;
  mayBeHot(<u32>slots);
  if (load<u16>(slot) != OP_JIT) heat(h, slots, slot, SAMPLE_HEAT);
}

/** Executes one instruction that crosses pages, is in a page that PMP cuts up, or that a debugger looks at. */
function step(h: usize): i32 {
  const pc = getPc(h);
  const st = fetchRaw(h, pc);
  if (st) return st;
  const offset = <u32>pc & 4095;
  decodeAlone(h, raw, offset);
  const u = h + H_SCRATCH;
  store<u64>(h, load<u64>(h, H_INSTRET) + 1, H_INSTRET_END);
  return execute(h, 1, u - (offset << 2), u, pc & ~4095);
}

/** Where `fetchRaw` leaves the instruction. */
let raw: u32 = 0;

function fetchRaw(h: usize, pc: u64): i32 {
  let st = fetchHalf(h, pc);
  if (st) return st;
  raw = half;
  if ((raw & 3) != 3) return 0;
  st = fetchHalf(h, pc + 2);
  if (st) return st;
  raw |= half << 16;
  return 0;
}

/** Takes the trap that a handler left. @returns ST_EVENT to look around, ST_WAIT, or ST_TRAP when taken */
function handle(h: usize): i32 {
  const cause = load<u64>(h, H_TRAP_CAUSE);
  let tval = load<u64>(h, H_TRAP_TVAL);
  if (cause == EXC_ECALL_S && load<u32>(DEV_MACHINE, M_FLAGS) & MF_SBI) {
    return sbiCall(h) == ST_WAIT ? ST_WAIT : ST_EVENT;
  }
  if (cause == EXC_ILLEGAL && tval == TVAL_RAW) {
    tval = fetchRaw(h, getPc(h)) == 0 ? raw : 0;
    store<u64>(h, cause, H_TRAP_CAUSE);
    store<u64>(h, tval, H_TRAP_TVAL);
  } else if (cause == EXC_BREAK) {
    tval = getPc(h);
    store<u64>(h, tval, H_TRAP_TVAL);
  }
  return enterTrap(h, cause, tval) ? ST_TRAP : ST_EVENT;
}

/** @returns false: the machine has crashed, see M_EXIT and H_TRAP_* */
function enterTrap(h: usize, cause: u64, tval: u64): bool {
  if (takeTrap(h, cause, tval)) {
    tlbSelect(h);
    return true;
  }
  store<u64>(h, cause, H_TRAP_CAUSE);
  store<u64>(h, tval, H_TRAP_TVAL);
  store<u32>(DEV_MACHINE, EXIT_CRASH, M_EXIT);
  return false;
}
