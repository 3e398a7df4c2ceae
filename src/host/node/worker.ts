/** Executors in worker threads. */

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { ExecutorPool, type RemoteExecutor } from "../../hypervisor/link.ts";
import type { Meter } from "../../hypervisor/machine.ts";
import type { Report, Request } from "../../hypervisor/protocol.ts";
import { asset } from "./assets.ts";

function spawn(): RemoteExecutor {
  // The program's own options may be none for a script in a worker, such as --input-type.
  const worker = new Worker(asset("executor.js"), { name: "wardian executor", execArgv: [] });
  const remote: RemoteExecutor = {
    post: (message: Request, transfer = []) => worker.postMessage(message, transfer),
    onMessage: undefined,
    onDeath: undefined,
    hold: (on) => (on ? worker.ref() : worker.unref()),
    later: (milliseconds, callback) => {
      const timer = setTimeout(callback, milliseconds);
      return () => clearTimeout(timer);
    },
  };
  worker.on("message", (report: Report) => remote.onMessage?.(report));
  worker.on("error", (error) => remote.onDeath?.(error instanceof Error ? error.message : String(error)));
  worker.on("exit", (code) => remote.onDeath?.(`its thread has ended with code ${code}`));
  return remote;
}

let shared: ExecutorPool | undefined;

/** This process's executors: as many as it has cores. */
export function executors(): ExecutorPool {
  shared ??= new ExecutorPool(availableParallelism(), spawn);
  return shared;
}

export const processMeter: Meter = {
  now: () => performance.now(),
  cpuSeconds: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  peakMemoryBytes: () => process.resourceUsage().maxRSS * 1024,
};
