/**
 * The proof machine: compares Wardian with independent oracles, for as long as
 * it is told.
 *
 *     npm run fuzz -- --seed 1 --minutes 10
 */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { ENGINES as ENGINE_NAMES, type EngineName } from "../core/engine.ts";
import { coreModule } from "../host/node/assets.ts";
import { MachineError } from "../hypervisor/machine.ts";
import { ImageError } from "../images/index.ts";
import { OracleError } from "../oracle/errors.ts";
import { newestQemu } from "../oracle/qemu.ts";
import { fuzzDecode } from "./decode.ts";
import { engineFixtureOf, fuzzEngines } from "./engine-programs.ts";
import { ENGINES } from "./engines.ts";
import { fuzzFloat } from "./float.ts";
import type { Mode } from "./program.ts";
import { type Failure, fixtureOf, fuzzPrograms } from "./programs.ts";

interface Options {
  seed: number;
  minutes: number;
  programs: number;
  modes: Mode[];
  failures: number;
  engine: EngineName;
  keep?: string;
}

interface EngineOptions {
  seed: number;
  minutes: number;
  instructions: number;
  modes: Mode[];
  failures: number;
  keep?: string;
}

function number(text: string, least: number, whole: boolean): number {
  const value = Number(text);
  if (!(value >= least) || !Number.isFinite(value) || (whole && !Number.isSafeInteger(value)))
    throw new InvalidArgumentError(`It is a ${whole ? "whole " : ""}number from ${least}.`);
  return value;
}

function modes(text: string): Mode[] {
  const list = [...text.toUpperCase()] as Mode[];
  if (!list.length || list.some((mode) => !"MSU".includes(mode)))
    throw new InvalidArgumentError("It is one or more of the letters M, S and U.");
  return list;
}

