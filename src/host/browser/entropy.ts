/** Random bytes: the browser's, or a fixed sequence, the same as in Node, for machines that must run the same each time. */

import { sha256 } from "@noble/hashes/sha2.js";
import type { Entropy } from "../../backends/entropy.ts";

export const systemEntropy: Entropy = {
  submit: (length, complete) => complete(crypto.getRandomValues(new Uint8Array(length))),
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

// SubtleCrypto's digest comes later, at no instruction that could be said: here it must be at once.
function fixedBlock(n: number): Uint8Array {
  return sha256(new TextEncoder().encode(`wardian ${n}`));
}

/** Seed of the guest's own generator, for its device tree. */
export function bootSeed(deterministic: boolean): Uint8Array {
  return deterministic ? fixedBlock(-1) : crypto.getRandomValues(new Uint8Array(32));
}
