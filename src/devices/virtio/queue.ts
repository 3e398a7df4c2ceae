/**
 * The device's side of a split virtqueue (VIRTIO 1.2 §2.7).
 *
 * Everything in the rings is the guest's and is read anew at each use: nothing
 * here throws, loops without bound or allocates by a guest's length. A ring that
 * makes no sense leaves the queue broken, and its device needs a reset (§2.1.2).
 */
import { get16, put16, put32 } from "./bytes.ts";
import { Broken, type Chain, readChain } from "./chain.ts";
import { address64, type GuestMemory } from "./guest-memory.ts";
import type { Apply, Fields, StateReader } from "./state.ts";

const AVAIL_F_NO_INTERRUPT = 1;
const MAX_SIZE = 32768;

/** The areas of a queue: descriptor table, available ring, used ring. */
export const AREA_DESCRIPTOR = 0;
export const AREA_DRIVER = 1;
export const AREA_DEVICE = 2;
export type Area = typeof AREA_DESCRIPTOR | typeof AREA_DRIVER | typeof AREA_DEVICE;

export type QueueState = "empty" | "wait" | "broken";

export class Virtqueue {
  /** The largest size that the driver may choose. */
  readonly maxSize: number;
  /** Set by the transport while the queue isn't ready; 0: no valid size was written. */
  size = 0;
  /** Negotiated by the driver; the device sets them when it goes live. */
  indirect = false;
  eventIndex = false;
  /** Why the ring can't be used any more, as one phrase. */
  brokenBecause: string | undefined;

  readonly #memory: GuestMemory;
  /** Addresses of the three areas as written: low and high half of each, in the order of Area. */
  readonly #halves = new Uint32Array(6);
  /** The same as numbers, while the queue is ready. */
  #descriptorArea = 0;
  #driverArea = 0;
  #deviceArea = 0;
  #ready = false;
  /** Free-running, 16 bits: the next available entry to take, and the next used entry to write. */
  #nextAvail = 0;
  #nextUsed = 0;
  /** #nextUsed when the driver was last told, or considered and not told. */
  #signalled = 0;

