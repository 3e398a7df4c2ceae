/** A progress bar for steps that can't say how far they are: by the time that they usually take. */

const WIDTH = 24;
const INTERVAL = 200;

export class Progress {
  #title;
  #expected;
  #started = Date.now();
  #timer;

  /**
   * On a terminal, a bar; elsewhere one line when it ends.
   * @param {string} title
   * @param {number} expected seconds
   */
  constructor(title, expected) {
    this.#title = title;
    this.#expected = expected;
    if (!process.stderr.isTTY) return;
    this.#draw();
    this.#timer = setInterval(() => this.#draw(), INTERVAL);
  }

  /** @param {"done" | "failed"} how */
  end(how) {
    clearInterval(this.#timer);
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    process.stderr.write(`${this.#title}: ${how} in ${this.#seconds().toFixed(1)} s\n`);
  }

  #seconds() {
    return (Date.now() - this.#started) / 1000;
  }

  #draw() {
    const seconds = this.#seconds();
    // It nears the end without getting there, however long the step takes.
    const filled = Math.floor(WIDTH * (1 - Math.exp((-2 * seconds) / this.#expected)));
    const bar = "█".repeat(filled) + "░".repeat(WIDTH - filled);
    process.stderr.write(`\r\x1b[K${this.#title} ${bar} ${Math.floor(seconds)} s`);
  }
}