function say(line: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`);
}

/** Writes failures, and their fixtures if there is a folder for them. */
async function showFailures(failures: readonly Failure[], fixture: typeof fixtureOf, keep?: string): Promise<void> {
  for (const failure of failures) {
    process.stdout.write(`${failure.text}\n\n`);
    if (!keep) continue;
    await mkdir(keep, { recursive: true });
    const [name, text] = fixture(failure);
    await writeFile(join(keep, name), text);
  }
}

async function runEngines(options: EngineOptions): Promise<number> {
  const totals = await fuzzEngines(options, await coreModule(), say);
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  await showFailures(totals.failures, engineFixtureOf, options.keep);
  const { programs, instructions, regions, seconds, failures } = totals;
  const rate = (instructions / seconds / 1e6) * 60;
  process.stdout.write(
    `seed ${options.seed}, jit against interpreter: ${programs} programs, ` +
      `${(instructions / 1e6).toFixed(1)} million instructions in ${seconds.toFixed(0)} s ` +
      `(${rate.toFixed(1)} million a minute), ${regions} regions, ${failures.length} differ\n`,
  );
  return failures.length ? 1 : 0;
}

async function runPrograms(options: Options): Promise<number> {
  const qemu = await newestQemu(say);
  const engine = ENGINES[options.engine](await coreModule());
  const totals = await fuzzPrograms(options, engine, qemu, say);
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  await showFailures(totals.failures, fixtureOf, options.keep);
  const { programs, instructions, seconds, failures } = totals;
  const rate = (instructions / seconds / 1e6) * 60;
  process.stdout.write(
    `seed ${options.seed}, ${options.engine} against ${qemu.label}: ${programs} programs, ` +
      `${(instructions / 1e6).toFixed(1)} million instructions in ${seconds.toFixed(0)} s ` +
      `(${rate.toFixed(1)} million a minute), ${failures.length} differ\n`,
  );
  return failures.length ? 1 : 0;
}

function runDecode({ seed, words }: { seed: number; words: number }): number {
  const { compared, beyond, wrong } = fuzzDecode(seed, words, say);
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  for (const line of wrong.slice(0, 50)) process.stdout.write(`${line}\n`);
  process.stdout.write(
    `seed ${seed}: ${compared} words against objdump, ${wrong.length} differ; ` +
      `${beyond} are newer than binutils 2.40 and were left out\n`,
  );
  return wrong.length || compared !== words ? 1 : 0;
}

async function runFloat(options: { seed: number; operations: number; engine: EngineName }): Promise<number> {
  const qemu = await newestQemu(say);
  const engine = ENGINES[options.engine](await coreModule());
  const { operations, wrong } = await fuzzFloat(options.seed, options.operations, engine, qemu, say);
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  for (const line of wrong) process.stdout.write(`${line}\n`);
  process.stdout.write(
    `seed ${options.seed}, ${options.engine} against ${qemu.label}: ` +
      `${(operations / 1e6).toFixed(1)} million operations, ${wrong.length} differ\n`,
  );
  return wrong.length ? 1 : 0;
}

/** Parses arguments and runs what they ask for. Returns the exit code: 1 when something differs. */
export async function main(args: readonly string[]): Promise<number> {
  let code = 0;
  const guarded = async (run: () => Promise<number>) => {
    try {
      code = await run();
    } catch (error) {
      const known = [OracleError, ImageError, MachineError].some((kind) => error instanceof kind);
      if (!known) throw error;
      process.stderr.write(`${(error as Error).message}\n`);
      code = 2;
    }
  };
  const seed = () =>
    new Option("--seed <n>", "what is random comes from it").default(1).argParser((text) => number(text, 0, true));
  const engine = () =>
    new Option("--engine <name>", "the engine under test").choices(ENGINE_NAMES).default("interpreter");
  const program = new Command("fuzz").description("Compare wardian with independent oracles");
  program
    .command("programs", { isDefault: true })
    .description("random programs, against QEMU")
    .addOption(seed())
    .option("--minutes <n>", "stop after so long", (text) => number(text, 0, false), 1)
    .option("--programs <n>", "stop after so many programs", (text) => number(text, 1, true), Number.POSITIVE_INFINITY)
    .option("--modes <letters>", "privileges to run them in", modes, ["M", "S", "U"])
    .option("--failures <n>", "stop after so many that differ", (text) => number(text, 1, true), 1)
    .addOption(engine())
    .option("--keep <folder>", "write programs that differ there, as fixtures")
    .action((options: Options) => guarded(() => runPrograms(options)));
  program
    .command("engines")
    .description("random programs by the JIT, against the interpreter")
    .addOption(seed())
    .option("--minutes <n>", "stop after so long", (text) => number(text, 0, false), 1)
    .option("--instructions <n>", "stop after so many", (text) => number(text, 1, true), Number.POSITIVE_INFINITY)
    .option("--modes <letters>", "privileges to run them in", modes, ["M", "S", "U"])
    .option("--failures <n>", "stop after so many programs that differ", (text) => number(text, 1, true), 1)
    .option("--keep <folder>", "write programs that differ there, as fixtures")
    .action((options: EngineOptions) => guarded(() => runEngines(options)));
  program
    .command("decode")
    .description("random words, against objdump")
    .addOption(seed())
    .option("--words <n>", "how many", (text) => number(text, 1, true), 1_000_000)
    .action((options: { seed: number; words: number }) => guarded(async () => runDecode(options)));
  program
    .command("float")
    .description("floating point on hard operands, against QEMU")
    .addOption(seed())
    .option("--operations <n>", "how many", (text) => number(text, 1, true), 10_000_000)
    .addOption(engine())
    .action((options: { seed: number; operations: number; engine: EngineName }) => guarded(() => runFloat(options)));
  await program.parseAsync(args, { from: "user" });
  return code;
}

// QEMU is in a process group of its own; leaving by exit ends it too.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
process.exitCode = await main(process.argv.slice(2));
