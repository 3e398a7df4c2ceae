/** Big-endian numbers in tables, and zeroes. */

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** 64 bits as a number; above 2⁵³ it is only about right, which is enough to refuse it. */
export function get64(from: DataView, at: number): number {
  return from.getUint32(at) * 2 ** 32 + from.getUint32(at + 4);
}

/** @param value a whole number below 2⁵³ */
export function put64(to: DataView, at: number, value: number): void {
  to.setUint32(at, Math.floor(value / 2 ** 32));
  to.setUint32(at + 4, value >>> 0);
}

/** Whether all bytes are zero. */
export function isZero(bytes: Uint8Array): boolean {
  const head = Math.min(bytes.length, -bytes.byteOffset & 7);
  const words = (bytes.length - head) >> 3;
  for (let i = 0; i < head; i++) if (bytes[i] !== 0) return false;
  const doubles = new Int32Array(bytes.buffer, bytes.byteOffset + head, words * 2);
  for (let i = 0; i < doubles.length; i++) if (doubles[i] !== 0) return false;
  for (let i = head + words * 8; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

export const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;
