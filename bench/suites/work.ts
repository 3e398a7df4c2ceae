/**
 * Suite work: what people run in a Debian: interpreters, compressors, a database, a compiler, a shell. Ours does it cold,
 * without anything of earlier runs, and warm, with the compiled code that two of them have left.
 */

import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Debian, record } from "../debian.ts";
import { BenchError } from "../errors.ts";
import type { Line } from "../lines.ts";
import { packageRoot } from "../paths.ts";
import { geometricMean, makeRow, type Row, summarize } from "../report.ts";

/** Bytes that are compressed: Debian's own programs and modules, one after the other. */
const SIZE = 20_000_000;

/** Seconds that a busy host may take for all of it. */
const PATIENCE = 3600;

/** What is timed, by a shell in a folder with our files and `data`; what it writes must be the same everywhere. */
const JOBS: readonly (readonly [name: string, command: string])[] = [
  ["python3", "python3 work.py"],
  ["perl", "perl work.pl"],
  ["gzip of 20 MB", "gzip -n -c data"],
  ["xz of 20 MB", "xz -0 -T1 -c data"],
  ["zstd of 20 MB", "zstd -q -c data"],
  ["sqlite3", "sqlite3 work.db <work.sql"],
  ["gcc -O2", `for file in *.c; do gcc -O2 -ffreestanding -S -o - $file; done`],
  ["100 programs started", "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i + 1)); done"],
];

const PREPARE = [
  "mount -t tmpfs tmp /tmp; cd /tmp",
  "export LC_ALL=C HOME=/tmp PYTHONHASHSEED=0",
  // Everything is read once before, so that it isn't the disk that is measured.
  `find /usr/bin /usr/lib/python3* -type f | sort | xargs cat | head -c ${SIZE} >data`,
  'cat "$(gcc -print-prog-name=cc1)" /usr/lib/riscv64-linux-gnu/*.so* >/dev/null',
];

/** Our own files: scripts, and kernels for the compiler. */
async function sources(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const [folder, wanted] of [
    ["bench/work", /./],
    ["bench/kernels", /^kernel\.h$|^(?:bytecode|copy|hash|quicksort|sha256)\.c$/],
  ] as const) {
    const names = (await readdir(join(packageRoot(), folder))).filter((name) => wanted.test(name)).sort();
    for (const name of names) files.set(name, await readFile(join(packageRoot(), folder, name), "utf8"));
  }
  return files;
}

/** The whole of it; each job's time is in nanoseconds by the guest's clock. */
export function workScript(files: ReadonlyMap<string, string>, jobs = JOBS): string {
  const END = "END OF FILE";
  return [
    ...PREPARE,
    ...[...files].map(([name, text]) => `cat >${name} <<'${END}'\n${text.trimEnd()}\n${END}`),
    ...jobs.flatMap(([name, command]) => [
      `echo "begin ${name}"`,
      "from=$(date +%s%N)",
      `{ ${command}; } >out 2>&1`,
      "to=$(date +%s%N)",
      `echo "bench ${name} $((to - from))"`,
      `echo "sum ${name} $(sha256sum <out | cut -c 1-16)"`,
    ]),
  ].join("\n");
}

/** What a machine said of a job. */
interface Done {
  /** Seconds by the guest's clock. */
  readonly wall: number;
  /** Processor seconds of the whole emulator. */
  readonly cpu: number;
  /** Of what it wrote. */
  readonly sum: string;
}

/** @throws BenchError when a job is missing */
export function doneOf(lines: readonly Line[], names: readonly string[], machine: string): Map<string, Done> {
  const said = (wanted: string, values: number): Line => {
    const found = lines.find(
      ({ text }) =>
        text
          .split(" ")
          .slice(0, values ? -values : undefined)
          .join(" ") === wanted,
    );
    if (!found) throw new BenchError(`${machine} didn't say "${wanted}", but: ${lines.at(-1)?.text ?? "nothing"}`);
    return found;
  };
  return new Map(
    names.map((name) => {
      const [begin, end, sum] = [said(`begin ${name}`, 0), said(`bench ${name}`, 1), said(`sum ${name}`, 1)];
      const last = ({ text }: Line) => text.slice(text.lastIndexOf(" ") + 1);
      return [name, { wall: Number(last(end)) / 1e9, cpu: end.cpu.all - begin.cpu.all, sum: last(sum) }];
    }),
  );
}

type Times = Map<string, Map<string, number[]>>;

/** Where a run's times go. */
interface To {
  readonly walls: readonly Times[];
  readonly cpu?: Times;
}

/** Runs on each machine in turn. @throws BenchError when machines compute different things */
export async function runWork(debian: Debian, runs: number, say: (what: string) => void): Promise<Row[]> {
  const names = JOBS.map(([name]) => name);
  const script = workScript(await sources());
  const wall: Times = new Map();
  const cpu: Times = new Map();
  const sums = new Map<string, string>();
  const cold: Times = new Map();
  const does = async (machine: string, { walls, cpu: processor }: To, env?: Readonly<Record<string, string>>) => {
    const lines = await debian.runners.get(machine)!.lines(script, PATIENCE, env);
    for (const [name, done] of doneOf(lines, names, machine)) {
      const agreed = sums.get(name) ?? done.sum;
      if (agreed !== done.sum) throw new BenchError(`${name} gives something else on ${machine}`);
      sums.set(name, agreed);
      for (const times of walls) record(times, name, machine, done.wall);
      if (processor) record(processor, name, machine, done.cpu);
    }
  };
  for (let round = 1; round <= runs; round++) {
    for (const machine of debian.runners.keys()) {
      say(`work on ${machine}, ${round} of ${runs}`);
      if (machine !== "wardian") {
        await does(machine, { walls: [wall, cold], cpu });
        continue;
      }
      const env = { WARDIAN_CODE_CACHE: await mkdtemp(join(debian.directory, "code-")) };
      await does(machine, { walls: [cold] }, env);
      await does(machine, { walls: [] }, env);
      await does(machine, { walls: [wall], cpu }, env);
    }
  }
  return [
    { results: wall, suffix: "", unit: "s" },
    { results: cold, suffix: ", cold", unit: "s" },
    { results: cpu, suffix: ", processor", unit: "CPU s" },
  ].flatMap(({ results, suffix, unit }) => {
    const rows = names.map((name) =>
      makeRow({ suite: "work", name: `${name}${suffix}`, unit, better: "lower" }, results.get(name)!),
    );
    const all = summarize({ suite: "work", name: `geometric mean${suffix}` }, rows, geometricMean);
    return Object.keys(all.ratios).length > 0 ? [...rows, all] : rows;
  });
}
