/** Ends of a wire in memory: what is sent at one arrives at the other. */

import type { Link } from "../../src/backends/link.ts";

export class WireEnd implements Link {
  onFrame: ((frame: Uint8Array) => void) | undefined;
  closed = false;
  readonly sent: Uint8Array[] = [];
  /** The other end, if there is one. */
  peer: WireEnd | undefined;

  submit(frame: Uint8Array): void {
    this.sent.push(frame);
    this.peer?.onFrame?.(frame);
  }

  close(): void {
    this.closed = true;
  }
}

export function wire(): [WireEnd, WireEnd] {
  const [a, b] = [new WireEnd(), new WireEnd()];
  a.peer = b;
  b.peer = a;
  return [a, b];
}
