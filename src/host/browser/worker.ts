/** Executors in the page's workers. */

import { ExecutorPool, type RemoteExecutor } from "../../hypervisor/link.ts";
import type { Meter } from "../../hypervisor/machine.ts";
import type { Report, Request } from "../../hypervisor/protocol.ts";
import { HOLDING } from "./scope.ts";

const UNLOADED =
  "its script could not be loaded; see the browser's console, and if the page's policy allows no workers from blobs, " +
  "serve executor.js and core.wasm and say where by the option assets";

/**
 * An executor in a worker. It ends with its last machine: its memory goes at
 * once, whatever the collector thinks of it.
 */
function spawn(script: string): RemoteExecutor {
  const name = `wardian executor ${Array.from(crypto.getRandomValues(new Uint32Array(2)), hexadecimal).join("")}`;
  const worker = new Worker(script, { name });
  let used = false;
  const remote: RemoteExecutor = {
    post: (message: Request, transfer: Transferable[] = []) =>
      worker.postMessage(message, [...transfer, ...portsOf(message)]),
    onMessage: undefined,
    onDeath: undefined,
    hold: (on) => {
      if (on) used = true;
      else if (used) die("its machines have ended");
    },
    later: (milliseconds, callback) => {
      const timer = setTimeout(callback, milliseconds);
      return () => clearTimeout(timer);
    },
  };
  const die = (message: string) => {
    const { onDeath } = remote;
    remote.onDeath = undefined;
    remote.onMessage = undefined;
    worker.terminate();
    onDeath?.(message);
  };
  worker.onmessage = ({ data }: MessageEvent<Report | typeof HOLDING>) => {
    if (data !== HOLDING) remote.onMessage?.(data);
    else void navigator.locks.request(name, () => die("its worker has ended"));
  };
  worker.onmessageerror = () => die("what it sent can't be read");
  worker.onerror = (event) => {
    event.preventDefault();
    die(event.message || UNLOADED);
  };
  return remote;
}

/** Ends of channels can't be copied: they go. */
function portsOf(message: Request): Transferable[] {
  const network = message.type === "create" ? message.spec.network : undefined;
  return network?.kind === "port" ? [network.port as MessagePort] : [];
}

const hexadecimal = (word: number): string => word.toString(16).padStart(8, "0");

const pools = new Map<string, ExecutorPool>();

/** This page's executors of one script: as many as there are cores. */
export function executors(script: string): ExecutorPool {
  let pool = pools.get(script);
  if (!pool) {
    pool = new ExecutorPool(navigator.hardwareConcurrency ?? 1, () => spawn(script));
    pools.set(script, pool);
  }
  return pool;
}

/** A page can't see what its threads or its memory cost; executors say how long they were busy. */
export const pageMeter: Meter = {
  now: () => performance.now(),
  cpuSeconds: () => undefined,
  peakMemoryBytes: () => undefined,
};
