/** What changes of an image's tables when its capacity does, or when all of it is given up. */

import type { BlockFile } from "../../backends/block-file.ts";
import { put64, view } from "../bytes.ts";
import { damaged } from "../errors.ts";
import type { Table } from "./cache.ts";
import { FIELD } from "./header.ts";
import type { Entry, Mapping } from "./mapping.ts";
import type { Refcounts } from "./refcounts.ts";

/** An image's tables, in the hands of whoever has the turn to change them (image.ts). */
export interface Tables {
  readonly file: BlockFile;
  readonly clusterSize: number;
  readonly map: Mapping;
  readonly refcounts: Refcounts;
  /** The L2 table for a byte of the disk, made or copied if it isn't the image's own. */
  ownTable(offset: number): Promise<Table>;
  /** What an entry has in the file, and what a table takes there, loses a reference at the next commit. */
  giveUp(entry: Entry): void;
  giveUpTable(offset: number, length: number): void;
  commit(): Promise<void>;
  commitIfFull(): Promise<void>;
}

/** Writes the capacity, and waits until it is on stable storage. */
export async function writeSize(file: BlockFile, size: number): Promise<void> {
  const bytes = new Uint8Array(8);
  put64(view(bytes), 0, size);
  await file.write(FIELD.size, bytes);
  await file.flush();
}

/**
 * Moves the L1 table to where it has room for so many entries, if it has none
 * where it is: the new one is on stable storage before the header points to it.
 */
export async function growL1(tables: Tables, entries: number): Promise<void> {
  const { file, clusterSize, map, refcounts } = tables;
  const { offset, bytes } = map.l1Table;
  if (entries * 8 <= bytes.length) return;
  const run = await refcounts.allocateTogether(Math.ceil((entries * 8) / clusterSize));
  for (let k = 0; k < run.count; k++) {
    const at = run.offset + k * clusterSize;
    if (at === 0 || map.holds(at) || refcounts.holds(at))
      throw damaged(file.name, "a table's cluster counts as free; run `wardian disk check` on it");
  }
  await tables.commit();
  const table = new Uint8Array(entries * 8);
  table.set(bytes);
  await file.write(run.offset, table);
  await file.flush();
  const pointer = new Uint8Array(12);
  view(pointer).setUint32(0, entries);
  put64(view(pointer), 4, run.offset);
  await file.write(FIELD.l1Table, pointer);
  await file.flush();
  map.moveL1(run.offset, table);
  tables.giveUpTable(offset, bytes.length);
}

/** Takes away the entries from one byte of the disk, where a cluster begins, to its end, and tables of which none is left. */
export async function forget(tables: Tables, from: number, to: number): Promise<void> {
  const { map } = tables;
  for (let at = from; at < to; ) {
    await tables.commitIfFull();
    const index = Math.floor(at / map.span);
    const end = Math.min(to, (index + 1) * map.span);
    if (map.l1(index).offset !== 0) await forgetSome(tables, index, at, end);
    at = end;
  }
}

async function forgetSome(tables: Tables, index: number, from: number, to: number): Promise<void> {
  const { clusterSize, map } = tables;
  const whole = from === index * map.span;
  const table = whole ? await map.tables.load(map.l1(index).offset) : await tables.ownTable(from);
  for (let at = from; at < to; at += clusterSize) {
    const i = map.indexOf(at);
    tables.giveUp(map.entry(table, i));
    if (!whole) map.setEntry(table, i, 0);
  }
  if (!whole) return;
  tables.giveUpTable(table.offset, clusterSize);
  map.clearL1(index);
}
