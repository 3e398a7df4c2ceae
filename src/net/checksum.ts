/**
 * The Internet checksum (RFC 1071): the ones' complement of the ones' complement
 * sum of 16-bit words.
 *
 * Sums are kept in the machine's own byte order, since the sum doesn't mind
 * (§2 B), and turned round at the end. Only little-endian machines run this.
 */

/**
 * Sum of a range, for `fold` or as the `sum` of a further range. A range of odd length must be the last.
 * @param sum of what comes before; ranges of less than 64 KiB in all don't overflow it
 */
export function sumOf(bytes: Uint8Array, start: number, end: number, sum = 0): number {
  const first = bytes.byteOffset + start;
  const words = (end - start) >> 1;
  if (words >= 32 && (first & 1) === 0) {
    const view = new Uint16Array(bytes.buffer, first, words);
    let at = 0;
    for (const whole = words & ~7; at < whole; at += 8) {
      sum +=
        view[at]! +
        view[at + 1]! +
        view[at + 2]! +
        view[at + 3]! +
        view[at + 4]! +
        view[at + 5]! +
        view[at + 6]! +
        view[at + 7]!;
    }
    for (; at < words; at++) sum += view[at]!;
  } else {
    for (let at = start; at < start + words * 2; at += 2) sum += bytes[at]! | (bytes[at + 1]! << 8);
  }
  if ((end - start) & 1) sum += bytes[end - 1]!;
  return sum;
}

/** A number of 16 bits as `sumOf` would count it. */
export function swap16(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
}

/** The checksum of a sum, as a number to be stored big-endian. */
export function fold(sum: number): number {
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return swap16(~sum & 0xffff);
}

/**
 * Sum of the pseudo-header that TCP and UDP have in front (RFC 9293 §3.1, RFC 768).
 * @param packet an IPv4 packet in a larger array, from `at`
 */
export function pseudoSum(packet: Uint8Array, at: number, protocol: number, length: number): number {
  return sumOf(packet, at + 12, at + 20, swap16(protocol) + swap16(length));
}
