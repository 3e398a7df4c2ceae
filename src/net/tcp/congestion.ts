/**
 * How much may be on its way (RFC 5681), in bytes. The way is a queue in the same
 * process, yet a guest that has no buffers left drops frames like any other.
 */

/** Segments that a connection begins with (RFC 6928). */
const INITIAL_SEGMENTS = 10;

export class Congestion {
  window: number;
  #threshold = Number.POSITIVE_INFINITY;
  readonly #mss: number;

  constructor(mss: number) {
    this.#mss = mss;
    this.window = INITIAL_SEGMENTS * mss;
  }

  /** @param flight bytes that were on their way before they were acknowledged */
  acknowledged(bytes: number, flight: number): void {
    // What isn't used can't have been tested (RFC 7661).
    if (flight + this.#mss < this.window) return;
    if (this.window < this.#threshold) this.window += bytes;
    else this.window += Math.max(1, (this.#mss * Math.min(bytes, this.#mss)) / this.window);
  }

  /** A segment was lost, and others came through (§3.2). */
  lost(flight: number): void {
    this.#threshold = Math.max(flight / 2, 2 * this.#mss);
    this.window = this.#threshold;
  }

  /** Nothing comes through (§3.1, equation 4). */
  timedOut(flight: number): void {
    this.#threshold = Math.max(flight / 2, 2 * this.#mss);
    this.window = this.#mss;
  }
}
