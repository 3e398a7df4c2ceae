/** ARP for IPv4 over Ethernet (RFC 826): who has which address. */

import type { Ipv4 } from "./addresses.ts";
import { get16, get32, put16, put32 } from "./bytes.ts";
import { BROADCAST, HEADER, TYPE_ARP } from "./ethernet.ts";

const LENGTH = 28;
export const REQUEST = 1;
export const REPLY = 2;

export interface ArpPacket {
  readonly operation: number;
  /** Where the sender's hardware address is in the frame. */
  readonly senderAt: number;
  readonly sender: Ipv4;
  readonly target: Ipv4;
}

/** @returns undefined for whatever isn't about IPv4 over Ethernet */
export function parseArp(frame: Uint8Array): ArpPacket | undefined {
  const at = HEADER;
  if (frame.length < at + LENGTH) return undefined;
  // Hardware Ethernet, protocol IPv4, addresses of six and four bytes.
  if (get32(frame, at) !== 0x00010800 || get16(frame, at + 4) !== 0x0604) return undefined;
  return {
    operation: get16(frame, at + 6),
    senderAt: at + 8,
    sender: get32(frame, at + 14),
    target: get32(frame, at + 24),
  };
}

/**
 * @param to the hardware address that is answered; undefined for a request, which goes to everyone
 */
export function buildArp(
  operation: number,
  hardware: Uint8Array,
  sender: Ipv4,
  to: Uint8Array | undefined,
  target: Ipv4,
): Uint8Array {
  const frame = new Uint8Array(HEADER + LENGTH);
  frame.set(to ?? BROADCAST);
  frame.set(hardware, 6);
  put16(frame, 12, TYPE_ARP);
  const at = HEADER;
  put32(frame, at, 0x00010800);
  put16(frame, at + 4, 0x0604);
  put16(frame, at + 6, operation);
  frame.set(hardware, at + 8);
  put32(frame, at + 14, sender);
  if (to) frame.set(to, at + 18);
  put32(frame, at + 24, target);
  return frame;
}
