/** The machines that a suite runs on: wardian as its users start it, and its peers. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EngineName } from "../src/core/engine.ts";
import { type CommandOptions, runTool, type Usage } from "../src/oracle/command.ts";
import type { Qemu } from "../src/oracle/qemu.ts";
import { BenchError } from "./errors.ts";
import { packageRoot } from "./paths.ts";

export interface Machines {
  /** Undefined when only peers are measured. */
  readonly wardian: Wardian | undefined;
  readonly qemus: readonly Qemu[];
  /** Also as a program of the host, where there is one. */
  readonly native: boolean;
  /** Also in v86. */
  readonly v86: boolean;
}

export interface Wardian {
  /** What starts `wardian boot` with these arguments. */
  command(args: readonly string[]): string[];
  /** Runs it. */
  boot(args: readonly string[], options?: CommandOptions): Promise<Usage>;
}

/** `wardian boot` with an engine chosen, or the one that its users get. */
export function bootArguments(args: readonly string[], engine?: EngineName): string[] {
  return ["boot", ...args, ...(engine ? ["--engine", engine] : [])];
}

/** The built command line. @throws BenchError when it isn't built */
export function findWardian(engine?: EngineName): Wardian {
  const cli = join(packageRoot(), "dist", "cli.js");
  if (!existsSync(cli)) throw new BenchError("wardian isn't built: run npm run build first");
  const command = (args: readonly string[]): string[] => [process.execPath, cli, ...bootArguments(args, engine)];
  return { command, boot: (args, options) => runTool(command(args), "install the package nodejs", options) };
}
