/** The faulty disk keeps its own promise: what was written before a flush is there after it, however flushes overlap. */

import { expect, test } from "vitest";
import { seeded } from "../../src/fuzz/random.ts";
import { FaultyFile } from "./faulty-file.ts";

test("a flush covers what another one that ends first doesn't", async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const file = new FaultyFile(new Uint8Array(1024), seeded(seed), true);
    await file.write(0, new Uint8Array(512).fill(1));
    const first = file.flush();
    await file.write(0, new Uint8Array(512).fill(2));
    const second = file.flush();
    await file.write(512, new Uint8Array(512).fill(3));
    await Promise.all([first, second]);
    expect(file.afterCut()[0], `seed ${seed}`).toBe(2);
  }
});
