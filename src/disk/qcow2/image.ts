/**
 * A qcow2 image as a disk.
 *
 * Order. Whatever the file refers to must be on stable storage before what
 * refers to it, or a power cut would leave an image that is corrupt and not just
 * one with leaks. So data go to their clusters at once, and changed tables stay
 * in memory until a flush, or until there are too many. `#commit` then writes
 *
 *   1. refcounts that have grown, and L2 tables that nothing refers to yet;
 *   2. the refcount table's pointers to new blocks, if there are any;
 *   3. entries of L2 tables and of the L1 table;
 *
 * with a flush of the file behind each. Only now, when nothing in the file
 * refers to them any more, clusters that were given up are counted down and may
 * be used again. Entries never cross a sector, so torn writes do no harm.
 *
 * Concurrency. Reads, and writes to clusters that are this image's own, go
 * straight to the file. What changes tables waits its turn.
 */

import type { BlockFile } from "../../backends/block-file.ts";
import { roundUp } from "../bytes.ts";
import { DiskError, damaged, quote } from "../errors.ts";
import type { Extent, Image } from "../image.ts";
import type { Table } from "./cache.ts";
import { makeWritable } from "./check.ts";
import { type Compression, type Header, MAX_L1_BYTES, MAX_OFFSET, readHeader } from "./header.ts";
import { type Entry, Mapping, type Place } from "./mapping.ts";
import { Refcounts, type Run } from "./refcounts.ts";
import { forget, growL1, type Tables, writeSize } from "./resize.ts";

/**
 * Decompresses a cluster's data, which may have rubbish behind them.
 * @returns `length` bytes @throws anything, or rejects, for data that don't give so many
 */
export type Decompress = (type: Compression, data: Uint8Array, length: number) => Uint8Array | Promise<Uint8Array>;

export interface Qcow2Options {
  /** What is under it, where the header names a backing file. */
  readonly backing?: Image;
  readonly decompress?: Decompress;
}

/** Decompressed clusters in memory. */
const DECOMPRESSED = 4;
/** Clusters that are given up and wait for the next commit. */
const MAX_PENDING = 65_536;

export class Qcow2Image implements Image {
  readonly readOnly: boolean;
  readonly header: Header;
  readonly #file: BlockFile;
  #backing: Image | undefined;
  readonly #decompress: Decompress | undefined;
  readonly #map: Mapping;
  readonly #refcounts: Refcounts;
  readonly #clusterSize: number;
  #size: number;
  /** Clusters of the file with a reference less each, once the tables are written. */
  #pending: number[] = [];
  /** The last of the changes that wait for each other. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Reads and writes under way that hold places in the file. */
  readonly #inFlight = new Set<Promise<void>>();
  readonly #decompressed = new Map<string, Uint8Array>();
  /** A cluster's worth of bytes for whoever has the turn. */
  #scratch: Uint8Array | undefined;
  /** Where the next compressed data go, and how many bytes are left in their cluster. */
  #packing = { offset: 0, left: 0 };

  private constructor(file: BlockFile, header: Header, map: Mapping, refcounts: Refcounts, options: Qcow2Options) {
    this.#file = file;
    this.header = header;
    this.#backing = options.backing;
    this.#decompress = options.decompress;
    this.#map = map;
    this.#refcounts = refcounts;
    this.#clusterSize = header.clusterSize;
    this.#size = Math.floor(header.size / 512) * 512;
    this.readOnly = file.readOnly;
  }

  get size(): number {
    return this.#size;
  }

  /** What is under it. */
  get backing(): Image | undefined {
    return this.#backing;
  }

  /**
   * From now on another image is under it, which reads the same. Nothing may be under way.
   * @returns the one before, which isn't this image's to close any more
   */
  exchangeBacking(image: Image | undefined): Image | undefined {
    const before = this.#backing;
    this.#backing = image;
    return before;
  }

