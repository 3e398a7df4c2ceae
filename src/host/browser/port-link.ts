/** A link between threads: its two ends at the two ends of a channel. */

import type { Link } from "../../backends/link.ts";

/** Frames on the way that the other end hasn't taken; more are dropped, as by any cable that is too slow. */
const MOST = 1024;
/** The other end hears of so many at a time. */
const TOLD_AT = 64;

export class PortLink implements Link {
  onFrame: ((frame: Uint8Array) => void) | undefined;
  readonly #port: MessagePort;
  #underWay = 0;
  #taken = 0;

  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<Uint8Array | number>) => {
      if (typeof data === "number") {
        this.#underWay -= data;
        return;
      }
      if (++this.#taken === TOLD_AT) {
        this.#taken = 0;
        port.postMessage(TOLD_AT);
      }
      this.onFrame?.(data);
    };
  }

  submit(frame: Uint8Array): void {
    if (this.#underWay >= MOST) return;
    this.#underWay++;
    // A part of a larger array, such as of the guest's memory, isn't given away.
    const whole = frame.byteLength === frame.buffer.byteLength && frame.buffer instanceof ArrayBuffer;
    this.#port.postMessage(frame, whole ? [frame.buffer as ArrayBuffer] : []);
  }

  close(): void {
    this.#port.close();
  }
}
