/** A file on a disk that loses power: what was not flushed is lost, torn or reordered, by sectors of 512 bytes. */

import type { BlockFile } from "../../src/backends/block-file.ts";
import { DiskError } from "../../src/disk/errors.ts";
import type { Random } from "../../src/fuzz/random.ts";

const SECTOR = 512;

export class FaultyFile implements BlockFile {
  readonly name = "faulty";
  readonly readOnly = false;
  size: number;
  /** Writes and flushes so far. */
  calls = 0;
  /** From this call on there is no power. */
  cutAt = Number.POSITIVE_INFINITY;
  /** Flushes so far, and the one that the power fails in: what waits for it is most at risk. */
  flushes = 0;
  cutAtFlush = Number.POSITIVE_INFINITY;
  /** From this call on, so many writes beyond the file's present end find no room. */
  fullFrom = Number.POSITIVE_INFINITY;
  fullFor = 0;
  #stable: Uint8Array;
  /** What each sector was written since the last flush, oldest first. */
  #pending = new Map<number, Uint8Array[]>();
  readonly #random: Random;
  readonly #slow: boolean;

  /** @param slow lets calls take some turns of the event loop, so that they overlap */
  constructor(content: Uint8Array, random: Random, slow: boolean) {
    // A copy: slice of a Buffer is none.
    this.#stable = new Uint8Array(content);
    this.size = content.length;
    this.#random = random;
    this.#slow = slow;
  }

  read(offset: number, into: Uint8Array): void | Promise<void> {
    if (this.#slow && this.#random() % 2 === 0) return this.#later().then(() => this.#read(offset, into));
    this.#read(offset, into);
  }

  #read(offset: number, into: Uint8Array): void {
    this.#mustHavePower();
    const stable = this.#stable.subarray(offset, offset + into.length);
    into.set(stable);
    into.fill(0, stable.length);
    if (this.#pending.size === 0) return;
    for (let at = 0; at < into.length; ) {
      const sector = Math.floor((offset + at) / SECTOR);
      const from = (offset + at) % SECTOR;
      const part = into.subarray(at, at + SECTOR - from);
      const latest = this.#pending.get(sector)?.at(-1);
      if (latest) part.set(latest.subarray(from, from + part.length));
      at += part.length;
    }
  }

  #latest(sector: number): Uint8Array {
    const versions = this.#pending.get(sector);
    if (versions) return versions.at(-1)!;
    const bytes = new Uint8Array(SECTOR);
    bytes.set(this.#stable.subarray(sector * SECTOR, (sector + 1) * SECTOR));
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): void | Promise<void> {
    this.size = Math.max(this.size, offset + bytes.length);
    if (this.#slow && this.#random() % 2 === 0) return this.#later().then(() => this.#write(offset, bytes));
    this.#write(offset, bytes);
  }

  #write(offset: number, bytes: Uint8Array): void {
    this.#count();
    if (this.calls > this.fullFrom && this.fullFor > 0 && offset + bytes.length > this.#stable.length) {
      this.fullFor--;
      throw new DiskError("no-space", "The disk is full.");
    }
    for (let at = 0; at < bytes.length; ) {
      const sector = Math.floor((offset + at) / SECTOR);
      const from = (offset + at) % SECTOR;
      const part = bytes.subarray(at, at + SECTOR - from);
      const version = part.length === SECTOR ? part.slice() : this.#latest(sector).slice();
      if (part.length < SECTOR) version.set(part, from);
      const versions = this.#pending.get(sector);
      if (versions) versions.push(version);
      else this.#pending.set(sector, [version]);
      at += part.length;
    }
  }

  async flush(): Promise<void> {
    this.#mustHavePower();
    // What is written from now on need not be covered; what was, is.
    const covered = new Map([...this.#pending].map(([sector, versions]) => [sector, versions.at(-1)!]));
    if (this.#slow) await this.#later();
    if (++this.flushes === this.cutAtFlush) this.cutAt = this.calls;
    this.#count();
    for (const [sector, version] of covered) {
      const versions = this.#pending.get(sector);
      const at = versions?.indexOf(version) ?? -1;
      if (!versions || at < 0) continue; // another flush, which covers it too, was faster
      this.#keep(sector, version);
      if (versions.length > at + 1) this.#pending.set(sector, versions.slice(at + 1));
      else this.#pending.delete(sector);
    }
  }

  #keep(sector: number, bytes: Uint8Array): void {
    const end = (sector + 1) * SECTOR;
    if (end > this.#stable.length) {
      const longer = new Uint8Array(Math.max(end, Math.ceil(this.#stable.length * 1.2)));
      longer.set(this.#stable);
      this.#stable = longer.subarray(0, end);
    }
    this.#stable.set(bytes, sector * SECTOR);
  }

  /** What the disk has after a cut: of each sector that was not flushed, any of its versions or the one before. */
  afterCut(): Uint8Array {
    const often = this.#random() % 5;
    for (const [sector, versions] of this.#pending) {
      const choice = this.#random() % (versions.length + 1);
      const isKept = often === 0 ? false : often === 4 ? true : choice > 0;
      if (isKept) this.#keep(sector, versions[often === 4 ? versions.length - 1 : choice - 1]!);
    }
    this.#pending.clear();
    return this.#stable;
  }

  #count(): void {
    this.calls++;
    this.#mustHavePower();
  }

  #mustHavePower(): void {
    if (this.calls >= this.cutAt) throw new DiskError("io", "There is no power.");
  }

  async #later(): Promise<void> {
    for (let turns = this.#random() % 4; turns > 0; turns--) await Promise.resolve();
    if (this.#random() % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
  }

  truncate(): void {
    throw new Error("not here");
  }

  punchHole(): boolean {
    return false;
  }

  close(): void {}
}

/** A file that is only read, from memory. */
export class FixedFile implements BlockFile {
  readonly readOnly = true;
  readonly name: string;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, name = "fixed") {
    this.#bytes = bytes;
    this.name = name;
  }

  get size(): number {
    return this.#bytes.length;
  }

  read(offset: number, into: Uint8Array): void {
    const part = this.#bytes.subarray(offset, offset + into.length);
    into.set(part);
    into.fill(0, part.length);
  }

  write(): void {
    throw new DiskError("read-only", "It is read-only.");
  }

  truncate(): void {
    this.write();
  }

  flush(): void {}

  punchHole(): boolean {
    return false;
  }

  close(): void {}
}
