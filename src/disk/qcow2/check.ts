/**
 * Whether an image is consistent: every cluster is counted as often as something
 * refers to it. What counts as corruption and what as a leak is as in `qemu-img
 * check`, so that both give the same numbers.
 */

import type { BlockFile } from "../../backends/block-file.ts";
import { get64, roundUp, view } from "../bytes.ts";
import { DiskError, damaged } from "../errors.ts";
import { cleared, FIELD, type Header, MAX_OFFSET, readHeader } from "./header.ts";
import { compressedPlace } from "./mapping.ts";
import { Refcounts } from "./refcounts.ts";
import { readSnapshots } from "./snapshots.ts";

export interface CheckOptions {
  /** "leaks": clusters that nothing refers to; "all": refcounts that are too low, and flags, too. */
  readonly repair?: "leaks" | "all";
  /** How far it is, in bytes of the file. */
  readonly progress?: (done: number, total: number) => void;
}

export interface CheckResult {
  /** What is wrong and still there. */
  corruptions: number;
  leaks: number;
  /** What could not be looked at. */
  errors: number;
  /** What was wrong and is no more. */
  repairedCorruptions: number;
  repairedLeaks: number;
  /** Some of what is wrong, a line each. */
  messages: string[];
  /** Clusters of the disk: those that have data, out of how many, and of those the compressed. */
  allocatedClusters: number;
  totalClusters: number;
  compressedClusters: number;
  /** Bytes of the file up to the last cluster in use. */
  imageEnd: number;
}

const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
const L1_RESERVED = 0x7f00_0000_0000_01ffn;
const L2_RESERVED = 0x3f00_0000_0000_01fen;
const COPIED = 1n << 63n;
const COMPRESSED = 1n << 62n;
const ZERO = 1n;
/** Lines of messages that are kept. */
const MAX_MESSAGES = 50;
/** Counters of this many clusters are made together. */
const CHUNK_BITS = 9;
/** Memory for counters, bytes; a file that needs more has holes where nothing should be. */
const MAX_COUNTERS = 512 * 2 ** 20;

/** Counts of references by cluster, where there are any. */
class Counters {
  readonly #chunks = new Map<number, Uint32Array>();
  /** One more than the last cluster with a reference. */
  end = 0;

  add(cluster: number): void {
    this.end = Math.max(this.end, cluster + 1);
    const index = Math.floor(cluster / 2 ** CHUNK_BITS);
    let chunk = this.#chunks.get(index);
    if (!chunk) {
      if (this.#chunks.size * 2 ** CHUNK_BITS * 4 >= MAX_COUNTERS)
        throw new DiskError("unsupported", "The image is too large to be checked.");
      chunk = new Uint32Array(2 ** CHUNK_BITS);
      this.#chunks.set(index, chunk);
    }
    chunk[cluster % 2 ** CHUNK_BITS]!++;
  }

  get(cluster: number): number {
    return this.#chunks.get(Math.floor(cluster / 2 ** CHUNK_BITS))?.[cluster % 2 ** CHUNK_BITS] ?? 0;
  }

  /** Whether there is none in this and the following clusters of the same chunk. */
  emptyChunk(cluster: number): boolean {
    return !this.#chunks.has(Math.floor(cluster / 2 ** CHUNK_BITS));
  }
}

/**
 * Checks an image that nobody else writes.
 * @throws DiskError when it isn't qcow2 at all, can't be read, or can't be written for a repair
 */
export async function checkQcow2(file: BlockFile, options: CheckOptions = {}): Promise<CheckResult> {
  const header = await readHeader(file);
  const checker = new Checker(file, header, await Refcounts.open(file, header), options);
  return checker.run();
}

/** A flag that isn't as it should be: the entry at `at` of the file, and what it should be. */
interface Flag {
  readonly at: number;
  readonly entry: bigint;
}

class Checker {
  readonly #file: BlockFile;
  readonly #header: Header;
  readonly #refcounts: Refcounts;
  readonly #options: CheckOptions;
  readonly #counters = new Counters();
  readonly #clusterSize: number;
  readonly #result: CheckResult;
  #seen = 0;

