/**
 * virtio network device (VIRTIO 1.2 §5.1): one pair of queues, and frames that
 * are whole. What arrives comes by the input door and waits there until the
 * guest has buffers; what the guest sends goes to the link at once.
 */
import { put16 } from "../bytes.ts";
import { type Chain, readFrom, writeTo } from "../chain.ts";
import { type Step, VirtioDevice } from "../device.ts";
import type { GuestMemory } from "../guest-memory.ts";
import type { Apply, Fields, StateReader } from "../state.ts";

/** Feature bits (§5.1.3). */
export const F_MTU = 1n << 3n;
export const F_MAC = 1n << 5n;
export const F_MRG_RXBUF = 1n << 15n;
export const F_STATUS = 1n << 16n;

const RECEIVE = 0;
const TRANSMIT = 1;
const QUEUE_SIZE = 256;
/** struct virtio_net_hdr (§5.1.6): flags, type, sizes, then the number of buffers. */
const HEADER = 12;
const NUM_BUFFERS = 10;
/** Of the configuration space. */
const CONFIG_SIZE = 12;
const STATUS_LINK_UP = 1;
/** Bytes that may follow an Ethernet header of 14 bytes and a VLAN tag. */
export const MTU = 1500;
export const MAX_FRAME = MTU + 18;
const MIN_FRAME = 14;

export class NetDevice extends VirtioDevice {
  override readonly name = "net";
  override readonly id = 1;
  readonly #config = new Uint8Array(CONFIG_SIZE);
  readonly #send: (frame: Uint8Array) => void;

  /**
   * @param mac six bytes
   * @param send takes what the guest sends: whole frames, whose arrays are given away
   */
  constructor(memory: GuestMemory, mac: Uint8Array, send: (frame: Uint8Array) => void) {
    super(memory, F_MAC | F_STATUS | F_MTU | F_MRG_RXBUF, [QUEUE_SIZE, QUEUE_SIZE]);
    this.#config.set(mac.subarray(0, 6));
    put16(this.#config, 6, STATUS_LINK_UP);
    put16(this.#config, 8, 1); // pairs of queues
    put16(this.#config, 10, MTU);
    this.#send = send;
  }

  override config(): Uint8Array {
    return this.#config;
  }

  /** A frame that has come through the input door. @returns false: the guest has no room now */
  accept(frame: Uint8Array): boolean {
    const queue = this.queues[RECEIVE]!;
    if (!this.live || !queue.ready) return true; // nobody listens
    const merged = this.negotiated(F_MRG_RXBUF);
    const chains = this.gather(RECEIVE, HEADER + frame.length, merged ? queue.size : 1);
    // A ring that is broken loses what comes, one that is empty holds it back.
    if (!chains) return !this.live;
    const packet = new Uint8Array(HEADER + frame.length);
    put16(packet, NUM_BUFFERS, chains.length);
    packet.set(frame, HEADER);
    const lengths: number[] = [];
    let done = 0;
    for (const chain of chains) {
      const written = writeTo(this.memory, chain, 0, packet.subarray(done, done + chain.writableLength));
      if (typeof written === "string") {
        this.putBack(RECEIVE, chains.length);
        if (written === "fault") this.fail();
        return written === "fault";
      }
      lengths.push(written);
      done += written;
    }
    // Without merging, a buffer that is too small comes back empty, and the frame is lost.
    const whole = done === packet.length;
    chains.forEach(({ head }, i) => {
      this.complete(RECEIVE, head, whole ? lengths[i]! : 0);
    });
    return true;
  }

  protected override service(queue: number): void {
    // Receive buffers are filled when frames come.
    if (queue === TRANSMIT) this.drain(TRANSMIT, (chain) => this.#transmit(chain));
  }

  protected override saveDevice(): Fields {
    return {};
  }

  protected override loadDevice(_state: StateReader): Apply {
    return () => {};
  }

  #transmit(chain: Chain): Step {
    const length = chain.readableLength - HEADER;
    // What is no frame is dropped, as on a wire.
    if (length < MIN_FRAME || length > MAX_FRAME) return 0;
    const frame = new Uint8Array(length);
    const got = readFrom(this.memory, chain, HEADER, frame);
    if (typeof got === "string") return got;
    this.#send(frame);
    return 0;
  }
}
