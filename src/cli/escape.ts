/**
 * The escape key of the console, as QEMU's: Ctrl-A, then x ends, h helps, and
 * Ctrl-A or a types one Ctrl-A. Anything else after it is dropped.
 */

const CTRL_A = 0x01;

export interface Keys {
  /** What goes to the guest. */
  readonly bytes: Uint8Array;
  readonly quit: boolean;
  readonly help: boolean;
}

export const ESCAPE_HELP = "\r\nCtrl-A x  end the machine\r\nCtrl-A a  type Ctrl-A\r\nCtrl-A h  this help\r\n";

export class EscapeKey {
  #escaped = false;

  /** Takes what was typed; what follows an end is not the guest's any more. */
  take(typed: Uint8Array): Keys {
    const bytes = new Uint8Array(typed.length + 1);
    let length = 0;
    let help = false;
    for (const byte of typed) {
      if (!this.#escaped) {
        if (byte === CTRL_A) this.#escaped = true;
        else bytes[length++] = byte;
        continue;
      }
      this.#escaped = false;
      const key = String.fromCharCode(byte).toLowerCase();
      if (key === "x") return { bytes: bytes.slice(0, length), quit: true, help };
      if (key === "a" || byte === CTRL_A) bytes[length++] = CTRL_A;
      else if (key === "h" || key === "?") help = true;
    }
    return { bytes: bytes.slice(0, length), quit: false, help };
  }
}