  constructor(file: BlockFile, header: Header, refcounts: Refcounts, options: CheckOptions) {
    this.#file = file;
    this.#header = header;
    this.#refcounts = refcounts;
    this.#options = options;
    this.#clusterSize = header.clusterSize;
    this.#result = {
      corruptions: 0,
      leaks: 0,
      errors: 0,
      repairedCorruptions: 0,
      repairedLeaks: 0,
      messages: [],
      allocatedClusters: 0,
      totalClusters: Math.ceil(header.size / header.clusterSize),
      compressedClusters: 0,
      imageEnd: 0,
    };
  }

  async run(): Promise<CheckResult> {
    const { l1Offset, l1Size, snapshots, bitmaps } = this.#header;
    this.#refer(0, this.#clusterSize);
    await this.#countL1(l1Offset, l1Size, true);
    const list = await readSnapshots(this.#file, this.#header);
    for (const { l1Offset, l1Size, id } of list.snapshots) {
      if (l1Offset % this.#clusterSize !== 0) this.#corrupt(`snapshot ${id}: its L1 table is not aligned`);
      else await this.#countL1(l1Offset, l1Size, false);
    }
    this.#refer(snapshots.offset, list.bytes);
    if (bitmaps) await this.#countBitmaps(bitmaps);
    await this.#countRefcounts();
    await this.#compare();
    await this.#checkFlags();
    const isSound = this.#result.corruptions + this.#result.errors === 0;
    if (isSound && this.#options.repair === "all" && (this.#header.dirty || this.#header.corrupt)) {
      await this.#file.write(FIELD.incompatible, cleared(this.#header));
      await this.#file.flush();
    }
    return this.#result;
  }

  #say(text: string): void {
    if (this.#result.messages.length < MAX_MESSAGES) this.#result.messages.push(text);
  }

  #corrupt(text: string): void {
    this.#result.corruptions++;
    this.#say(`Corruption: ${text}`);
  }

  /** Something refers to these bytes of the file. */
  #refer(offset: number, length: number): boolean {
    if (length === 0) return true;
    // The last cluster may be cut off by the file's end, but must begin before it.
    if (offset + length - this.#file.size >= this.#clusterSize || offset > MAX_OFFSET) {
      this.#corrupt(`something at ${offset} is beyond the file's end`);
      return false;
    }
    const last = Math.floor((offset + length - 1) / this.#clusterSize);
    for (let cluster = Math.floor(offset / this.#clusterSize); cluster <= last; cluster++) this.#counters.add(cluster);
    return true;
  }

  async #countL1(offset: number, entries: number, active: boolean): Promise<void> {
    if (entries === 0 || !this.#refer(offset, entries * 8)) return;
    const l1 = await this.#read(offset, entries * 8);
    for (let i = 0; i < entries; i++) {
      const entry = l1.getBigUint64(i * 8);
      if (entry === 0n) continue;
      if ((entry & L1_RESERVED) !== 0n) this.#corrupt(`L1 entry ${i} has reserved bits set`);
      const l2 = Number(entry & OFFSET_MASK);
      const isThere = this.#refer(l2, this.#clusterSize);
      if (l2 % this.#clusterSize !== 0) this.#corrupt(`L2 table ${i} is not aligned`);
      if (isThere) await this.#countL2(l2, active);
    }
  }

  async #countL2(offset: number, active: boolean): Promise<void> {
    const l2 = await this.#read(offset, this.#clusterSize);
    for (let i = 0; i < this.#clusterSize / 8; i++) {
      const entry = l2.getBigUint64(i * 8);
      if (entry === 0n) continue;
      if ((entry & COMPRESSED) !== 0n) {
        if ((entry & COPIED) !== 0n) this.#corrupt(`L2 table ${offset}, entry ${i}: compressed and marked as its own`);
        const { host, length } = compressedPlace(entry, this.#header.clusterBits);
        this.#refer(host, length);
        if (active) this.#result.allocatedClusters++;
        if (active) this.#result.compressedClusters++;
        continue;
      }
      if ((entry & L2_RESERVED) !== 0n) this.#corrupt(`L2 table ${offset}, entry ${i} has reserved bits set`);
      const host = Number(entry & OFFSET_MASK);
      if (host === 0) continue;
      if (active && ((entry & ZERO) === 0n || this.#header.version === 2)) this.#result.allocatedClusters++;
      if (host % this.#clusterSize !== 0) this.#corrupt(`cluster ${host} is not aligned`);
      this.#refer(host, this.#clusterSize);
    }
    this.#seen += this.#clusterSize;
  }

  /** "Bitmaps": the directory, each bitmap's table, and the clusters that it points to. */
  async #countBitmaps({ count, offset, size }: NonNullable<Header["bitmaps"]>): Promise<void> {
    if (!this.#refer(offset, size)) return;
    const directory = await this.#read(offset, size);
    let at = 0;
    for (let i = 0; i < count; i++) {
      if (at + 24 > size) return this.#corrupt("the bitmaps' directory ends too early");
      const table = get64(directory, at);
      const entries = directory.getUint32(at + 8);
      at += roundUp(24 + directory.getUint16(at + 18) + directory.getUint32(at + 20), 8);
      if (entries > 2 ** 23) return this.#corrupt("a bitmap's table is too large");
      if (entries === 0 || !this.#refer(table, entries * 8)) continue;
      const pointers = await this.#read(table, entries * 8);
      for (let k = 0; k < entries; k++) {
        const cluster = Number(pointers.getBigUint64(k * 8) & OFFSET_MASK);
        if (cluster !== 0) this.#refer(cluster, this.#clusterSize);
      }
    }
  }

  /** The refcount table and its blocks, which count themselves. */
  async #countRefcounts(): Promise<void> {
    const { offset, bytes } = this.#refcounts.table;
    this.#refer(offset, bytes.length);
    const table = view(bytes);
    for (let i = 0; i < bytes.length / 8; i++) {
      const block = get64(table, i * 8);
      if (block === 0) continue;
      if (block % this.#clusterSize !== 0) this.#corrupt(`block ${i} of refcounts is not aligned`);
      else if (block >= this.#file.size) this.#corrupt(`block ${i} of refcounts is beyond the file's end`);
      else if (this.#refer(block, this.#clusterSize) && this.#counters.get(block / this.#clusterSize) !== 1)
        this.#corrupt(`block ${i} of refcounts is used for something else too`);
    }
  }

  /** Holds the refcounts of the file against what was counted, and corrects them. */
  async #compare(): Promise<void> {
    const { repair } = this.#options;
    const size = this.#clusterSize;
    const clusters = Math.max(Math.ceil(this.#file.size / size), this.#counters.end);
    const low: number[] = [];
    const high: number[] = [];
    for (let cluster = 0; cluster < clusters; cluster++) {
      if (this.#counters.emptyChunk(cluster) && cluster % this.#refcounts.perBlock === 0) {
        // A whole block of refcounts that isn't there, and nothing that should be in it.
        const next = await this.#skip(cluster, clusters);
        if (next > cluster) {
          cluster = next - 1;
          continue;
        }
      }
      const wanted = this.#counters.get(cluster);
      let found: number;
      try {
        found = await this.#refcounts.get(cluster);
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        this.#result.errors++;
        this.#say(`Error: the refcount of cluster ${cluster} can't be read`);
        continue;
      }
      if (found > 0 || wanted > 0) this.#result.imageEnd = (cluster + 1) * size;
      if (found === wanted) continue;
      const isLeak = found > wanted;
      if (isLeak) {
        this.#result.leaks++;
        this.#say(`Leak: cluster ${cluster} has refcount ${found} and ${wanted} references`);
      } else this.#corrupt(`cluster ${cluster} has refcount ${found} and ${wanted} references`);
      if (repair && isLeak) high.push(cluster);
      if (repair === "all" && !isLeak && wanted <= this.#refcounts.largest) low.push(cluster);
    }
    if (low.length + high.length === 0) return;
    // More first: what is in use must never look free, whenever this ends.
    for (const cluster of low) await this.#refcounts.set(cluster, this.#counters.get(cluster));
    await this.#writeRefcounts();
    for (const cluster of high) await this.#refcounts.set(cluster, this.#counters.get(cluster));
    await this.#writeRefcounts();
    this.#result.corruptions -= low.length;
    this.#result.repairedCorruptions += low.length;
    this.#result.leaks -= high.length;
    this.#result.repairedLeaks += high.length;
  }

  /** The next cluster that has a refcount or a reference, from the start of a block on. */
  async #skip(cluster: number, end: number): Promise<number> {
    const { perBlock } = this.#refcounts;
    const table = view(this.#refcounts.table.bytes);
    let at = cluster;
    while (at < end) {
      const index = Math.floor(at / perBlock);
      const block = index * 8 < table.byteLength ? get64(table, index * 8) : 0;
      if (block !== 0) break;
      const stop = Math.min(end, at + perBlock);
      for (let c = at; c < stop; c += 2 ** CHUNK_BITS) if (!this.#counters.emptyChunk(c)) return at;
      at = stop;
    }
    return at;
  }

  async #writeRefcounts(): Promise<void> {
    await this.#refcounts.writeBlocks();
    await this.#file.flush();
    await this.#refcounts.writeTable();
    await this.#file.flush();
    this.#refcounts.settle();
  }

  /** Entries of the active tables say of each cluster whether its refcount is one. */
  async #checkFlags(): Promise<void> {
    const wrong: Flag[] = [];
    const { l1Offset, l1Size } = this.#header;
    const l1 = await this.#read(l1Offset, l1Size * 8);
    for (let i = 0; i < l1Size; i++) {
      const entry = l1.getBigUint64(i * 8);
      const l2Offset = Number(entry & OFFSET_MASK);
      if (l2Offset === 0 || l2Offset >= this.#file.size) continue;
      await this.#checkFlag(entry, l2Offset, l1Offset + i * 8, wrong);
      const l2 = await this.#read(l2Offset, this.#clusterSize);
      for (let k = 0; k < this.#clusterSize / 8; k++) {
        const data = l2.getBigUint64(k * 8);
        const host = Number(data & OFFSET_MASK);
        if (host !== 0 && (data & COMPRESSED) === 0n) await this.#checkFlag(data, host, l2Offset + k * 8, wrong);
      }
    }
    if (this.#options.repair !== "all") return;
    for (const { at, entry } of wrong) {
      const bytes = new Uint8Array(8);
      view(bytes).setBigUint64(0, entry);
      await this.#file.write(at, bytes);
    }
    if (wrong.length > 0) await this.#file.flush();
    this.#result.corruptions -= wrong.length;
    this.#result.repairedCorruptions += wrong.length;
  }

  async #checkFlag(entry: bigint, host: number, at: number, wrong: Flag[]): Promise<void> {
    let refcount: number;
    try {
      refcount = await this.#refcounts.get(Math.floor(host / this.#clusterSize));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return; // counted already
    }
    if ((refcount === 1) === ((entry & COPIED) !== 0n)) return;
    this.#corrupt(
      `the entry at ${at} is wrong about cluster ${host / this.#clusterSize}, whose refcount is ${refcount}`,
    );
    if (wrong.length < 2 ** 20) wrong.push({ at, entry: refcount === 1 ? entry | COPIED : entry & ~COPIED });
  }

  async #read(offset: number, length: number): Promise<DataView> {
    const bytes = new Uint8Array(length);
    await this.#file.read(offset, bytes);
    this.#options.progress?.(Math.min(this.#seen, this.#file.size), this.#file.size);
    return view(bytes);
  }
}

/** Makes an image fit to be written: refcounts that a crash has left behind, and features that we don't keep up. */
export async function makeWritable(file: BlockFile, header: Header): Promise<void> {
  if (header.corrupt)
    throw damaged(file.name, "whoever wrote it last has marked it so; see `wardian disk check --repair`");
  if (header.dirty) {
    const { corruptions, errors } = await checkQcow2(file, { repair: "all" });
    if (corruptions + errors > 0)
      throw damaged(file.name, "it was not closed in order and can't be repaired; see `wardian disk check`");
  }
  if (header.autoclear) {
    await file.write(FIELD.autoclear, new Uint8Array(8));
    await file.flush();
  }
}
