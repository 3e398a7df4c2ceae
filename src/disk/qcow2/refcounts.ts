/**
 * Which clusters of the file are in use (qcow2.txt, "Host cluster management"):
 * a table of pointers to blocks of refcounts, and an allocator on top of them.
 * Changes stay in memory until `write`; who calls it keeps the order in which
 * things may reach the disk (image.ts).
 */

import type { BlockFile } from "../../backends/block-file.ts";
import { get64, put64, view } from "../bytes.ts";
import { DiskError, damaged } from "../errors.ts";
import { type Table, TableCache } from "./cache.ts";
import { FIELD, type Header, MAX_OFFSET } from "./header.ts";

/** Blocks of refcounts in memory, bytes. */
const CACHE_BYTES = 2 * 2 ** 20;

/** Some clusters next to each other. */
export interface Run {
  /** In the file, bytes. */
  readonly offset: number;
  /** Clusters. */
  readonly count: number;
}

export class Refcounts {
  readonly #file: BlockFile;
  readonly #clusterBits: number;
  readonly #clusterSize: number;
  readonly #order: number;
  /** Clusters that a block has refcounts for. */
  readonly perBlock: number;
  readonly #blocks: TableCache;
  /** The refcount table as in the file, whole clusters. */
  #table: Uint8Array;
  #tableOffset: number;
  #dirtyEntries = new Set<number>();
  /** No cluster before this one is free. */
  #hint = 0;

  private constructor(file: BlockFile, header: Header, table: Uint8Array) {
    this.#file = file;
    this.#clusterBits = header.clusterBits;
    this.#clusterSize = header.clusterSize;
    this.#order = header.refcountOrder;
    this.perBlock = (header.clusterSize * 8) >> header.refcountOrder;
    this.#blocks = new TableCache(file, header.clusterSize, CACHE_BYTES);
    this.#table = table;
    this.#tableOffset = header.refcountTableOffset;
  }

  static async open(file: BlockFile, header: Header): Promise<Refcounts> {
    const table = new Uint8Array(header.refcountTableLength * header.clusterSize);
    await file.read(header.refcountTableOffset, table);
    return new Refcounts(file, header, table);
  }

