import type { BlockFile } from "../../backends/block-file.ts";
import { damaged } from "../errors.ts";

/** A cluster-sized table of an image in memory: an L2 table, or a block of refcounts. */
export interface Table {
  /** Where it is in the file. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The bytes that the file doesn't have yet: from, and up to but without; equal if there are none. */
  dirtyFrom: number;
  dirtyTo: number;
  /** Nothing in the file refers to it yet, so it may be written at any time. */
  fresh: boolean;
}

/** Notes that bytes of a table have changed. */
export function touch(table: Table, at: number, length: number): void {
  if (table.dirtyFrom === table.dirtyTo) {
    table.dirtyFrom = at;
    table.dirtyTo = at + length;
    return;
  }
  table.dirtyFrom = Math.min(table.dirtyFrom, at);
  table.dirtyTo = Math.max(table.dirtyTo, at + length);
}

/**
 * Tables by their offset, the most recently used last. Those that are dirty stay
 * whatever the limit, so their owner must write them before there are too many.
 */
export class TableCache {
  readonly #tables = new Map<number, Table>();
  readonly #loading = new Map<number, Promise<Table>>();
  readonly #file: BlockFile;
  readonly #size: number;
  /** Tables. */
  readonly limit: number;
  readonly #dirty = new Set<Table>();
  #last: Table | undefined;

  /** @param bytes what tables may take together */
  constructor(file: BlockFile, tableSize: number, bytes: number) {
    this.#file = file;
    this.#size = tableSize;
    this.limit = Math.max(4, Math.floor(bytes / tableSize));
  }

  get dirty(): ReadonlySet<Table> {
    return this.#dirty;
  }

  /** More of them are dirty than a cache should hold: it is time to write. */
  get full(): boolean {
    return this.#dirty.size * 2 >= this.limit;
  }

  has(offset: number): boolean {
    return this.#tables.has(offset);
  }

  /** The table, if it is here. */
  cached(offset: number): Table | undefined {
    if (this.#last?.offset === offset) return this.#last;
    const table = this.#tables.get(offset);
    if (!table) return undefined;
    this.#tables.delete(offset);
    this.#tables.set(offset, table);
    this.#last = table;
    return table;
  }

  /** The table, read if need be. */
  async load(offset: number): Promise<Table> {
    const here = this.cached(offset) ?? (await this.#loading.get(offset));
    if (here) return here;
    const reading = this.#read(offset);
    this.#loading.set(offset, reading);
    try {
      return await reading;
    } finally {
      this.#loading.delete(offset);
    }
  }

  async #read(offset: number): Promise<Table> {
    // A table must begin in the file; what is missing of its cluster reads as zero.
    if (offset >= this.#file.size) throw damaged(this.#file.name, "one of its tables is beyond its end");
    const bytes = new Uint8Array(this.#size);
    await this.#file.read(offset, bytes);
    return this.#add(offset, bytes, false);
  }

  /** A new table at a cluster of its own, which nothing in the file refers to. */
  create(offset: number, bytes = new Uint8Array(this.#size)): Table {
    const table = this.#add(offset, bytes, true);
    this.changed(table, 0, this.#size);
    return table;
  }

  changed(table: Table, at: number, length: number): void {
    // Whoever changes it may have held it for so long that it was forgotten, and maybe read again.
    if (this.#tables.get(table.offset) !== table) {
      this.#tables.set(table.offset, table);
      this.#last = table;
    }
    touch(table, at, length);
    this.#dirty.add(table);
  }

  /** Writes what is dirty of those tables that `which` picks. */
  async write(which: (table: Table) => boolean = () => true): Promise<void> {
    for (const table of [...this.#dirty].filter(which)) {
      const { dirtyFrom, dirtyTo } = table;
      await this.#file.write(table.offset + dirtyFrom, table.bytes.subarray(dirtyFrom, dirtyTo));
    }
  }

  /** All that is dirty has been written and is on stable storage. */
  settle(): void {
    for (const table of this.#dirty) {
      table.dirtyFrom = table.dirtyTo = 0;
      table.fresh = false;
    }
    this.#dirty.clear();
    this.#trim();
  }

  /** Forgets a table, changes and all: its cluster isn't one any more. */
  drop(offset: number): void {
    const table = this.#tables.get(offset);
    if (!table) return;
    this.#tables.delete(offset);
    this.#dirty.delete(table);
    if (this.#last === table) this.#last = undefined;
  }

  #add(offset: number, bytes: Uint8Array, fresh: boolean): Table {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const table: Table = { offset, bytes, view, dirtyFrom: 0, dirtyTo: 0, fresh };
    this.#tables.set(offset, table);
    this.#trim();
    return table;
  }

  #trim(): void {
    if (this.#tables.size <= this.limit) return;
    for (const [offset, table] of this.#tables) {
      if (this.#tables.size <= this.limit) return;
      if (this.#dirty.has(table)) continue;
      this.#tables.delete(offset);
      if (this.#last === table) this.#last = undefined;
    }
  }
}
