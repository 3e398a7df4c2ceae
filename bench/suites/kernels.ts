/**
 * Suite kernels: the same C code on every machine, by the guest's clock and by
 * the host's; how fast it is from cold and how fast once it has been running.
 */

import type { Usage } from "../../src/oracle/command.ts";
import { runTool } from "../../src/oracle/command.ts";
import { buildKernel } from "../build.ts";
import { BenchError } from "../errors.ts";
import type { Kernel } from "../kernels.ts";
import type { Machines } from "../machines.ts";
import { geometricMean, makeRow, median, type Row, summarize } from "../report.ts";

export interface KernelsOptions {
  readonly kernels: readonly Kernel[];
  readonly runs: number;
  /** How often a run repeats the kernel, at least 2. */
  readonly repetitions: number;
  /** Multiplies every kernel's work. */
  readonly scale: number;
  readonly directory?: string;
}

export interface Outcome {
  /** 16 hexadecimal digits. */
  readonly checksum: string;
  /** Seconds of the first repetition, by the clock of the machine that the kernel ran on. */
  readonly first: number;
  /** The median of the later ones'. */
  readonly steady: number;
  /** Processor seconds of the whole process, start-up included. */
  readonly cpu: number;
}

/** Arguments of a QEMU that boots a kernel. */
export const qemuArgs = (program: string): string[] => {
  const board = ["-M", "virt", "-m", "128M", "-bios", "none"];
  return [...board, "-display", "none", "-monitor", "none", "-serial", "stdio", "-kernel", program];
};

/** Reads what a kernel printed. @throws BenchError when that isn't a result of each repetition */
export function readOutcome(
  machine: string,
  kernel: string,
  repetitions: number,
  { stdout, cpu, wall }: Usage,
): Outcome {
  const found = [...stdout.matchAll(/^([0-9a-f]{16}) (\d+\.\d{6})\r?$/gm)];
  if (found.length !== repetitions) {
    const said = stdout.trim().split("\n").at(-1);
    const count = found.length ? `${found.length} of ${repetitions} results` : "no result";
    throw new BenchError(`${kernel} gave ${count} on ${machine}${said ? `, but: ${said}` : ""}`);
  }
  const checksums = [...new Set(found.map((line) => line[1]!))];
  if (checksums.length > 1) {
    throw new BenchError(`${kernel} computes different things when repeated on ${machine}: ${checksums.join(", ")}`);
  }
  const seconds = found.map((line) => Number(line[2]));
  const total = seconds.reduce((sum, value) => sum + value, 0);
  if (total > wall + 0.1) {
    throw new BenchError(`${machine}'s clock is wrong: ${kernel} took ${total} s by it, but ${wall} s in all`);
  }
  const [first, ...later] = seconds;
  return { checksum: checksums[0]!, first: first!, steady: median(later), cpu };
}

/** What rows say of a kernel, by what they read of an outcome. */
const MEASURES = [
  { name: "first", unit: "s", of: ({ first }: Outcome) => first },
  { name: "steady", unit: "s", of: ({ steady }: Outcome) => steady },
  { name: "process", unit: "CPU s", of: ({ cpu }: Outcome) => cpu },
];

/** Runs the kernels, the machines in turn; a row for each measure, then ratios of all. @throws BenchError when checksums differ */
export async function runKernels(
  machines: Machines,
  options: KernelsOptions,
  say: (what: string) => void,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kernel of options.kernels) {
    const guest = await buildKernel(kernel, "guest", options);
    const runners = new Map<string, () => Promise<Usage>>();
    const { wardian, qemus } = machines;
    if (wardian) runners.set("wardian", () => wardian.boot([guest, "--bios", "none"]));
    for (const qemu of qemus) runners.set(qemu.label, () => qemu.run(qemuArgs(guest)));
    if (machines.native) {
      const program = await buildKernel(kernel, "native", options);
      runners.set("native", () => runTool([program], "build it again"));
    }
    const outcomes = new Map<string, Outcome[]>();
    let agreed: { machine: string; checksum: string } | undefined;
    for (let round = 1; round <= options.runs; round++) {
      for (const [machine, start] of runners) {
        say(`${kernel.name} on ${machine}, ${round} of ${options.runs}`);
        const outcome = readOutcome(machine, kernel.name, options.repetitions, await start());
        agreed ??= { machine, checksum: outcome.checksum };
        if (agreed.checksum !== outcome.checksum) {
          const both = `${agreed.checksum} on ${agreed.machine} and ${outcome.checksum} on ${machine}`;
          throw new BenchError(`${kernel.name} computes different things: ${both}; one of them has a bug`);
        }
        outcomes.set(machine, [...(outcomes.get(machine) ?? []), outcome]);
      }
    }
    for (const { name, unit, of } of MEASURES) {
      const runs = new Map([...outcomes].map(([machine, all]) => [machine, all.map(of)]));
      rows.push(makeRow({ suite: "kernels", name: `${kernel.name}, ${name}`, unit, better: "lower" }, runs));
    }
  }
  return [...rows, ...ratiosOfAll("kernels", options.kernels, rows)];
}

/** The means and the least of the kernels' ratios, steady and first; nothing without a peer to hold wardian against. */
export function ratiosOfAll(suite: string, kernels: readonly Kernel[], rows: readonly Row[]): Row[] {
  const integer = kernels.filter(({ floating }) => !floating);
  const parts = [
    { name: `geometric mean of ${kernels.length}`, of: kernels, combine: geometricMean },
    { name: `geometric mean of ${integer.length} with integers`, of: integer, combine: geometricMean },
    { name: `least of ${kernels.length}`, of: kernels, combine: (values: readonly number[]) => Math.min(...values) },
  ];
  return ["steady", "first"]
    .flatMap((measure) =>
      parts.map(({ name, of, combine }) => {
        const names = new Set(of.map((kernel) => `${kernel.name}, ${measure}`));
        const about = { suite, name: `${name}, ${measure}` };
        return summarize(
          about,
          rows.filter((row) => names.has(row.name)),
          combine,
        );
      }),
    )
    .filter(({ ratios }) => Object.keys(ratios).length > 0);
}
