/** Machines in real pages, by the built module: with and without isolation from other origins, on both engines. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { interpret } from "../../src/fuzz/interpret.ts";
import type { Served } from "../../src/web/server/static.ts";
import { randomImage } from "./images.ts";
import { browser, bundled, MINUTES, root, site, visit } from "./support.ts";

const chromium = await browser();
const isolated = await site();
const plain = await site({ isolated: false });

const SITES = [
  ["with isolation", isolated],
  ["without isolation", plain],
] as const;
const COURSES = SITES.flatMap(([how, at]) =>
  (["jit", "interpreter"] as const).map((engine) => [how, engine, at] as const),
);

test.each(COURSES)(
  "%s, %s: Debian boots to a prompt and runs commands",
  { timeout: 4 * MINUTES },
  async (_, engine, at) => {
    const page = await visit(chromium, at.url);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(at === isolated);
    const outcome = await page.evaluate(async (engine) => {
      const steps: string[] = [];
      let amounts = 0;
      const vm = await wardian.Machine.create({
        image: "debian",
        engine,
        progress: ({ step, done, total }) => {
          if (!steps.includes(step)) steps.push(step);
          if (done > total || total === 0) throw new Error(`${step}: ${done} of ${total}`);
          amounts++;
        },
      });
      await vm.start();
      await vm.console.expect(/(^|\n)# $/);
      vm.console.write("echo $((6 * 7)) > /tmp/answer; cat /tmp/answer\n");
      await vm.console.expect(/\n42\r?\n/);
      const result = await vm.exec("cat /tmp/answer; uname -m; echo wrong >&2; exit 3");
      await vm.pause();
      const still = (await vm.stats()).instructions;
      await new Promise((resolve) => setTimeout(resolve, 100));
      const paused = (await vm.stats()).instructions - still;
      await vm.resume();
      await vm.exec("true");
      const stats = await vm.stats();
      await vm.stop();
      return { steps, amounts, result, paused, stats, exit: await vm.exited };
    }, engine);
    expect(outcome.steps).toEqual(["Loading the kernel", "Loading the initrd"]);
    expect(outcome.amounts).toBeGreaterThan(4);
    expect(outcome.result).toEqual({ status: 3, stdout: "42\nriscv64\n", stderr: "wrong\n" });
    expect(outcome.paused).toBe(0);
    expect(outcome.exit).toEqual({ kind: "stopped", code: 0 });
    const { counters, seconds } = outcome.stats;
    expect(counters.compiledInstructions > 0.2 * counters.instructions).toBe(engine === "jit");
    expect(seconds.cpu).toBeGreaterThan(0);
    await page.close();
  },
);

test("the selftest passes, on both engines and eight harts", async () => {
  const page = await visit(chromium, isolated.url);
  const outcomes = await page.evaluate(() =>
    Promise.all(
      (["interpreter", "jit"] as const).flatMap((engine) =>
        [1, 8].map(async (harts) => {
          const vm = await wardian.Machine.create({ image: "selftest", engine, harts });
          const passed = vm.console.expect(/pass/i);
          await vm.start();
          return [(await passed)[0], await vm.exited];
        }),
      ),
    ),
  );
  for (const [, exit] of outcomes) expect(exit).toEqual({ kind: "poweroff", code: 0 });
  expect(outcomes).toHaveLength(4);
});

/** Images of random programs; a few seconds' worth. */
const IMAGES = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`/random/${i}`, randomImage(1000 + i).bytes]));

test("random programs leave the memory that Node's interpreter leaves, on both engines", async () => {
  const core = new WebAssembly.Module(readFileSync(`${root}dist/core.wasm`));
  const expected = Object.values(IMAGES).map((bytes) =>
    createHash("sha256").update(interpret(core, { bytes }).ram).digest("hex"),
  );
  expect(new Set(expected).size).toBe(12);
  const files: Record<string, Served> = {
    "/fuzz.js": { content: await bundled("fuzz") },
    "/embedded.js": { file: `${root}dist/browser/embedded.js` },
  };
  for (const [path, content] of Object.entries(IMAGES)) files[path] = { content };
  const index = '<!doctype html><script type="module" src="/fuzz.js"></script>';
  const page = await visit(chromium, (await site({ files, index })).url);
  for (const engine of ["jit", "interpreter"] as const) {
    const digests = await page.evaluate(
      ([engine, urls]) => (globalThis as unknown as { wardian: Fuzz }).wardian.run(engine, urls),
      [engine, Object.keys(IMAGES)] as const,
    );
    expect(digests).toEqual(expected);
  }
});

interface Fuzz {
  run(engine: string, urls: readonly string[]): Promise<string[]>;
}

test("a deterministic machine is the same in Node and in a page", { timeout: 4 * MINUTES }, async () => {
  const program = new Uint8Array(readFileSync(`${root}roms/selftest/selftest.elf`));
  const { Machine } = (await import(/* @vite-ignore */ `${root}dist/node.js`)) as typeof import("../../src/node.ts");
  const here = await Machine.create({ kernel: program, memory: "16M", deterministic: true });
  const page = await visit(chromium, plain.url);
  const there = await page.evaluate(
    async (bytes) => {
      const vm = await wardian.Machine.create({ kernel: Uint8Array.from(bytes), memory: "16M", deterministic: true });
      await vm.start();
      await vm.exited;
      return { dtb: [...vm.dtb], counters: (await vm.stats()).counters };
    },
    [...program],
  );
  await here.start();
  await here.exited;
  expect(there).toEqual({ dtb: [...here.dtb], counters: (await here.stats()).counters });
});
