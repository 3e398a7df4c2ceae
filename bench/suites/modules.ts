/** What an engine takes for modules such as the JIT's: to compile one, to instantiate it, and to make its table longer. */

import type { Bench } from "../chromium.ts";
import { makeRow, type Row } from "../report.ts";

/** Seconds of each, by name. */
type Costs = Record<(typeof NAMES)[number], number>;
const NAMES = ["compile", "instantiate", "instantiate, long table", "grow the table", "grow, 200 instances"] as const;

/**
 * Measures this engine; it is sent to the page as text, so it uses nothing from outside.
 *
 * A module has ten functions of about 4 KiB, as ten regions of 400 instructions would, which import a memory and a table.
 */
function measure(names: readonly string[]): Record<string, number> {
  const leb = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)]);
  const section = (id: number, body: number[]) => [id, ...leb(body.length), ...body];
  const text = (name: string) => [name.length, ...Array.from(name, (char) => char.charCodeAt(0))];
  const functions = 10;
  const module = (seed: number): Uint8Array<ArrayBuffer> => {
    const body: number[] = [1, 1, 0x7e];
    // local += memory[address] * constant, many times: loads, arithmetic, nothing that folds.
    for (let i = 0; i < 300; i++)
      body.push(
        0x20,
        0,
        0x29,
        3,
        ...leb(8 * ((i * 7 + seed) % 512)),
        0x42,
        ...leb((i + seed) % 60),
        0x7e,
        0x20,
        1,
        0x7c,
        0x21,
        1,
      );
    body.push(0x20, 1, 0x0b);
    const code = [...leb(body.length), ...body];
    return Uint8Array.of(
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, [1, 0x60, 1, 0x7f, 1, 0x7e]),
      ...section(2, [2, ...text("e"), ...text("m"), 2, 0, 1, ...text("e"), ...text("t"), 1, 0x70, 0, 0]),
      ...section(3, [functions, ...Array<number>(functions).fill(0)]),
      ...section(7, [
        functions,
        ...Array.from({ length: functions }, (_, i) => [...text(String.fromCharCode(97 + i)), 0, i]).flat(),
      ]),
      ...section(10, [...leb(functions), ...Array.from({ length: functions }, () => code).flat()]),
    );
  };
  const W = WebAssembly as unknown as {
    Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
    Memory: new (options: object) => object;
    Table: new (options: object) => { grow(by: number): number; readonly length: number };
    Instance: new (module: object, imports: object) => { exports: Record<string, unknown> };
  };
  const each = (count: number, work: (i: number) => void): number => {
    const began = performance.now();
    for (let i = 0; i < count; i++) work(i);
    return (performance.now() - began) / 1000 / count;
  };
  const memory = new W.Memory({ initial: 1 });
  const table = (initial: number) => new W.Table({ element: "anyfunc", initial });
  const sources = Array.from({ length: 40 }, (_, i) => module(i));
  const compiled: object[] = [];
  const compile = each(sources.length, (i) => compiled.push(new W.Module(sources[i]!)));
  const live: object[] = [];
  const into = (t: object) => (i: number) => {
    live.push(new W.Instance(compiled[i % compiled.length]!, { e: { m: memory, t } }));
  };
  const instantiate = each(200, into(table(1024)));
  const long = each(200, into(table(100_000)));
  const alone = table(1024);
  const grow = each(50, () => alone.grow(128));
  const shared = table(1024);
  each(200, into(shared));
  const growShared = each(50, () => shared.grow(128));
  const values = [compile, instantiate, long, grow, growShared];
  return Object.fromEntries(names.map((name, i) => [name, values[i]!]));
}

/** Rows of the page and of Node, in microseconds. */
export async function measureModules(bench: Bench): Promise<Row[]> {
  const page = await bench.page();
  const runs: Record<"wardian" | "node", Costs[]> = { wardian: [], node: [] };
  for (let round = 0; round < 3; round++) {
    runs.wardian.push((await page.evaluate(`(${measure.toString()})(${JSON.stringify(NAMES)})`)) as Costs);
    runs.node.push(measure(NAMES) as Costs);
  }
  return NAMES.map((name) => {
    const times = new Map(
      Object.entries(runs).map(([machine, all]) => [machine, all.map((costs) => costs[name] * 1e6)]),
    );
    return makeRow({ suite: "browser", name: `a module: ${name}`, unit: "µs", better: "lower" }, times);
  });
}
