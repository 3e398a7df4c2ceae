/**
 * virtio network device (VIRTIO 1.2 §5.1): one pair of queues. What arrives comes
 * by the input door and waits there until the guest has buffers; what the guest
 * sends goes to the link at once.
 */
import { LARGEST_FRAME, type Link } from "../../../backends/link.ts";
import { put16 } from "../bytes.ts";
import { type Chain, readFrom, writeTo } from "../chain.ts";
import { type Step, VirtioDevice } from "../device.ts";
import type { GuestMemory } from "../guest-memory.ts";
import type { Apply, Fields, StateReader } from "../state.ts";
import { finishChecksum, HEADER, isLarge, setBuffers, withHeader } from "./offload.ts";

/** Feature bits (§5.1.3). */
export const F_CSUM = 1n << 0n;
export const F_GUEST_CSUM = 1n << 1n;
export const F_MTU = 1n << 3n;
export const F_MAC = 1n << 5n;
export const F_GUEST_TSO4 = 1n << 7n;
export const F_HOST_TSO4 = 1n << 11n;
export const F_MRG_RXBUF = 1n << 15n;
export const F_STATUS = 1n << 16n;

const RECEIVE = 0;
const TRANSMIT = 1;
const QUEUE_SIZE = 256;
/** Of the configuration space. */
const CONFIG_SIZE = 12;
const STATUS_LINK_UP = 1;
const MTU = 1500;
/** With room for a VLAN tag. */
const MOST = LARGEST_FRAME + 4;
const MIN_FRAME = 14;
/** Ethernet's header and the longest packet of IPv4. */
const MOST_LARGE = MIN_FRAME + 0xffff;

export class NetDevice extends VirtioDevice {
  override readonly name = "net";
  override readonly id = 1;
  readonly #config = new Uint8Array(CONFIG_SIZE);
  readonly #link: Link;

  /**
   * @param mac six bytes
   * @param link takes what the guest sends. One that takes large frames is no wire: what comes from it needs no check
   */
  constructor(memory: GuestMemory, mac: Uint8Array, link: Link) {
    const large = (link.largestFrame ?? 0) >= MOST_LARGE;
    const offloads = F_CSUM | (large ? F_GUEST_CSUM | F_HOST_TSO4 | F_GUEST_TSO4 : 0n);
    super(memory, F_MAC | F_STATUS | F_MTU | F_MRG_RXBUF | offloads, [QUEUE_SIZE, QUEUE_SIZE]);
    this.#config.set(mac.subarray(0, 6));
    put16(this.#config, 6, STATUS_LINK_UP);
    put16(this.#config, 8, 1); // pairs of queues
    put16(this.#config, 10, MTU);
    this.#link = link;
  }

  override config(): Uint8Array {
    return this.#config;
  }

  /** A frame that has come through the input door. @returns false: the guest has no room now */
  accept(frame: Uint8Array): boolean {
    const queue = this.queues[RECEIVE]!;
    if (!this.live || !queue.ready || frame.length > this.#largestArrival) return true; // nobody takes it
    const packet = withHeader(frame, this.negotiated(F_GUEST_CSUM), MOST);
    if (!packet) return true;
    const chains = this.gather(RECEIVE, packet.length, this.negotiated(F_MRG_RXBUF) ? queue.size : 1);
    // A ring that is broken loses what comes, one that is empty holds it back.
    if (!chains) return !this.live;
    setBuffers(packet, chains.length);
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
    else this.#link.largestArrival = this.#largestArrival;
  }

  protected override deviceReset(): void {
    this.#link.largestArrival = undefined;
  }

  protected override saveDevice(): Fields {
    return {};
  }

  protected override loadDevice(_state: StateReader): Apply {
    return () => {
      this.#link.largestArrival = this.#largestArrival;
    };
  }

  /** Bytes of the largest frame that the driver takes. */
  get #largestArrival(): number {
    return this.negotiated(F_GUEST_TSO4) && this.negotiated(F_GUEST_CSUM) ? MOST_LARGE : MOST;
  }

  #transmit(chain: Chain): Step {
    const length = chain.readableLength - HEADER;
    // What is no frame is dropped, as on a wire.
    if (length < MIN_FRAME || length > MOST_LARGE) return 0;
    const header = new Uint8Array(HEADER);
    const frame = new Uint8Array(length);
    const heard = readFrom(this.memory, chain, 0, header);
    if (typeof heard === "string") return heard;
    const got = readFrom(this.memory, chain, HEADER, frame);
    if (typeof got === "string") return got;
    const most = this.negotiated(F_HOST_TSO4) && isLarge(header) ? MOST_LARGE : MOST;
    if (length <= most && finishChecksum(header, frame)) this.#link.submit(frame);
    return 0;
  }
}
