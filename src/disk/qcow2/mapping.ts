/**
 * Where in the file a disk's clusters are (qcow2.txt, "Cluster mapping"): the L1
 * table, all of it in memory, and L2 tables, some of them.
 */

import type { BlockFile } from "../../backends/block-file.ts";
import { put64, view } from "../bytes.ts";
import { damaged } from "../errors.ts";
import { type Table, TableCache } from "./cache.ts";
import { type Header, MAX_OFFSET } from "./header.ts";

/** L2 tables in memory, bytes: with clusters of 64 KiB, those of 64 GiB of disk. */
const CACHE_BYTES = 8 * 2 ** 20;

/** Bits of an entry's upper and lower half. */
const COPIED = 0x8000_0000;
const COMPRESSED = 0x4000_0000;
const OFFSET_HIGH = 0x00ff_ffff;
const OFFSET_LOW = 0xffff_fe00;
const ZERO = 1;

/** What an entry of an L2 table says about a cluster. */
export interface Entry {
  readonly kind: "absent" | "zero" | "data" | "compressed";
  /** The cluster in the file, which "zero" may have too; 0 is none. For "compressed", where the data begin. */
  readonly host: number;
  /** Bytes of compressed data, at most; else 0. */
  readonly compressed: number;
  /** Nobody else refers to the cluster in the file. */
  readonly own: boolean;
}

/** Some bytes of the disk that are next to each other in the file too, or nowhere. */
export interface Place {
  readonly kind: Entry["kind"];
  /** Of the first byte; for "compressed", of the cluster's data. */
  readonly host: number;
  readonly compressed: number;
  /** Bytes. */
  readonly length: number;
  /** They may be written where they are. */
  readonly writable: boolean;
}

export class Mapping {
  readonly #file: BlockFile;
  readonly #header: Header;
  readonly #clusterSize: number;
  /** Entries of an L2 table. */
  readonly perTable: number;
  /** Bytes of the disk that an L2 table is about. */
  readonly span: number;
  readonly tables: TableCache;
  #l1: DataView;
  #l1Bytes: Uint8Array;
  #l1Offset: number;
  readonly #dirtyL1 = new Set<number>();

  private constructor(file: BlockFile, header: Header, l1: Uint8Array) {
    this.#file = file;
    this.#header = header;
    this.#clusterSize = header.clusterSize;
    this.perTable = header.clusterSize / 8;
    this.span = this.perTable * header.clusterSize;
    this.tables = new TableCache(file, header.clusterSize, CACHE_BYTES);
    this.#l1Bytes = l1;
    this.#l1 = view(l1);
    this.#l1Offset = header.l1Offset;
  }

  static async open(file: BlockFile, header: Header): Promise<Mapping> {
    const l1 = new Uint8Array(header.l1Size * 8);
    await file.read(header.l1Offset, l1);
    return new Mapping(file, header, l1);
  }

