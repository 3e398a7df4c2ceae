/** Copies a disk's content into a new image, and only what isn't zero. */

import { isZero } from "./bytes.ts";
import type { Image } from "./image.ts";
import type { Qcow2Image } from "./qcow2/image.ts";

/** Bytes that are read at a time, at least. */
const PIECE = 2 ** 20;

export interface CopyOptions {
  /** What is left out if it is zero, bytes: the target's cluster, or a block of a file. */
  readonly unit: number;
  readonly progress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
  /** Compresses a cluster for `target`, which then is qcow2; undefined for one that gets no smaller. */
  readonly compress?: (cluster: Uint8Array) => Uint8Array | undefined;
}

/**
 * @param target all zeroes, at least as large as the source
 * @throws DiskError; the signal's reason
 */
export async function copyImage(source: Image, target: Image | Qcow2Image, options: CopyOptions): Promise<void> {
  const { unit, progress, signal } = options;
  const piece = new Uint8Array(Math.max(PIECE, unit));
  for (let offset = 0; offset < source.size; ) {
    signal?.throwIfAborted();
    progress?.(offset, source.size);
    const extent = await source.extent(offset, source.size - offset);
    if (extent.kind === "zero") {
      // The next piece begins at a unit again.
      const end = offset + extent.length;
      const skip = end === source.size ? end : end - (end % unit);
      if (skip > offset) {
        offset = skip;
        continue;
      }
    }
    const bytes = piece.subarray(0, Math.min(piece.length, source.size - offset));
    await source.read(offset, bytes);
    await writeUnits(target, offset, bytes, options);
    offset += bytes.length;
  }
  progress?.(source.size, source.size);
}

/** Writes the units of some bytes that aren't zero, those that follow each other together. */
async function writeUnits(target: Image | Qcow2Image, offset: number, bytes: Uint8Array, options: CopyOptions) {
  const { unit, compress } = options;
  let from = 0;
  for (let at = 0; at < bytes.length; at += unit) {
    const part = bytes.subarray(at, at + unit);
    const packed = compress && "writeCompressed" in target && !isZero(part) ? compress(whole(part, unit)) : undefined;
    if (!packed && !isZero(part)) continue;
    if (from < at) await target.write(offset + from, bytes.subarray(from, at));
    if (packed) await (target as Qcow2Image).writeCompressed(offset + at, packed);
    from = at + unit;
  }
  if (from < bytes.length) await target.write(offset + from, bytes.subarray(from));
}

/** The disk's last cluster may be cut off by its end, and is compressed as a whole. */
function whole(part: Uint8Array, unit: number): Uint8Array {
  if (part.length === unit) return part;
  const cluster = new Uint8Array(unit);
  cluster.set(part);
  return cluster;
}
