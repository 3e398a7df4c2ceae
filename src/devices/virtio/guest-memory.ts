/**
 * DMA: how a device reaches guest RAM.
 *
 * Every access has the three outcomes of the core's contract: done, `"fault"`
 * (not wholly RAM, or not writable) and `"wait"` (a page isn't here yet: give
 * the operation up without side effects and try it again later).
 */

export type Outcome = "fault" | "wait";

export interface GuestMemory {
  /**
   * The bytes [address, address + length) of guest-physical memory, `length` ≥ 1.
   *
   * A view is for use at once: never keep one across a return to the guest. If
   * `write`, the pages are logged dirty and code decoded from them is dropped
   * before the view is given out, so a view asked for reading must not be written.
   */
  view(address: number, length: number, write: boolean): Uint8Array | Outcome;
}

/** The highest guest-physical address that a device will form, plus one: exact as a number. */
const ADDRESS_LIMIT = 2 ** 53;

/**
 * A guest-physical address from its two halves (unsigned 32-bit).
 * @returns undefined if it is beyond 2^53, where no RAM can be
 */
export function address64(low: number, high: number): number | undefined {
  const address = high * 2 ** 32 + low;
  return address < ADDRESS_LIMIT ? address : undefined;
}

/**
 * The core's one function for DMA: linear address of the range, made ready to
 * be written if `write`; 0: not RAM; 1: a page isn't here yet.
 */
export type GuestRange = (address: bigint, size: number, write: number) => number;

/** Guest RAM inside the core's linear memory, through the core's `guestRange`. */
export class LinearGuestMemory implements GuestMemory {
  readonly #buffer: () => ArrayBufferLike;
  readonly #range: GuestRange;

  /** @param buffer gives the core's memory, which has one fixed size */
  constructor(buffer: () => ArrayBufferLike, range: GuestRange) {
    this.#buffer = buffer;
    this.#range = range;
  }

  view(address: number, length: number, write: boolean): Uint8Array | Outcome {
    if (!isRange(address, length) || length > 0xffffffff) return "fault";
    const start = this.#range(BigInt(address), length, write ? 1 : 0) >>> 0;
    if (start === 0) return "fault";
    if (start === 1) return "wait";
    const buffer = this.#buffer();
    // The core's own tables lie in memory that a bug could let the guest write: trust no answer.
    if (start + length > buffer.byteLength) return "fault";
    return new Uint8Array(buffer, start, length);
  }
}

/** Guest RAM as a plain array, for tests and for devices run without a core. */
export class ArrayGuestMemory implements GuestMemory {
  readonly bytes: Uint8Array;
  readonly base: number;
  /** Pages (of 4 KiB, counted from `base`) that aren't here yet. */
  readonly absent = new Set<number>();

  constructor(size: number, base = 0x8000_0000) {
    this.bytes = new Uint8Array(size);
    this.base = base;
  }

  view(address: number, length: number, _write: boolean): Uint8Array | Outcome {
    if (!isRange(address, length)) return "fault";
    const from = address - this.base;
    if (from < 0 || from + length > this.bytes.length) return "fault";
    if (this.absent.size > 0) {
      const last = Math.floor((from + length - 1) / 4096);
      for (let page = Math.floor(from / 4096); page <= last; page++) if (this.absent.has(page)) return "wait";
    }
    return this.bytes.subarray(from, from + length);
  }
}

function isRange(address: number, length: number): boolean {
  return Number.isSafeInteger(address) && address >= 0 && Number.isSafeInteger(length) && length > 0;
}
