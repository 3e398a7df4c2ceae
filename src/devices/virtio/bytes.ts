/** Little-endian fields of byte arrays (VIRTIO 1.2 §1.4: every field is little-endian). Callers check bounds. */

export function get16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function get32(bytes: Uint8Array, at: number): number {
  return (get16(bytes, at) | (get16(bytes, at + 2) << 16)) >>> 0;
}

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

export function put32(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, value);
  put16(bytes, at + 2, value >>> 16);
}

/** An unsigned 64-bit field; inexact, but never below 2^53, where it is beyond that. */
export function get64(bytes: Uint8Array, at: number): number {
  return get32(bytes, at + 4) * 2 ** 32 + get32(bytes, at);
}

export function put64(bytes: Uint8Array, at: number, value: number): void {
  put32(bytes, at, value % 2 ** 32);
  put32(bytes, at + 4, Math.floor(value / 2 ** 32));
}
