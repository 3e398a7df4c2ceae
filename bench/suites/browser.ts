/**
 * Suite browser: Wardian in a page of Debian's Chromium, against itself in Node
 * in the same run: kernels by the guest's clock, and Debian to its prompt.
 */

import type { Page } from "playwright-core";
import type { EngineName } from "../../src/core/engine.ts";
import type { Served } from "../../src/web/server/static.ts";
import { buildKernel } from "../build.ts";
import { type Bench, openBench, rendererMegabytes } from "../chromium.ts";
import { BenchError } from "../errors.ts";
import type { Kernel } from "../kernels.ts";
import { findWardian } from "../machines.ts";
import { geometricMean, makeRow, type Row, summarize } from "../report.ts";
import { type KernelsOptions, type Outcome, readOutcome } from "./kernels.ts";
import { measureModules } from "./modules.ts";
import { startV86, v86Files } from "./v86.ts";

export interface BrowserOptions extends KernelsOptions {
  readonly engine?: EngineName;
  /** "v86" counts here. */
  readonly against: readonly string[];
}

/** What pages have as `wardian`. */
declare const wardian: {
  Machine: { create(options: object): Promise<PageMachine> };
};
interface PageMachine {
  readonly console: {
    onData(listener: (bytes: Uint8Array) => void): void;
    expect(pattern: RegExp): Promise<unknown>;
    write(data: string): void;
  };
  readonly exited: Promise<unknown>;
  start(): Promise<void>;
}

/** What both guests run, by the same BusyBox, and how it is called. */
const PROGRAMS: readonly (readonly [name: string, command: string])[] = [
  ["sha256sum of 16 MiB", "dd if=/dev/zero bs=1M count=16 2>/dev/null | sha256sum"],
  ["gzip of 8 MiB", "dd if=/dev/zero bs=1M count=8 2>/dev/null | gzip -c | wc -c"],
  ["awk, 300,000 additions", "awk 'BEGIN { for (i = 0; i < 300000; i++) s += i * 2; print s }'"],
  ["a shell's loop of 50,000", "i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done"],
  ["100 programs started", "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i + 1)); done"],
];

/** What the pages of both have. */
interface Guest {
  expect(pattern: RegExp): Promise<unknown>;
  write(data: string): void;
}

/** Debian's kernel and BusyBox to the prompt from nothing, then programs in it; of v86 too if it is asked for. */
async function measureDebian(
  bench: Bench,
  engine: EngineName,
  runs: number,
  v86: boolean,
  say: (what: string) => void,
): Promise<Row[]> {
  const values = new Map<string, Map<string, number[]>>();
  const add = (name: string, machine: string, value: number) => {
    const row = values.get(name) ?? new Map<string, number[]>();
    values.set(name, row.set(machine, [...(row.get(machine) ?? []), value]));
  };
  const machines: readonly (readonly [name: string, path: string, start: (page: Page) => Promise<void>])[] = [
    ["wardian", "/", (page) => startWardian(page, engine)],
    ...(v86 ? ([["v86", "/v86/", (page: Page) => startV86(page, "console=ttyS0")]] as const) : []),
  ];
  for (let round = 1; round <= runs; round++) {
    for (const [name, path, start] of machines) {
      say(`Debian in a page, ${name}, ${round} of ${runs}`);
      const before = bench.sent();
      const page = await bench.page(path);
      const began = performance.now();
      await start(page);
      add("debian to its prompt, from nothing, s", name, (performance.now() - began) / 1000);
      add("debian, downloaded, MB", name, (bench.sent() - before) / 1e6);
      add("debian, the renderer's memory, MB", name, await rendererMegabytes(page));
      for (const [program, command] of PROGRAMS) {
        const seconds = await page.evaluate(async (text) => {
          const { guest } = globalThis as unknown as { guest: Guest };
          const began = performance.now();
          guest.write(`${text}; echo do''ne\n`);
          await guest.expect(/\ndone\r?\n/);
          return (performance.now() - began) / 1000;
        }, command);
        add(`${program}, s`, name, seconds);
      }
    }
  }
  return [...values].map(([text, runs]) => {
    const [, name, unit] = /^(.*), (\w+)$/.exec(text)!;
    return makeRow({ suite: "browser", name: name!, unit: unit!, better: "lower" }, runs);
  });
}

function startWardian(page: Page, engine: EngineName): Promise<void> {
  return page.evaluate(async (engine) => {
    const vm = await wardian.Machine.create({ image: "debian", engine });
    const { console: terminal } = vm;
    const guest: Guest = {
      expect: (pattern) => terminal.expect(pattern),
      write: (data) => terminal.write(data),
    };
    Object.assign(globalThis, { guest });
    await vm.start();
    await terminal.expect(/# $/);
  }, engine);
}

/** @throws BenchError when checksums differ */
export async function runBrowser(options: BrowserOptions, say: (what: string) => void): Promise<Row[]> {
  const { engine = "jit", runs } = options;
  const files = new Map<string, Served>();
  for (const kernel of options.kernels)
    files.set(`/kernels/${kernel.name}`, { file: await buildKernel(kernel, "guest", options) });
  const v86 = options.against.includes("v86") ? await v86Files(say) : undefined;
  for (const [path, file] of v86 ?? []) files.set(path, file);
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

    rows.push(...(await measureDebian(bench, engine, runs, v86 !== undefined, say)));

    say("modules in a page and in Node");
    rows.push(...(await measureModules(bench)));
    return rows;
  } finally {
    await bench.close();
  }
}
