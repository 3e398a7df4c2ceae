/** Random bytes: the system's, or a fixed sequence for machines that must run the same each time. */

import { createHash, randomFillSync } from "node:crypto";
import type { Entropy } from "../../backends/entropy.ts";

export const systemEntropy: Entropy = {
  submit: (length, complete) => complete(randomFillSync(new Uint8Array(length))),
};

/** SHA-256 of a counter, from the beginning for each machine. Not fit for keys. */
export function fixedEntropy(): Entropy {
  let counter = 0;
  return {
    submit: (length, complete) => {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; at += 32) bytes.set(fixedBlock(counter++).subarray(0, length - at), at);
      complete(bytes);
    },
  };
}

function fixedBlock(n: number): Uint8Array {
  return createHash("sha256").update(`wardian ${n}`).digest();
}

/** Seed of the guest's own generator, for its device tree. */
export function bootSeed(deterministic: boolean): Uint8Array {
  return deterministic ? Uint8Array.from(fixedBlock(-1)) : randomFillSync(new Uint8Array(32));
}
