/** Suite disk: 4 KiB at a time by fio on a raw disk, past the guest's cache, one after the other and 16 at once. */

import { open } from "node:fs/promises";
import { join } from "node:path";
import { type Debian, record, valuesOf } from "../debian.ts";
import { makeRow, type Row } from "../report.ts";

const SIZE = 256 * 1024 * 1024;
const SECONDS = 5;
/** Terse version 3: fields of operations per second (fio(1), "TERSE OUTPUT"). */
const READ_IOPS = 8;
const WRITE_IOPS = 49;
const KINDS = [
  { name: "sequential read", rw: "read", field: READ_IOPS },
  { name: "sequential write", rw: "write", field: WRITE_IOPS },
  { name: "random read", rw: "randread", field: READ_IOPS },
  { name: "random write", rw: "randwrite", field: WRITE_IOPS },
];
const DEPTHS = [1, 16];
const JOBS = KINDS.flatMap((kind) => DEPTHS.map((depth) => ({ ...kind, depth, name: `${kind.name}, depth ${depth}` })));

const SCRIPT = [
  // Past 4 KiB blocks, and all of it written once.
  "dd if=/dev/zero of=/dev/vdc bs=1M oflag=direct 2>/dev/null",
  ...JOBS.map(({ name, rw, depth, field }) => {
    const engine = depth === 1 ? "psync" : "libaio";
    const flags = `--filename=/dev/vdc --direct=1 --bs=4k --rw=${rw} --ioengine=${engine} --iodepth=${depth}`;
    const time = `--size=${SIZE} --time_based --runtime=${SECONDS} --output-format=terse --terse-version=3`;
    return `echo "bench ${name} $(fio --name=x ${flags} ${time} | cut -d ';' -f ${field})"`;
  }),
].join("\n");

/** Runs on each machine in turn. @throws BenchError */
export async function runDisk(debian: Debian, runs: number, say: (what: string) => void): Promise<Row[]> {
  const names = JOBS.map(({ name }) => name);
  const results = new Map<string, Map<string, number[]>>();
  for (let round = 1; round <= runs; round++) {
    for (const [machine, runner] of debian.runners) {
      say(`disk on ${machine}, ${round} of ${runs}`);
      const scratch = join(debian.directory, "scratch");
      const file = await open(scratch, "w");
      await file.truncate(SIZE);
      await file.close();
      const values = valuesOf(await runner.script(SCRIPT, { scratch }), names, machine);
      for (const name of names) record(results, name, machine, values.get(name)!);
    }
  }
  return names.map((name) =>
    makeRow({ suite: "disk", name, unit: "op/s", better: "higher" }, results.get(name) ?? new Map()),
  );
}
