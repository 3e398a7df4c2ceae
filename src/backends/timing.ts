/** Clock and event loop, for what must happen later. */
export interface Timing {
  /** Milliseconds from any fixed point, never going back. */
  now(): number;
  /** Calls back after some milliseconds. Alone, it keeps no process alive. @returns cancels it */
  later(milliseconds: number, callback: () => void): () => void;
  /** Calls back as soon as what waits in the event loop has been seen to. */
  soon(callback: () => void): void;
}
