/** A terminal in the page. Whoever needs none, or another, doesn't import it: it brings xterm.js. */

import { ClipboardAddon, type ClipboardSelectionType, type IClipboardProvider } from "@xterm/addon-clipboard";
import { FitAddon } from "@xterm/addon-fit";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { type ITheme, Terminal as Xterm } from "@xterm/xterm";
import type { Terminal, TerminalSize } from "../../backends/terminal.ts";

export interface PageTerminalOptions {
  readonly theme: ITheme;
  /** Pixels. */
  readonly fontSize?: number;
  /** Called for F6, by which the keyboard leaves the terminal: all other keys are the guest's. */
  readonly onLeave?: () => void;
}

const SCROLLBACK = 10_000;

/** Guests may put text on the clipboard, as programs in terminals do, and never read what is there. */
const writeOnly: IClipboardProvider = {
  readText: () => "",
  writeText: (_selection: ClipboardSelectionType, text: string) => navigator.clipboard.writeText(text).catch(() => {}),
};

/** xterm.js in an element, as large as that is. */
export class PageTerminal implements Terminal {
  onInput: ((bytes: Uint8Array) => void) | undefined;
  onResize: ((size: TerminalSize) => void) | undefined;
  readonly #xterm: Xterm;
  readonly #fit = new FitAddon();
  readonly #observer: ResizeObserver;
  readonly #encoder = new TextEncoder();

  constructor(parent: HTMLElement, { theme, fontSize = 14, onLeave }: PageTerminalOptions) {
    const fontFamily = 'ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
    this.#xterm = new Xterm({ theme, fontFamily, fontSize, scrollback: SCROLLBACK, cursorBlink: true });
    this.#xterm.loadAddon(this.#fit);
    this.#xterm.loadAddon(new ClipboardAddon(undefined, writeOnly));
    this.#xterm.loadAddon(new WebLinksAddon((_event, uri) => void window.open(uri, "_blank", "noopener,noreferrer")));
    this.#xterm.attachCustomKeyEventHandler((event) => this.#own(event, onLeave));
    this.#xterm.onData((text) => this.onInput?.(this.#encoder.encode(text)));
    // Mouse reports of old programs are bytes that are no UTF-8.
    this.#xterm.onBinary((text) => this.onInput?.(Uint8Array.from(text, (char) => char.charCodeAt(0))));
    this.#xterm.onResize(({ cols, rows }) => this.onResize?.({ columns: cols, rows }));
    this.#xterm.open(parent);
    // biome-ignore lint/suspicious/noFocusedTests: no test, the addon's call
    const fitted = () => this.#fit.fit();
    this.#observer = new ResizeObserver(fitted);
    this.#observer.observe(parent);
    // Not only when it is next painted: a guest is told the size at once.
    fitted();
  }

  get size(): TerminalSize {
    return { columns: this.#xterm.cols, rows: this.#xterm.rows };
  }

  set theme(theme: ITheme) {
    this.#xterm.options.theme = theme;
  }

  submit(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#xterm.write(bytes, resolve));
  }

  /** As if typed. */
  type(text: string): void {
    this.#xterm.input(text);
  }

  focus(): void {
    this.#xterm.focus();
  }

  /** Empties it, as at power-on. */
  reset(): void {
    this.#xterm.reset();
  }

  /** What it shows and has shown, as text. */
  get text(): string {
    const { active } = this.#xterm.buffer;
    const lines = Array.from({ length: active.length }, (_, i) => active.getLine(i)?.translateToString(true) ?? "");
    return lines.join("\n").trimEnd();
  }

  close(): void {
    this.#observer.disconnect();
    this.#xterm.dispose();
  }

  /** Keys that aren't the guest's. @returns whether a key is */
  #own(event: KeyboardEvent, leave: (() => void) | undefined): boolean {
    if (event.type !== "keydown") return true;
    if (event.key === "F6" && leave) {
      event.preventDefault();
      leave();
      return false;
    }
    if (event.ctrlKey && event.shiftKey && event.code === "KeyC" && this.#xterm.hasSelection()) {
      event.preventDefault();
      void navigator.clipboard.writeText(this.#xterm.getSelection()).catch(() => {});
      return false;
    }
    return true;
  }
}
