/** A link that loses, duplicates, delays and so reorders frames, by a seed. */

import type { Link } from "../../../src/backends/link.ts";
import type { Timing } from "../../../src/backends/timing.ts";
import { seeded } from "../../../src/fuzz/random.ts";

export interface Impairment {
  readonly seed: number;
  /** Shares of frames, 0 to 1, in each direction. */
  readonly loss?: number;
  readonly duplication?: number;
  readonly reordering?: number;
  /** Milliseconds that every frame takes, and that reordered ones take more. */
  readonly delay?: number;
  readonly late?: number;
}

export function impaired(link: Link, timing: Timing, impairment: Impairment): Link {
  const { loss = 0, duplication = 0, reordering = 0, delay = 0, late = 5 } = impairment;
  const random = seeded(impairment.seed);
  const chance = (share: number) => random() < share * 2 ** 32;
  const pass = (frame: Uint8Array, deliver: (frame: Uint8Array) => void) => {
    if (chance(loss)) return;
    const after = delay + (chance(reordering) ? (random() / 2 ** 32) * late : 0);
    const copies = chance(duplication) ? [frame, frame.slice()] : [frame];
    for (const copy of copies) {
      if (after > 0) timing.later(after, () => deliver(copy));
      else deliver(copy);
    }
  };
  let onFrame: Link["onFrame"];
  link.onFrame = (frame) => pass(frame, (each) => onFrame?.(each));
  return {
    submit: (frame) => pass(frame, (each) => link.submit(each)),
    get onFrame() {
      return onFrame;
    },
    set onFrame(handler) {
      onFrame = handler;
    },
    get largestArrival() {
      return link.largestArrival;
    },
    set largestArrival(bytes) {
      link.largestArrival = bytes;
    },
    close: () => link.close(),
  };
}
