/** A real guest's requests to its disk, written down: Linux with ext4 on a machine in this process. */

import { readFileSync } from "node:fs";
import type { Disk, DiskRequest, DiskResult } from "../../src/backends/disk.ts";
import { fixedEntropy } from "../../src/host/node/entropy.ts";
import { Executor } from "../../src/hypervisor/executor.ts";
import { ExecutorLink, type RemoteExecutor } from "../../src/hypervisor/link.ts";
import { Machine } from "../../src/hypervisor/machine.ts";
import type { Report, Request, Wire } from "../../src/hypervisor/protocol.ts";
import { provision } from "../../src/images/index.ts";
import { planBoot } from "../../src/machine/boot.ts";
import { METER } from "../hypervisor/scripted.ts";
import { coreModule } from "../support/core.ts";

/** A request begins, or the one of that number is complete. */
export type Step =
  | { readonly kind: "begin"; readonly request: DiskRequest }
  | { readonly kind: "end"; readonly number: number };

/** Writes down what goes to a disk and what comes back, in order. */
export class RecordingDisk implements Disk {
  readonly size: number;
  readonly sectorSize;
  readonly readOnly = false;
  readonly steps: Step[] = [];
  readonly #disk: Disk;
  #next = 0;

  constructor(disk: Disk) {
    this.#disk = disk;
    this.size = disk.size;
    this.sectorSize = disk.sectorSize;
  }

  submit(request: DiskRequest, complete: (result: DiskResult) => void): void {
    const number = this.#next++;
    // The bytes are the guest's memory.
    this.steps.push({
      kind: "begin",
      request: "bytes" in request ? { ...request, bytes: request.bytes.slice() } : request,
    });
    this.#disk.submit(request, (result) => {
      this.steps.push({ kind: "end", number });
      complete(result);
    });
  }

  resize(size: number): Promise<void> {
    return this.#disk.resize(size);
  }

  commit(signal?: AbortSignal): Promise<void> {
    return this.#disk.commit(signal);
  }

  close(): Promise<void> {
    return this.#disk.close();
  }
}

const MEMORY = 192 * 2 ** 20;

/** Debian's kernel and a shell on an executor in this thread, with a disk. */
export async function machineWith(disk: Disk): Promise<Machine> {
  const image = await provision("debian");
  if (image.kind !== "linux") throw new Error("debian is a Linux image");
  const boot = planBoot({
    bios: "builtin",
    kernel: readFileSync(image.kernel),
    initrd: readFileSync(image.initrd),
    append: image.append,
    memoryBytes: MEMORY,
    harts: 1,
    fdt: { rngSeed: new Uint8Array(32) },
  });
  const [here, there] = wires();
  new Executor(there, {
    now: () => performance.now(),
    wallclock: () => Date.now() * 1e6,
    entropy: () => fixedEntropy(),
    openDisk: async () => disk,
    openNvram: () => Promise.reject(new Error("there is none")),
    openShare: () => Promise.reject(new Error("there is none")),
    openVsock: () => Promise.reject(new Error("there is none")),
    openNetwork: async () => {
      throw new Error("there is no network");
    },
    soon: (callback) => setImmediate(callback),
    later,
  });
  const spec = { memoryBytes: MEMORY, harts: 1, boot, sbi: true, deterministic: false, traced: false };
  return Machine.onExecutor(
    new ExecutorLink(here),
    await coreModule(),
    { ...spec, engine: "jit", disks: [{ path: "recorded" }] },
    METER,
  );
}

function later(milliseconds: number, callback: () => void): () => void {
  const timer = setTimeout(callback, milliseconds);
  return () => clearTimeout(timer);
}

/** Both ends of a wire in one thread; each message arrives in a turn of its own. */
function wires(): [RemoteExecutor, Wire<Report, Request>] {
  const there: Wire<Report, Request> = {
    post: (report) => setImmediate(() => here.onMessage?.(report)),
    onMessage: undefined,
  };
  const here: RemoteExecutor = {
    post: (request) => setImmediate(() => there.onMessage?.(request)),
    onMessage: undefined,
    onDeath: undefined,
    hold: () => {},
    later,
  };
  return [here, there];
}
