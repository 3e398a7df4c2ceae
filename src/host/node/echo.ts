/**
 * ICMP echo by the host's own `ping`, which may send it where Node may not:
 * Node has no sockets for ICMP, and raw ones would need root.
 */

import { execFile } from "node:child_process";
import type { SocketFailure } from "../../backends/sockets.ts";

/** Programs under way; while there are so many, nothing answers. */
const MAX_RUNNING = 8;
const TIMEOUT_S = 4;
/** Data of the largest echo that isn't split. */
const MAX_LENGTH = 1472;

/** Programs that may be started in a second: a guest's flood isn't to cost the host as many processes. */
const MAX_STARTS = 16;

let running = 0;
let starts = 0;
let startsSince = 0;

export function echo(address: string, length: number, complete: (failure: SocketFailure | undefined) => void): void {
  const now = performance.now();
  if (now - startsSince >= 1000) {
    startsSince = now;
    starts = 0;
  }
  if (running >= MAX_RUNNING || starts >= MAX_STARTS || length > MAX_LENGTH) {
    setImmediate(complete, "timed-out");
    return;
  }
  running++;
  starts++;
  const windows = process.platform === "win32";
  const wait = process.platform === "darwin" || windows ? TIMEOUT_S * 1000 : TIMEOUT_S;
  const args = windows
    ? ["-n", "1", "-w", `${wait}`, "-l", `${length}`, address]
    : ["-n", "-c", "1", "-W", `${wait}`, "-s", `${length}`, address];
  const child = execFile(
    "ping",
    args,
    { timeout: (TIMEOUT_S + 1) * 1000, env: { ...process.env, LC_ALL: "C" } },
    (error, out) => {
      running--;
      complete(failureOf(error, out));
    },
  );
  child.unref();
}

function failureOf(error: (Error & { code?: unknown }) | null, out: string): SocketFailure | undefined {
  if (!error) return /ttl=/i.test(out) ? undefined : "host-unreachable";
  if (error.code === 1) return /unreachable/i.test(out) ? "host-unreachable" : "timed-out";
  // There is no such program, or it may not.
  return typeof error.code === "number" ? "network-unreachable" : "forbidden";
}
