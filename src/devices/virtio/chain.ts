/**
 * One buffer of a virtqueue: a chain of descriptors, read once and checked
 * (VIRTIO 1.2 §2.7.4, §2.7.5).
 */
import { get16, get32 } from "./bytes.ts";
import { address64, type GuestMemory, type Outcome } from "./guest-memory.ts";

const DESCRIPTOR = 16;
const F_NEXT = 1;
const F_WRITE = 2;
const F_INDIRECT = 4;

/** The most descriptors a chain may have, indirect ones included (§2.7.4.1 lets a device limit it). */
export const MAX_CHAIN = 1024;

/** A piece of guest-physical memory; not yet known to be RAM. */
export interface Segment {
  readonly address: number;
  readonly length: number;
}

export interface Chain {
  /** Index of the first descriptor: the buffer's id in the used ring. */
  readonly head: number;
  /** What the device may read, then what it may write, in the chain's order; no empty pieces. */
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
  readonly readableLength: number;
  readonly writableLength: number;
}

/** Why a ring can't be used any more: one phrase, for the log. */
export class Broken {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/**
 * Reads the chain that starts at `head` of the descriptor table at `table`.
 * Bounded by the queue's size in the table itself and by MAX_CHAIN in all, so a
 * loop ends as a broken ring.
 */
export function readChain(
  memory: GuestMemory,
  table: Uint8Array,
  head: number,
  indirect: boolean,
): Chain | "wait" | Broken {
  const readable: Segment[] = [];
  const writable: Segment[] = [];
  let readableLength = 0;
  let writableLength = 0;
  let from = table;
  let entries = table.length / DESCRIPTOR;
  let inIndirect = false;
  let index = head;
  let direct = 0;

  for (let count = 0; ; count++) {
    if (index >= entries) return new Broken("a descriptor's index is outside its table");
    if (count === MAX_CHAIN || (!inIndirect && direct === entries)) return new Broken("a descriptor chain is too long");
    const at = index * DESCRIPTOR;
    const flags = get16(from, at + 12);
    const address = address64(get32(from, at), get32(from, at + 4));
    const length = get32(from, at + 8);
    if (address === undefined) return new Broken("a descriptor's address is outside memory");
    if (!inIndirect) direct++;

    if (flags & F_INDIRECT) {
      // §2.7.5.3.1: one level, only if negotiated, only as the last of a chain.
      if (!indirect) return new Broken("an indirect descriptor was not negotiated");
      if (inIndirect) return new Broken("an indirect table refers to another");
      if (flags & F_NEXT) return new Broken("an indirect descriptor has a next one");
      if (length === 0 || length % DESCRIPTOR) return new Broken("an indirect table's length is not whole descriptors");
      // `next` has 16 bits, so nothing after 65,536 entries can be reached.
      const view = memory.view(address, Math.min(length, 65536 * DESCRIPTOR), false);
      if (view === "wait") return "wait";
      if (view === "fault") return new Broken("an indirect table is outside memory");
      from = view;
      entries = view.length / DESCRIPTOR;
      inIndirect = true;
      index = 0;
      continue;
    }

    if (flags & F_WRITE) {
      if (length > 0) writable.push({ address, length });
      writableLength += length;
    } else {
      // §2.7.4.2: what the device writes comes after what it reads.
      if (writableLength > 0) return new Broken("a readable descriptor follows a writable one");
      if (length > 0) readable.push({ address, length });
      readableLength += length;
    }
    // §2.7.5.2: at most 2^32 bytes in all.
    if (readableLength + writableLength > 2 ** 32) return new Broken("a descriptor chain is longer than 4 GiB");
    if (!(flags & F_NEXT)) return { head, readable, writable, readableLength, writableLength };
    index = get16(from, at + 14);
  }
}

/**
 * Views of the bytes [offset, offset + length) of `segments`, all or nothing:
 * on any other outcome, no byte has been touched. Stops short at the end.
 */
function views(
  memory: GuestMemory,
  segments: readonly Segment[],
  offset: number,
  length: number,
  write: boolean,
): Uint8Array[] | Outcome {
  const found: Uint8Array[] = [];
  for (const segment of segments) {
    if (length === 0) break;
    if (offset >= segment.length) {
      offset -= segment.length;
      continue;
    }
    const size = Math.min(segment.length - offset, length);
    const view = memory.view(segment.address + offset, size, write);
    if (typeof view === "string") return view;
    found.push(view);
    offset = 0;
    length -= size;
  }
  return found;
}

/** Copies readable bytes from `offset` on into `target`. @returns the number copied: less at the chain's end */
export function readFrom(memory: GuestMemory, chain: Chain, offset: number, target: Uint8Array): number | Outcome {
  const parts = views(memory, chain.readable, offset, target.length, false);
  if (typeof parts === "string") return parts;
  let done = 0;
  for (const part of parts) {
    target.set(part, done);
    done += part.length;
  }
  return done;
}

/** Copies `source` into the writable bytes from `offset` on. @returns the number copied: less at the chain's end */
export function writeTo(memory: GuestMemory, chain: Chain, offset: number, source: Uint8Array): number | Outcome {
  const parts = views(memory, chain.writable, offset, source.length, true);
  if (typeof parts === "string") return parts;
  let done = 0;
  for (const part of parts) {
    part.set(source.subarray(done, done + part.length));
    done += part.length;
  }
  return done;
}
