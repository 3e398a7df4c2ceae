/** A raw image: the file is the disk, up to the next whole sector. */

import type { BlockFile } from "../backends/block-file.ts";
import { isZero, roundUp } from "./bytes.ts";
import { DiskError, quote } from "./errors.ts";
import type { Extent, Image } from "./image.ts";
import { isQcow2 } from "./qcow2/header.ts";

const SECTOR = 512;
/** Zeroes are looked for, and written, in pieces of this size. */
const PIECE = 65_536;
const NOTHING = new Uint8Array(PIECE);

export class RawImage implements Image {
  readonly readOnly: boolean;
  readonly #file: BlockFile;
  /** Nobody has said that it is raw: it must not come to look like something else. */
  readonly #guessed: boolean;
  #size: number;

  constructor(file: BlockFile, { guessed = false }: { guessed?: boolean } = {}) {
    this.#file = file;
    this.#guessed = guessed;
    this.#size = roundUp(file.size, SECTOR);
    this.readOnly = file.readOnly;
  }

  get size(): number {
    return this.#size;
  }

  read(offset: number, into: Uint8Array): void | Promise<void> {
    return this.#file.read(offset, into);
  }

  write(offset: number, bytes: Uint8Array): void | Promise<void> {
    this.#mustBeWritable();
    // Else a guest could write itself a header that names files of the host as its backing file.
    if (offset === 0 && this.#guessed && isQcow2(bytes)) {
      const about = `The disk ${quote(this.#file.name)} is raw by guess alone, so no qcow2 header may be written to it`;
      throw new DiskError("io", `${about}; give its format.`);
    }
    return this.#file.write(offset, bytes);
  }

  /** Writes zeroes only where something else is: what is sparse stays so. */
  async zero(offset: number, length: number, unmap: boolean): Promise<void> {
    this.#mustBeWritable();
    if (unmap && (await this.#file.punchHole(offset, length))) return;
    const piece = new Uint8Array(Math.min(PIECE, length));
    for (let at = offset; at < offset + length; at += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, offset + length - at));
      await this.#file.read(at, part);
      if (!isZero(part)) await this.#file.write(at, NOTHING.subarray(0, part.length));
    }
  }

  async discard(offset: number, length: number): Promise<void> {
    this.#mustBeWritable();
    await this.#file.punchHole(offset, length);
  }

  flush(): void | Promise<void> {
    if (!this.readOnly) return this.#file.flush();
  }

  async resize(size: number): Promise<void> {
    this.#mustBeWritable();
    await this.#file.truncate(size);
    this.#size = size;
    await this.#file.flush();
  }

  /** Holes look like data. */
  async extent(_offset: number, length: number): Promise<Extent> {
    return { kind: "data", length };
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#file.close();
    }
  }

  #mustBeWritable(): void {
    if (this.readOnly) throw new DiskError("read-only", `The disk ${quote(this.#file.name)} is read-only.`);
  }
}
