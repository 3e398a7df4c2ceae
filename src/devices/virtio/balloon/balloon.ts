/**
 * virtio memory balloon device (VIRTIO 1.2 §5.5). Pages that the guest gives up,
 * by inflating or by reporting them free, are emptied: a snapshot leaves out what
 * is zero. They stay readable and writable all the time, so deflating is a mere
 * courtesy, and VIRTIO_BALLOON_F_MUST_TELL_HOST isn't offered.
 */
import { get16, get32, get64, put32 } from "../bytes.ts";
import { type Chain, readFrom } from "../chain.ts";
import { type Step, VirtioDevice } from "../device.ts";
import type { GuestMemory } from "../guest-memory.ts";
import type { Apply, Fields, StateReader } from "../state.ts";
import { emptyPage, PAGE } from "./empty-page.ts";

/** Feature bits (§5.5.3). */
export const F_STATS_VQ = 1n << 1n;
export const F_DEFLATE_ON_OOM = 1n << 2n;
export const F_PAGE_POISON = 1n << 4n;
export const F_PAGE_REPORTING = 1n << 5n;

const INFLATE = 0;
const DEFLATE = 1;
const STATS = 2;
/**
 * Reported pages come by queue 4. Linux before 6.11 numbers only the queues that
 * it uses: without free page hinting, which isn't offered, it takes 3 for 4.
 */
const REPORTING = [3, 4];
const QUEUES = 5;
/** Linux refuses a reporting queue of fewer than 32. */
const QUEUE_SIZE = 32;
/** Configuration space (§5.5.4). */
const CONFIG_SIZE = 16;
const NUM_PAGES = 0;
const ACTUAL = 4;
const POISON = 12;
/** Pages looked at between two runs of the guest: 16 MiB, a few milliseconds. */
const MOST_PAGES = 4096;
/** Page numbers read at a time. */
const NUMBERS = 256;
/** Of one statistic (§5.5.6.3), and the most that are looked at. */
const STAT_SIZE = 10;
const MOST_STATS = 64;

/** What the guest says of its memory, by the tag of VIRTIO_BALLOON_S_* (§5.5.6.4). */
export type BalloonTags = ReadonlyMap<number, number>;

/** What comes to the device by the input door. */
export type BalloonInput =
  /** The balloon is to have so many pages of 4 KiB. */
  | { readonly kind: "balloon-target"; readonly pages: number }
  /** The guest is to say how its memory is used. */
  | { readonly kind: "balloon-poll" }
  /** What the device left for later. */
  | { readonly kind: "balloon-more" };

export interface BalloonHost {
  /** Asks for a "balloon-more", by the input door. */
  more(): void;
  /** The guest has said how its memory is used. */
  statistics(tags: BalloonTags): void;
}

export class BalloonDevice extends VirtioDevice {
  override readonly name = "balloon";
  override readonly id = 5;
  readonly #config = new Uint8Array(CONFIG_SIZE);
  readonly #host: BalloonHost;
  /** Bytes (of page numbers, or of pages) of each queue's first buffer that are done. */
  readonly #progress = new Array<number>(QUEUES).fill(0);
  /** Queues in which work is left. */
  readonly #left = new Set<number>();
  /** Pages that may be looked at before the guest runs. */
  #budget = MOST_PAGES;
  /** A "balloon-more" is on its way. */
  #asked = false;
  /** The buffer with the last statistics, which is returned to ask for new ones. */
  #held: number | undefined;
  #emptied = 0;

