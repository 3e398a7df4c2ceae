/** An executor on this thread, with disks and networks of the test's own. */

import type { Disk, DiskOptions } from "../../src/backends/disk.ts";
import type { Link, NetworkOptions } from "../../src/backends/link.ts";
import type { Vsock, VsockOptions } from "../../src/backends/vsock.ts";
import { fixedEntropy } from "../../src/host/node/entropy.ts";
import { Executor } from "../../src/hypervisor/executor.ts";
import { ExecutorLink, type RemoteExecutor } from "../../src/hypervisor/link.ts";
import { Machine } from "../../src/hypervisor/machine.ts";
import type { CellSpec, Report, Request, Wire } from "../../src/hypervisor/protocol.ts";
import { coreModule } from "./core.ts";

export interface Surroundings {
  /** By path. */
  openDisk?(options: DiskOptions): Promise<Disk>;
  openNetwork?(options: NetworkOptions): Promise<Link>;
  openVsock?(options: VsockOptions): Promise<Vsock>;
}

const later = (milliseconds: number, callback: () => void): (() => void) => {
  const timer = setTimeout(callback, milliseconds);
  return () => clearTimeout(timer);
};

const refuse = async (): Promise<never> => {
  throw new Error("the test has none of these");
};

export function localExecutor({
  openDisk = refuse,
  openNetwork = refuse,
  openVsock = refuse,
}: Surroundings): ExecutorLink {
  const there: Wire<Report, Request> = {
    post: (report) => void setImmediate(() => here.onMessage?.(report)),
    onMessage: undefined,
  };
  const here: RemoteExecutor = {
    post: (request) => void setImmediate(() => there.onMessage?.(request)),
    onMessage: undefined,
    onDeath: undefined,
    hold: () => {},
    later,
  };
  new Executor(there, {
    now: () => performance.now(),
    wallclock: () => Date.now() * 1e6,
    entropy: fixedEntropy,
    openDisk,
    openNetwork,
    openNvram: refuse,
    openShare: refuse,
    openVsock,
    soon: (callback) => setImmediate(callback),
    later,
  });
  return new ExecutorLink(here);
}

const meter = {
  now: () => performance.now(),
  cpuSeconds: () => process.cpuUsage().user / 1e6,
  peakMemoryBytes: () => 0,
};

export async function localMachine(surroundings: Surroundings, spec: CellSpec): Promise<Machine> {
  return Machine.onExecutor(localExecutor(surroundings), await coreModule(), spec, meter);
}
