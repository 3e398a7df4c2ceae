/** Where the variables that firmware keeps in flash outlive the machine. */
export interface Nvram {
  /** What was kept before; of a new one, nothing. */
  readonly contents: Uint8Array | undefined;
  /**
   * They have changed. Nothing waits for what comes of it; of changes in a row the last is kept.
   * @param contents gives all of the flash bank, as it is when called
   */
  changed(contents: () => Uint8Array): void;
  /** Resolves when the last change is on stable storage. @throws Error when it could not be put there, in one sentence */
  close(): Promise<void>;
}
