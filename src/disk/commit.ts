/** Moves what an overlay holds into the image under it. */

import { DiskError, quote } from "./errors.ts";
import type { Image } from "./image.ts";
import type { Qcow2Image } from "./qcow2/image.ts";

/** Bytes that are copied at a time, and that are made zero. */
const PIECE = 2 ** 20;
const ZEROES = 2 ** 24;

export interface CommitOptions {
  /** How many bytes of the disk are done. */
  readonly progress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
  /** Called between pieces: lets others of this thread have their turn, when it is time. */
  readonly pause?: () => void | Promise<void>;
}

/** @throws DiskError for an image that can't be committed, before anything is done */
export function checkOverlay(name: string, { backing, snapshots }: { backing: boolean; snapshots: number }): void {
  if (!backing)
    throw new DiskError("unusable", `The disk image ${quote(name)} has no backing file that it could be committed to.`);
  if (snapshots > 0)
    throw new DiskError(
      "unsupported",
      `The image ${quote(name)} has snapshots, which would change with its backing file; delete them by qemu-img.`,
    );
}

/**
 * Writes all that an overlay has to the image under it, which grows if it must,
 * and then empties the overlay. Until the image under it has everything on stable
 * storage the overlay keeps all, and hides what is only half done.
 * @param under the overlay's backing image, open to be written
 * @throws DiskError; the signal's reason
 */
export async function commitOverlay(overlay: Qcow2Image, under: Image, options: CommitOptions = {}): Promise<void> {
  const { progress, signal, pause } = options;
  const { size } = overlay;
  if (size > under.size) await under.resize(size);
  const piece = new Uint8Array(PIECE);
  for (let offset = 0; offset < size; ) {
    signal?.throwIfAborted();
    progress?.(offset, size);
    const extent = await overlay.ownExtent(offset, size - offset);
    const most = { data: PIECE, zero: ZEROES, absent: Number.POSITIVE_INFINITY }[extent.kind];
    const length = Math.min(extent.length, most);
    if (extent.kind === "zero") await under.zero(offset, length, true);
    else if (extent.kind === "data") {
      const bytes = piece.subarray(0, length);
      await overlay.read(offset, bytes);
      await under.write(offset, bytes);
    }
    offset += length;
    await pause?.();
  }
  await under.flush();
  signal?.throwIfAborted();
  await overlay.empty();
  progress?.(size, size);
}
