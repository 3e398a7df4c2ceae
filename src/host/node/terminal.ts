/** The terminal that this process runs at, or the pipes in its place. */

import type { ReadStream } from "node:tty";
import type { Terminal, TerminalSize } from "../../backends/terminal.ts";
import { room } from "./files.ts";
import { TerminalModes } from "./terminal-modes.ts";

/**
 * stdin and stdout as a terminal. While it is open, a real terminal is raw: each
 * key goes to the guest, Ctrl-C too. It is put back by `close`, and also when
 * the process exits without it.
 */
export class NodeTerminal implements Terminal {
  onInput: ((bytes: Uint8Array) => void) | undefined;
  onResize: ((size: TerminalSize) => void) | undefined;
  readonly #modes = new TerminalModes();
  #raw = false;
  #open = false;
  #column = 0;

  /** Stdin and stdout are both a terminal that someone types at. */
  static get interactive(): boolean {
    return process.stdin.isTTY === true && process.stdout.isTTY === true;
  }

  get size(): TerminalSize | undefined {
    const { columns, rows } = process.stdout;
    // One whose size nobody has set says that it has none.
    return process.stdout.isTTY && columns > 0 && rows > 0 ? { columns, rows } : undefined;
  }

  /** Begins to read, and makes a real terminal raw. */
  open(): void {
    if (this.#open) return;
    this.#open = true;
    this.#setRaw(true);
    process.once("exit", this.#restore);
    process.on("SIGCONT", this.#continued);
    process.stdout.on("resize", this.#resized);
    process.stdin.on("error", this.#ignore).on("data", this.#typed).resume();
  }

  submit(bytes: Uint8Array): void | Promise<void> {
    if (process.stdout.isTTY) {
      this.#modes.watch(bytes);
      const newline = bytes.lastIndexOf(0x0a);
      this.#column = newline >= 0 ? bytes.length - newline - 1 : this.#column + bytes.length;
    }
    process.stdout.write(bytes);
    return room(process.stdout);
  }

  /** Ends reading and puts the terminal back as it was, the cursor on a line of its own. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    process.off("exit", this.#restore).off("SIGCONT", this.#continued);
    process.stdout.off("resize", this.#resized);
    process.stdin.off("data", this.#typed).pause();
    // What a terminal sends later must not keep the process alive.
    (process.stdin as Partial<ReadStream>).unref?.();
    this.#restore();
  }

  readonly #restore = (): void => {
    if (process.stdout.isTTY) {
      const undo = this.#modes.undo();
      if (undo !== "") process.stdout.write(undo);
      if (this.#column > 0) process.stdout.write("\n");
      this.#column = 0;
    }
    this.#setRaw(false);
  };

  readonly #typed = (bytes: Uint8Array): void => {
    this.onInput?.(new Uint8Array(bytes));
  };

  readonly #resized = (): void => {
    if (this.size) this.onResize?.(this.size);
  };

  /** A shell takes the terminal back while it has stopped us. */
  readonly #continued = (): void => {
    if (!this.#raw) return;
    this.#raw = false;
    this.#setRaw(true);
  };

  readonly #ignore = (): void => {};

  #setRaw(raw: boolean): void {
    const { stdin } = process;
    if (!stdin.isTTY || this.#raw === raw) return;
    this.#raw = raw;
    try {
      stdin.setRawMode(raw);
    } catch {
      // The terminal has gone, with nothing left to put back.
    }
  }
}
