/** Time that passes as fast as it can be worked off, always the same way. */

import type { Timing } from "../../../src/backends/timing.ts";

interface Event {
  readonly at: number;
  readonly order: number;
  /** Undefined once it has happened, or was called off. */
  callback: (() => void) | undefined;
}

export class VirtualTime implements Timing {
  #now = 0;
  #order = 0;
  /** A heap: each event is due before those at twice its index. */
  #heap: Event[] = [];
  /** Events that are to come. */
  pending = 0;

  now(): number {
    return this.#now;
  }

  later(milliseconds: number, callback: () => void): () => void {
    const event: Event = { at: this.#now + Math.max(0, milliseconds), order: this.#order++, callback };
    this.#push(event);
    this.pending++;
    return () => this.#settle(event);
  }

  soon(callback: () => void): void {
    this.later(0, callback);
  }

  /** Lets time pass. @returns how many events there were */
  pass(milliseconds: number): number {
    return this.until(() => false, milliseconds);
  }

  /** Lets time pass until something holds, or nothing is left to happen. */
  until(holds: () => boolean, most = Number.POSITIVE_INFINITY): number {
    const end = this.#now + most;
    let count = 0;
    while (!holds()) {
      const next = this.#heap[0];
      if (!next || next.at > end) {
        if (end !== Number.POSITIVE_INFINITY) this.#now = end;
        return count;
      }
      this.#pop();
      const callback = this.#settle(next);
      if (!callback) continue;
      this.#now = Math.max(this.#now, next.at);
      callback();
      count++;
    }
    return count;
  }

  #settle(event: Event): Event["callback"] {
    const { callback } = event;
    event.callback = undefined;
    if (callback) this.pending--;
    return callback;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[parent]!)) break;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child;
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
