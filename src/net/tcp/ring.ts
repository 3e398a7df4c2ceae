/**
 * Bytes of a stream by their position, from `start` to `end`, in a ring that
 * grows as needed. Positions are counted from the stream's beginning.
 */
const SMALLEST = 16 * 1024;
const NOTHING = new Uint8Array(0);

export class ByteRing {
  /** Of a power of two, at least as large as what was put into it. */
  #bytes: Uint8Array = NOTHING;
  /** The position that is at index 0, modulo the size. */
  #origin = 0;
  #start = 0;
  #end = 0;

  /** The position of the first byte that is kept. */
  get start(): number {
    return this.#start;
  }

  /** The position behind the last one. */
  get end(): number {
    return this.#end;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Adds bytes at the end. */
  append(bytes: Uint8Array): void {
    this.put(this.#end, bytes);
    this.#end += bytes.length;
  }

  /** Puts bytes somewhere from `start` on, for `extend` to include them later. */
  put(position: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#reserve(position + bytes.length - this.#start);
    const at = this.#index(position);
    const room = this.#bytes.length - at;
    if (bytes.length <= room) {
      this.#bytes.set(bytes, at);
    } else {
      this.#bytes.set(bytes.subarray(0, room), at);
      this.#bytes.set(bytes.subarray(room), 0);
    }
  }

  /** Includes what was put up to a position. */
  extend(end: number): void {
    this.#end = end;
  }

  copy(position: number, length: number, target: Uint8Array, targetAt: number): void {
    if (length === 0) return;
    const at = this.#index(position);
    const first = Math.min(length, this.#bytes.length - at);
    target.set(this.#bytes.subarray(at, at + first), targetAt);
    if (first < length) target.set(this.#bytes.subarray(0, length - first), targetAt + first);
  }

  /** A view of the bytes from `start` on: as many as lie in one piece, at most up to `end`. */
  first(): Uint8Array {
    const at = this.#index(this.#start);
    return this.#bytes.subarray(at, Math.min(at + this.length, this.#bytes.length));
  }

  /** Forgets what is before a position. */
  release(position: number): void {
    this.#start = position;
  }

  /**
   * While nothing is kept: the next bytes go to the ring's beginning, which is in the processor's caches.
   * @param largest a ring that is larger is given up
   */
  rewind(largest: number): void {
    this.#origin = this.#start;
    if (this.#bytes.length > largest) this.#bytes = NOTHING;
  }

  /** Forgets all, and the ring itself. */
  clear(): void {
    this.#start = this.#end;
    this.#bytes = NOTHING;
  }

  #index(position: number): number {
    return (position - this.#origin) % this.#bytes.length;
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    let size = Math.max(SMALLEST, this.#bytes.length);
    while (size < length) size *= 2;
    const bytes = new Uint8Array(size);
    // All of it: what was put beyond the end is there too.
    const old = this.#bytes;
    if (old.length > 0) {
      const at = this.#index(this.#start);
      bytes.set(old.subarray(at), 0);
      bytes.set(old.subarray(0, at), old.length - at);
    }
    this.#bytes = bytes;
    this.#origin = this.#start;
  }
}
