/** The receiving side of a connection: what came in order and what came early, and the window (RFC 9293 §3.8.6.2, RFC 2018). */

import { Ranges } from "./ranges.ts";
import { ByteRing } from "./ring.ts";
import { FIN, type Segment, SYN, sackOption } from "./segment.ts";
import { advance, distance } from "./sequence.ts";

/** Our windows are in units of 32 bytes: up to 2 MiB. */
export const SCALE = 5;
const LARGEST_LIMIT = 0xffff << SCALE;
/** Ranges of bytes that came early; what would need more is dropped, and sent again. */
const MAX_EARLY = 32;
/** Ranges that an option has room for. */
const MAX_TOLD = 4;

/** What a segment's text was: in order, what filled a gap, early, or nothing that is new. */
export type Text = "ordered" | "filling" | "early" | "nothing";

export class Receiver {
  /** In order, until they are consumed. */
  readonly bytes = new ByteRing();
  readonly #limit: () => number;
  #irs = 0;
  /** Whether the peer's FIN, and so all that is before it, is there. */
  #finished = false;
  /** Where its FIN is, once that is known. */
  #finAt: number | undefined;
  /** The end of the window that the peer was told of. */
  #edge = 0;
  readonly #early = new Ranges(MAX_EARLY);
  /** The start of the range that came last, which is told first. */
  #latest = 0;

  /** @param limit bytes that may wait */
  constructor(limit: () => number) {
    this.#limit = limit;
  }

  /** The peer's SYN has come. */
  begin(sequence: number): void {
    this.#irs = sequence;
  }

  get firstSequence(): number {
    return this.#irs;
  }

  get finished(): boolean {
    return this.#finished;
  }

  get edge(): number {
    return this.#edge;
  }

  /** The position that is expected next: behind the peer's FIN, if it came. */
  get next(): number {
    return this.bytes.end + (this.#finished ? 1 : 0);
  }

  sequenceOf(position: number): number {
    return advance(this.#irs, position + 1);
  }

  positionOf(sequence: number): number {
    const { next } = this;
    return next + distance(sequence, this.sequenceOf(next));
  }

  /** How much more of a window there would be, if it were told now. */
  get gain(): number {
    return this.#newEdge - this.#edge;
  }

  /** The window as a SYN has it, which isn't scaled. */
  firstWindow(): number {
    this.#edge = Math.min(this.#limit(), 0xffff);
    return this.#edge;
  }

  /** The window as it is to be told now; it never goes back (§3.8.6). @returns in the peer's units */
  window(scaled: boolean): number {
    this.#edge = Math.max(this.#edge, this.#newEdge);
    return Math.min(Math.max(0, this.#edge - this.next) >>> (scaled ? SCALE : 0), 0xffff);
  }

  /** Takes what is new and in the window of a segment's text. */
  take(segment: Segment): Text {
    const first = segment.flags & SYN ? advance(segment.sequence, 1) : segment.sequence;
    let start = this.positionOf(first);
    let from = segment.payloadAt;
    const { next } = this;
    if (segment.flags & FIN) {
      const fin = start + (segment.end - from);
      if (fin >= next && fin <= this.#edge) this.#finAt ??= fin;
    }
    if (start < next) {
      from += next - start;
      start = next;
    }
    const to = Math.min(segment.end, from + this.#edge - start);
    if (from >= to) return "nothing";
    const bytes = segment.frame.subarray(from, to);
    const end = start + bytes.length;
    if (start === next) {
      this.bytes.put(start, bytes);
      return this.#advance(end);
    }
    if (!this.#early.add(start, end)) return "nothing";
    this.bytes.put(start, bytes);
    this.#latest = start;
    return "early";
  }

  /** Takes the peer's FIN if all before it is there. @returns whether it did */
  takeFin(): boolean {
    if (this.#finished || this.#finAt !== this.bytes.end) return false;
    this.#finished = true;
    return true;
  }

  consumed(length: number): void {
    this.bytes.release(this.bytes.start + length);
    if (this.bytes.length === 0 && this.#early.list.length === 0) this.bytes.rewind(this.#limit());
  }

  /** Forgets what came early. */
  clear(): void {
    this.#early.clear();
  }

  /** How many ranges an acknowledgement tells. */
  get ranges(): number {
    return Math.min(this.#early.list.length, MAX_TOLD);
  }

  /** The range that came last, then others (RFC 2018 §4). */
  sackOption(): Uint8Array {
    const list = [...this.#early.list];
    const latest = list.findIndex(({ start, end }) => this.#latest >= start && this.#latest < end);
    if (latest > 0) list.unshift(...list.splice(latest, 1));
    const told = list.slice(0, MAX_TOLD);
    return sackOption(told.flatMap(({ start, end }) => [this.sequenceOf(start), this.sequenceOf(end)]));
  }

  /** All is there up to a position, or further, if more came early. */
  #advance(end: number): Text {
    const [early] = this.#early.list;
    if (early && early.start <= end) end = Math.max(end, early.end);
    this.#early.release(end);
    this.bytes.extend(end);
    return early ? "filling" : "ordered";
  }

  get #newEdge(): number {
    return this.bytes.start + Math.min(this.#limit(), LARGEST_LIMIT);
  }
}
