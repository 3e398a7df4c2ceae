export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A terminal: what the guest's console is shown on and typed at. */
export interface Terminal {
  readonly size: TerminalSize | undefined;
  /** Shows bytes; the array belongs to the terminal from then on. A promise says when there is room for more. */
  submit(bytes: Uint8Array): void | Promise<void>;
  /** Called for what is typed, and when the size has changed; set by the machine. */
  onInput: ((bytes: Uint8Array) => void) | undefined;
  onResize: ((size: TerminalSize) => void) | undefined;
}
