/** The executor's worker: its wire, its clocks and its event loop. */

import { Executor } from "../../hypervisor/executor.ts";
import type { Report, Request, Wire } from "../../hypervisor/protocol.ts";
import { openDisk } from "./disk.ts";
import { fixedEntropy, systemEntropy } from "./entropy.ts";
import { openNetwork } from "./network.ts";
import { HOLDING, type WorkerScope } from "./scope.ts";
import { sleeper, turns } from "./timers.ts";

const scope = globalThis as unknown as WorkerScope;

const wire: Wire<Report, Request> = {
  post: (message, transfer = []) => scope.postMessage(message, transfer),
  onMessage: undefined,
};
new Executor(wire, {
  now: () => performance.now(),
  wallclock: () => wallNow() * 1e6,
  openDisk,
  openNetwork,
  openNvram: async () => Promise.reject(new Error("A page has nowhere to keep NVRAM yet; leave it out.")),
  openShare: async () => Promise.reject(new Error("A page has no folders to share with guests; leave them out.")),
  openVsock: async () => Promise.reject(new Error("A page has no sockets to give to guests; leave them out.")),
  entropy: (deterministic) => (deterministic ? fixedEntropy() : systemEntropy),
  soon: turns(),
  later: sleeper(),
});
scope.addEventListener("message", ({ data }) => wire.onMessage?.(data));

// A worker that ends by itself tells nobody, but gives up its locks. Pages from servers that aren't trusted have none.
scope.navigator.locks?.request(scope.name, () => {
  scope.postMessage(HOLDING);
  return new Promise(() => {});
});

/** Milliseconds since 1970: the monotonic clock's, unless the system's clock was set meanwhile. */
function wallNow(): number {
  const fine = performance.timeOrigin + performance.now();
  const coarse = Date.now();
  return Math.abs(fine - coarse) < 1000 ? fine : coarse;
}