  /** Opens an image; the file is the image's from then on. @throws DiskError */
  static async open(file: BlockFile, options: Qcow2Options = {}): Promise<Qcow2Image> {
    let header = await readHeader(file);
    if (!file.readOnly) {
      await makeWritable(file, header);
      header = await readHeader(file);
    }
    return new Qcow2Image(file, header, await Mapping.open(file, header), await Refcounts.open(file, header), options);
  }

  read(offset: number, into: Uint8Array): void | Promise<void> {
    const waits: Promise<void>[] = [];
    try {
      for (let at = 0; at < into.length; ) {
        const place = this.#map.find(offset + at, into.length - at);
        if (!place) {
          waits.push(this.#readLater(offset + at, into.subarray(at)));
          break;
        }
        const wait = this.#readPlace(place, offset + at, into.subarray(at, at + place.length));
        if (wait) waits.push(wait);
        at += place.length;
      }
    } catch (error) {
      if (waits.length === 0) throw error;
      waits.push(Promise.reject(error));
    }
    if (waits.length > 0) return this.#track(waits);
  }

  async #readLater(offset: number, into: Uint8Array): Promise<void> {
    await this.#map.load(offset);
    await this.read(offset, into);
  }

  /** Fills all of `into` from one place. */
  #readPlace(place: Place, offset: number, into: Uint8Array): void | Promise<void> {
    switch (place.kind) {
      case "data":
        return this.#file.read(place.host, into);
      case "zero":
        into.fill(0);
        return;
      case "absent":
        return readBacking(this.#backing, offset, into);
      case "compressed":
        return this.#readCompressed(place, offset % this.#clusterSize, into);
    }
  }

