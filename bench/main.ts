/**
 * The benchmark runner.
 *
 *     npm run bench -- kernels boot micro --against qemu --against native --engine jit --json results.json
 */

import { writeFile } from "node:fs/promises";
import { Command, InvalidArgumentError, Option } from "commander";
import { ENGINES, type EngineName } from "../src/core/engine.ts";
import { ImageError } from "../src/images/index.ts";
import { OracleError } from "../src/oracle/errors.ts";
import { findQemus } from "../src/oracle/qemu.ts";
import { debianRunners } from "./debian.ts";
import { BenchError } from "./errors.ts";
import { KERNELS } from "./kernels.ts";
import { findWardian, type Machines } from "./machines.ts";
import { formatTable, type Row } from "./report.ts";
import { runBoot } from "./suites/boot.ts";
import { runBrowser } from "./suites/browser.ts";
import { runDisk } from "./suites/disk.ts";
import { runKernels } from "./suites/kernels.ts";
import { runMicro } from "./suites/micro.ts";
import { runNet } from "./suites/net.ts";
import { runPeers } from "./suites/peers.ts";
import { runShare } from "./suites/share.ts";
import { runWork } from "./suites/work.ts";

const SUITES = ["kernels", "boot", "disk", "net", "share", "debian", "work", "micro", "browser", "peers"] as const;
/** Those that run in a Debian on a disk. */
const ON_DEBIAN: readonly Suite[] = ["disk", "net", "share", "work"];
type Suite = (typeof SUITES)[number];
const PEERS = ["qemu", "native", "v86"] as const;
type Peer = (typeof PEERS)[number];

interface Options {
  against: Peer[];
  engine?: EngineName;
  json?: string;
  runs: number;
  repetitions: number;
  scale: number;
  kernel: string[];
  peersOnly: boolean;
}

const MICRO_MS = 500;
const REPETITIONS = 4;

function oneOf<T extends string>(value: string, known: readonly T[]): T {
  const found = known.find((name) => name === value);
  if (!found) throw new InvalidArgumentError(`It is one of ${known.join(", ")}.`);
  return found;
}

/** Parses an option that may be given again. */
function each<T extends string>(known: readonly T[]): (value: string, previous: T[]) => T[] {
  return (value, previous) => [...previous, oneOf(value, known)];
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError("It is a number above 0.");
  return value;
}

function whole(text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new InvalidArgumentError(`It is a whole number, at least ${least}.`);
  return value;
}

async function measure(suites: readonly Suite[], options: Options): Promise<Row[]> {
  const terminal = process.stderr.isTTY;
  const say = (what: string) => {
    process.stderr.write(terminal ? `\r\x1b[K${what}` : `${what}\n`);
  };
  const onMachines = suites.some((suite) => suite !== "micro" && suite !== "browser");
  const machines: Machines = {
    wardian: onMachines && !options.peersOnly ? findWardian(options.engine) : undefined,
    qemus: onMachines && options.against.includes("qemu") ? await findQemus(say) : [],
    native: options.against.includes("native"),
    v86: options.against.includes("v86"),
  };
  const kernels = KERNELS.filter(({ name }) => !options.kernel.length || options.kernel.includes(name));
  const rows: Row[] = [];
  const debian = suites.some((suite) => ON_DEBIAN.includes(suite))
    ? await debianRunners(machines, true, say)
    : undefined;
  try {
    for (const suite of suites) {
      if (suite === "kernels") rows.push(...(await runKernels(machines, { ...options, kernels }, say)));
      if (suite === "boot") rows.push(...(await runBoot(machines, ["kernel", "system"], options.runs, say)));
      if (debian && suite === "disk") rows.push(...(await runDisk(debian, options.runs, say)));
      if (debian && suite === "net") rows.push(...(await runNet(debian, options.runs, say)));
      if (debian && suite === "share") rows.push(...(await runShare(debian, options.runs, say)));
      if (suite === "debian") rows.push(...(await runBoot(machines, ["system"], options.runs, say)));
      if (debian && suite === "work") rows.push(...(await runWork(debian, options.runs, say)));
      if (suite === "browser") rows.push(...(await runBrowser({ ...options, kernels }, say)));
      if (suite === "peers") rows.push(...(await runPeers(machines, { ...options, kernels }, say)));
      if (suite === "micro") rows.push(...(await runMicro(MICRO_MS, say)));
    }
  } finally {
    await debian?.close();
    if (terminal) process.stderr.write("\r\x1b[K");
  }
  return rows;
}

/** Parses arguments, measures, reports. Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command("bench")
    .description("Measure wardian, alone or against its peers on this machine")
    .argument("[suites...]", `any of ${SUITES.join(", ")}; kernels unless told`)
    .addOption(
      new Option(
        "--against <peer>",
        "also run on this peer; may be given again: qemu, native, or v86 of suites browser and peers",
      )
        .argParser(each(PEERS))
        .default([] as Peer[], "none"),
    )
    .addOption(
      new Option("--engine <name>", `wardian's: ${ENGINES.join(", ")}; its default unless told`).argParser(
        (value: string) => oneOf(value, ENGINES),
      ),
    )
    .option("--json <file>", "write the results as JSON")
    .option("--runs <n>", "times that each is run; the median counts", (text) => whole(text, 1), 3)
    .option(
      "--repetitions <n>",
      "times that a kernel is repeated in a run: the first, then the steady ones",
      (text) => whole(text, 2),
      REPETITIONS,
    )
    .option("--scale <factor>", "multiplies the kernels' work", positive, 1)
    .addOption(
      new Option("--kernel <name>", "only this kernel; may be given again")
        .argParser(each(KERNELS.map(({ name }) => name)))
        .default([] as string[], "all"),
    )
    .option("--peers-only", "leave wardian itself out", false)
    .action(async (names: string[], options: Options) => {
      try {
        const suites = names.length ? names.map((name) => oneOf(name, SUITES)) : (["kernels"] as const);
        const rows = await measure(suites, options);
        process.stdout.write(`${formatTable(rows)}\n`);
        if (options.json) await writeFile(options.json, `${JSON.stringify(rows, null, 2)}\n`);
      } catch (error) {
        if (error instanceof InvalidArgumentError) process.stderr.write(`${names.join(" ")}: ${error.message}\n`);
        else if (error instanceof BenchError || error instanceof OracleError || error instanceof ImageError)
          process.stderr.write(`${error.message}\n`);
        else throw error;
        code = 1;
      }
    });
  await program.parseAsync(args, { from: "user" });
  return code;
}

// Nothing is hot from runs before, but where a suite wants it.
process.env.WARDIAN_CODE_CACHE = "none";
// The programs measured are in groups of their own; leaving by exit ends them too.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
process.exitCode = await main(process.argv.slice(2));
