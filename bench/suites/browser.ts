/**
 * Suite browser: Wardian in a page of Debian's Chromium. Alone, against itself
 * in Node in the same run: kernels by the guest's clock, Debian to its prompt,
 * and what modules cost. Against v86: Debian to its prompt from nothing, and
 * programs and kernels in it.
 */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import type { EngineName } from "../../src/core/engine.ts";
import { provision } from "../../src/images/index.ts";
import type { Served } from "../../src/web/server/static.ts";
import { buildKernel } from "../build.ts";
import { type Bench, type Meter, openBench, rendererMeter } from "../chromium.ts";
import { BenchError } from "../errors.ts";
import type { Kernel } from "../kernels.ts";
import { type Line, type Outcome, outcomeOf, RESULT, runLines } from "../lines.ts";
import { findWardian } from "../machines.ts";
import { geometricMean, makeRow, type Row, summarize } from "../report.ts";
import { PROGRAMS, v86Initramfs, v86Parts } from "../v86.ts";
import { type KernelsOptions, ratiosOfAll } from "./kernels.ts";
import { measureModules } from "./modules.ts";
import { agree, withKernels } from "./peers.ts";
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
    expect(pattern: RegExp): Promise<{ readonly input?: string }>;
    write(data: string): void;
  };
  start(): Promise<void>;
}

/** What both guests run, by the same BusyBox, and how it is called. */
const COMMANDS: readonly (readonly [name: string, command: string])[] = [
  ["sha256sum of 16 MiB", "dd if=/dev/zero bs=1M count=16 2>/dev/null | sha256sum"],
  ["gzip of 8 MiB", "dd if=/dev/zero bs=1M count=8 2>/dev/null | gzip -c | wc -c"],
  ["awk, 300,000 additions", "awk 'BEGIN { for (i = 0; i < 300000; i++) s += i * 2; print s }'"],
  ["a shell's loop of 50,000", "i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done"],
  ["100 programs started", "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i + 1)); done"],
];
/** Seconds that a busy host may take for a kernel in Node. */
const PATIENCE = 600;
const PROMPT = "to its prompt, from nothing";

/** What the pages of both have. */
interface Guest {
  /** @returns what it wrote up to there */
  expect(pattern: RegExp): Promise<string>;
  write(data: string): void;
}

const write = (page: Page, text: string): Promise<void> =>
  page.evaluate((text) => (globalThis as unknown as { guest: Guest }).guest.write(text), `${text}\n`);
const until = (page: Page, pattern: RegExp): Promise<string> =>
  page.evaluate(
    (source) => (globalThis as unknown as { guest: Guest }).guest.expect(new RegExp(source)),
    pattern.source,
  );

