/**
 * What every virtio device does the same way, whatever the transport: status,
 * feature negotiation, configuration space, virtqueues (VIRTIO 1.2 §2, §3).
 */
import type { Chain } from "./chain.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { Virtqueue } from "./queue.ts";
import { type Apply, type Fields, nest, type StateReader } from "./state.ts";

/** Device status (§2.1). */
export const STATUS_ACKNOWLEDGE = 1;
export const STATUS_DRIVER = 2;
export const STATUS_DRIVER_OK = 4;
export const STATUS_FEATURES_OK = 8;
export const STATUS_NEEDS_RESET = 64;
export const STATUS_FAILED = 128;
const STATUS_BY_DRIVER = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_DRIVER_OK | STATUS_FEATURES_OK | STATUS_FAILED;

/** Reserved feature bits (§6), as masks. */
export const F_INDIRECT_DESC = 1n << 28n;
export const F_EVENT_IDX = 1n << 29n;
export const F_VERSION_1 = 1n << 32n;
export const F_RING_RESET = 1n << 40n;
const F_COMMON = F_INDIRECT_DESC | F_EVENT_IDX | F_VERSION_1 | F_RING_RESET;

/** Where a device's notifications go: the transport. */
export interface Notifier {
  /** Buffers of this queue have been used, and the driver wants to know. */
  queueUsed(queue: number): void;
  /** The configuration or the status has changed. */
  configChanged(): void;
}

/**
 * What a device does with one available buffer: the number of bytes that it
 * wrote, and the buffer is returned to the driver; or "taken": it returns it
 * later, by `complete`; or "hold": the buffer stays available; or the outcome of
 * an access that failed.
 */
export type Step = number | "taken" | "hold" | "wait" | "fault";

export abstract class VirtioDevice {
  /** For messages and snapshots, such as "console". */
  abstract readonly name: string;
  /** Device ID (§5). */
  abstract readonly id: number;
  readonly queues: readonly Virtqueue[];
  /** What the device offers: its own bits and those of every device here. */
  readonly features: bigint;
  protected readonly memory: GuestMemory;

  #status = 0;
  #driverFeatures = 0n;
  #generation = 0;
  #notifier: Notifier | undefined;
  /** Queues whose work met a page that isn't here yet. */
  readonly #waiting = new Set<number>();

  /**
   * @param features the device type's own feature bits
   * @param queueSizes the largest size of each queue, each a power of two up to 32768
   */
  constructor(memory: GuestMemory, features: bigint, queueSizes: readonly number[]) {
    this.memory = memory;
    this.features = features | F_COMMON;
    this.queues = queueSizes.map((size) => new Virtqueue(memory, size));
  }

  // ---- The transport's side ----------------------------------------------------

  attach(notifier: Notifier): void {
    this.#notifier = notifier;
  }

  get status(): number {
    return this.#status;
  }

  /** §2.1.1: the driver sets bits one after another, and clears them only all at once, which resets. */
  setStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    const was = this.#status;
    let set = value & STATUS_BY_DRIVER & ~was;
    // §2.2.2: features that weren't offered, or a driver from before 1.0, are refused.
    const accepted = (this.#driverFeatures & ~this.features) === 0n && (this.#driverFeatures & F_VERSION_1) !== 0n;
    if (set & STATUS_FEATURES_OK && !accepted) set &= ~STATUS_FEATURES_OK;
    if (set & STATUS_DRIVER_OK && !((was | set) & STATUS_FEATURES_OK)) set &= ~STATUS_DRIVER_OK;
    this.#status = was | set;
    if (set & STATUS_FEATURES_OK) {
      for (const queue of this.queues) {
        queue.indirect = this.negotiated(F_INDIRECT_DESC);
        queue.eventIndex = this.negotiated(F_EVENT_IDX);
      }
    }
    if (set & STATUS_DRIVER_OK) for (let i = 0; i < this.queues.length; i++) this.notify(i);
  }