  constructor(memory: GuestMemory, maxSize: number) {
    if (maxSize < 1 || maxSize > MAX_SIZE || maxSize & (maxSize - 1)) {
      throw new RangeError(`A virtqueue's size must be a power of two up to ${MAX_SIZE}, not ${maxSize}.`);
    }
    this.#memory = memory;
    this.maxSize = maxSize;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Chooses the size: a power of two up to `maxSize` (§2.7); any other value makes the queue impossible to start. */
  setSize(size: number): void {
    this.size = size >= 1 && size <= this.maxSize && !(size & (size - 1)) ? size : 0;
  }

  /** Sets 32 bits of an area's guest-physical address. */
  setArea(area: Area, half: "low" | "high", value: number): void {
    this.#halves[2 * area + (half === "low" ? 0 : 1)] = value;
  }

  /** What was set: low and high half of each area, in the order of Area. */
  half(index: number): number {
    return this.#halves[index] ?? 0;
  }

  /** QueueReady := 1. Ignored if the size or an area's alignment (§2.7) is wrong. */
  start(): void {
    if (this.#ready || this.size === 0 || !this.#locate()) return;
    this.#nextAvail = this.#nextUsed = this.#signalled = 0;
    this.#ready = true;
  }

  /** QueueReady := 0: the device leaves the ring alone from now on. */
  stop(): void {
    this.#ready = false;
  }

  /** As after power-on. */
  reset(): void {
    this.#ready = false;
    this.indirect = this.eventIndex = false;
    this.size = 0;
    this.#halves.fill(0);
    this.#nextAvail = this.#nextUsed = this.#signalled = 0;
    this.brokenBecause = undefined;
  }

  /**
   * The next available buffer, which stays available until `take` or `finish`.
   * Both rings are known to be here when a chain is returned, so that a
   * `finish` before the guest next runs can't have to wait.
   */
  peek(): Chain | QueueState {
    if (this.brokenBecause !== undefined) return "broken";
    if (!this.#ready) return "empty";
    const available = this.#available();
    if (typeof available === "string") return available;
    const waiting = (get16(available, 2) - this.#nextAvail) & 0xffff;
    if (waiting === 0) return "empty";
    if (waiting > this.size) return this.#break("the available ring's index is more than a queue ahead");
    const used = this.#used();
    if (typeof used === "string") return used;
    return this.chain(get16(available, 4 + 2 * (this.#nextAvail & (this.size - 1))));
  }

  /** The buffer that begins at this descriptor, as the table has it now. */
  chain(head: number): Chain | "wait" | "broken" {
    const table = this.#memory.view(this.#descriptorArea, 16 * this.size, false);
    if (table === "wait") return table;
    if (table === "fault") return this.#break("the descriptor table is outside memory");
    const chain = readChain(this.#memory, table, head, this.indirect);
    return chain instanceof Broken ? this.#break(chain.reason) : chain;
  }

  /** Takes the buffer that `peek` gave, for a device that completes it later, in any order, by `put`. */
  take(): void {
    this.#nextAvail = (this.#nextAvail + 1) & 0xffff;
  }

  /** Makes the last `count` taken buffers available again. */
  untake(count: number): void {
    this.#nextAvail = (this.#nextAvail - count) & 0xffff;
  }

  /**
   * Returns a taken buffer to the driver (§2.7.8).
   * @param written bytes that the device wrote, from the first writable one on
   */
  put(head: number, written: number): "done" | "wait" | "broken" {
    if (this.brokenBecause !== undefined || !this.#ready) return "broken";
    const used = this.#used();
    if (typeof used === "string") return used;
    const at = 4 + 8 * (this.#nextUsed & (this.size - 1));
    put32(used, at, head);
    put32(used, at + 4, written);
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
    put16(used, 2, this.#nextUsed);
    return "done";
  }

  /** Takes and returns the buffer that `peek` gave. On "wait" it stays available. */
  finish(chain: Chain, written: number): "done" | "wait" | "broken" {
    const result = this.put(chain.head, written);
    if (result === "done") this.take();
    return result;
  }

  /**
   * Asks the driver to notify at its next buffer (§2.7.10), after `peek` said
   * "empty". @returns "again" if a buffer came meanwhile
   */
  rearm(): "done" | "again" | "wait" | "broken" {
    if (!this.eventIndex || !this.#ready) return "done";
    if (this.brokenBecause !== undefined) return "broken";
    const used = this.#used();
    if (typeof used === "string") return used;
    put16(used, 4 + 8 * this.size, this.#nextAvail);
    const available = this.#available();
    if (typeof available === "string") return available;
    return get16(available, 2) === this.#nextAvail ? "done" : "again";
  }

  /** Whether the driver wants to hear of the buffers put since the last call (§2.7.7). */
  takeSignal(): boolean {
    const before = this.#signalled;
    const count = (this.#nextUsed - before) & 0xffff;
    if (count === 0 || !this.#ready) return false;
    this.#signalled = this.#nextUsed;
    const available = this.#available();
    // A notification too many is allowed (§2.7.7.1), one too few isn't.
    if (available === "wait") return true;
    if (available === "broken") return false;
    if (!this.eventIndex) return (get16(available, 0) & AVAIL_F_NO_INTERRUPT) === 0;
    const event = get16(available, 4 + 2 * this.size);
    return ((this.#nextUsed - event - 1) & 0xffff) < count;
  }

  save(): Fields {
    return {
      size: this.size,
      areas: Array.from(this.#halves),
      indirect: this.indirect,
      eventIndex: this.eventIndex,
      ready: this.#ready,
      broken: this.brokenBecause !== undefined,
      nextAvail: this.#nextAvail,
      nextUsed: this.#nextUsed,
      signalled: this.#signalled,
    };
  }

  /** @throws DeviceStateError */
  load(state: StateReader): Apply {
    const size = state.number("size", this.maxSize);
    const areas = state.numbers("areas", 6, 6, 0xffff_ffff);
    const indirect = state.boolean("indirect");
    const eventIndex = state.boolean("eventIndex");
    const ready = state.boolean("ready");
    const broken = state.boolean("broken");
    const nextAvail = state.number("nextAvail", 0xffff);
    const nextUsed = state.number("nextUsed", 0xffff);
    const signalled = state.number("signalled", 0xffff);
    return () => {
      this.setSize(size);
      this.#halves.set(areas);
      this.indirect = indirect;
      this.eventIndex = eventIndex;
      this.#ready = ready && this.size > 0 && this.#locate();
      this.brokenBecause = broken ? "it was broken when it was saved" : undefined;
      this.#nextAvail = nextAvail;
      this.#nextUsed = nextUsed;
      this.#signalled = signalled;
    };
  }

  /** Forms the areas' addresses. @returns false if one is misaligned or no address at all */
  #locate(): boolean {
    const [descriptorLow, descriptorHigh, driverLow, driverHigh, deviceLow, deviceHigh] = this.#halves;
    const descriptor = address64(descriptorLow!, descriptorHigh!);
    const driver = address64(driverLow!, driverHigh!);
    const device = address64(deviceLow!, deviceHigh!);
    if (descriptor === undefined || driver === undefined || device === undefined) return false;
    if (descriptor % 16 || driver % 2 || device % 4) return false;
    this.#descriptorArea = descriptor;
    this.#driverArea = driver;
    this.#deviceArea = device;
    return true;
  }

  /** The available ring: flags, idx, ring, used_event (§2.7.6). */
  #available(): Uint8Array | "wait" | "broken" {
    const view = this.#memory.view(this.#driverArea, 4 + 2 * this.size + (this.eventIndex ? 2 : 0), false);
    return view === "fault" ? this.#break("the available ring is outside memory") : view;
  }

  /** The used ring: flags, idx, ring, avail_event (§2.7.8). */
  #used(): Uint8Array | "wait" | "broken" {
    const view = this.#memory.view(this.#deviceArea, 4 + 8 * this.size + (this.eventIndex ? 2 : 0), true);
    return view === "fault" ? this.#break("the used ring is outside memory") : view;
  }

  #break(reason: string): "broken" {
    this.brokenBecause = reason;
    return "broken";
  }
}
