/** A host without sockets: what a network asks of it is kept, and a test plays the other side. */

import type {
  DatagramHandler,
  DatagramSocket,
  Listener,
  ResolverConfiguration,
  SocketAddress,
  SocketFailure,
  Sockets,
  Stream,
  StreamHandler,
} from "../../../src/backends/sockets.ts";
import { seeded } from "../../../src/fuzz/random.ts";
import type { VirtualTime } from "./virtual-time.ts";

export class FakeStream implements Stream {
  readonly written: Uint8Array[] = [];
  state: "open" | "ended" | "reset" = "open";
  paused = false;
  /** Whether what is written is taken at once. */
  drains = true;
  #waiting: (() => void)[] = [];

  constructor(
    readonly remote: SocketAddress,
    readonly time: VirtualTime,
    public handler?: StreamHandler,
  ) {}

  write(bytes: Uint8Array, done: () => void): void {
    this.written.push(bytes.slice());
    if (this.drains) this.time.soon(done);
    else this.#waiting.push(done);
  }

  drain(): void {
    this.drains = true;
    for (const done of this.#waiting.splice(0)) this.time.soon(done);
  }

  get bytes(): string {
    return Buffer.concat(this.written).toString("latin1");
  }

  end(): void {
    this.state = "ended";
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  reset(): void {
    this.state = "reset";
  }
}

export class FakeDatagrams implements DatagramSocket {
  readonly sent: { bytes: Uint8Array; to: SocketAddress }[] = [];
  isClosed = false;

  constructor(
    readonly port: number,
    readonly handler: DatagramHandler,
  ) {}

  send(bytes: Uint8Array, to: SocketAddress): void {
    this.sent.push({ bytes: bytes.slice(), to });
  }

  close(): void {
    this.isClosed = true;
  }
}

export class World implements Sockets {
  readonly streams: FakeStream[] = [];
  readonly sockets: FakeDatagrams[] = [];
  readonly echoes: { address: string; length: number; complete: (failure: SocketFailure | undefined) => void }[] = [];
  readonly #random = seeded(1);
  configuration: ResolverConfiguration = {
    servers: [
      { address: "192.0.2.53", port: 53 },
      { address: "192.0.2.54", port: 53 },
    ],
    names: new Map([["printer.example", ["192.0.2.9", "2001:db8::9"]]]),
    search: ["example.org"],
  };
  own = ["127.0.0.1", "::1", "198.51.100.7"];

  constructor(readonly time: VirtualTime) {}

  connect(to: SocketAddress, handler: StreamHandler): FakeStream {
    const stream = new FakeStream(to, this.time, handler);
    this.streams.push(stream);
    return stream;
  }

  listen(): Promise<Listener> {
    throw new Error("not asked for");
  }

  datagrams(_version: 4 | 6, handler: DatagramHandler): FakeDatagrams {
    const socket = new FakeDatagrams(40_000 + this.sockets.length, handler);
    this.sockets.push(socket);
    return socket;
  }

  bind(): Promise<DatagramSocket> {
    throw new Error("not asked for");
  }

  echo(address: string, length: number, complete: (failure: SocketFailure | undefined) => void): void {
    this.echoes.push({ address, length, complete });
  }

  resolver(): ResolverConfiguration {
    return this.configuration;
  }

  ownAddresses(): readonly string[] {
    return this.own;
  }

  random(): number {
    return this.#random();
  }
}
