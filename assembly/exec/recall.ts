/** Regions of code that was hot in an earlier run, or before all were dropped: as soon as some of it is executed. */

import { UOP_ASKED, UOP_HEADER, UOP_SLOTS, UOP_UNASKED } from "../abi";
import { OP_DECODE } from "../isa/ops.generated";
import { recall as ask, revive } from "../jit/cache";
import { wasExecuted } from "../jit/record";
import { decodeSlot } from "./decode";

/** So often a page is asked for because some of it may be hot; then only as often as enough of it is decoded. */
const MOST_ASKED: u32 = 16;

/** One more slot of this page has been decoded. */
export function decodedOne(slots: u32): void {
  const left = load<u16>(slots - UOP_HEADER, UOP_UNASKED);
  if (!left) return;
  store<u16>(slots - UOP_HEADER, left - 1, UOP_UNASKED);
  if (left == 1) recall(slots);
}

/** Code of this page may be hot. */
export function mayBeHot(slots: u32): void {
  // A page that changes again and again would be hashed each time.
  if (!load<u16>(slots - UOP_HEADER, UOP_UNASKED) || load<u16>(slots - UOP_HEADER, UOP_ASKED) >= MOST_ASKED) return;
  store<u16>(slots - UOP_HEADER, 0, UOP_UNASKED);
  recall(slots);
}

function recall(slots: u32): void {
  const asked = load<u16>(slots - UOP_HEADER, UOP_ASKED);
  if (asked < 0xffff) store<u16>(slots - UOP_HEADER, asked + 1, UOP_ASKED);
  const known = ask(slots);
  if (!known) return;
  // What was never executed then is left out of regions, as ever.
  for (let i: u32 = 0; i < UOP_SLOTS; i++) {
    const slot = slots + (i << 3);
    if (wasExecuted(i) && load<u16>(slot) == OP_DECODE) decodeSlot(slots, slot);
  }
  revive(slots, known);
}
