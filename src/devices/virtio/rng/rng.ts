/** virtio entropy device (VIRTIO 1.2 §5.4). */
import { type Chain, writeTo } from "../chain.ts";
import { type Step, VirtioDevice } from "../device.ts";
import type { GuestMemory } from "../guest-memory.ts";
import type { Apply, Fields, StateReader } from "../state.ts";

/** The most bytes asked of the backend at once; a request may get less than it has room for (§5.4.6.2). */
export const ENTROPY_REQUEST = 1024;
const QUEUE_SIZE = 64;

export class EntropyDevice extends VirtioDevice {
  override readonly name = "rng";
  override readonly id = 4;
  readonly #request: (length: number) => void;
  /** Bytes asked for and not come yet. */
  #asked = 0;

  /** @param request asks for up to `length` bytes, which come back by `accept`, through the input door */
  constructor(memory: GuestMemory, request: (length: number) => void) {
    super(memory, 0n, [QUEUE_SIZE]);
    this.#request = request;
  }

  /** Random bytes that have come through the input door; at least one. What no request has room for is dropped. */
  accept(bytes: Uint8Array): boolean {
    this.#asked = 0;
    if (!this.live) return true;
    let done = 0;
    this.drain(0, (chain): Step => {
      if (done === bytes.length) return "hold";
      const written = writeTo(this.memory, chain, 0, bytes.subarray(done));
      if (typeof written === "number") done += written;
      return written;
    });
    this.#ask();
    return true;
  }

  /** A request got lost with the host it was made to: makes it again. Call after `load`. */
  restart(): void {
    if (this.#asked === 0) return;
    this.#request(this.#asked);
  }

  protected override service(_queue: number): void {
    this.#ask();
  }

  protected override saveDevice(): Fields {
    return { asked: this.#asked };
  }

  protected override loadDevice(state: StateReader): Apply {
    const asked = state.number("asked", ENTROPY_REQUEST);
    return () => {
      this.#asked = asked;
    };
  }

  /** Asks for what the first request has room for, unless something is on its way. */
  #ask(): void {
    if (this.#asked > 0) return;
    let wanted = 0;
    this.drain(0, (chain: Chain): Step => {
      if (chain.writableLength === 0) return 0;
      wanted = Math.min(chain.writableLength, ENTROPY_REQUEST);
      return "hold";
    });
    if (wanted === 0) return;
    this.#asked = wanted;
    this.#request(wanted);
  }
}
