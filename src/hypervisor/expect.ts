/** Text that a console has shown, and what waits for some of it. */

/** Text kept for patterns that come later, in UTF-16 units; older text is forgotten. */
const KEPT = 1024 * 1024;

/**
 * Control sequences (ECMA-48 5.4, 5.6) say where and how a terminal shows text,
 * and shells put them right behind their prompts: patterns don't see them.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: ESC and BEL are what it is about
const CONTROL = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const PARTIAL = /\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[ -/]*)$/;
const LONGEST_CONTROL = 4096;

interface Waiter {
  readonly pattern: RegExp;
  readonly resolve: (match: RegExpMatchArray) => void;
  readonly reject: (error: Error) => void;
}

export class ConsoleText {
  readonly #decoder = new TextDecoder();
  #text = "";
  /** The beginning of a control sequence. */
  #partial = "";
  #waiters: Waiter[] = [];
  #ended: Error | undefined;

  /** Text that no `expect` has matched yet. */
  get unread(): string {
    return this.#text;
  }

  add(bytes: Uint8Array): void {
    const text = this.#partial + this.#decoder.decode(bytes, { stream: true });
    // A control sequence may be cut in two; one that is longer than any isn't one.
    const cut = PARTIAL.exec(text)?.index ?? text.length;
    this.#partial = text.length - cut > LONGEST_CONTROL ? "" : text.slice(cut);
    this.#text += text.slice(0, text.length - this.#partial.length).replace(CONTROL, "");
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
