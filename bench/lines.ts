/** What a program says line by line, and the processor time that it had taken by then. */

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { BenchError } from "./errors.ts";
import type { Kernel } from "./kernels.ts";

/** Processor seconds so far. */
export interface Processor {
  /** Of all threads. */
  readonly all: number;
  /** Of the one that has had the most: the guest's. */
  readonly busiest: number;
}

/** @returns what processes have taken so far (proc(5), schedstat) */
export function processorMeter(processes: readonly number[]): () => Processor {
  // A thread that ends takes its count along: what was last seen of it stays.
  const nanoseconds = new Map<string, number>();
  return () => {
    for (const id of processes)
      for (const thread of entries(`/proc/${id}/task`)) {
        try {
          const text = readFileSync(`/proc/${id}/task/${thread}/schedstat`, "utf8");
          nanoseconds.set(thread, Number(text.split(" ")[0]));
        } catch {
          // It has just ended.
        }
      }
    const values = [...nanoseconds.values()];
    return { all: values.reduce((sum, value) => sum + value, 0) / 1e9, busiest: Math.max(0, ...values) / 1e9 };
  };
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

export interface Line {
  readonly text: string;
  /** What the program had taken when the line came. */
  readonly cpu: Processor;
}

/** Runs a program to its end. @param patience seconds that it may take @throws BenchError when it fails or takes too long */
export function runLines(
  command: readonly string[],
  patience: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Line[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    const stop = () => child.kill("SIGKILL");
    process.once("exit", stop);
    const timer = setTimeout(stop, patience * 1000);
    const seconds = processorMeter(child.pid === undefined ? [] : [child.pid]);
    const lines: Line[] = [];
    let partial = "";
    let complaint = "";
    child.stdout.setEncoding("latin1").on("data", (chunk: string) => {
      const cpu = seconds();
      const parts = (partial + chunk).split(/\r?\n/);
      partial = parts.pop()!;
      for (const text of parts) lines.push({ text, cpu });
    });
    child.stderr.setEncoding("latin1").on("data", (chunk: string) => {
      complaint = (complaint + chunk).slice(-1000);
    });
    child.on("error", (error) => reject(new BenchError(`${command[0]} can't be started: ${error.message}`)));
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      process.off("exit", stop);
      if (code === 0) return resolve(lines);
      const why = signal ? `didn't end within ${patience} seconds` : `failed with code ${code}`;
      reject(
        new BenchError(`${command.join(" ")} ${why}: ${complaint.trim().split("\n").at(-1) || "it says nothing"}`),
      );
    });
  });
}

/** A kernel's result, as linux/main.c and guest/main.c write it. */
export const RESULT = /([0-9a-f]{16}) \d+\.\d{6}/;

/** Of a kernel that ran several times, in processor seconds. */
export interface Outcome {
  readonly checksum: string;
  /** Of the whole emulator, what it compiles included. */
  readonly first: number;
  /** The mean of the later ones, of the busiest thread alone. */
  readonly steady: number;
}

/**
 * @param start processor seconds when it started
 * @throws BenchError when results are missing or differ
 */
export function outcomeOf(
  machine: string,
  { name }: Pick<Kernel, "name">,
  repetitions: number,
  start: number,
  lines: readonly Line[],
): Outcome {
  const results = lines.filter(({ text }) => RESULT.test(text));
  if (results.length !== repetitions)
    throw new BenchError(`${name} gave ${results.length} of ${repetitions} results on ${machine}`);
  const sums = new Set(results.map(({ text }) => RESULT.exec(text)![1]!));
  if (sums.size > 1)
    throw new BenchError(`${name} computes different things when repeated on ${machine}: ${[...sums].join(", ")}`);
  const [begin, end] = [results[0]!.cpu, results.at(-1)!.cpu];
  const steady = (end.busiest - begin.busiest) / (repetitions - 1);
  return { checksum: [...sums][0]!, first: begin.all - start, steady };
}
