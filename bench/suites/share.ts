/**
 * Suite share: a folder of the host in a Debian: small files made, listed, read and removed, a large one written and read.
 * What is read is checked by the guest's checksums, what is written in the folder itself.
 */

import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "../../src/oracle/command.ts";
import { type Debian, record, valuesOf } from "../debian.ts";
import { BenchError } from "../errors.ts";
import { packageRoot } from "../paths.ts";
import { makeRow, type Row } from "../report.ts";

const FILES = 1000;
/** Characters of a small file that the guest makes, its number apart. */
const SMALL = 1000;
const LARGE_MIB = 32;
const BLOCK = 4096;
const BLOCKS = (LARGE_MIB * 2 ** 20) / BLOCK;
const READS = 2000;

/** Where the folder is in the guest. */
const MOUNTED = "/mnt";

/** What is timed, how much of it is done, and what its unit is. */
const ROWS = [
  { name: "small files made", unit: "files/s", amount: FILES },
  { name: "small files listed", unit: "files/s", amount: FILES },
  { name: "small files read", unit: "files/s", amount: FILES },
  { name: "small files removed", unit: "files/s", amount: FILES },
  { name: "sequential read", unit: "MiB/s", amount: LARGE_MIB },
  { name: "sequential write", unit: "MiB/s", amount: LARGE_MIB },
  { name: "random read", unit: "op/s", amount: READS },
] as const;
type Name = (typeof ROWS)[number]["name"];

/** A folder as the guest finds it, and what the guest is to say of it. */
export interface Given {
  readonly path: string;
  /** Of every small file that the guest makes. */
  readonly text: string;
  readonly sums: ReadonlyMap<Name, string>;
  /** Of the large file. */
  readonly large: string;
}

const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

