/** A machine's debugger: the server while one is connected, and whether the machine stands still for it. */

import type { Cell, Exit } from "../machine/cell.ts";
import { CellTarget } from "./cell-target.ts";
import { GdbServer } from "./server.ts";
import type { Stop } from "./target.ts";

/** What the machine's executor does for it. */
export interface SessionHost {
  /** The machine may run again. */
  run(): void;
  /** The machine is to stand still, and its clock with it. */
  halt(): void;
  /** The debugger wants it to end. */
  kill(): void;
}

/** As the debugger is told: a signal that no guest has asked for. */
const SIGABRT = 6;
const SIGKILL = 9;

export class DebugSession {
  readonly #host: SessionHost;
  readonly #target: CellTarget;
  #server: GdbServer | undefined;
  #halted = false;
  /** The debugger has been shown where the machine crashed. */
  #crashed = false;

  constructor(cell: Cell, host: SessionHost) {
    this.#host = host;
    this.#target = new CellTarget(cell, {
      running: () => {
        this.#halted = false;
        host.run();
      },
      stopped: (stop) => this.#stopped(stop),
      released: () => {
        this.#server = undefined;
        this.#release();
      },
      killed: () => host.kill(),
    });
  }

  /** Whether the machine stands still for the debugger, or for one that is to come. */
  get halted(): boolean {
    return this.#halted;
  }

  /** Stops the machine. */
  halt(): void {
    if (this.#halted) return;
    this.#halted = true;
    this.#host.halt();
  }

  /** A debugger has connected; `send` takes what goes to it. Another one's session is over. */
  attach(send: (bytes: Uint8Array) => void): void {
    this.halt();
    this.#server = new GdbServer(this.#target, send);
  }

  receive(bytes: Uint8Array): void {
    this.#server?.receive(bytes, () => this.#target.interrupt());
  }

  /** It has gone, with or without a word. */
  detach(): void {
    if (this.#server) this.#target.release();
    else this.#release();
  }

  /** A hart can't go on. @returns whether the debugger keeps the machine, to look at it; only once */
  crashed(): boolean {
    if (!this.#server || this.#crashed) return false;
    this.#crashed = true;
    this.#target.crashed();
    return true;
  }

  /** The machine has ended; nothing: its owner has stopped it. */
  ended(exit?: Exit): void {
    this.#server?.ended(
      !exit ? { signal: SIGKILL } : exit.kind === "crash" ? { signal: SIGABRT } : { code: exit.code },
    );
    this.#server = undefined;
  }

  #stopped(stop: Stop): void {
    this.halt();
    this.#server?.stopped(stop);
  }

  #release(): void {
    if (!this.#halted) return;
    this.#halted = false;
    this.#host.run();
  }
}
