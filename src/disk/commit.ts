/** Moves what an overlay holds into the image under it. */

import type { Image } from "./image.ts";
import type { Qcow2Image } from "./qcow2/image.ts";

/** Bytes that are copied at a time. */
const PIECE = 2 ** 20;

export interface CommitOptions {
  /** How many bytes of the disk are done. */
  readonly progress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Writes all that an overlay has to the image under it, which grows if it must,
 * and then empties the overlay. Until the image under it has everything on stable
 * storage the overlay keeps all, and hides what is only half done.
 * @param under the overlay's backing image, open to be written
 * @throws DiskError; the signal's reason
 */
export async function commitOverlay(overlay: Qcow2Image, under: Image, options: CommitOptions = {}): Promise<void> {
  const { progress, signal } = options;
  const { size } = overlay;
  if (size > under.size) await under.resize(size);
  const piece = new Uint8Array(PIECE);
  for (let offset = 0; offset < size; ) {
    signal?.throwIfAborted();
    progress?.(offset, size);
    const extent = await overlay.ownExtent(offset, size - offset);
    const length = extent.kind === "data" ? Math.min(extent.length, PIECE) : extent.length;
    if (extent.kind === "zero") await under.zero(offset, length, true);
    else if (extent.kind === "data") {
      const bytes = piece.subarray(0, length);
      await overlay.read(offset, bytes);
      await under.write(offset, bytes);
    }
    offset += length;
  }
  await under.flush();
  signal?.throwIfAborted();
  await overlay.empty();
  progress?.(size, size);
}
