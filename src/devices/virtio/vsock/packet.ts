/** Packets of the socket device (VIRTIO 1.2 §5.10.6). */
import { get16, get32, get64, put16, put32, put64 } from "../bytes.ts";

export const HEADER = 44;
/** The host's context ID (§5.10.4). */
export const HOST_CID = 2;

export const OP_REQUEST = 1;
export const OP_RESPONSE = 2;
export const OP_RST = 3;
export const OP_SHUTDOWN = 4;
export const OP_RW = 5;
export const OP_CREDIT_UPDATE = 6;
export const OP_CREDIT_REQUEST = 7;

/** The only type of socket here: a stream of bytes. */
export const TYPE_STREAM = 1;

/** Of SHUTDOWN's flags: receives, or sends, no more. */
export const SHUTDOWN_RECEIVE = 1;
export const SHUTDOWN_SEND = 2;

export interface Packet {
  /** Inexact beyond 2^53, where no CID is. */
  readonly sourceCid: number;
  readonly destinationCid: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Bytes of the payload. */
  readonly length: number;
  readonly type: number;
  readonly operation: number;
  readonly flags: number;
  /** The sender's room for this socket, and the bytes that it has passed on, modulo 2^32. */
  readonly room: number;
  readonly forwarded: number;
}

export function readPacket(bytes: Uint8Array): Packet {
  return {
    sourceCid: get64(bytes, 0),
    destinationCid: get64(bytes, 8),
    sourcePort: get32(bytes, 16),
    destinationPort: get32(bytes, 20),
    length: get32(bytes, 24),
    type: get16(bytes, 28),
    operation: get16(bytes, 30),
    flags: get32(bytes, 32),
    room: get32(bytes, 36),
    forwarded: get32(bytes, 40),
  };
}

/** @param payload comes behind the header */
export function writePacket(packet: Omit<Packet, "length">, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + payload.length);
  put64(bytes, 0, packet.sourceCid);
  put64(bytes, 8, packet.destinationCid);
  put32(bytes, 16, packet.sourcePort);
  put32(bytes, 20, packet.destinationPort);
  put32(bytes, 24, payload.length);
  put16(bytes, 28, packet.type);
  put16(bytes, 30, packet.operation);
  put32(bytes, 32, packet.flags);
  put32(bytes, 36, packet.room);
  put32(bytes, 40, packet.forwarded);
  bytes.set(payload, HEADER);
  return bytes;
}
