/** A source of random bytes fit for keys. */
export interface Entropy {
  /**
   * Asks for `length` (1 to 65,536) bytes. `complete` is called exactly once,
   * with at least one byte and at most as many as were asked for.
   */
  submit(length: number, complete: (bytes: Uint8Array) => void): void;
}
