/** Memory for frames. */

const SLAB = 64 * 1024;
/** Frames up to this size share slabs; an array of its own costs a microsecond, and as much again when it is freed. */
const LARGEST_SHARED = 4 * 1024;

let slab = new Uint8Array(SLAB);
let used = 0;

/** A frame of zeroes, which begins at an even address. It is never used again by whoever made it. */
export function newFrame(length: number): Uint8Array {
  if (length > LARGEST_SHARED) return new Uint8Array(length);
  if (used + length > SLAB) {
    slab = new Uint8Array(SLAB);
    used = 0;
  }
  const frame = slab.subarray(used, used + length);
  used += (length + 7) & ~7;
  return frame;
}
