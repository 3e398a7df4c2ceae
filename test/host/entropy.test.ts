/** Random bytes: the system's, and those that are the same each time. */

import { expect, test } from "vitest";
import type { Entropy } from "../../src/backends/entropy.ts";
import { bootSeed, fixedEntropy, systemEntropy } from "../../src/host/node/entropy.ts";

function take(entropy: Entropy, ...lengths: number[]): string {
  let hex = "";
  for (const length of lengths)
    entropy.submit(length, (bytes) => {
      expect(bytes).toHaveLength(length);
      hex += Buffer.from(bytes).toString("hex");
    });
  return hex;
}

test("the fixed sequence is the same for the same requests, and doesn't repeat itself", () => {
  const first = take(fixedEntropy(), 1, 31, 32, 33, 1024);
  expect(take(fixedEntropy(), 1, 31, 32, 33, 1024)).toBe(first);
  const blocks = take(fixedEntropy(), 32 * 1000).match(/.{64}/g)!;
  expect(new Set(blocks).size).toBe(1000);
  // The same as ever: machines that were recorded must run the same with later versions.
  expect(blocks[0]).toBe("408d75f679860240d16a5eedee7caf77f4b23980f21e1a91fe4a463a8cde522b");
});

test("the system's bytes differ, and so do seeds, unless they are to be the same", () => {
  expect(take(systemEntropy, 64)).not.toBe(take(systemEntropy, 64));
  expect(bootSeed(false)).not.toEqual(bootSeed(false));
  expect(bootSeed(true)).toEqual(bootSeed(true));
  expect(bootSeed(true)).toHaveLength(32);
  expect(take(fixedEntropy(), 32 * 100)).not.toContain(Buffer.from(bootSeed(true)).toString("hex"));
});
