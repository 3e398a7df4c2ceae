/**
 * What a network device does for its driver with checksums and with segments
 * larger than a frame (VIRTIO 1.2 §5.1.6.2, §5.1.6.4).
 */
import { LARGEST_FRAME } from "../../../backends/link.ts";
import { get16, put16 } from "../bytes.ts";

// struct virtio_net_hdr (§5.1.6).
export const HEADER = 12;
const FLAGS = 0;
const GSO_TYPE = 1;
const HEADER_LENGTH = 2;
const GSO_SIZE = 4;
const CHECKSUM_START = 6;
const CHECKSUM_OFFSET = 8;
const NUM_BUFFERS = 10;

const F_NEEDS_CSUM = 1;
const F_DATA_VALID = 2;
const GSO_TCPV4 = 1;

const ETHERNET = 14;
const TYPE_IPV4 = 0x0800;
const PROTOCOL_TCP = 6;

/**
 * Does what the driver left to the device: the checksum.
 * @returns false if the header asks for what can't be
 */
export function finishChecksum(header: Uint8Array, frame: Uint8Array): boolean {
  if (!(header[FLAGS]! & F_NEEDS_CSUM)) return true;
  const start = get16(header, CHECKSUM_START);
  const at = start + get16(header, CHECKSUM_OFFSET);
  if (start >= frame.length || at + 2 > frame.length) return false;
  // What stands there is the sum of the pseudo-header.
  const sum = checksum(frame, start);
  // §5.1.6.2: of UDP, a sum of zero is sent as its other form; of TCP either will do.
  frame[at] = (sum || 0xffff) >>> 8;
  frame[at + 1] = sum || 0xffff;
  return true;
}

/** Whether the driver sends a frame that stands for many, of a kind that was agreed on. */
export function isLarge(header: Uint8Array): boolean {
  return (header[GSO_TYPE]! & 0x7f) === GSO_TCPV4;
}

/**
 * The Internet checksum (RFC 1071) of the bytes from `start` on, big-endian. The
 * sum is made in the machine's order and turned round at the end (§2 B); all
 * machines that run this are little-endian, as WebAssembly is.
 */
function checksum(bytes: Uint8Array, start: number): number {
  let sum = 0;
  const count = (bytes.length - start) >> 1;
  const from = bytes.byteOffset + start;
  if (from & 1) {
    for (let at = start; at < start + 2 * count; at += 2) sum += get16(bytes, at);
  } else {
    for (const word of new Uint16Array(bytes.buffer, from, count)) sum += word;
  }
  if ((bytes.length - start) & 1) sum += bytes[bytes.length - 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~(((sum & 0xff) << 8) | (sum >>> 8)) & 0xffff;
}

/**
 * Puts the header in front of a frame for the driver, as if it had one buffer.
 * @param valid its checksums need no look
 * @param largest bytes of what is a frame; a longer one must be TCP over IPv4
 * @returns nothing if it is neither
 */
export function withHeader(frame: Uint8Array, valid: boolean, largest: number): Uint8Array | undefined {
  const packet = new Uint8Array(HEADER + frame.length);
  if (valid) packet[FLAGS] = F_DATA_VALID;
  put16(packet, NUM_BUFFERS, 1);
  packet.set(frame, HEADER);
  if (frame.length <= largest) return packet;
  const headers = headersOf(frame);
  if (headers === undefined) return undefined;
  packet[GSO_TYPE] = GSO_TCPV4;
  put16(packet, HEADER_LENGTH, headers);
  put16(packet, GSO_SIZE, LARGEST_FRAME - headers);
  return packet;
}

export function setBuffers(packet: Uint8Array, count: number): void {
  put16(packet, NUM_BUFFERS, count);
}

/** Bytes before the data, if the frame is TCP over IPv4 (RFC 791 §3.1, RFC 9293 §3.1). */
function headersOf(frame: Uint8Array): number | undefined {
  if (frame.length < ETHERNET + 20 || ((frame[12]! << 8) | frame[13]!) !== TYPE_IPV4) return undefined;
  const tcp = ETHERNET + 4 * (frame[ETHERNET]! & 15);
  if (frame[ETHERNET + 9] !== PROTOCOL_TCP || frame.length < tcp + 20) return undefined;
  const data = tcp + 4 * (frame[tcp + 12]! >>> 4);
  return data <= frame.length ? data : undefined;
}
