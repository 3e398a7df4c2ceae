/** Keys that a phone's keyboard lacks. */

import type { PageTerminal } from "../../host/browser/terminal.ts";
import { element } from "./elements.ts";

/** What terminals send for them (ECMA-48, xterm). */
const KEYS: readonly (readonly [label: string, name: string, sent: string])[] = [
  ["Esc", "Escape", "\x1b"],
  ["Tab", "Tab", "\t"],
  ["←", "Left", "\x1b[D"],
  ["↓", "Down", "\x1b[B"],
  ["↑", "Up", "\x1b[A"],
  ["→", "Right", "\x1b[C"],
];

/** Fills the bar of keys. Control holds for the next character. */
export class Keys {
  readonly #control = button("Ctrl", "Control");

  constructor(terminal: PageTerminal) {
    const keys = KEYS.map(([label, name, sent]) => {
      const key = button(label, name);
      key.addEventListener("click", () => {
        terminal.type(sent);
        terminal.focus();
      });
      return key;
    });
    this.#control.setAttribute("aria-pressed", "false");
    this.#control.addEventListener("click", () => {
      this.#press(this.#control.getAttribute("aria-pressed") !== "true");
      terminal.focus();
    });
    element("keys").replaceChildren(this.#control, ...keys);
  }

  /** What is typed, with Control if that is pressed. */
  typed(bytes: Uint8Array): Uint8Array {
    if (this.#control.getAttribute("aria-pressed") !== "true" || bytes.length !== 1) return bytes;
    this.#press(false);
    // Letters, and @ [ \ ] ^ _, have their control characters 64 below; of small letters, below the capital.
    return Uint8Array.of(bytes[0]! >= 0x40 ? bytes[0]! & 0x1f : bytes[0]!);
  }

  #press(on: boolean): void {
    this.#control.setAttribute("aria-pressed", String(on));
  }
}

function button(label: string, name: string): HTMLButtonElement {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = label;
  made.ariaLabel = name;
  return made;
}
