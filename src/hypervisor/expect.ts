/** Text that a console has shown, and what waits for some of it. */

/** Text kept for patterns that come later, in UTF-16 units; older text is forgotten. */
const KEPT = 1024 * 1024;

interface Waiter {
  readonly pattern: RegExp;
  readonly resolve: (match: RegExpMatchArray) => void;
  readonly reject: (error: Error) => void;
}

export class ConsoleText {
  readonly #decoder = new TextDecoder();
  #text = "";
  #waiters: Waiter[] = [];
  #ended: Error | undefined;

  /** Text that no `expect` has matched yet. */
  get unread(): string {
    return this.#text;
  }

  add(bytes: Uint8Array): void {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    this.#settle();
    if (this.#text.length > 2 * KEPT) this.#text = this.#text.slice(-KEPT);
  }

  /**
   * Waits for a match in what has been shown since the last match; text up to its
   * end is then read. Waiters are served in order.
   * @returns the match, and a function that gives up waiting
   */
  expect(pattern: RegExp): { match: Promise<RegExpMatchArray>; cancel: (reason: Error) => void } {
    // A pattern with state would look from where it last stopped.
    const stateless = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
    let waiter!: Waiter;
    const match = new Promise<RegExpMatchArray>((resolve, reject) => {
      waiter = { pattern: stateless, resolve, reject };
    });
    this.#waiters.push(waiter);
    this.#settle();
    if (this.#ended) this.end(this.#ended);
    return {
      match,
      cancel: (reason) => {
        this.#waiters = this.#waiters.filter((w) => w !== waiter);
        waiter.reject(reason);
        this.#settle();
      },
    };
  }

  /** No more text will come. */
  end(reason: Error): void {
    this.#ended = reason;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(reason);
  }

  #settle(): void {
    for (;;) {
      const waiter = this.#waiters[0];
      const match = waiter && this.#text.match(waiter.pattern);
      if (!match) return;
      this.#text = this.#text.slice(match.index! + match[0].length);
      this.#waiters.shift();
      waiter.resolve(match);
    }
  }
}
