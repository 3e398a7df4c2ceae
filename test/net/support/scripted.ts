/** A connection whose peer is a script: segments are written by hand, and what is sent is kept. */

import { type Ending, TcpConnection, type TcpUser } from "../../../src/net/tcp/connection.ts";
import type { ByteRing } from "../../../src/net/tcp/ring.ts";
import { ACK, FIN, PSH, RST, type Segment, SYN, type SynOptions, synOptions } from "../../../src/net/tcp/segment.ts";
import { VirtualTime } from "./virtual-time.ts";

/** Where our numbers and the peer's begin. */
export const OURS = 1000;
export const THEIRS = 5000;

export interface Sent {
  readonly at: number;
  readonly flags: string;
  /** Relative to the beginnings; the SYN is at 0. */
  readonly seq: number;
  readonly ack: number;
  readonly window: number;
  readonly length: number;
  readonly options: Uint8Array;
}

const NAMES: [number, string][] = [
  [SYN, "S"],
  [FIN, "F"],
  [RST, "R"],
  [PSH, "P"],
  [ACK, "."],
];
export const flagsOf = (flags: number): string =>
  NAMES.filter(([bit]) => flags & bit)
    .map(([, name]) => name)
    .join("");

export interface Written {
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  readonly data?: Uint8Array | number;
  readonly options?: Uint8Array;
}

export class Scripted implements TcpUser {
  readonly time = new VirtualTime();
  readonly connection: TcpConnection;
  readonly sent: Sent[] = [];
  readonly events: string[] = [];
  reads = true;
  got = 0;

  constructor(limit = 65_536) {
    this.connection = new TcpConnection({
      timing: this.time,
      user: this,
      wire: {
        send: (seq, ack, flags, window, options, _payload: ByteRing, _position, length) => {
          this.sent.push({
            at: this.time.now(),
            flags: flagsOf(flags),
            seq: (seq - OURS) | 0,
            ack: flags & ACK ? (ack - THEIRS) | 0 : 0,
            window,
            length,
            options,
          });
        },
      },
      initialSequence: OURS,
      mss: 1460,
      limit: () => limit,
      schedule: (connection) => this.time.soon(() => connection.flush()),
    });
  }

  established(): void {
    this.events.push("established");
  }

  readable(): void {
    if (this.reads) this.take();
  }

  take(): void {
    const { received } = this.connection;
    while (received.length > 0) {
      const { length } = received.first();
      this.got += length;
      this.connection.consumed(length);
    }
    if (this.connection.ended) this.events.push("ended");
  }

  writable(): void {}

  closed(how: Ending): void {
    this.events.push(how);
  }

  /** A segment from the peer. */
  receive(
    flags: string,
    { seq = 1, ack = 1, window = 60_000, data = 0, options = new Uint8Array(0) }: Written = {},
  ): void {
    const payload = typeof data === "number" ? new Uint8Array(data) : data;
    const frame = Uint8Array.from([...options, ...payload]);
    const segment: Segment = {
      sourcePort: 1,
      destinationPort: 2,
      sequence: (THEIRS + seq) >>> 0,
      acknowledgement: (OURS + ack) >>> 0,
      flags: NAMES.reduce((bits, [bit, name]) => (flags.includes(name) ? bits | bit : bits), 0),
      window,
      frame,
      optionsAt: 0,
      payloadAt: options.length,
      end: frame.length,
    };
    if (this.connection.state === 0 && flags === "S") this.connection.defer(segment);
    else this.connection.receive(segment);
    this.time.pass(0);
  }

  /** Lets time pass. @returns what was sent meanwhile, as "seconds flags sequence(+length)" */
  pass(milliseconds: number): string[] {
    const from = this.sent.length;
    this.time.pass(milliseconds);
    return this.sent.slice(from).map(describe);
  }

  /** What was sent since the last call. */
  takeSent(): string[] {
    return this.sent.splice(0).map(describe);
  }

  /** Establishes it, the peer having begun. */
  static established(options: Partial<SynOptions> = {}, limit?: number): Scripted {
    const script = new Scripted(limit);
    const syn = synOptions({ mss: 1000, scale: undefined, sack: false, ...options });
    script.receive("S", { seq: 0, ack: -OURS, options: syn });
    script.connection.accept();
    script.receive(".", { seq: 1, ack: 1 });
    script.sent.length = 0;
    return script;
  }
}

export function describe({ flags, seq, ack, length }: Sent): string {
  return `${flags} ${seq}${length > 0 ? `+${length}` : ""}${flags.includes(".") ? ` ack ${ack}` : ""}`;
}
