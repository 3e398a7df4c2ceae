/**
 * Where a Zstandard frame ends (RFC 8878, section 3.1.1): compressed clusters
 * have other data behind theirs, up to the end of a sector.
 * @returns the bytes of the frame at the start of `data`; undefined if there is no whole one
 */
export function zstdFrame(data: Uint8Array): Uint8Array | undefined {
  if (data.length < 6 || data[0] !== 0x28 || data[1] !== 0xb5 || data[2] !== 0x2f || data[3] !== 0xfd) return undefined;
  const descriptor = data[4]!;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const contentSize = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  let at = 5 + (isSingleSegment ? 0 : 1) + dictionary + contentSize;
  for (let isLast = false; !isLast; ) {
    if (at + 3 > data.length) return undefined;
    const header = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16);
    isLast = (header & 1) !== 0;
    // A block of one byte, repeated, has its size uncompressed.
    at += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3);
  }
  at += (descriptor & 4) !== 0 ? 4 : 0;
  return at <= data.length ? data.subarray(0, at) : undefined;
}
