/**
 * Suite browser: Wardian in a page of Debian's Chromium, against itself in Node
 * in the same run: kernels by the guest's clock, and Debian to its prompt.
 */

import { performance } from "node:perf_hooks";
import type { EngineName } from "../../src/core/engine.ts";
import type { Served } from "../../src/web/server/static.ts";
import { buildKernel } from "../build.ts";
import { openBench, rendererMegabytes } from "../chromium.ts";
import { BenchError } from "../errors.ts";
import type { Kernel } from "../kernels.ts";
import { findWardian } from "../machines.ts";
import { geometricMean, makeRow, type Row, summarize } from "../report.ts";
import { type KernelsOptions, type Outcome, readOutcome } from "./kernels.ts";
import { measureModules } from "./modules.ts";

export interface BrowserOptions extends KernelsOptions {
  readonly engine?: EngineName;
}

/** What pages have as `wardian`. */
declare const wardian: {
  Machine: { create(options: object): Promise<PageMachine> };
};
interface PageMachine {
  readonly console: {
    onData(listener: (bytes: Uint8Array) => void): void;
    expect(pattern: RegExp): Promise<unknown>;
  };
  readonly exited: Promise<unknown>;
  start(): Promise<void>;
  exec(command: string): Promise<unknown>;
}

/** @throws BenchError when checksums differ */
export async function runBrowser(options: BrowserOptions, say: (what: string) => void): Promise<Row[]> {
  const { engine = "jit", runs } = options;
  const files = new Map<string, Served>();
  for (const kernel of options.kernels)
    files.set(`/kernels/${kernel.name}`, { file: await buildKernel(kernel, "guest", options) });
  const bench = await openBench(files);
  const node = findWardian(engine);
  try {
    const inPage = async (kernel: Kernel): Promise<Outcome> => {
      const page = await bench.page();
      const { stdout, wall } = await page.evaluate(
        async ([url, engine]) => {
          const began = performance.now();
          const vm = await wardian.Machine.create({ kernel: url, bios: "none", memory: "128M", engine });
          let stdout = "";
          vm.console.onData((bytes) => {
            stdout += new TextDecoder().decode(bytes);
          });
          await vm.start();
          await vm.exited;
          return { stdout, wall: (performance.now() - began) / 1000 };
        },
        [`/kernels/${kernel.name}`, engine],
      );
      return readOutcome("the page", kernel.name, options.repetitions, { stdout, wall, cpu: Number.NaN } as never);
    };
    const inNode = async (kernel: Kernel, guest: string): Promise<Outcome> =>
      readOutcome("Node", kernel.name, options.repetitions, await node.boot([guest, "--bios", "none"]));

    const rows: Row[] = [];
    for (const kernel of options.kernels) {
      const guest = (files.get(`/kernels/${kernel.name}`) as { file: string }).file;
      const outcomes: Record<"wardian" | "node", Outcome[]> = { wardian: [], node: [] };
      for (let round = 1; round <= runs; round++) {
        say(`${kernel.name} in a page and in Node, ${round} of ${runs}`);
        outcomes.wardian.push(await inPage(kernel));
        outcomes.node.push(await inNode(kernel, guest));
      }
      const sums = new Set([...outcomes.wardian, ...outcomes.node].map(({ checksum }) => checksum));
      if (sums.size > 1) throw new BenchError(`${kernel.name} computes different things: ${[...sums].join(" and ")}`);
      for (const measure of ["first", "steady"] as const) {
        const times = new Map(Object.entries(outcomes).map(([name, all]) => [name, all.map((o) => o[measure])]));
        rows.push(makeRow({ suite: "browser", name: `${kernel.name}, ${measure}`, unit: "s", better: "lower" }, times));
      }
    }
    for (const measure of ["steady", "first"]) {
      const all = rows.filter(({ name }) => name.endsWith(`, ${measure}`));
      if (all.length)
        rows.push(summarize({ suite: "browser", name: `geometric mean of all, ${measure}` }, all, geometricMean));
    }

    const starts = {
      seconds: [] as number[],
      loading: [] as number[],
      megabytes: [] as number[],
      memory: [] as number[],
    };
    for (let round = 1; round <= runs; round++) {
      say(`Debian to its prompt in a page, ${round} of ${runs}`);
      const page = await bench.page();
      const before = bench.sent();
      const began = performance.now();
      const loaded = await page.evaluate(async (engine) => {
        const began = performance.now();
        const vm = await wardian.Machine.create({ image: "debian", engine });
        const loaded = performance.now() - began;
        await vm.start();
        await vm.console.expect(/# $/);
        return loaded;
      }, engine);
      starts.seconds.push((performance.now() - began) / 1000);
      starts.loading.push(loaded / 1000);
      starts.megabytes.push((bench.sent() - before) / 1e6);
      starts.memory.push(await rendererMegabytes(page));
    }
    const start = (name: string, unit: string, values: readonly number[]) =>
      rows.push(makeRow({ suite: "browser", name, unit, better: "lower" }, new Map([["wardian", values]])));
    start("debian to its prompt, from nothing", "s", starts.seconds);
    start("of that, loading", "s", starts.loading);
    start("debian, downloaded", "MB", starts.megabytes);
    start("debian, the renderer's memory", "MB", starts.memory);

    say("modules in a page and in Node");
    rows.push(...(await measureModules(bench)));
    return rows;
  } finally {
    await bench.close();
  }
}
