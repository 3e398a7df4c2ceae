import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { ImageError, interrupted } from "./errors.ts";

/** How to run a command. */
export interface RunOptions {
  signal?: AbortSignal | undefined;
  cwd?: string;
  /** Bytes for its standard input; without them it is empty. */
  input?: Uint8Array;
}

/** What a command gave. `status` is its exit status, or -1 when a signal ended it. */
export interface RunResult {
  status: number;
  stdout: Buffer;
  stderr: string;
}

/** Longest error text kept. */
const MAX_STDERR = 64 * 1024;

/**
 * Runs a command to its end, in the C locale, and gives all that it wrote.
 * @throws ImageError no-tool with `missing` as its message, or interrupted
 */
export async function run(
  command: string,
  args: readonly string[],
  missing: string,
  options: RunOptions = {},
): Promise<RunResult> {
  const stdout: Buffer[] = [];
  const job = start(command, args, missing, options);
  job.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
  const { status, stderr } = await job.ended;
  return { status, stdout: Buffer.concat(stdout), stderr };
}

/** A running command. `ended` rejects as `run` does. */
export interface Job {
  stdout: Readable;
  ended: Promise<{ status: number; stderr: string }>;
  kill(): void;
}

/** Starts a command whose output is read as it comes. */
export function start(command: string, args: readonly string[], missing: string, options: RunOptions = {}): Job {
  if (options.signal?.aborted === true) throw interrupted(options.signal.reason);
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(command, args, {
    env: { ...process.env, LC_ALL: "C" },
    stdio: ["pipe", "pipe", "pipe"],
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.signal !== undefined && { signal: options.signal }),
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    if (stderr.length < MAX_STDERR) stderr += chunk.toString("utf8");
  });
  child.stdin.on("error", () => {}); // it may end before it has read everything: its status tells
  child.stdin.end(options.input);
  const ended = once(child, "close").then(
    ([code]) => ({ status: (code as number | null) ?? -1, stderr }),
    (error: NodeJS.ErrnoException) => {
      if (options.signal?.aborted === true) throw interrupted(error);
      if (error.code === "ENOENT") throw new ImageError("no-tool", missing, { cause: error });
      throw new ImageError("no-tool", `${command} could not be started (${error.code}); ${missing}`, { cause: error });
    },
  );
  ended.catch(() => {}); // handled by whoever awaits it; a reader of stdout may fail first
  return { stdout: child.stdout, ended, kill: () => child.kill() };
}