/** Runs a kernel in a page's guest. */
async function runKernel(page: Page, meter: Meter, machine: string, kernel: Kernel, repetitions: number) {
  const start = meter.seconds().all;
  await write(page, `${PROGRAMS}/${kernel.name}`);
  const outcome = await results(page, meter, machine, kernel, repetitions, start);
  await until(page, /# $/);
  return outcome;
}

/** Reads what a kernel writes in a page's guest. @param start processor seconds when it began */
async function results(page: Page, meter: Meter, machine: string, kernel: Kernel, repetitions: number, start = 0) {
  const lines: Line[] = [];
  for (let i = 0; i < repetitions; i++) lines.push({ text: await until(page, RESULT), cpu: meter.seconds() });
  return outcomeOf(machine, kernel, repetitions, start, lines);
}

/** A Debian in a page. */
interface Peer {
  readonly name: string;
  /** The page's path, and what boots there to a prompt. */
  readonly path: string;
  start(page: Page): Promise<void>;
}

/** Debian's kernel and BusyBox to the prompt from nothing, then programs in it. @param kernels that it has */
async function measureDebian(
  bench: Bench,
  peers: readonly Peer[],
  options: KernelsOptions,
  kernels: readonly Kernel[],
  say: (what: string) => void,
): Promise<Row[]> {
  const rows = new Map<string, { unit: string; runs: Map<string, number[]> }>();
  const add = (name: string, unit: string, machine: string, value: number) => {
    const row = rows.get(name) ?? { unit, runs: new Map<string, number[]>() };
    rows.set(name, row);
    row.runs.set(machine, [...(row.runs.get(machine) ?? []), value]);
  };
  const sums = new Map<string, string>();
  for (let round = 1; round <= options.runs; round++) {
    for (const { name, path, start } of peers) {
      say(`Debian in a page, ${name}, ${round} of ${options.runs}`);
      const before = bench.sent();
      const page = await bench.page(path);
      const began = performance.now();
      await start(page);
      const meter = await rendererMeter(page);
      add(PROMPT, "s", name, (performance.now() - began) / 1000);
      add(`${PROMPT}, the renderer`, "CPU s", name, meter.seconds().all);
      add("downloaded", "MB", name, (bench.sent() - before) / 1e6);
      add("the renderer's memory", "MB", name, meter.megabytes());
      for (const [program, text] of COMMANDS) {
        const start = meter.seconds().all;
        await write(page, `${text}; echo do''ne`);
        await until(page, /\ndone\r?\n/);
        add(program, "CPU s", name, meter.seconds().all - start);
        await until(page, /# $/);
      }
      for (const kernel of kernels) {
        say(`${kernel.name} in a page, ${name}, ${round} of ${options.runs}`);
        const outcome = await runKernel(page, meter, name, kernel, options.repetitions);
        agree(sums, kernel.name, name, outcome);
        for (const measure of ["first", "steady"] as const)
          add(`${kernel.name}, ${measure}`, "CPU s", name, outcome[measure]);
      }
    }
  }
  return [...rows].map(([name, { unit, runs }]) => makeRow({ suite: "browser", name, unit, better: "lower" }, runs));
}

/** @param initrd a URL, in place of the image's own */
function wardianPeer(engine: EngineName, initrd?: string): Peer {
  const options = { image: "debian", engine, ...(initrd !== undefined && { initrd }) };
  return {
    name: "wardian",
    path: "/",
    start: (page) =>
      page.evaluate(async (options) => {
        const vm = await wardian.Machine.create(options);
        const { console: terminal } = vm;
        const guest: Guest = {
          expect: async (pattern) => (await terminal.expect(pattern)).input ?? "",
          write: (data) => terminal.write(data),
        };
        Object.assign(globalThis, { guest });
        await vm.start();
        await terminal.expect(/# $/);
      }, options),
  };
}

/** @throws BenchError when checksums differ */
export async function runBrowser(options: BrowserOptions, say: (what: string) => void): Promise<Row[]> {
  return options.against.includes("v86") ? againstV86(options, say) : againstNode(options, say);
}

async function againstV86(options: BrowserOptions, say: (what: string) => void): Promise<Row[]> {
  const { kernels, engine = "jit" } = options;
  const image = await provision("debian");
  if (image.kind !== "linux") throw new BenchError("the image debian isn't a Linux: mend roms/manifest.json");
  const parts = await v86Parts(say);
  const directory = await mkdtemp(join(tmpdir(), "wardian-bench-"));
  try {
    const ours = join(directory, "initrd");
    const theirs = join(directory, "initrd-v86");
    await writeFile(ours, await withKernels(await readFile(image.initrd), "linux", options));
    await writeFile(theirs, await withKernels(await v86Initramfs(parts), "linux-i386", options));
    const bench = await openBench(new Map([["/bench/initrd", { file: ours }], ...v86Files(parts, theirs)]));
    try {
      const peers = [wardianPeer(engine, "/bench/initrd"), { name: "v86", path: "/v86/", start: startV86 }];
      const rows = await measureDebian(bench, peers, options, kernels, say);
      return [...rows, ...ratiosOfAll("browser", kernels, rows)];
    } finally {
      await bench.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function againstNode(options: BrowserOptions, say: (what: string) => void): Promise<Row[]> {
  const { engine = "jit", runs } = options;
  const files = new Map<string, Served>();
  for (const kernel of options.kernels)
    files.set(`/kernels/${kernel.name}`, { file: await buildKernel(kernel, "guest", options) });
  const bench = await openBench(files);
  const node = findWardian(engine);
  try {
    const inPage = async (kernel: Kernel): Promise<Outcome> => {
      const page = await bench.page();
      const meter = await rendererMeter(page);
      await page.evaluate(
        async ([url, engine]) => {
          const vm = await wardian.Machine.create({ kernel: url, bios: "none", memory: "128M", engine });
          const expect = async (pattern: RegExp) => (await vm.console.expect(pattern)).input ?? "";
          Object.assign(globalThis, { guest: { expect } });
          await vm.start();
        },
        [`/kernels/${kernel.name}`, engine],
      );
      return results(page, meter, "the page", kernel, options.repetitions);
    };
    const inNode = async (kernel: Kernel, guest: string): Promise<Outcome> =>
      outcomeOf(
        "Node",
        kernel,
        options.repetitions,
        0,
        await runLines(node.command([guest, "--bios", "none"]), PATIENCE),
      );

    const rows: Row[] = [];
    for (const kernel of options.kernels) {
      const guest = (files.get(`/kernels/${kernel.name}`) as { file: string }).file;
      const times: Record<"wardian" | "node", number[]> = { wardian: [], node: [] };
      const sums = new Map<string, string>();
      for (let round = 1; round <= runs; round++) {
        say(`${kernel.name} in a page and in Node, ${round} of ${runs}`);
        for (const [machine, outcome] of [
          ["wardian", await inPage(kernel)],
          ["node", await inNode(kernel, guest)],
        ] as const) {
          agree(sums, kernel.name, machine, outcome);
          times[machine].push(outcome.steady);
        }
      }
      const about = { suite: "browser", name: `${kernel.name}, steady`, unit: "CPU s", better: "lower" } as const;
      rows.push(makeRow(about, new Map(Object.entries(times))));
    }
    if (rows.length)
      for (const [name, combine] of [
        ["geometric mean", geometricMean],
        ["least", (values: readonly number[]) => Math.min(...values)],
      ] as const)
        rows.push(
          summarize(
            { suite: "browser", name: `${name} of ${options.kernels.length}, steady` },
            rows.slice(0, options.kernels.length),
            combine,
          ),
        );

    rows.push(...(await measureDebian(bench, [wardianPeer(engine)], options, [], say)));

    say("modules in a page and in Node");
    rows.push(...(await measureModules(bench)));
    return rows;
  } finally {
    await bench.close();
  }
}
