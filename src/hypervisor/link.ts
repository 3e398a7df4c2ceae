/** The owners' side of executors: which machine's messages go where, and which executor gets the next one. */

import type { Report, Request, Wire } from "./protocol.ts";

/** An executor elsewhere, as platforms provide it. */
export interface RemoteExecutor extends Wire<Request, Report> {
  /** It has died; the message says how. */
  onDeath: ((message: string) => void) | undefined;
  /** Whether it alone keeps the process alive. */
  hold(on: boolean): void;
  /** Calls back after some milliseconds. @returns cancels it */
  later(milliseconds: number, callback: () => void): () => void;
}

let nextVm = 1;

/** An executor that several machines share. */
export class ExecutorLink {
  readonly #remote: RemoteExecutor;
  readonly #listeners = new Map<number, (report: Report) => void>();
  #dead: string | undefined;

  constructor(remote: RemoteExecutor) {
    this.#remote = remote;
    remote.hold(false);
    remote.onMessage = (report) => this.#listeners.get(report.vm)?.(report);
    remote.onDeath = (message) => {
      this.#dead = message;
      for (const [vm, listener] of [...this.#listeners]) listener(failure(vm, message));
    };
  }

  get machines(): number {
    return this.#listeners.size;
  }

  get alive(): boolean {
    return this.#dead === undefined;
  }

  /** A new machine's number. */
  attach(): number {
    const vm = nextVm++;
    this.#listeners.set(vm, () => {});
    this.#remote.hold(true);
    return vm;
  }

  listen(vm: number, listener: (report: Report) => void): void {
    this.#listeners.set(vm, listener);
    if (this.#dead !== undefined) listener(failure(vm, this.#dead));
  }

  detach(vm: number): void {
    this.#listeners.delete(vm);
    if (this.#listeners.size === 0) this.#remote.hold(false);
  }

  post(message: Request): void {
    if (this.#dead === undefined) this.#remote.post(message);
  }

  later(milliseconds: number, callback: () => void): () => void {
    return this.#remote.later(milliseconds, callback);
  }
}

function failure(vm: number, message: string): Report {
  return { type: "failed", vm, name: "MachineError", message: `Its executor has died: ${message}` };
}

/** Executors, at most so many; each new machine goes to the one with the fewest. */
export class ExecutorPool {
  readonly #spawn: () => RemoteExecutor;
  readonly #limit: number;
  #links: ExecutorLink[] = [];

  constructor(limit: number, spawn: () => RemoteExecutor) {
    this.#limit = Math.max(1, limit);
    this.#spawn = spawn;
  }

  take(): ExecutorLink {
    this.#links = this.#links.filter((link) => link.alive);
    const least = this.#links.reduce<ExecutorLink | undefined>(
      (best, link) => (best && best.machines <= link.machines ? best : link),
      undefined,
    );
    if (least && (least.machines === 0 || this.#links.length >= this.#limit)) return least;
    const link = new ExecutorLink(this.#spawn());
    this.#links.push(link);
    return link;
  }
}