  async #readCompressed(place: Place, from: number, into: Uint8Array): Promise<void> {
    const cluster = await this.#decompressedCluster(place);
    into.set(cluster.subarray(from, from + into.length));
  }

  async #decompressedCluster({ host, compressed }: Place): Promise<Uint8Array> {
    const key = `${host} ${compressed}`;
    const known = this.#decompressed.get(key);
    if (known) return known;
    const { compression } = this.header;
    if (!this.#decompress)
      throw new DiskError(
        "unsupported",
        `The image ${quote(this.#file.name)} is compressed, and that can't be read here.`,
      );
    const data = new Uint8Array(compressed);
    await this.#file.read(host, data);
    let cluster: Uint8Array;
    try {
      cluster = await this.#decompress(compression, data, this.#clusterSize);
    } catch (error) {
      if (error instanceof DiskError) throw error;
      throw damaged(this.#file.name, `compressed data at ${host} are wrong`);
    }
    if (cluster.length !== this.#clusterSize)
      throw damaged(this.#file.name, `compressed data at ${host} are too short`);
    for (const old of this.#decompressed.keys()) {
      if (this.#decompressed.size < DECOMPRESSED) break;
      this.#decompressed.delete(old);
    }
    this.#decompressed.set(key, cluster);
    return cluster;
  }

  write(offset: number, bytes: Uint8Array): void | Promise<void> {
    this.#mustBeWritable();
    const waits: Promise<void>[] = [];
    let at = 0;
    try {
      for (let place: Place | undefined; at < bytes.length; at += place.length) {
        place = this.#map.find(offset + at, bytes.length - at);
        if (!place?.writable) break;
        const wait = this.#writePlace(place, bytes.subarray(at, at + place.length));
        if (wait) waits.push(wait);
      }
    } catch (error) {
      if (waits.length === 0) throw error;
      return this.#track([...waits, Promise.reject(error)]);
    }
    const direct = waits.length > 0 ? this.#track(waits) : undefined;
    if (at === bytes.length) return direct;
    const rest = this.#exclusive(() => this.#writeAll(offset + at, bytes.subarray(at)));
    return direct ? allDone([direct, rest]) : rest;
  }

  /** Writes where a place is, which must be writable. */
  #writePlace(place: Place, bytes: Uint8Array): void | Promise<void> {
    this.#mustNotBeTable(place.host, bytes.length);
    return this.#file.write(place.host, bytes);
  }

  /** Data never go where tables are, whatever other tables say. */
  #mustNotBeTable(host: number, length: number): void {
    for (let at = host - (host % this.#clusterSize); at < host + length; at += this.#clusterSize) {
      if (at === 0 || this.#map.holds(at) || this.#refcounts.holds(at))
        throw damaged(this.#file.name, "data and tables share a cluster; run `wardian disk check` on it");
    }
  }

  /** With the turn: writes, taking what storage it needs. */
  async #writeAll(offset: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      await this.#commitIfFull();
      at += await this.#writeSome(offset + at, bytes.subarray(at));
    }
  }

  /** With the turn: writes a part that one L2 table is about. @returns its length */
  async #writeSome(offset: number, bytes: Uint8Array): Promise<number> {
    const table = await this.#ownTable(offset);
    // Here now, unless it was the last of the cache and lost against others.
    const place = this.#map.find(offset, bytes.length);
    if (!place) return 0;
    if (place.writable) {
      await this.#writePlace(place, bytes.subarray(0, place.length));
      return place.length;
    }
    const first = this.#map.indexOf(offset);
    const old = this.#map.entry(table, first);
    if (old.kind === "zero" && old.own) {
      // Storage that was kept for this cluster: nobody reads what is in it.
      this.#mustNotBeTable(old.host, this.#clusterSize);
      const done = await this.#fillClusters(offset, bytes, { offset: old.host, count: 1 }, Number.POSITIVE_INFINITY);
      this.#map.setEntry(table, first, old.host);
      return done;
    }
    const run = await this.#refcounts.allocate(this.#wanted(table, first, offset, bytes.length));
    let done: number;
    try {
      for (let k = 0; k < run.count; k++) this.#mustNotBeTable(run.offset + k * this.#clusterSize, 1);
      done = await this.#fillClusters(offset, bytes, run, roundUp(this.#file.size, this.#clusterSize));
    } catch (error) {
      await this.#refcounts.free(run);
      throw error;
    }
    for (let k = 0; k < run.count; k++) {
      this.#giveUp(this.#map.entry(table, first + k));
      this.#map.setEntry(table, first + k, run.offset + k * this.#clusterSize);
    }
    return done;
  }

  /** How many clusters from entry `first` on need new storage for a write, as far as the table goes. */
  #wanted(table: Table, first: number, offset: number, length: number): number {
    const touched = Math.ceil(((offset % this.#clusterSize) + length) / this.#clusterSize);
    const most = Math.min(touched, this.#map.perTable - first);
    for (let k = 1; k < most; k++) {
      if (this.#map.entry(table, first + k).own) return k;
    }
    return most;
  }

  /**
   * Writes to new clusters, with what else is in the first and the last.
   * @param freshFrom the file has never been written from there on, and reads as zero
   * @returns bytes written of `bytes`
   */
  async #fillClusters(offset: number, bytes: Uint8Array, run: Run, freshFrom: number): Promise<number> {
    const size = this.#clusterSize;
    const inFirst = offset % size;
    const length = Math.min(bytes.length, run.count * size - inFirst);
    for (let at = 0; at < length; ) {
      const inCluster = (offset + at) % size;
      const host = run.offset + inFirst + at;
      const whole = Math.floor((length - at) / size) * size;
      if (inCluster === 0 && whole > 0) {
        await this.#file.write(host, bytes.subarray(at, at + whole));
        at += whole;
        continue;
      }
      const part = Math.min(length - at, size - inCluster);
      await this.#fillCluster(offset + at, bytes.subarray(at, at + part), host, freshFrom);
      at += part;
    }
    return length;
  }

  /** Writes a part of a new cluster, and around it what the disk has there. */
  async #fillCluster(offset: number, bytes: Uint8Array, host: number, freshFrom: number): Promise<void> {
    const inCluster = offset % this.#clusterSize;
    const start = offset - inCluster;
    const isFresh = host - inCluster >= freshFrom;
    if (isFresh && (await this.#readsZero(start))) {
      await this.#file.write(host, bytes);
      return;
    }
    this.#scratch ??= new Uint8Array(this.#clusterSize);
    const cluster = this.#scratch;
    const inDisk = Math.min(this.#clusterSize, this.size - start);
    await this.read(start, cluster.subarray(0, inDisk));
    cluster.fill(0, inDisk);
    cluster.set(bytes, inCluster);
    await this.#file.write(host - inCluster, cluster);
  }

  /** Whether the cluster at `start` is zero as far as tables tell. */
  async #readsZero(start: number): Promise<boolean> {
    await this.#map.load(start);
    const place = this.#map.find(start, 1);
    if (!place || place.kind === "zero") return place !== undefined;
    return place.kind === "absent" && start >= (this.#backing?.size ?? 0);
  }

  /** The L2 table for a byte, made or copied if it isn't this image's own. */
  async #ownTable(offset: number): Promise<Table> {
    const index = Math.floor(offset / this.#map.span);
    const l1 = this.#map.l1(index);
    if (l1.own) return this.#map.tables.load(l1.offset);
    const old = l1.offset === 0 ? undefined : await this.#map.tables.load(l1.offset);
    const run = await this.#refcounts.allocate(1);
    if (this.#map.holds(run.offset) || this.#refcounts.holds(run.offset) || run.offset === 0)
      throw damaged(this.#file.name, "a table's cluster counts as free; run `wardian disk check` on it");
    const table = this.#map.tables.create(run.offset, old?.bytes.slice());
    this.#map.setL1(index, run.offset);
    if (old) this.#pending.push(old.offset / this.#clusterSize);
    return table;
  }

  /** An entry is about to be replaced: what it has in the file loses a reference, in good time. */
  #giveUp(entry: Entry): void {
    if (entry.host === 0) return;
    const first = Math.floor(entry.host / this.#clusterSize);
    const last = Math.floor((entry.host + Math.max(1, entry.compressed) - 1) / this.#clusterSize);
    for (let cluster = first; cluster <= last; cluster++) this.#pending.push(cluster);
  }

  zero(offset: number, length: number, unmap: boolean): Promise<void> {
    this.#mustBeWritable();
    return this.#exclusive(() => this.#clear(offset, length, unmap ? "unmap" : "zero"));
  }

  discard(offset: number, length: number): Promise<void> {
    this.#mustBeWritable();
    return this.#exclusive(() => this.#clear(offset, length, "discard"));
  }

  /** With the turn: zeroes a range, by tables where whole clusters are in it. */
  async #clear(offset: number, length: number, how: "zero" | "unmap" | "discard"): Promise<void> {
    const size = this.#clusterSize;
    const end = offset + length;
    for (let at = offset; at < end; ) {
      await this.#commitIfFull();
      const inCluster = at % size;
      // The disk's last cluster may be cut off by its end.
      const whole = inCluster === 0 && (end - at >= size || end === this.size);
      const part = whole ? Math.min(size, end - at) : Math.min(end - at, size - inCluster);
      await this.#map.load(at);
      const place = this.#map.find(at, end - at);
      if (!place) continue; // lost from the cache meanwhile
      if (place.kind === "zero" || (place.kind === "absent" && at >= (this.#backing?.size ?? 0))) {
        at += place.length;
        continue;
      }
      const done = whole && (await this.#clearCluster(at, how));
      if (!done && how !== "discard") await this.#writeAll(at, new Uint8Array(part));
      at += part;
    }
  }

  /** Makes a whole cluster zero by its entry; false if the version has no way to say so. */
  async #clearCluster(at: number, how: "zero" | "unmap" | "discard"): Promise<boolean> {
    const shines = at < (this.#backing?.size ?? 0);
    if (this.header.version === 2 && (shines || how === "zero")) return false;
    const table = await this.#ownTable(at);
    const i = this.#map.indexOf(at);
    const old = this.#map.entry(table, i);
    if (how === "zero" && old.own && old.kind === "data") {
      this.#map.setEntry(table, i, old.host, true);
      return true;
    }
    this.#giveUp(old);
    this.#map.setEntry(table, i, 0, shines);
    return true;
  }

  /**
   * Writes a whole cluster, compressed already, to a place of the disk where
   * nothing has been written yet; data follow each other without gaps.
   */
  writeCompressed(offset: number, data: Uint8Array): Promise<void> {
    return this.#exclusive(async () => {
      await this.#commitIfFull();
      const table = await this.#ownTable(offset);
      const host = await this.#pack(data.length);
      await this.#file.write(host, data);
      const i = this.#map.indexOf(offset);
      this.#giveUp(this.#map.entry(table, i));
      this.#map.setCompressed(table, i, host, data.length);
    });
  }

  /** Room for compressed data, which may begin in the last one's cluster and end in the next. */
  async #pack(length: number): Promise<number> {
    const size = this.#clusterSize;
    const { offset, left } = this.#packing;
    if (left >= length) {
      await this.#refcounts.retain((offset - (offset % size)) / size);
      this.#packing = { offset: offset + length, left: left - length };
      return offset;
    }
    const run = await this.#refcounts.allocate(1);
    // Each piece has a reference of its own to each cluster that it touches.
    const follows = left > 0 && run.offset === offset + left;
    if (follows) await this.#refcounts.retain((offset - (offset % size)) / size);
    const host = follows ? offset : run.offset;
    this.#packing = { offset: host + length, left: run.offset + size - (host + length) };
    return host;
  }

  async flush(): Promise<void> {
    if (this.readOnly) return;
    await this.#exclusive(() => this.#commit());
  }

  async #commitIfFull(): Promise<void> {
    if (this.#map.tables.full || this.#refcounts.full || this.#pending.length >= MAX_PENDING) await this.#commit();
  }

  /** With the turn: puts everything on stable storage, in the order that the head of this file gives. */
  async #commit(): Promise<void> {
    const { tables } = this.#map;
    const hasEntries = tables.dirty.size > 0 || this.#map.dirtyL1;
    await this.#refcounts.writeBlocks();
    await tables.write((table) => table.fresh);
    await this.#file.flush();
    if (this.#refcounts.dirtyTable) {
      await this.#refcounts.writeTable();
      await this.#file.flush();
    }
    this.#refcounts.settle();
    if (hasEntries) {
      await tables.write((table) => !table.fresh);
      await this.#map.writeL1();
      await this.#file.flush();
      this.#map.settle();
    }
    if (this.#pending.length > 0) await this.#release();
  }

  /** Counts down what nothing in the file refers to any more. */
  async #release(): Promise<void> {
    // Whoever has looked a cluster up must be done before it may become another.
    await Promise.allSettled(this.#inFlight);
    this.#decompressed.clear();
    const clusters = this.#pending;
    this.#pending = [];
    for (const cluster of clusters) {
      this.#map.tables.drop(cluster * this.#clusterSize);
      await this.#refcounts.release(cluster);
    }
  }

  async extent(offset: number, length: number): Promise<Extent> {
    const { kind, length: here } = await this.ownExtent(offset, length);
    if (kind !== "absent") return { kind, length: here };
    const there = Math.min(here, (this.#backing?.size ?? 0) - offset);
    return this.#backing && there > 0 ? this.#backing.extent(offset, there) : { kind: "zero", length: here };
  }

  /** As `extent`, of this image alone: where it has nothing, what is under it shines through. */
  async ownExtent(offset: number, length: number): Promise<{ kind: Extent["kind"] | "absent"; length: number }> {
    for (;;) {
      await this.#map.load(offset);
      const place = this.#map.find(offset, length);
      if (place) return { kind: place.kind === "compressed" ? "data" : place.kind, length: place.length };
    }
  }

  resize(size: number): Promise<void> {
    this.#mustBeWritable();
    const { version, snapshots, clusterSize } = this.header;
    if (version === 2 && snapshots.count > 0)
      throw this.#unfit("is of version 2 and has snapshots, which would lose their size; delete them by qemu-img");
    if (size > MAX_OFFSET || Math.ceil(size / this.#map.span) * 8 > MAX_L1_BYTES)
      throw this.#unfit(`has clusters of ${clusterSize} bytes, and can't become that large; convert it to larger ones`);
    return this.#exclusive(() => (size > this.#size ? this.#grow(size) : this.#shrink(size)));
  }

  /**
   * With the turn. What an earlier size has left beyond the end, and what is under
   * it there, is covered before the header says that there is more.
   */
  async #grow(size: number): Promise<void> {
    const before = this.#size;
    await growL1(this.#tables, Math.ceil(size / this.#map.span));
    this.#size = size;
    try {
      await this.#clear(before, size - before, "unmap");
      await this.#commit();
    } catch (error) {
      this.#size = before;
      throw error;
    }
    await writeSize(this.#file, size);
  }

  /** With the turn. What is cut off is nobody's once the header says so. */
  async #shrink(size: number): Promise<void> {
    const before = this.#size;
    await this.#commit();
    await writeSize(this.#file, size);
    this.#size = size;
    await forget(this.#tables, roundUp(size, this.#clusterSize), before);
    await this.#commit();
  }

  /** Gives up all that the image has, so that nothing but what is under it is left. */
  empty(): Promise<void> {
    this.#mustBeWritable();
    if (this.header.snapshots.count > 0)
      throw this.#unfit("has snapshots, which would change with what is under it; delete them by qemu-img");
    return this.#exclusive(async () => {
      await forget(this.#tables, 0, this.#size);
      await this.#commit();
    });
  }

  /** For changes of the tables as a whole, by whoever has the turn. */
  get #tables(): Tables {
    return {
      file: this.#file,
      clusterSize: this.#clusterSize,
      map: this.#map,
      refcounts: this.#refcounts,
      ownTable: (offset) => this.#ownTable(offset),
      giveUp: (entry) => this.#giveUp(entry),
      giveUpTable: (offset, length) => {
        for (let at = 0; at < length; at += this.#clusterSize) this.#pending.push((offset + at) / this.#clusterSize);
      },
      commit: () => this.#commit(),
      commitIfFull: () => this.#commitIfFull(),
    };
  }

  #unfit(why: string): DiskError {
    return new DiskError("unsupported", `The image ${quote(this.#file.name)} ${why}.`);
  }

  async close(): Promise<void> {
    try {
      await this.flush();
      // Clusters that were given up are free in memory now, and in the file after this.
      if (this.#refcounts.dirty) await this.flush();
    } finally {
      try {
        await this.#file.close();
      } finally {
        await this.#backing?.close();
      }
    }
  }

  /** Runs changes of tables one after the other. */
  #exclusive<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(change);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Notes that places in the file are in use until all of these are done. */
  async #track(waits: Promise<void>[]): Promise<void> {
    const all = allDone(waits);
    this.#inFlight.add(all);
    try {
      await all;
    } finally {
      this.#inFlight.delete(all);
    }
  }

  #mustBeWritable(): void {
    if (this.readOnly) throw new DiskError("read-only", `The disk ${quote(this.#file.name)} is read-only.`);
  }
}

/** Waits for all, also when some fail; throws the first failure. */
async function allDone(waits: Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(waits)) if (result.status === "rejected") throw result.reason;
}

/** Reads from what is under an image; zeroes where there is nothing. */
function readBacking(backing: Image | undefined, offset: number, into: Uint8Array): void | Promise<void> {
  const there = Math.max(0, Math.min(into.length, (backing?.size ?? 0) - offset));
  if (there < into.length) into.fill(0, there);
  if (backing && there > 0) return backing.read(offset, into.subarray(0, there));
}
