/** ICMP (RFC 792): echo, and what can't be delivered. */

import type { Ipv4 } from "./addresses.ts";
import { put16 } from "./bytes.ts";
import { fold, sumOf } from "./checksum.ts";
import { HEADER } from "./ethernet.ts";
import { ICMP, IP_HEADER, IP_PAYLOAD, newPacket, type Packet } from "./ipv4.ts";

const ECHO_REPLY = 0;
export const UNREACHABLE = 3;
export const ECHO_REQUEST = 8;
export const TIME_EXCEEDED = 11;

/** Codes of UNREACHABLE (RFC 792, RFC 1812 §5.2.7.1). */
export const NET_UNREACHABLE = 0;
export const HOST_UNREACHABLE = 1;
export const PROTOCOL_UNREACHABLE = 2;
export const PORT_UNREACHABLE = 3;
export const PROHIBITED = 13;

/** Bytes of the largest error, which quotes as much as fits (RFC 1812 §4.3.2.3). */
export const MAX_QUOTED = 576;

/** Bytes of an echo before its data. */
export const ECHO_HEADER = 8;

/** Whether a message is long enough and undamaged. */
export function isIcmp({ frame, start, end }: Packet): boolean {
  return end - start >= ECHO_HEADER && fold(sumOf(frame, start, end)) === 0;
}

/** The answer to an echo: the same, the other way round. */
export function buildEchoReply(request: Packet): Uint8Array {
  const { frame, start, end } = request;
  const reply = newPacket(request.destination, request.source, ICMP, end - start);
  reply.set(frame.subarray(start, end), IP_PAYLOAD);
  reply[IP_PAYLOAD] = ECHO_REPLY;
  return finish(reply);
}

/**
 * Says that a packet was not delivered, with its header and first bytes.
 * @param from the router that says so
 */
export function buildError(from: Ipv4, type: number, code: number, packet: Packet): Uint8Array {
  const { frame, start, end } = packet;
  const header = IP_HEADER + Math.max(0, start - IP_PAYLOAD);
  const payload = Math.min(end - start, MAX_QUOTED - IP_HEADER - ECHO_HEADER - header);
  const error = newPacket(from, packet.source, ICMP, ECHO_HEADER + header + payload);
  error[IP_PAYLOAD] = type;
  error[IP_PAYLOAD + 1] = code;
  error.set(frame.subarray(HEADER, HEADER + header), IP_PAYLOAD + ECHO_HEADER);
  error.set(frame.subarray(start, start + payload), IP_PAYLOAD + ECHO_HEADER + header);
  return finish(error);
}

function finish(frame: Uint8Array): Uint8Array {
  put16(frame, IP_PAYLOAD + 2, 0);
  put16(frame, IP_PAYLOAD + 2, fold(sumOf(frame, IP_PAYLOAD, frame.length)));
  return frame;
}
