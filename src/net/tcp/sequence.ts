/** Sequence numbers: 32 bits, compared modulo 2^32 (RFC 9293 §3.4). Kept as unsigned numbers. */

/** How far `a` is beyond `b`; negative if it is before. */
export function distance(a: number, b: number): number {
  return (a - b) | 0;
}

export function advance(sequence: number, by: number): number {
  return (sequence + by) >>> 0;
}

export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}