  /** The refcount table: where it is, and its bytes. */
  get table(): { readonly offset: number; readonly bytes: Uint8Array } {
    return { offset: this.#tableOffset, bytes: this.#table };
  }

  /** Whether the table or one of the blocks in memory is in that cluster. */
  holds(offset: number): boolean {
    const at = offset - this.#tableOffset;
    return (at >= 0 && at < this.#table.length) || this.#blocks.has(offset);
  }

  /** Blocks that must be written soon. */
  get full(): boolean {
    return this.#blocks.full;
  }

  get dirty(): boolean {
    return this.#blocks.dirty.size > 0 || this.#dirtyEntries.size > 0;
  }

  /** The largest refcount; at most 2⁵³ − 1, which no cluster ever has. */
  get largest(): number {
    return this.#order === 6 ? Number.MAX_SAFE_INTEGER : 2 ** (1 << this.#order) - 1;
  }

  /** Where the block for some clusters is; 0 if there is none. @throws DiskError damaged */
  #blockOffset(index: number): number {
    if (index * 8 >= this.#table.length) return 0;
    const offset = get64(view(this.#table), index * 8);
    if (offset % this.#clusterSize !== 0 || offset > MAX_OFFSET)
      throw damaged(this.#file.name, "its refcount table points between clusters");
    return offset;
  }

  /** The refcount of the cluster of that number. */
  async get(cluster: number): Promise<number> {
    const offset = this.#blockOffset(Math.floor(cluster / this.perBlock));
    if (offset === 0) return 0;
    return this.read(await this.#blocks.load(offset), cluster % this.perBlock);
  }

  /** Entry `i` of a block of refcounts. */
  read(block: Table, i: number): number {
    switch (this.#order) {
      case 3:
        return block.bytes[i]!;
      case 4:
        return block.view.getUint16(i * 2);
      case 5:
        return block.view.getUint32(i * 4);
      case 6:
        return get64(block.view, i * 8);
      default: {
        const bits = 1 << this.#order;
        return (block.bytes[(i * bits) >> 3]! >> ((i * bits) & 7)) & ((1 << bits) - 1);
      }
    }
  }

  #write(block: Table, i: number, value: number): void {
    const bits = 1 << this.#order;
    const at = (i * bits) >> 3;
    if (this.#order === 3) block.bytes[at] = value;
    else if (this.#order === 4) block.view.setUint16(at, value);
    else if (this.#order === 5) block.view.setUint32(at, value);
    else if (this.#order === 6) put64(block.view, at, value);
    else {
      const shift = (i * bits) & 7;
      const mask = ((1 << bits) - 1) << shift;
      block.bytes[at] = (block.bytes[at]! & ~mask) | (value << shift);
    }
    this.#blocks.changed(block, at, Math.max(1, bits >> 3));
  }

  /** Sets a refcount, making the block for it if need be. */
  async set(cluster: number, value: number): Promise<void> {
    const index = Math.floor(cluster / this.perBlock);
    if (this.#blockOffset(index) === 0) {
      if (value === 0) return;
      await this.#createBlock(index);
    }
    this.#write(await this.#blocks.load(this.#blockOffset(index)), cluster % this.perBlock, value);
    if (value === 0) this.#hint = Math.min(this.#hint, cluster);
  }

  /** One reference less. */
  async release(cluster: number): Promise<void> {
    const count = await this.get(cluster);
    if (count === 0)
      throw damaged(this.#file.name, "a cluster in use has no refcount; `wardian disk check --repair` may help");
    await this.set(cluster, count - 1);
  }

  /** One reference more. @throws DiskError when the field has no room for it */
  async retain(cluster: number): Promise<void> {
    const count = await this.get(cluster);
    if (count >= this.largest)
      throw new DiskError(
        "unsupported",
        `The refcounts of ${JSON.stringify(this.#file.name)} are too narrow for this.`,
      );
    await this.set(cluster, count + 1);
  }

  /** Takes up to `wanted` free clusters next to each other, as many as there are at the first free place. */
  async allocate(wanted: number): Promise<Run> {
    for (;;) {
      const index = Math.floor(this.#hint / this.perBlock);
      const offset = this.#blockOffset(index);
      if (offset === 0) {
        await this.#createBlock(index);
        continue;
      }
      const block = await this.#blocks.load(offset);
      let i = this.#hint % this.perBlock;
      while (i < this.perBlock && this.read(block, i) !== 0) i++;
      const first = index * this.perBlock + i;
      let count = 0;
      while (count < wanted && i + count < this.perBlock && this.read(block, i + count) === 0) count++;
      this.#hint = first + count;
      if (count === 0) continue;
      if ((first + count) * this.#clusterSize > MAX_OFFSET)
        throw new DiskError("no-space", `The image ${JSON.stringify(this.#file.name)} can't grow any more.`);
      for (let k = 0; k < count; k++) this.#write(block, i + k, 1);
      return { offset: first * this.#clusterSize, count };
    }
  }

  /** Takes `count` free clusters that are all next to each other. */
  async allocateTogether(count: number): Promise<Run> {
    const short: Run[] = [];
    try {
      // A block's own cluster is the first that it is about.
      while (count < this.perBlock) {
        const run = await this.allocate(count);
        if (run.count === count) return run;
        short.push(run);
      }
    } finally {
      for (const run of short) await this.free(run);
    }
    let index = 0;
    for (let i = 0; i < this.#table.length / 8; i++) if (this.#blockOffset(i) !== 0) index = i + 1;
    const blocks = Math.ceil(count / (this.perBlock - 1));
    if ((index + blocks) * 8 > this.#table.length) {
      await this.#growTable(index);
      return this.allocateTogether(count);
    }
    const start = index * this.perBlock;
    if ((start + blocks + count) * this.#clusterSize > MAX_OFFSET)
      throw new DiskError("no-space", `The image ${JSON.stringify(this.#file.name)} can't grow any more.`);
    this.#describe(index, blocks, blocks + count);
    for (let b = 0; b < blocks; b++) this.#setEntry(index + b, (start + b) * this.#clusterSize);
    return { offset: (start + blocks) * this.#clusterSize, count };
  }

  /** Makes blocks from `index` on, at the start of what the first is about, with `used` clusters from there in use. */
  #describe(index: number, blocks: number, used: number): void {
    const start = index * this.perBlock;
    for (let b = 0; b < blocks; b++) {
      const block = this.#blocks.create((start + b) * this.#clusterSize);
      const here = Math.min(this.perBlock, Math.max(0, used - b * this.perBlock));
      for (let i = 0; i < here; i++) this.#write(block, i, 1);
    }
  }

  /** Gives back what `allocate` gave and nothing has come to refer to. */
  async free({ offset, count }: Run): Promise<void> {
    const first = offset / this.#clusterSize;
    for (let k = 0; k < count; k++) await this.set(first + k, 0);
  }

  /**
   * Makes the block of that index, in the first of the clusters that it is about: all of them are free.
   * @throws DiskError damaged
   */
  async #createBlock(index: number): Promise<void> {
    // It would lie in the header's cluster, at 0, which stands for no block.
    if (index === 0)
      throw damaged(this.#file.name, "it has no refcounts of its first clusters; `qemu-img check -r all` may help");
    if ((index + 1) * 8 > this.#table.length) return this.#growTable(index);
    const offset = index * this.perBlock * this.#clusterSize;
    this.#write(this.#blocks.create(offset), 0, 1);
    this.#setEntry(index, offset);
  }

  #setEntry(index: number, offset: number): void {
    put64(view(this.#table), index * 8, offset);
    this.#dirtyEntries.add(index);
  }

  /**
   * Moves the refcount table to where there is more room: into the clusters that
   * block `index` and those behind it would be about. First comes what the new
   * table refers to, then the table, then the header's pointer, each on stable
   * storage before the next.
   */
  async #growTable(index: number): Promise<void> {
    const { blocks, clusters } = this.#planGrowth(index);
    const start = index * this.perBlock;
    if ((start + blocks + clusters) * this.#clusterSize > MAX_OFFSET)
      throw new DiskError("no-space", `The image ${JSON.stringify(this.#file.name)} can't grow any more.`);
    const table = new Uint8Array(clusters * this.#clusterSize);
    table.set(this.#table);
    const offset = (start + blocks) * this.#clusterSize;
    try {
      this.#describe(index, blocks, blocks + clusters);
      for (let b = 0; b < blocks; b++) put64(view(table), (index + b) * 8, (start + b) * this.#clusterSize);
      await this.#blocks.write();
      await this.#file.write(offset, table);
      await this.#file.flush();
      const pointer = new Uint8Array(12);
      put64(view(pointer), 0, offset);
      view(pointer).setUint32(8, clusters);
      await this.#file.write(FIELD.refcountTable, pointer);
      await this.#file.flush();
    } catch (error) {
      for (let b = 0; b < blocks; b++) this.#blocks.drop((start + b) * this.#clusterSize);
      throw error;
    }
    const old = { offset: this.#tableOffset, count: this.#table.length / this.#clusterSize };
    this.#table = table;
    this.#tableOffset = offset;
    this.#dirtyEntries.clear();
    this.#blocks.settle();
    await this.free(old);
  }

  /** How many blocks describe themselves and a table that has room for them and for as much again. */
  #planGrowth(index: number): { blocks: number; clusters: number } {
    for (let blocks = 1; ; blocks++) {
      const entries = Math.max(index + blocks, 2 * (this.#table.length / 8));
      const clusters = Math.ceil((entries * 8) / this.#clusterSize);
      if (blocks + clusters <= blocks * this.perBlock) return { blocks, clusters };
    }
  }

  /** Writes all blocks that have changed. */
  async writeBlocks(): Promise<void> {
    await this.#blocks.write();
  }

  get dirtyTable(): boolean {
    return this.#dirtyEntries.size > 0;
  }

  /** Writes the table's entries for new blocks, which must be on stable storage by now. */
  async writeTable(): Promise<void> {
    if (this.#dirtyEntries.size === 0) return;
    const first = Math.min(...this.#dirtyEntries) * 8;
    const last = Math.max(...this.#dirtyEntries) * 8 + 8;
    await this.#file.write(this.#tableOffset + first, this.#table.subarray(first, last));
  }

  /** What was written is on stable storage. */
  settle(): void {
    this.#blocks.settle();
    this.#dirtyEntries.clear();
  }
}
