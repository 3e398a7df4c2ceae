/** UDP (RFC 768): source port, destination port, length, checksum. */

import type { Ipv4 } from "./addresses.ts";
import { get16, put16 } from "./bytes.ts";
import { fold, pseudoSum, sumOf } from "./checksum.ts";
import { HEADER } from "./ethernet.ts";
import { IP_PAYLOAD, MAX_PAYLOAD, newPacket, type Packet, UDP } from "./ipv4.ts";

const UDP_HEADER = 8;
/** Data of the largest datagram. */
export const MAX_DATAGRAM = MAX_PAYLOAD - UDP_HEADER;

export interface Datagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly data: Uint8Array;
}

/** @returns undefined for one that is damaged */
export function parseUdp({ frame, start, end }: Packet): Datagram | undefined {
  if (end - start < UDP_HEADER) return undefined;
  const length = get16(frame, start + 4);
  if (length < UDP_HEADER || start + length > end) return undefined;
  // 0 means that there is none.
  if (get16(frame, start + 6) !== 0) {
    const sum = pseudoSum(frame, HEADER, UDP, length);
    if (fold(sumOf(frame, start, start + length, sum)) !== 0) return undefined;
  }
  return {
    sourcePort: get16(frame, start),
    destinationPort: get16(frame, start + 2),
    data: frame.subarray(start + UDP_HEADER, start + length),
  };
}

/** A frame, which may be larger than frames are: see ipv4.fragment. */
export function buildUdp(
  source: Ipv4,
  sourcePort: number,
  destination: Ipv4,
  destinationPort: number,
  data: Uint8Array,
): Uint8Array {
  const length = UDP_HEADER + data.length;
  const frame = newPacket(source, destination, UDP, length);
  const at = IP_PAYLOAD;
  put16(frame, at, sourcePort);
  put16(frame, at + 2, destinationPort);
  put16(frame, at + 4, length);
  frame.set(data, at + UDP_HEADER);
  const checksum = fold(sumOf(frame, at, at + length, pseudoSum(frame, HEADER, UDP, length)));
  put16(frame, at + 6, checksum === 0 ? 0xffff : checksum);
  return frame;
}
