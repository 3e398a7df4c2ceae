/** IPv4 packets (RFC 791) in Ethernet frames: their header is at byte 14 of the frame. */

import type { Ipv4 } from "./addresses.ts";
import { get16, get32, put16, put32 } from "./bytes.ts";
import { fold, sumOf } from "./checksum.ts";
import { HEADER, MTU, TYPE_IPV4 } from "./ethernet.ts";
import { newFrame } from "./frames.ts";

export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;

/** Bytes of a header without options; ours never have any. */
export const IP_HEADER = 20;
/** Where a packet of ours has its payload in the frame. */
export const IP_PAYLOAD = HEADER + IP_HEADER;
/** Payload of the largest packet. */
export const MAX_PAYLOAD = 0xffff - IP_HEADER;

const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const DEFAULT_TTL = 64;

export interface Packet {
  /** The frame, or for a packet that was put together again, an array like one. */
  readonly frame: Uint8Array;
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly protocol: number;
  readonly ttl: number;
  readonly identification: number;
  /** Where its payload begins and ends in the frame. */
  readonly start: number;
  readonly end: number;
  /** Of a fragment, in bytes. */
  readonly fragmentOffset: number;
  readonly moreFragments: boolean;
}

/** @returns undefined for a header that is damaged, or longer than the frame */
export function parseIpv4Packet(frame: Uint8Array): Packet | undefined {
  const at = HEADER;
  if (frame.length < at + IP_HEADER || frame[at]! >>> 4 !== 4) return undefined;
  const header = (frame[at]! & 15) * 4;
  const length = get16(frame, at + 2);
  if (header < IP_HEADER || length < header || at + length > frame.length) return undefined;
  if (fold(sumOf(frame, at, at + header)) !== 0) return undefined;
  const flags = get16(frame, at + 6);
  return {
    frame,
    source: get32(frame, at + 12),
    destination: get32(frame, at + 16),
    protocol: frame[at + 9]!,
    ttl: frame[at + 8]!,
    identification: get16(frame, at + 4),
    start: at + header,
    end: at + length,
    fragmentOffset: (flags & 0x1fff) * 8,
    moreFragments: (flags & MORE_FRAGMENTS) !== 0,
  };
}

/** A frame for a packet with a payload of so many bytes, which is to be written at IP_PAYLOAD. Addresses of Ethernet are left out. */
export function newPacket(source: Ipv4, destination: Ipv4, protocol: number, length: number): Uint8Array {
  const frame = newFrame(IP_PAYLOAD + length);
  writeHeader(frame, source, destination, protocol, 0, DONT_FRAGMENT);
  return frame;
}

/** Writes a header without options, and the frame's type. @param flags with the offset, as they stand there */
export function writeHeader(
  frame: Uint8Array,
  source: Ipv4,
  destination: Ipv4,
  protocol: number,
  identification: number,
  flags: number,
): void {
  const at = HEADER;
  put16(frame, 12, TYPE_IPV4);
  frame[at] = 0x45;
  put16(frame, at + 2, frame.length - at);
  put16(frame, at + 4, identification);
  put16(frame, at + 6, flags);
  frame[at + 8] = DEFAULT_TTL;
  frame[at + 9] = protocol;
  put32(frame, at + 12, source);
  put32(frame, at + 16, destination);
  put16(frame, at + 10, fold(sumOf(frame, at, at + IP_HEADER)));
}

/** Splits a packet of ours that is larger than a frame may be (RFC 791 §2.3). */
export function fragment(frame: Uint8Array, identification: number): Uint8Array[] {
  const piece = (MTU - IP_HEADER) & ~7;
  const fragments: Uint8Array[] = [];
  for (let from = IP_PAYLOAD; from < frame.length; from += piece) {
    const payload = frame.subarray(from, from + piece);
    const part = newFrame(IP_PAYLOAD + payload.length);
    part.set(payload, IP_PAYLOAD);
    const flags = ((from - IP_PAYLOAD) >>> 3) | (from + piece < frame.length ? MORE_FRAGMENTS : 0);
    writeHeader(part, get32(frame, HEADER + 12), get32(frame, HEADER + 16), frame[HEADER + 9]!, identification, flags);
    fragments.push(part);
  }
  return fragments;
}
