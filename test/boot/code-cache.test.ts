/** The second boot of a kernel is hot from its start. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Machine, MINUTES, transcript } from "./guests.ts";

const root = mkdtempSync(join(tmpdir(), "wardian-hot-"));
// The key's, in the executor as well.
process.env.XDG_STATE_HOME = join(root, "state");
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function boot(codeCache: string) {
  const vm = await Machine.create({ image: "debian", append: "wardian.poweroff", engine: "jit", codeCache });
  const shown = transcript(vm);
  await vm.start();
  expect(await vm.exited).toMatchObject({ kind: "poweroff" });
  expect(shown()).toContain("Power down");
  return (await vm.stats()).counters;
}

test(
  "what one boot compiled the next one has from its start",
  async () => {
    const directory = join(root, "code");
    const cold = await boot(directory);
    expect(readdirSync(directory)).toHaveLength(1);
    const hot = await boot(directory);
    expect(hot.regionsRecalled).toBeGreaterThan(100);
    const interpreted = ({ instructions, compiledInstructions }: typeof cold) => instructions - compiledInstructions;
    expect(interpreted(hot)).toBeLessThan(interpreted(cold) * 0.7);
  },
  10 * MINUTES,
);
