/** Modules that arrive some rounds after they were asked for, the same ones in every run. */

import { type Compile, compileNow } from "../../src/core/jit.ts";
import { seeded } from "../isa/random.ts";

export interface Delays {
  readonly compile: Compile;
  /** A round is over, and no hart is running: what is due arrives. */
  round(): void;
}

/** @param most  rounds that a module takes at most; some take none, and arrive while they are asked for */
export function delays(seed: number, most: number): Delays {
  const random = seeded(seed);
  let now = 0;
  let waiting: { due: number; arrive: () => void }[] = [];
  return {
    compile: (bytes, done) => {
      const due = now + (random() % (most + 1));
      if (due === now) compileNow(bytes, done);
      else waiting.push({ due, arrive: () => compileNow(bytes, done) });
    },
    round: () => {
      now++;
      const due = waiting.filter((module) => module.due <= now);
      waiting = waiting.filter((module) => module.due > now);
      for (const { arrive } of due) arrive();
    },
  };
}
