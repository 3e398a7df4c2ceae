/** Runs a program to its end and says what it took. */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { OracleError } from "./errors.ts";

export interface Usage {
  /** Seconds on the wall. */
  readonly wall: number;
  /** Processor seconds of the program and of the children it waited for, all threads. */
  readonly cpu: number;
  readonly stdout: string;
  readonly stderr: string;
  /** 128 + n when signal n ended it. */
  readonly code: number;
}

export interface CommandOptions {
  readonly timeout?: number;
  readonly env?: Readonly<Record<string, string>>;
}

const TIMEOUT = 900;
const MAX_OUTPUT = 16 << 20;

/**
 * bash's `time` reads the kernel's accounting of waited-for children, to the
 * millisecond; Node can't ask for that of one child. Its report goes to
 * descriptor 3, the program's own streams stay as they are.
 */
const TIMED = 'TIMEFORMAT="%R %U %S"; { time "$@" 2>&4; } 4>&2 2>&3';

/** Runs a command under accounting. @throws OracleError when bash is missing or time is up. */
export function run(command: readonly string[], options: CommandOptions = {}): Promise<Usage> {
  const { timeout = TIMEOUT, env = {} } = options;
  return new Promise((resolve, reject) => {
    const child = spawn("bash", ["-c", TIMED, "bash", ...command], {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C", ...env },
      detached: true, // a group of its own, so that time's up for the program as well
    });
    const text = ["", "", "", ""];
    const stop = () => {
      try {
        process.kill(-child.pid!, "SIGKILL");
      } catch {
        // It has just ended by itself.
      }
    };
    process.once("exit", stop);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      stop();
    }, timeout * 1000);
    for (const n of [1, 2, 3])
      child.stdio[n]!.on("data", (chunk: Buffer) => {
        if (text[n]!.length < MAX_OUTPUT) text[n] += chunk.toString("latin1");
      });
    const done = () => {
      clearTimeout(timer);
      process.off("exit", stop);
    };
    child.on("error", () => {
      done();
      reject(new OracleError("bash isn't here to measure with: install the package bash"));
    });
    child.on("close", (code, signal) => {
      done();
      if (late) return reject(new OracleError(`${command.join(" ")} didn't end within ${timeout} seconds`));
      const [wall = NaN, user = NaN, system = NaN] = text[3]!.trim().split("\n").at(-1)!.split(" ").map(Number);
      resolve({
        wall,
        cpu: user + system,
        stdout: text[1]!,
        stderr: text[2]!,
        code: code ?? 128 + (constants.signals[signal!] ?? 0),
      });
    });
  });
}

/** The same, and anything but success is an error. @param install what to do when the program isn't there */
export async function runTool(command: readonly string[], install: string, options?: CommandOptions): Promise<Usage> {
  const usage = await run(command, options);
  if (usage.code === 127) throw new OracleError(`${command[0]} isn't here: ${install}`);
  if (usage.code !== 0) {
    const said = usage.stderr.trim().split("\n").at(-1);
    throw new OracleError(`${command.join(" ")} failed with code ${usage.code}${said ? `: ${said}` : ""}`);
  }
  return usage;
}

/** What a program took until it said something. */
export interface Arrival {
  /** Seconds on the wall. */
  readonly wall: number;
  /** Processor seconds of the program, all threads. */
  readonly cpu: number;
}

/**
 * Runs a program until its standard output matches, and ends it then.
 * @throws OracleError when it ends before, or time is up
 */
export function runUntil(command: readonly string[], pattern: RegExp, options: CommandOptions = {}): Promise<Arrival> {
  const { timeout = TIMEOUT, env = {} } = options;
  return new Promise((resolve, reject) => {
    const from = performance.now();
    const child = spawn(command[0]!, command.slice(1), {
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, LC_ALL: "C", ...env },
    });
    const stop = () => child.kill("SIGKILL");
    process.once("exit", stop);
    const timer = setTimeout(stop, timeout * 1000);
    let text = "";
    let arrival: Arrival | undefined;
    child.stdout.on("data", (chunk: Buffer) => {
      text = (text + chunk.toString("latin1")).slice(-MAX_OUTPUT);
      if (arrival !== undefined || !pattern.test(text)) return;
      arrival = { wall: (performance.now() - from) / 1000, cpu: cpuSeconds(child.pid!) };
      stop();
    });
    child.on("error", (error) => reject(new OracleError(`${command[0]} can't be started: ${error.message}`)));
    child.on("close", () => {
      clearTimeout(timer);
      process.off("exit", stop);
      if (arrival !== undefined) resolve(arrival);
      else reject(new OracleError(`${command.join(" ")} didn't say ${pattern} within ${timeout} seconds`));
    });
  });
}

/** Of a process that runs: fields 14 and 15 of /proc/<pid>/stat, in hundredths (proc(5)). */
function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
