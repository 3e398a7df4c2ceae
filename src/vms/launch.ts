/** Starts a VM in a process of its own, and waits until it runs. */

import { spawn } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileFailure, quote, VmError } from "./errors.ts";
import type { Vm } from "./store.ts";

/** What goes to standard error of a VM's process, and what happened to it. */
export const EVENTS = "wardian.log";
/** Where the process writes how its start goes. */
const REPORTS = 3;
/** How long it may be silent while it starts, ms. */
const SILENCE = 120_000;

/** What a starting process says, a line of JSON each. */
export type StartReport =
  | { readonly type: "ready"; readonly pid: number }
  | { readonly type: "failed"; readonly message: string };

/**
 * Runs a program detached from this one.
 * @param program a script and its arguments, which calls `reportStart`
 * @returns its process's number
 * @throws VmError with what the process said, or when it says nothing
 */
export async function launch(vm: Vm, program: readonly string[], signal: AbortSignal): Promise<number> {
  const log = openLog(vm.folder);
  const child = spawn(process.execPath, [...process.execArgv, ...program], {
    detached: true,
    cwd: vm.folder,
    stdio: ["ignore", log, log, "pipe"],
  });
  closeSync(log);
  const failed = (message: string) => new VmError("control", message);
  const said = child.stdio[REPORTS] as Readable;
  let done = false;
  try {
    return await new Promise<number>((resolve, reject) => {
      const timer = setTimeout(
        () =>
          reject(
            failed(
              `The VM ${quote(vm.name)} hasn't started within ${SILENCE / 1000} s; "wardian logs --events ${vm.name}" may say why.`,
            ),
          ),
        SILENCE,
      );
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      child.once("error", (error) => reject(failed(`The VM's process can't be started: ${error.message}.`)));
      let text = "";
      said.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      said.once("close", () => {
        clearTimeout(timer);
        const line = text.split("\n")[0]!;
        const report = line === "" ? undefined : (JSON.parse(line) as StartReport);
        if (report?.type === "ready") resolve(report.pid);
        else if (report) reject(failed(report.message));
        else
          reject(failed(`The VM's process ended before the VM ran; "wardian logs --events ${vm.name}" may say why.`));
      });
      if (signal.aborted) reject(signal.reason);
    }).then((pid) => {
      done = true;
      return pid;
    });
  } finally {
    // It is on its own from now on, or shall not go on.
    if (!done) child.kill("SIGKILL");
    said.destroy();
    child.unref();
  }
}

/** Of the started process: tells how it went, once. */
export function reportStart(report: StartReport): void {
  try {
    writeSync(REPORTS, `${JSON.stringify(report)}\n`);
    closeSync(REPORTS);
  } catch {
    // Who started it doesn't wait any more.
  }
}

function openLog(folder: string): number {
  const path = join(folder, EVENTS);
  try {
    return openSync(path, "a", 0o600);
  } catch (error) {
    throw fileFailure(error, `write the log ${quote(path)}`);
  }
}