  /** Whether the L1 table or one of the L2 tables in memory is in that cluster. */
  holds(offset: number): boolean {
    const at = offset - this.#l1Offset;
    return (at >= 0 && at < this.#l1Bytes.length) || this.tables.has(offset);
  }

  get dirtyL1(): boolean {
    return this.#dirtyL1.size > 0;
  }

  /** Entry `index` of the L1 table; offset 0 if there is no L2 table. @throws DiskError damaged */
  l1(index: number): { readonly offset: number; readonly own: boolean } {
    const high = this.#l1.getUint32(index * 8);
    const offset = (high & OFFSET_HIGH) * 2 ** 32 + ((this.#l1.getUint32(index * 8 + 4) & OFFSET_LOW) >>> 0);
    if (offset === 0) return { offset, own: false };
    if (offset % this.#clusterSize !== 0) throw damaged(this.#file.name, "its L1 table points between clusters");
    return { offset, own: (high & COPIED) !== 0 };
  }

  setL1(index: number, offset: number): void {
    put64(this.#l1, index * 8, offset);
    this.#l1.setUint32(index * 8, (this.#l1.getUint32(index * 8) | COPIED) >>> 0);
    this.#dirtyL1.add(index);
  }

  /** There is no L2 table for that part of the disk any more. */
  clearL1(index: number): void {
    put64(this.#l1, index * 8, 0);
    this.#dirtyL1.add(index);
  }

  /** The L1 table: where it is, and its bytes. */
  get l1Table(): { readonly offset: number; readonly bytes: Uint8Array } {
    return { offset: this.#l1Offset, bytes: this.#l1Bytes };
  }

  /** The L1 table is another from now on, which is in the file already. */
  moveL1(offset: number, bytes: Uint8Array): void {
    this.#l1Bytes = bytes;
    this.#l1 = view(bytes);
    this.#l1Offset = offset;
  }

  /** Writes what has changed of the L1 table. */
  async writeL1(): Promise<void> {
    if (this.#dirtyL1.size === 0) return;
    let [first, last] = [Number.POSITIVE_INFINITY, 0];
    for (const index of this.#dirtyL1) [first, last] = [Math.min(first, index), Math.max(last, index)];
    await this.#file.write(this.#l1Offset + first * 8, this.#l1Bytes.subarray(first * 8, last * 8 + 8));
  }

  settle(): void {
    this.tables.settle();
    this.#dirtyL1.clear();
  }

  /** Entry `i` of an L2 table. @throws DiskError damaged */
  entry(table: Table, i: number): Entry {
    const high = table.view.getUint32(i * 8);
    const low = table.view.getUint32(i * 8 + 4);
    if ((high & COMPRESSED) !== 0) return this.#compressedEntry(table, i);
    const host = (high & OFFSET_HIGH) * 2 ** 32 + ((low & OFFSET_LOW) >>> 0);
    const zero = (low & ZERO) !== 0;
    if (zero && this.#header.version === 2) throw damaged(this.#file.name, "version 2 has no zero clusters");
    if (host === 0) return zero ? NOTHING_ZERO : NOTHING;
    if (host % this.#clusterSize !== 0) throw damaged(this.#file.name, "an L2 table points between clusters");
    if (host >= this.#file.size) throw damaged(this.#file.name, "an L2 table points beyond its end");
    return { kind: zero ? "zero" : "data", host, compressed: 0, own: (high & COPIED) !== 0 };
  }

  /** "Compressed Clusters Descriptor": x bits of offset, then the number of further sectors. */
  #compressedEntry(table: Table, i: number): Entry {
    const { host, length } = compressedPlace(table.view.getBigUint64(i * 8), this.#header.clusterBits);
    if (host >= this.#file.size || host > MAX_OFFSET)
      throw damaged(this.#file.name, "compressed data would be beyond its end");
    return { kind: "compressed", host, compressed: length, own: false };
  }

  /** Points an entry at a cluster of its own, with `zero` one that isn't read; at 0, at none. */
  setEntry(table: Table, i: number, host: number, zero = false): void {
    const own = host === 0 ? 0 : COPIED;
    table.view.setUint32(i * 8, (Math.floor(host / 2 ** 32) | own) >>> 0);
    table.view.setUint32(i * 8 + 4, (host | (zero ? ZERO : 0)) >>> 0);
    this.tables.changed(table, i * 8, 8);
  }

  /** Points an entry at compressed data. */
  setCompressed(table: Table, i: number, host: number, length: number): void {
    const shift = BigInt(70 - this.#header.clusterBits);
    const sectors = BigInt(Math.floor((host + length - 1) / 512) - Math.floor(host / 512));
    table.view.setBigUint64(i * 8, (1n << 62n) | (sectors << shift) | BigInt(host));
    this.tables.changed(table, i * 8, 8);
  }

  /** The number in its L2 table of the cluster with a byte of the disk. */
  indexOf(offset: number): number {
    return Math.floor((offset % this.span) / this.#clusterSize);
  }

  /**
   * What is at `offset` and how far the same goes, up to `length` bytes; undefined
   * if the L2 table isn't here: `load` brings it.
   * @throws DiskError damaged
   */
  find(offset: number, length: number): Place | undefined {
    const index = Math.floor(offset / this.span);
    const inSpan = Math.min(length, (index + 1) * this.span - offset);
    const l1 = this.l1(index);
    if (l1.offset === 0) return { kind: "absent", host: 0, compressed: 0, length: inSpan, writable: false };
    const table = this.tables.cached(l1.offset);
    if (!table) return undefined;
    let i = this.indexOf(offset);
    const first = this.entry(table, i);
    const inCluster = offset % this.#clusterSize;
    let known = this.#clusterSize - inCluster;
    if (first.kind === "compressed")
      return {
        kind: "compressed",
        host: first.host,
        compressed: first.compressed,
        length: Math.min(known, inSpan),
        writable: false,
      };
    for (; known < inSpan; known += this.#clusterSize) {
      const next = this.entry(table, ++i);
      if (next.kind !== first.kind || next.own !== first.own) break;
      if (first.kind === "data" && next.host !== first.host + known + inCluster) break;
    }
    return {
      kind: first.kind,
      host: first.kind === "data" ? first.host + inCluster : 0,
      compressed: 0,
      length: Math.min(known, inSpan),
      writable: first.kind === "data" && first.own && l1.own,
    };
  }

  /** Brings the L2 table for a byte of the disk. */
  async load(offset: number): Promise<Table | undefined> {
    const l1 = this.l1(Math.floor(offset / this.span));
    return l1.offset === 0 ? undefined : this.tables.load(l1.offset);
  }
}

const NOTHING: Entry = { kind: "absent", host: 0, compressed: 0, own: false };
const NOTHING_ZERO: Entry = { kind: "zero", host: 0, compressed: 0, own: false };

/** Where an entry's compressed data are, and how many bytes they may have. */
export function compressedPlace(entry: bigint, clusterBits: number): { host: number; length: number } {
  const x = BigInt(70 - clusterBits);
  const host = Number(entry & ((1n << x) - 1n));
  const sectors = Number((entry >> x) & ((1n << BigInt(clusterBits - 8)) - 1n)) + 1;
  return { host, length: sectors * 512 - (host % 512) };
}
