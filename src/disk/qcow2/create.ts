/** New qcow2 images of version 3. */

import type { BlockFile } from "../../backends/block-file.ts";
import { put64, view } from "../bytes.ts";
import { DiskError } from "../errors.ts";
import { encodeHeader, MAX_OFFSET } from "./header.ts";

export interface CreateOptions {
  /** Capacity in bytes, whole sectors. */
  readonly size: number;
  /** A power of two from 512 to 2 MiB; default 65,536. */
  readonly clusterSize?: number;
  /** 1, 2, 4, 8, 16, 32 or 64; default 16. */
  readonly refcountBits?: number;
  /** For QEMU, which then writes refcounts late; we write them in time. */
  readonly lazyRefcounts?: boolean;
  readonly backing?: { readonly name: string; readonly format: "raw" | "qcow2" };
}

const DEFAULT_CLUSTER = 65_536;

/**
 * Writes an image without data into an empty file: header, refcount table, its
 * first blocks, L1 table.
 * @throws DiskError
 */
export async function createQcow2(file: BlockFile, options: CreateOptions): Promise<void> {
  const { size, clusterSize = DEFAULT_CLUSTER, refcountBits = 16, backing, lazyRefcounts = false } = options;
  const clusterBits = Math.log2(clusterSize);
  const refcountOrder = Math.log2(refcountBits);
  if (!Number.isInteger(clusterBits) || clusterBits < 9 || clusterBits > 21)
    throw new DiskError(
      "unusable",
      `A cluster of ${clusterSize} bytes is impossible; choose a power of two from 512 to 2M.`,
    );
  if (!Number.isInteger(refcountOrder) || refcountOrder < 0 || refcountOrder > 6)
    throw new DiskError(
      "unusable",
      `Refcounts of ${refcountBits} bits are impossible; choose 1, 2, 4, 8, 16, 32 or 64.`,
    );
  const l1Size = Math.ceil(size / ((clusterSize / 8) * clusterSize));
  if (size > MAX_OFFSET || l1Size * 8 > 32 * 2 ** 20)
    throw new DiskError("unusable", "The disk is too large for clusters of this size; choose larger ones.");
  const l1Clusters = Math.ceil((l1Size * 8) / clusterSize);
  const perBlock = (clusterSize * 8) / refcountBits;
  // Header, table of refcounts, blocks, L1 table: as many blocks as have room for all of these.
  let blocks = 1;
  let table = 1;
  while (1 + table + blocks + l1Clusters > blocks * perBlock || blocks * 8 > table * clusterSize) {
    blocks = Math.ceil((1 + table + blocks + l1Clusters) / perBlock);
    table = Math.ceil((blocks * 8) / clusterSize);
  }
  const used = 1 + table + blocks + l1Clusters;
  const header = encodeHeader({
    clusterBits,
    size,
    ...(backing && { backing }),
    l1Size,
    l1Offset: l1Size === 0 ? 0 : (1 + table + blocks) * clusterSize,
    refcountTableOffset: clusterSize,
    refcountTableLength: table,
    refcountOrder,
    lazyRefcounts,
  });
  const metadata = new Uint8Array(used * clusterSize);
  metadata.set(header);
  const pointers = view(metadata);
  for (let b = 0; b < blocks; b++) put64(pointers, clusterSize + b * 8, (1 + table + b) * clusterSize);
  const refcounts = (1 + table) * clusterSize;
  for (let cluster = 0; cluster < used; cluster++) setOne(metadata, refcounts, cluster, refcountBits);
  await file.truncate(0);
  await file.write(0, metadata);
  await file.flush();
}

/** Sets the refcount of a cluster to 1: blocks follow each other, so entries do too. */
function setOne(bytes: Uint8Array, start: number, cluster: number, bits: number): void {
  const bit = cluster * bits;
  if (bits < 8) bytes[start + (bit >> 3)]! |= 1 << (bit & 7);
  else bytes[start + bit / 8 + bits / 8 - 1] = 1;
}
