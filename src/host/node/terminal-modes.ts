/** Knows which modes a guest has switched on at a terminal, so that they can be switched off. */

/** DECSET and DECRST: CSI ? modes h or l (ECMA-48; xterm's control sequences). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are made of them
const PRIVATE_MODE = /\x1b\[\?([\d;]{1,32})([hl])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are made of them
const OTHER = /\x1b(?:\[[\d;]{0,32}m|[=>])/;
/** The longest part of a sequence that one chunk may leave to the next. */
const CARRY = 40;
/** More modes than any terminal has, so a guest can't fill our memory with them. */
const MAX_MODES = 64;
/** Modes that are on in a terminal at rest: wrap-around and the cursor. */
const ON_AT_REST = new Set([7, 25]);

export class TerminalModes {
  readonly #changed = new Set<number>();
  #other = false;
  #carry = "";

  /** Looks at what goes to the terminal. */
  watch(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
    const text = this.#carry + chunk;
    // An unfinished sequence goes on in the next chunk.
    const last = text.lastIndexOf("\x1b");
    this.#carry = last >= 0 && text.length - last <= CARRY ? text.slice(last) : "";
    if (last < 0) return;
    if (OTHER.test(text)) this.#other = true;
    for (const [, modes, how] of text.matchAll(PRIVATE_MODE)) {
      for (const mode of modes!.split(";").map(Number)) {
        if ((how === "h") === ON_AT_REST.has(mode)) this.#changed.delete(mode);
        else if (this.#changed.size < MAX_MODES) this.#changed.add(mode);
      }
    }
  }

  /** What puts the terminal back; empty if the guest left it alone. */
  undo(): string {
    const modes = [...this.#changed].map((mode) => `\x1b[?${mode}${ON_AT_REST.has(mode) ? "h" : "l"}`);
    // Colours and the keypad's mode.
    const other = this.#other ? "\x1b[0m\x1b>" : "";
    this.#changed.clear();
    this.#other = false;
    return modes.join("") + other;
  }
}
