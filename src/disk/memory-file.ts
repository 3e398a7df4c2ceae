/** A file in memory, of which only the parts take room that were written: for overlays where there are no files. */

import type { BlockFile } from "../backends/block-file.ts";
import { isZero } from "./bytes.ts";
import { DiskError } from "./errors.ts";

const PIECE = 65_536;

export class MemoryFile implements BlockFile {
  readonly readOnly = false;
  readonly name: string;
  readonly #limit: number;
  readonly #pieces = new Map<number, Uint8Array>();
  #size = 0;

  /** @param limit bytes of memory that it may take; beyond, there is no space */
  constructor(name: string, limit = Number.POSITIVE_INFINITY) {
    this.name = name;
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of memory that it takes. */
  get allocated(): number {
    return this.#pieces.size * PIECE;
  }

  read(offset: number, into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      const from = (offset + at) % PIECE;
      const part = into.subarray(at, at + PIECE - from);
      const piece = this.#pieces.get(Math.floor((offset + at) / PIECE));
      if (piece) part.set(piece.subarray(from, from + part.length));
      else part.fill(0);
      at += part.length;
    }
  }

  write(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const from = (offset + at) % PIECE;
      const part = bytes.subarray(at, at + PIECE - from);
      this.#piece(Math.floor((offset + at) / PIECE), part)?.set(part, from);
      at += part.length;
    }
    this.#size = Math.max(this.#size, offset + bytes.length);
  }

  /** The piece of that number, made if it must be. */
  #piece(index: number, bytes: Uint8Array): Uint8Array | undefined {
    const piece = this.#pieces.get(index);
    if (piece || isZero(bytes)) return piece;
    if (this.allocated + PIECE > this.#limit)
      throw new DiskError("no-space", `The memory for ${JSON.stringify(this.name)} is full.`);
    const made = new Uint8Array(PIECE);
    this.#pieces.set(index, made);
    return made;
  }

  truncate(size: number): void {
    if (size < this.#size) this.punchHole(size, this.#size - size);
    this.#size = size;
  }

  flush(): void {}

  punchHole(offset: number, length: number): boolean {
    const end = offset + length;
    for (const [index, piece] of this.#pieces) {
      const [from, to] = [Math.max(offset, index * PIECE), Math.min(end, (index + 1) * PIECE)];
      if (from >= to) continue;
      if (to - from === PIECE) this.#pieces.delete(index);
      else piece.fill(0, from - index * PIECE, to - index * PIECE);
    }
    return true;
  }

  close(): void {}
}