  /** Sets 32 of the driver's feature bits; word 0 or 1. After FEATURES_OK they are fixed (§2.2.1). */
  setDriverFeatures(word: number, value: number): void {
    if (this.#status & STATUS_FEATURES_OK || word > 1) return;
    const shift = BigInt(32 * word);
    this.#driverFeatures = (this.#driverFeatures & ~(0xffff_ffffn << shift)) | (BigInt(value >>> 0) << shift);
  }

  /** As the driver has set them so far. */
  get driverFeatures(): bigint {
    return this.#driverFeatures;
  }

  /** Whether the driver accepted this feature (a mask of one bit). */
  negotiated(feature: bigint): boolean {
    return (this.#status & STATUS_FEATURES_OK) !== 0 && (this.#driverFeatures & feature) !== 0n;
  }

  /** Bytes of the device-specific configuration space; reads beyond its end give zero. */
  config(): Uint8Array {
    return new Uint8Array(0);
  }

  /** The driver has written `bytes` (1 to 8 of them) at `offset` of the configuration space. */
  configWrite(_offset: number, _bytes: Uint8Array): void {}

  /** Changes whenever the configuration does (§2.5). */
  get generation(): number {
    return this.#generation;
  }

  /** The driver says that a queue has new buffers. Never waits; never throws for what the guest did. */
  notify(queue: number): void {
    if (!this.live || queue < 0 || queue >= this.queues.length) return;
    this.#waiting.delete(queue);
    this.service(queue);
  }

  /** Resets one queue (§2.6.1), at once. Ignored unless VIRTIO_F_RING_RESET was negotiated. */
  resetQueue(index: number): void {
    const queue = this.queues[index];
    if (!queue || !this.negotiated(F_RING_RESET)) return;
    queue.reset();
    queue.indirect = this.negotiated(F_INDIRECT_DESC);
    queue.eventIndex = this.negotiated(F_EVENT_IDX);
    this.#waiting.delete(index);
    this.queueReset(index);
  }

  /** Back to the state after power-on (§2.4). */
  reset(): void {
    this.#status = 0;
    this.#driverFeatures = 0n;
    this.#waiting.clear();
    for (const queue of this.queues) queue.reset();
    this.deviceReset();
  }

  // ---- The machine's side --------------------------------------------------------

  /** Whether the driver is ready and nothing is broken: only then may queues be touched (§3.1.1). */
  get live(): boolean {
    return (this.#status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) === STATUS_DRIVER_OK;
  }

  /** Whether work waits for a page of guest memory: call `resume` when it may have come. */
  get waiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Tries again what waited for a page of guest memory. */
  resume(): void {
    for (const queue of [...this.#waiting]) this.notify(queue);
  }

  /** What belongs into the transport's saved state. */
  save(): Fields {
    return {
      status: this.#status,
      driverFeatures: this.#driverFeatures,
      generation: this.#generation,
      waiting: [...this.#waiting],
      ...Object.assign({}, ...this.queues.map((queue, i) => nest(`queue.${i}`, queue.save()))),
      ...nest(this.name, this.saveDevice()),
    };
  }

  /** @throws DeviceStateError */
  load(state: StateReader): Apply {
    const status = state.number("status", 0xff);
    const driverFeatures = state.bigint("driverFeatures");
    const generation = state.number("generation", 0xffff_ffff);
    const waiting = state.numbers("waiting", 0, this.queues.length, this.queues.length - 1);
    const queues = this.queues.map((queue, i) => queue.load(state.part(`queue.${i}`)));
    const device = this.loadDevice(state.part(this.name));
    return () => {
      this.#status = status;
      this.#driverFeatures = driverFeatures;
      this.#generation = generation;
      this.#waiting.clear();
      for (const queue of waiting) this.#waiting.add(queue);
      for (const apply of queues) apply();
      device();
    };
  }

  // ---- The device type's side -------------------------------------------------------

  /** Does what can be done with a queue's buffers now; called only while the device is live. */
  protected abstract service(queue: number): void;

  /** Drops what the device type knows of the driver. */
  protected deviceReset(): void {}

  /** One queue has been reset. */
  protected queueReset(_queue: number): void {}

  /** The device type's own state. */
  protected abstract saveDevice(): Fields;

  /** @throws DeviceStateError */
  protected abstract loadDevice(state: StateReader): Apply;

  /**
   * Takes available buffers of a queue one by one, at most a ring's worth, and
   * tells the driver if it wants to know. @returns why it stopped
   */
  protected drain(index: number, step: (chain: Chain) => Step): "empty" | "hold" | "wait" | "broken" {
    const queue = this.queues[index]!;
    let stopped: "empty" | "hold" | "wait" | "broken" = "hold";
    for (let n = 0; n <= queue.size; n++) {
      const chain = queue.peek();
      if (typeof chain === "string") {
        const armed = chain === "empty" ? queue.rearm() : chain;
        if (armed === "again") continue;
        stopped = armed === "done" ? "empty" : armed;
        break;
      }
      const result = step(chain);
      if (result === "hold") break;
      if (result === "taken") {
        queue.take();
        continue;
      }
      const finished = typeof result === "number" ? queue.finish(chain, result) : result;
      if (finished !== "done") {
        stopped = finished === "wait" ? "wait" : "broken";
        break;
      }
    }
    if (stopped === "wait") this.#waiting.add(index);
    else if (stopped === "broken") this.fail();
    if (queue.takeSignal()) this.#notifier?.queueUsed(index);
    return stopped;
  }

  /**
   * Takes buffers, at most `most`, until they have room for `length` bytes; each
   * is to be returned by `complete` or `putBack`.
   * @returns nothing, and none is taken, if there aren't enough
   */
  protected gather(index: number, length: number, most: number): Chain[] | undefined {
    const queue = this.queues[index]!;
    const chains: Chain[] = [];
    let room = 0;
    while (room < length && chains.length < most) {
      const chain = queue.peek();
      const state = chain === "empty" ? queue.rearm() : chain;
      if (typeof chain !== "string") {
        queue.take();
        chains.push(chain);
        room += chain.writableLength;
      } else if (state !== "again") {
        if (state === "broken") this.fail();
        this.putBack(index, chains.length);
        return undefined;
      }
    }
    return chains;
  }

  /** Makes the last `count` taken buffers available again. */
  protected putBack(index: number, count: number): void {
    this.queues[index]!.untake(count);
  }

  /**
   * Returns a buffer that was taken, and tells the driver if it wants to know.
   * @returns "wait": nothing has been done, and it is to be tried again
   */
  protected complete(index: number, head: number, written: number): "done" | "wait" | "broken" {
    const queue = this.queues[index]!;
    const result = queue.put(head, written);
    if (result === "broken" && queue.ready) this.fail();
    if (queue.takeSignal()) this.#notifier?.queueUsed(index);
    return result;
  }

  /** The configuration space has changed, and the driver should look. */
  protected configChanged(): void {
    this.#generation = (this.#generation + 1) >>> 0;
    if (this.live) this.#notifier?.configChanged();
  }

  /** The guest has done what can't be answered: nothing happens until it resets the device (§2.1.2). */
  protected fail(): void {
    if (this.#status & STATUS_NEEDS_RESET) return;
    const told = (this.#status & STATUS_DRIVER_OK) !== 0;
    this.#status |= STATUS_NEEDS_RESET;
    this.#waiting.clear();
    if (told) this.#notifier?.configChanged();
  }
}
