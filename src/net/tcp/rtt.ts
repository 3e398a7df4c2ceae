/** The retransmission timeout (RFC 6298). Times in milliseconds. */

/** Before anything was measured (§2.1). */
const INITIAL = 1000;
/** The standard asks for a second (§2.4); systems that answer within 40 ms are better served by less, as Linux does it. */
const LEAST = 200;
const MOST = 60_000;
/** The clock's grain, G of the standard. */
const GRAIN = 1;

export class RoundTrip {
  #smoothed: number | undefined;
  #variation = 0;
  #timeout = INITIAL;
  #backoff = 1;

  get timeout(): number {
    return Math.min(MOST, this.#timeout * this.#backoff);
  }

  /** A segment that was sent once has been acknowledged (§2.2, §2.3). */
  measured(milliseconds: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = milliseconds;
      this.#variation = milliseconds / 2;
    } else {
      this.#variation = 0.75 * this.#variation + 0.25 * Math.abs(this.#smoothed - milliseconds);
      this.#smoothed = 0.875 * this.#smoothed + 0.125 * milliseconds;
    }
    this.#timeout = Math.max(LEAST, this.#smoothed + Math.max(GRAIN, 4 * this.#variation));
    this.#backoff = 1;
  }

  /** It has run out (§5.5). What comes of it holds until the next measurement, or a longer way would never be found out. */
  expired(): void {
    this.#backoff = Math.min(this.#backoff * 2, 1024);
  }
}
