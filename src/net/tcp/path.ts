/** The way of a TCP connection's segments into frames. */

import type { Ipv4 } from "../addresses.ts";
import { put16, put32 } from "../bytes.ts";
import { fold, pseudoSum, sumOf } from "../checksum.ts";
import { HEADER } from "../ethernet.ts";
import { IP_PAYLOAD, newPacket, TCP } from "../ipv4.ts";
import type { TcpWire } from "./connection.ts";
import type { ByteRing } from "./ring.ts";
import { ACK, lengthOf, RST, type Segment, TCP_HEADER } from "./segment.ts";

export interface Endpoints {
  readonly source: Ipv4;
  readonly sourcePort: number;
  readonly destination: Ipv4;
  readonly destinationPort: number;
}

export class TcpPath implements TcpWire {
  readonly #ends: Endpoints;
  readonly #emit: (frame: Uint8Array) => void;

  constructor(ends: Endpoints, emit: (frame: Uint8Array) => void) {
    this.#ends = ends;
    this.#emit = emit;
  }

  send(
    sequence: number,
    acknowledgement: number,
    flags: number,
    window: number,
    options: Uint8Array,
    payload: ByteRing,
    position: number,
    length: number,
  ): void {
    const header = TCP_HEADER + options.length;
    const frame = newTcp(this.#ends, header + length);
    const at = IP_PAYLOAD;
    put32(frame, at + 4, sequence);
    put32(frame, at + 8, acknowledgement);
    frame[at + 12] = header << 2;
    frame[at + 13] = flags;
    put16(frame, at + 14, window);
    if (options.length > 0) frame.set(options, at + TCP_HEADER);
    payload.copy(position, length, frame, at + header);
    this.#emit(seal(frame));
  }
}

function newTcp(ends: Endpoints, length: number): Uint8Array {
  const frame = newPacket(ends.source, ends.destination, TCP, length);
  put16(frame, IP_PAYLOAD, ends.sourcePort);
  put16(frame, IP_PAYLOAD + 2, ends.destinationPort);
  return frame;
}

function seal(frame: Uint8Array): Uint8Array {
  const sum = pseudoSum(frame, HEADER, TCP, frame.length - IP_PAYLOAD);
  put16(frame, IP_PAYLOAD + 16, fold(sumOf(frame, IP_PAYLOAD, frame.length, sum)));
  return frame;
}

/** The answer to a segment that belongs to no connection (RFC 9293 §3.10.7.1); undefined: none is due. */
export function buildReset(ends: Endpoints, segment: Segment): Uint8Array | undefined {
  if (segment.flags & RST) return undefined;
  const frame = newTcp(ends, TCP_HEADER);
  const answers = (segment.flags & ACK) !== 0;
  if (answers) put32(frame, IP_PAYLOAD + 4, segment.acknowledgement);
  else put32(frame, IP_PAYLOAD + 8, segment.sequence + lengthOf(segment));
  frame[IP_PAYLOAD + 12] = TCP_HEADER << 2;
  frame[IP_PAYLOAD + 13] = answers ? RST : RST | ACK;
  return seal(frame);
}
