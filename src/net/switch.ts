/**
 * A switch that guests are joined by: it learns who is behind which port
 * (IEEE 802.1D §7.8), and sends to all what is for everyone, or for somebody
 * whom it doesn't know.
 */

import type { Link } from "../backends/link.ts";
import type { Timing } from "../backends/timing.ts";
import { HEADER, isGroup, keyOf } from "./ethernet.ts";

/** IEEE 802.1D table 7-5. */
const AGE_MS = 300_000;
/** Addresses that one port may fill the table with; beyond, its oldest goes. */
const MAX_ADDRESSES = 64;
const MAX_PORTS = 1024;

export interface SwitchPortOptions {
  /** Isolated ports don't reach each other, only those that aren't: guests that share a way out. */
  readonly isolated?: boolean;
}

interface Entry {
  readonly port: Port;
  heardAt: number;
}

export class Switch {
  readonly #timing: Timing;
  readonly #ports = new Set<Port>();
  /** By hardware address. */
  readonly #table = new Map<number, Entry>();

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  get ports(): number {
    return this.#ports.size;
  }

  /** Addresses that are known. */
  get addresses(): number {
    return this.#table.size;
  }

  /** A new port: a machine's link. Closing it takes it out. @throws RangeError if there are too many */
  connect({ isolated = false }: SwitchPortOptions = {}): Link {
    if (this.#ports.size >= MAX_PORTS) throw new RangeError(`A switch has at most ${MAX_PORTS} ports.`);
    const port = new Port(isolated, {
      frame: (frame) => this.#forward(port, frame),
      close: () => this.#remove(port),
    });
    this.#ports.add(port);
    return port;
  }

  /** Joins another link to the switch, such as a way out; closing the port closes it. */
  attach(link: Link, options: SwitchPortOptions = {}): Link {
    const port = this.connect(options);
    port.onFrame = (frame) => link.submit(frame);
    link.onFrame = (frame) => port.submit(frame);
    return {
      submit: (frame) => link.submit(frame),
      onFrame: undefined,
      close: () => {
        port.close();
        link.close();
      },
    };
  }

  #forward(from: Port, frame: Uint8Array): void {
    if (frame.length < HEADER || isGroup(frame, 6)) return;
    this.#learn(from, keyOf(frame, 6));
    const known = isGroup(frame) ? undefined : this.#find(keyOf(frame, 0));
    if (known) {
      if (reaches(from, known)) known.deliver(frame);
      return;
    }
    // Each gets an array of its own; the last one gets the frame itself.
    const targets = [...this.#ports].filter((port) => reaches(from, port));
    targets.forEach((port, i) => {
      port.deliver(i === targets.length - 1 ? frame : frame.slice());
    });
  }

  #learn(port: Port, address: number): void {
    const now = this.#timing.now();
    const entry = this.#table.get(address);
    if (entry?.port === port) {
      entry.heardAt = now;
      return;
    }
    entry?.port.addresses.delete(address);
    this.#table.set(address, { port, heardAt: now });
    port.addresses.add(address);
    if (port.addresses.size <= MAX_ADDRESSES) return;
    const oldest = port.addresses.values().next().value!;
    port.addresses.delete(oldest);
    this.#table.delete(oldest);
  }

  #find(address: number): Port | undefined {
    const entry = this.#table.get(address);
    if (!entry) return undefined;
    if (this.#timing.now() - entry.heardAt < AGE_MS) return entry.port;
    entry.port.addresses.delete(address);
    this.#table.delete(address);
    return undefined;
  }

  #remove(port: Port): void {
    this.#ports.delete(port);
    for (const address of port.addresses) this.#table.delete(address);
    port.addresses.clear();
  }
}

function reaches(from: Port, to: Port): boolean {
  return from !== to && !(from.isolated && to.isolated);
}

class Port implements Link {
  readonly isolated: boolean;
  /** Those that were learned here, in order. */
  readonly addresses = new Set<number>();
  onFrame: Link["onFrame"];
  readonly #owner: { frame(frame: Uint8Array): void; close(): void };
  #closed = false;

  constructor(isolated: boolean, owner: { frame(frame: Uint8Array): void; close(): void }) {
    this.isolated = isolated;
    this.#owner = owner;
  }

  submit(frame: Uint8Array): void {
    if (!this.#closed) this.#owner.frame(frame);
  }

  deliver(frame: Uint8Array): void {
    if (!this.#closed) this.onFrame?.(frame);
  }

  close(): void {
    this.#closed = true;
    this.onFrame = undefined;
    this.#owner.close();
  }
}