/** Builds share/reads.c. @param compiler of the machine that is to run it @returns the program's path */
export async function buildReads(compiler: string, directory: string): Promise<string> {
  const program = join(directory, "reads");
  const source = join(packageRoot(), "bench", "share", "reads.c");
  const install = "install the packages gcc-riscv64-linux-gnu and libc6-dev-riscv64-cross";
  await runTool([compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", program, source], install);
  return program;
}

/** Fills an empty folder: `given` has small files, all of different sizes, `large` is a large one, `reads` the program. */
export async function giveFolder(path: string, program: string): Promise<Given> {
  await copyFile(program, join(path, "reads"));
  const hash = createHash("sha256");
  let size = 0;
  await mkdir(join(path, "given"));
  for (let i = 0; i < FILES; i++) {
    const bytes = randomBytes(SMALL / 2 + i);
    // All names are of the same length, so that a shell's order is this one.
    await writeFile(join(path, "given", `${FILES + i}`), bytes);
    hash.update(bytes);
    size += bytes.length;
  }
  const bytes = randomBytes(LARGE_MIB * 2 ** 20);
  await writeFile(join(path, "large"), bytes);
  const large = sha256(bytes);
  const sums = new Map<Name, string>([
    ["small files listed", `${FILES} ${size}`],
    ["small files read", hash.digest("hex")],
    ["sequential read", large],
    ["random read", sumOfReads(bytes)],
  ]);
  return { path, text: randomBytes(SMALL / 2).toString("hex"), sums, large };
}

/** What share/reads.c prints. */
function sumOfReads(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let sum = 2166136261;
  for (let i = 0; i < READS; i++) {
    at = (Math.imul(at, 1103515245) + 12345) & (BLOCKS - 1);
    for (let j = 0; j < BLOCK; j += 4) sum = Math.imul(sum ^ view.getInt32(at * BLOCK + j, true), 16777619);
  }
  return (sum >>> 0).toString(16).padStart(8, "0");
}

/** @param mounted where `fresh` mounts the folder, with nothing of it cached */
export function shareScript({ text }: Pick<Given, "text">, mounted = MOUNTED): string {
  const timed = (name: Name, command: string): string =>
    `from=$(date +%s%N)\n${command}\nto=$(date +%s%N)\necho "bench ${name} $((to - from))"`;
  const sum = (name: Name, command: string): string => `echo "sum ${name} $(${command})"`;
  return [
    "export LC_ALL=C",
    `fresh; cp ${mounted}/reads .`,
    // Programs come from the disk the first time, and that isn't what is measured.
    "{ ls -l .; cat reads; ./reads /dev/zero 1 1; dd if=/dev/zero of=none bs=1M count=1 conv=fsync; rm -rf none; } >/dev/null 2>&1",
    `fresh; mkdir ${mounted}/made`,
    `text=${text}`,
    timed(
      "small files made",
      `i=0; while [ $i -lt ${FILES} ]; do echo "$i $text" >${mounted}/made/$i; i=$((i + 1)); done`,
    ),
    "fresh",
    timed("small files listed", `ls -l ${mounted}/given >list`),
    sum("small files listed", `awk 'NF > 2 { files++; size += $5 } END { print files, size }' list`),
    "fresh",
    timed("small files read", `cat ${mounted}/given/* >small`),
    sum("small files read", "sha256sum <small | cut -d ' ' -f 1"),
    timed("small files removed", `rm -rf ${mounted}/given`),
    "fresh",
    timed("sequential read", `dd if=${mounted}/large of=large bs=1M 2>/dev/null`),
    sum("sequential read", "sha256sum <large | cut -d ' ' -f 1"),
    timed("sequential write", `dd if=large of=${mounted}/written bs=1M conv=fsync 2>/dev/null`),
    "fresh",
    timed("random read", `./reads ${mounted}/large ${BLOCKS} ${READS} >random`),
    sum("random read", "cat random"),
    `umount ${mounted}`,
  ].join("\n");
}

/** @returns how much was done in a second, of each row @throws BenchError when something is missing, or the guest has read something else */
export function ratesOf(output: string, { sums }: Pick<Given, "sums">, machine: string): Map<Name, number> {
  const names = ROWS.map(({ name }) => name);
  const nanoseconds = valuesOf(output, names, machine);
  const lines = new Set(output.split(/\r?\n/));
  for (const [name, sum] of sums)
    if (!lines.has(`sum ${name} ${sum}`)) {
      const said = [...lines].find((line) => line.startsWith(`sum ${name} `)) ?? "nothing";
      throw new BenchError(`${name} gives something else on ${machine}: ${said} where it is ${sum}`);
    }
  return new Map(ROWS.map(({ name, amount }) => [name, amount / (nanoseconds.get(name)! / 1e9)]));
}

/** @throws BenchError unless the folder has what the guest is to have written, and not what it is to have removed */
export async function checkFolder({ path, text, large }: Given, machine: string): Promise<void> {
  const made = (await readdir(join(path, "made"))).length;
  if (made !== FILES) throw new BenchError(`${machine} has made ${made} files of ${FILES}`);
  for (let i = 0; i < FILES; i++)
    if ((await readFile(join(path, "made", `${i}`), "latin1")) !== `${i} ${text}\n`)
      throw new BenchError(`${machine} has written something else to file ${i}`);
  if (sha256(await readFile(join(path, "written"))) !== large)
    throw new BenchError(`${machine} has written something else to the large file`);
  if (existsSync(join(path, "given"))) throw new BenchError(`${machine} hasn't removed the small files`);
}

/** Runs on each machine in turn, by each of its ways. @throws BenchError */
export async function runShare(debian: Debian, runs: number, say: (what: string) => void): Promise<Row[]> {
  const program = await buildReads("riscv64-linux-gnu-gcc", debian.directory);
  const results = new Map<string, Map<string, number[]>>();
  for (let round = 1; round <= runs; round++) {
    for (const [name, runner] of debian.runners) {
      for (const way of runner.shareWays) {
        const machine = runner.shareWays.length > 1 || way === "9p" ? `${name}-${way}` : name;
        say(`share on ${machine}, ${round} of ${runs}`);
        const path = await mkdtemp(join(debian.directory, "share-"));
        const given = await giveFolder(path, program);
        const output = await runner.script(shareScript(given), { share: { path, way } });
        for (const [row, rate] of ratesOf(output, given, machine)) record(results, row, machine, rate);
        await checkFolder(given, machine);
        await rm(path, { recursive: true });
      }
    }
  }
  return ROWS.map(({ name, unit }) =>
    makeRow({ suite: "share", name, unit, better: "higher" }, results.get(name) ?? new Map()),
  );
}
