/** Ends of TCP connections in virtual time, joined by a way that a test decides about. */

import { parseIpv4Packet } from "../../../src/net/ipv4.ts";
import { type Ending, State, TcpConnection, type TcpUser } from "../../../src/net/tcp/connection.ts";
import { TcpPath } from "../../../src/net/tcp/path.ts";
import { ACK, parseTcp, type Segment, SYN } from "../../../src/net/tcp/segment.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface EndOptions {
  readonly mss?: number;
  readonly limit?: number;
  readonly initialSequence?: number;
  readonly burst?: number;
}

/** One end, with a user that keeps what it reads. */
export class End implements TcpUser {
  readonly connection: TcpConnection;
  /** Frames that this end sends go there. */
  send: (frame: Uint8Array) => void = () => {};
  readonly got: Uint8Array[] = [];
  /** Whether it reads at once. */
  reads = true;
  isEstablished = false;
  hasEnded = false;
  ending: Ending | undefined;
  #toSend = new Uint8Array(0);
  #endsAfter = false;

  constructor(time: VirtualTime, address: number, peer: number, options: EndOptions = {}) {
    const ends = { source: address, sourcePort: 1000, destination: peer, destinationPort: 1000 };
    this.connection = new TcpConnection({
      timing: time,
      user: this,
      wire: new TcpPath(ends, (frame) => this.send(frame)),
      initialSequence: options.initialSequence ?? 0,
      mss: options.mss ?? 1460,
      limit: () => options.limit ?? 65_536,
      burst: () => options.burst ?? 0,
      schedule: (connection) => time.soon(() => connection.flush()),
    });
  }

  /** Sends bytes as there is room, and then nothing more if it is to end. */
  write(bytes: Uint8Array, ends = false): void {
    this.#toSend = Uint8Array.from([...this.#toSend, ...bytes]);
    this.#endsAfter ||= ends;
    this.writable();
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.got);
  }

  /** A frame from the peer; a SYN out of nowhere is accepted. */
  deliver(frame: Uint8Array): void {
    const segment = read(frame);
    if (!segment) return;
    const { connection } = this;
    if (connection.state === State.Deferred && (segment.flags & (SYN | ACK)) === SYN) {
      connection.defer(segment);
      connection.accept();
    } else {
      connection.receive(segment);
    }
  }

  /** Reads what is there. */
  take(): void {
    const { received } = this.connection;
    while (received.length > 0) {
      const bytes = received.first();
      this.got.push(bytes.slice());
      this.connection.consumed(bytes.length);
    }
    if (this.connection.ended) this.hasEnded = true;
  }

  established(): void {
    this.isEstablished = true;
    this.writable();
  }

  readable(): void {
    if (this.reads) this.take();
  }

  writable(): void {
    if (!this.isEstablished) return;
    const bytes = this.#toSend.subarray(0, this.connection.room);
    this.#toSend = this.#toSend.slice(bytes.length);
    this.connection.write(bytes);
    if (this.#toSend.length === 0 && this.#endsAfter) this.connection.end();
  }

  closed(how: Ending): void {
    if (this.reads) this.take();
    this.ending = how;
  }
}

export function read(frame: Uint8Array): Segment | undefined {
  const packet = parseIpv4Packet(frame);
  return packet && parseTcp(packet);
}

/** Two ends, of which the first is to open the connection. */
export function pair(time: VirtualTime, first: EndOptions = {}, second: EndOptions = {}): [End, End] {
  const a = new End(time, 0x0a000001, 0x0a000002, first);
  const b = new End(time, 0x0a000002, 0x0a000001, second);
  return [a, b];
}

/** Joins them by a way without faults that takes some time. */
export function join(time: VirtualTime, a: End, b: End, delay = 1): void {
  a.send = (frame) => void time.later(delay, () => b.deliver(frame));
  b.send = (frame) => void time.later(delay, () => a.deliver(frame));
}
