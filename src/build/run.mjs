/** Runs the tools that the tasks are made of. */

import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { Progress } from "./progress.mjs";

/** The repository's root, with a slash at its end. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A task can't go on: `message` is one sentence, `output` what the tool said that failed. */
export class Failure extends Error {
  constructor(message, output = "") {
    super(message);
    this.output = output;
  }
}

/**
 * Runs a program in the root; "node" is this Node.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ show?: boolean, env?: Record<string, string> }} options show: its streams are ours
 * @returns {Promise<number>} its exit status; 128 + n when signal n ended it
 */
export async function run(program, args, options = {}) {
  const { status } = await collect(program, args, options);
  return status;
}

/** The same, with what it wrote on both streams, in order, unless that was shown. */
export function collect(program, args, { show = false, env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program === "node" ? process.execPath : program, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: show ? "inherit" : ["ignore", "pipe", "pipe"],
    });
    const chunks = [];
    child.stdout?.on("data", (chunk) => chunks.push(chunk));
    child.stderr?.on("data", (chunk) => chunks.push(chunk));
    // A Ctrl-C reaches the whole group: the child ends, and its status is told.
    const forward = (signal) => child.kill(signal);
    const wait = () => {};
    process.on("SIGTERM", forward).on("SIGINT", wait);
    const done = () => process.off("SIGTERM", forward).off("SIGINT", wait);
    child.on("error", (error) => {
      done();
      reject(new Failure(`${program} can't be run (${error.code ?? error.message}); install it.`));
    });
    child.on("close", (code, signal) => {
      done();
      const status = code ?? 128 + (constants.signals[signal] ?? 0);
      resolve({ status, output: Buffer.concat(chunks).toString("utf8") });
    });
  });
}

/**
 * A step with a progress bar; a failure shows what the tool said.
 * @param {string} title such as "Compiling the core"
 * @param {number} expected seconds that it takes on a small machine
 * @param {string} remedy what to do when it fails
 */
export async function step(title, expected, remedy, program, args, env = {}) {
  const progress = new Progress(title, expected);
  try {
    const { status, output } = await collect(program, args, { env });
    if (status !== 0) throw new Failure(`${title} failed; ${remedy}.`, output);
    progress.end("done");
  } catch (error) {
    progress.end("failed");
    throw error;
  }
}
