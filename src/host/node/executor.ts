/** The executor's worker: its wire, its clocks and its event loop. */

import { parentPort } from "node:worker_threads";
import { Executor } from "../../hypervisor/executor.ts";
import type { Report, Request, Wire } from "../../hypervisor/protocol.ts";
import { codeCacheIn } from "./code-cache-user.ts";
import { openDisk } from "./disk.ts";
import { fixedEntropy, systemEntropy } from "./entropy.ts";
import { openNetwork } from "./network.ts";
import { openNvram } from "./nvram.ts";
import { startProfiler } from "./profiler.ts";
import { openShare } from "./share.ts";
import { openVsock } from "./vsock.ts";

const port = parentPort;
if (port) {
  const wire: Wire<Report, Request> = {
    post: (message, transfer = []) => port.postMessage(message, transfer),
    onMessage: undefined,
  };
  port.on("message", (message: Request) => wire.onMessage?.(message));
  const start = Date.now() - performance.now();
  new Executor(wire, {
    now: () => performance.now(),
    // Date.now has a grain of a millisecond; between two of its steps the monotonic clock goes on.
    wallclock: () => wallNow(start) * 1e6,
    entropy: (deterministic) => (deterministic ? fixedEntropy() : systemEntropy),
    openDisk,
    openNetwork,
    openNvram,
    openShare,
    openVsock,
    codeCache: codeCacheIn,
    profiler: startProfiler,
    soon: (callback) => setImmediate(callback),
    later: (milliseconds, callback) => {
      const timer = setTimeout(callback, milliseconds);
      return () => clearTimeout(timer);
    },
  });
}

/** Milliseconds since 1970: the monotonic clock's, unless the system's clock was set meanwhile. */
function wallNow(start: number): number {
  const fine = start + performance.now();
  const coarse = Date.now();
  return Math.abs(fine - coarse) < 1000 ? fine : coarse;
}
