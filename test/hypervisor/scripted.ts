/** Executors that do what a test says, for the owner's side of the protocol. */

import type { RemoteExecutor } from "../../src/hypervisor/link.ts";
import type { Meter } from "../../src/hypervisor/machine.ts";
import type { Report, Request } from "../../src/hypervisor/protocol.ts";

export class ScriptedExecutor implements RemoteExecutor {
  onMessage: ((report: Report) => void) | undefined;
  onDeath: ((message: string) => void) | undefined;
  /** Everything that was sent here. */
  readonly requests: Request[] = [];
  /** Whether it keeps the process alive. */
  held = true;
  readonly #answer: (request: Request) => Report | undefined;

  /** @param answer  what it reports at once, if anything */
  constructor(answer: (request: Request) => Report | undefined = () => undefined) {
    this.#answer = answer;
  }

  post(request: Request): void {
    this.requests.push(request);
    const report = this.#answer(request);
    if (report) queueMicrotask(() => this.onMessage?.(report));
  }

  hold(on: boolean): void {
    this.held = on;
  }

  later(milliseconds: number, callback: () => void): () => void {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  }
}

const COUNTERS = {
  instructions: 1000,
  compiledInstructions: 1,
  tlbMisses: 1,
  pageWalks: 1,
  traps: 1,
  interrupts: 1,
  mmio: 1,
  codeWrites: 1,
  tlbFlushes: 1,
  regions: 1,
  regionsAlive: 1,
  regionsRecalled: 0,
  regionBytes: 1,
  evictions: 1,
  busySeconds: 1,
};

/** Creates whatever it is asked to, and answers all calls but commands. */
export function obliging(request: Request): Report | undefined {
  if (request.type === "create") return { type: "created", vm: request.vm };
  if (request.type === "counters") return { type: "answer", vm: request.vm, call: request.call, value: COUNTERS };
  if (request.type === "exec" || !("call" in request)) return undefined;
  return { type: "answer", vm: request.vm, call: request.call, value: undefined };
}

/** A clock that stands. */
export const METER: Meter = { now: () => 0, cpuSeconds: () => 0, peakMemoryBytes: () => 0 };