  /** @param pages that the balloon is to have at first */
  constructor(memory: GuestMemory, pages: number, host: BalloonHost) {
    const features = F_STATS_VQ | F_DEFLATE_ON_OOM | F_PAGE_POISON | F_PAGE_REPORTING;
    super(memory, features, new Array<number>(QUEUES).fill(QUEUE_SIZE));
    this.#host = host;
    put32(this.#config, NUM_PAGES, pages);
  }

  override config(): Uint8Array {
    return this.#config;
  }

  override configWrite(offset: number, bytes: Uint8Array): void {
    for (const [i, byte] of bytes.entries()) {
      const at = offset + i;
      if ((at >= ACTUAL && at < ACTUAL + 4) || (at >= POISON && at < CONFIG_SIZE)) this.#config[at] = byte;
    }
  }

  /** Pages that the balloon is to have. */
  get target(): number {
    return get32(this.#config, NUM_PAGES);
  }

  /** Pages that it has, as the guest says. */
  get actual(): number {
    return get32(this.#config, ACTUAL);
  }

  /** Pages with contents that were emptied so far. */
  get emptied(): number {
    return this.#emptied;
  }

  /** Takes an event that has come through the input door. */
  accept(event: BalloonInput): void {
    if (event.kind === "balloon-target") {
      if (event.pages === this.target) return;
      put32(this.#config, NUM_PAGES, event.pages);
      this.configChanged();
    } else if (event.kind === "balloon-more") {
      this.#asked = false;
      this.#budget = MOST_PAGES;
      const left = [...this.#left];
      this.#left.clear();
      for (const queue of left) this.notify(queue);
    } else if (this.#held !== undefined && this.live && this.complete(STATS, this.#held, 0) !== "wait") {
      this.#held = undefined;
    }
  }

  /** After a load: asks for what was left again. */
  restart(): void {
    this.#asked = false;
    if (this.#left.size > 0) this.#askMore();
  }

  protected override service(queue: number): void {
    if (queue === INFLATE) this.drain(queue, (chain) => this.#inflate(chain));
    else if (queue === DEFLATE) this.drain(queue, () => 0);
    else if (queue === STATS) this.drain(queue, (chain) => this.#statistics(chain));
    else if (REPORTING.includes(queue)) this.drain(queue, (chain) => this.#report(queue, chain));
  }

  protected override deviceReset(): void {
    put32(this.#config, ACTUAL, 0);
    put32(this.#config, POISON, 0);
    this.#progress.fill(0);
    this.#left.clear();
    this.#held = undefined;
  }

  protected override queueReset(queue: number): void {
    this.#progress[queue] = 0;
    this.#left.delete(queue);
    if (queue === STATS) this.#held = undefined;
  }

  protected override saveDevice(): Fields {
    return {
      target: this.target,
      actual: this.actual,
      poison: get32(this.#config, POISON),
      progress: [...this.#progress],
      left: [...this.#left],
      budget: this.#budget,
      held: this.#held === undefined ? [] : [this.#held],
    };
  }

  protected override loadDevice(state: StateReader): Apply {
    const target = state.number("target", 0xffff_ffff);
    const actual = state.number("actual", 0xffff_ffff);
    const poison = state.number("poison", 0xffff_ffff);
    const progress = state.numbers("progress", QUEUES, QUEUES, 2 ** 32);
    const left = state.numbers("left", 0, QUEUES, QUEUES - 1);
    const budget = state.number("budget", MOST_PAGES);
    const held = state.numbers("held", 0, 1, 0xffff);
    return () => {
      put32(this.#config, NUM_PAGES, target);
      put32(this.#config, ACTUAL, actual);
      put32(this.#config, POISON, poison);
      this.#progress.splice(0, QUEUES, ...progress);
      this.#left.clear();
      for (const queue of left) this.#left.add(queue);
      this.#budget = budget;
      this.#held = held[0];
    };
  }

  /** An array of page numbers of 32 bits. */
  #inflate(chain: Chain): Step {
    const length = chain.readableLength & ~3;
    while (this.#progress[INFLATE]! < length) {
      const done = this.#progress[INFLATE]!;
      const count = Math.min(NUMBERS, (length - done) / 4, this.#budget);
      if (count === 0) return this.#later(INFLATE);
      const numbers = new Uint8Array(4 * count);
      const got = readFrom(this.memory, chain, done, numbers);
      if (typeof got === "string") return got;
      for (let i = 0; i < count; i++) {
        // What is no RAM has nothing to empty.
        if (this.#empty(get32(numbers, 4 * i) * PAGE) === "wait") return "wait";
        this.#budget--;
        this.#progress[INFLATE]! += 4;
      }
    }
    this.#progress[INFLATE] = 0;
    return 0;
  }

  /** The buffers of the chain are the pages themselves. */
  #report(queue: number, chain: Chain): Step {
    // §5.5.6.7: with a poison, a reported page keeps that value.
    const poisoned = this.negotiated(F_PAGE_POISON) && get32(this.#config, POISON) !== 0;
    let from = 0;
    for (const { address, length } of poisoned ? [] : chain.writable) {
      const first = Math.ceil(address / PAGE) * PAGE;
      const end = Math.floor((address + length) / PAGE) * PAGE;
      for (;;) {
        const at = first + Math.max(0, this.#progress[queue]! - from);
        if (at >= end) break;
        if (this.#budget === 0) return this.#later(queue);
        const result = this.#empty(at);
        if (result !== "done") return result;
        this.#budget--;
        this.#progress[queue] = from + (at + PAGE - first);
      }
      from += Math.max(0, end - first);
    }
    this.#progress[queue] = 0;
    return 0;
  }

  #empty(address: number): "done" | "fault" | "wait" {
    const result = emptyPage(this.memory, address);
    if (result === "emptied") this.#emptied++;
    return result === "fault" || result === "wait" ? result : "done";
  }

  /** Leaves a queue's work until the guest has run. */
  #later(queue: number): Step {
    this.#left.add(queue);
    this.#askMore();
    return "hold";
  }

  #askMore(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#host.more();
  }

  #statistics(chain: Chain): Step {
    if (this.#held !== undefined) return "hold";
    const count = Math.min(MOST_STATS, Math.floor(chain.readableLength / STAT_SIZE));
    const bytes = new Uint8Array(count * STAT_SIZE);
    const got = readFrom(this.memory, chain, 0, bytes);
    if (typeof got === "string") return got;
    const tags = new Map<number, number>();
    for (let at = 0; at < bytes.length; at += STAT_SIZE) tags.set(get16(bytes, at), get64(bytes, at + 2));
    this.#held = chain.head;
    this.#host.statistics(tags);
    return "taken";
  }
}
