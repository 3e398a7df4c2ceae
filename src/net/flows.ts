/** A bounded table of what guests have under way, by the two ends of it. */

import type { Ipv4 } from "./addresses.ts";
import type { Endpoints } from "./tcp/path.ts";

/** As the guest sees it: its own end is the source. */
export type Flow = Endpoints;

export interface Entry {
  readonly flow: Flow;
  /** When it was last used; the entry that was longest not is given up first. */
  readonly usedAt: number;
}

export class FlowTable<T extends Entry> {
  /** By the guest's end, then by the other: each fits a number. */
  readonly #ends = new Map<number, Map<number, T>>();
  readonly #all = new Set<T>();

  get size(): number {
    return this.#all.size;
  }

  values(): Iterable<T> {
    return this.#all;
  }

  get(source: Ipv4, sourcePort: number, destination: Ipv4, destinationPort: number): T | undefined {
    return this.#ends.get(key(source, sourcePort))?.get(key(destination, destinationPort));
  }

  add(entry: T): void {
    const { source, sourcePort, destination, destinationPort } = entry.flow;
    const near = key(source, sourcePort);
    let far = this.#ends.get(near);
    if (!far) {
      far = new Map();
      this.#ends.set(near, far);
    }
    far.set(key(destination, destinationPort), entry);
    this.#all.add(entry);
  }

  delete(entry: T): void {
    if (!this.#all.delete(entry)) return;
    const { source, sourcePort, destination, destinationPort } = entry.flow;
    const near = key(source, sourcePort);
    const far = this.#ends.get(near)!;
    far.delete(key(destination, destinationPort));
    if (far.size === 0) this.#ends.delete(near);
  }

  /** The entry that can best be spared: of the least rank, and of these the one longest unused. */
  spare(rank: (entry: T) => number): T | undefined {
    let spare: T | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const entry of this.#all) {
      const its = rank(entry);
      if (its < least || (its === least && entry.usedAt < spare!.usedAt)) {
        spare = entry;
        least = its;
      }
    }
    return spare;
  }
}

function key(address: Ipv4, port: number): number {
  return address * 0x10000 + port;
}
