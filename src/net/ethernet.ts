/** Ethernet II frames (IEEE 802.3 §3.2, with a type): destination 0, source 6, type 12, payload 14; no checksum. */

import { get16 } from "./bytes.ts";

export const HEADER = 14;
/** Payload of the largest frame (RFC 894). */
export const MTU = 1500;
export const TYPE_IPV4 = 0x0800;
export const TYPE_ARP = 0x0806;

export const BROADCAST: Uint8Array = Uint8Array.of(255, 255, 255, 255, 255, 255);

/** Whether a frame's destination is a group: multicast or broadcast. */
export function isGroup(frame: Uint8Array, at = 0): boolean {
  return (frame[at]! & 1) === 1;
}

export function typeOf(frame: Uint8Array): number {
  return get16(frame, 12);
}

export function isFor(frame: Uint8Array, address: Uint8Array): boolean {
  for (let i = 0; i < 6; i++) if (frame[i] !== address[i]) return false;
  return true;
}

/** An address as one number, for tables. */
export function keyOf(bytes: Uint8Array, at: number): number {
  return get16(bytes, at) * 2 ** 32 + get16(bytes, at + 2) * 2 ** 16 + get16(bytes, at + 4);
}
