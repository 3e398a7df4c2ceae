/**
 * The name server that guests see: it forwards what it is asked to the host's
 * servers as it is, so that records of every type work, and answers itself for
 * names in the host's own table.
 */

import type { DatagramHandler, DatagramSocket, SocketAddress, Sockets, Stream } from "../backends/sockets.ts";
import type { Timing } from "../backends/timing.ts";
import { parseIpv6 } from "./addresses.ts";
import { get16, put16 } from "./bytes.ts";
import {
  addressData,
  buildAnswers,
  buildStatus,
  DNS_HEADER,
  FORMAT_ERROR,
  isResponse,
  isTruncated,
  NOT_IMPLEMENTED,
  nameData,
  opcodeOf,
  type Question,
  readQuestion,
  reverseName,
  SERVER_FAILURE,
  sameQuestion,
  TYPE_PTR,
  truncate,
  udpSize,
} from "./dns-message.ts";
import type { TcpConnection, TcpUser } from "./tcp/connection.ts";

export const DNS_PORT = 53;

/** Queries under way; the oldest is given up for a new one. */
const MAX_QUERIES = 256;
/** How long a server is waited for until the next is asked; the last is waited for longer. */
const TRY_MS = 2000;
const TRIES = 4;
const TCP_TIMEOUT_MS = 10_000;
/** Bytes of one answer by UDP that fit a frame; larger ones go by TCP. */
const LARGEST_UDP = 1472;
/** Bytes that are taken from a connection at a time. */
const PIECE = 4096;
/** Queries of one TCP connection that are under way. */
const MAX_PIPELINED = 16;

interface Pending {
  /** Ends it; the answer is dropped. */
  cancel(): void;
}

export class DnsForwarder {
  readonly #sockets: Sockets;
  readonly #timing: Timing;
  /** In the order of their beginning. */
  readonly #pending = new Set<Pending>();
  #reversed: { names: ReadonlyMap<string, readonly string[]>; addresses: ReadonlyMap<string, string> } | undefined;

  constructor(sockets: Sockets, timing: Timing) {
    this.#sockets = sockets;
    this.#timing = timing;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Answers a query that came by UDP, if it is one. */
  answer(query: Uint8Array, complete: (response: Uint8Array) => void): void {
    if (!isQuery(query)) return;
    const question = readQuestion(query);
    const deliver = (response: Uint8Array) => {
      const size = question ? Math.min(udpSize(query, question), LARGEST_UDP) : 512;
      complete(response.length > size && question ? truncate(response, question) : response);
    };
    const own = this.#ownAnswer(query, question);
    if (own) deliver(own);
    else if (question) this.#forward(query.slice(), question, deliver);
  }

  /** Serves a connection by TCP (RFC 7766). */
  serve(connection: TcpConnection): TcpUser {
    return new DnsConnection(connection, (query, complete) => {
      if (!isQuery(query)) return complete(undefined);
      const question = readQuestion(query);
      const own = this.#ownAnswer(query, question);
      if (own) complete(own);
      else if (question) this.#ask(complete, (finish) => this.#askByStream(query, question, finish));
      else complete(undefined);
    });
  }

  close(): void {
    for (const pending of [...this.#pending]) pending.cancel();
  }

  /** @returns undefined if the host's servers are to be asked */
  #ownAnswer(query: Uint8Array, question: Question | undefined): Uint8Array | undefined {
    if (opcodeOf(query) !== 0) return buildStatus(query, question, NOT_IMPLEMENTED);
    if (!question) return buildStatus(query, question, FORMAT_ERROR);
    const { name, type } = question;
    if (question.class !== 1) return undefined;
    // Names that never leave a host (RFC 6761 §6.3).
    if (name === "localhost" || name.endsWith(".localhost"))
      return this.#addresses(query, question, ["127.0.0.1", "::1"]);
    const { names } = this.#sockets.resolver();
    if (type === TYPE_PTR) {
      const its = this.#reverse(names).get(name);
      return its === undefined ? undefined : buildAnswers(query, question, [nameData(its)]);
    }
    const addresses = names.get(name);
    return addresses && this.#addresses(query, question, addresses);
  }

  /** The table the other way round. */
  #reverse(names: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, string> {
    if (this.#reversed?.names === names) return this.#reversed.addresses;
    const addresses = new Map<string, string>();
    for (const [name, its] of names) {
      for (const address of its) {
        const reverse = reverseName(address);
        if (reverse !== undefined && !addresses.has(reverse)) addresses.set(reverse, name);
      }
    }
    this.#reversed = { names, addresses };
    return addresses;
  }

  #addresses(query: Uint8Array, question: Question, addresses: readonly string[]): Uint8Array {
    const data = addresses.map((address) => addressData(address, question.type)).filter((each) => each !== undefined);
    return buildAnswers(query, question, data.slice(0, 32));
  }

  #forward(query: Uint8Array, question: Question, complete: (response: Uint8Array) => void): void {
    this.#ask(
      (response) => complete(response ?? buildStatus(query, question, SERVER_FAILURE)),
      (finish) => this.#askByUdp(query, question, finish),
    );
  }

  /** Begins something that is given up for newer ones. */
  #ask(complete: (response: Uint8Array | undefined) => void, begin: (finish: typeof complete) => () => void): void {
    if (this.#pending.size >= MAX_QUERIES) this.#pending.values().next().value?.cancel();
    let stop: (() => void) | undefined;
    let done = false;
    const pending: Pending = {
      cancel: () => {
        done = true;
        this.#pending.delete(pending);
        stop?.();
      },
    };
    this.#pending.add(pending);
    stop = begin((response) => {
      if (done) return;
      pending.cancel();
      complete(response);
    });
    if (done) stop();
  }

  /** Asks one server after another. @returns ends it */
  #askByUdp(query: Uint8Array, question: Question, finish: (response: Uint8Array | undefined) => void): () => void {
    const { servers } = this.#sockets.resolver();
    if (servers.length === 0) {
      finish(buildStatus(query, question, SERVER_FAILURE));
      return () => {};
    }
    // A number and a port that nobody can guess (RFC 5452 §4.3, §4.4), not those of the guest.
    const message = query.slice();
    const id = this.#sockets.random() & 0xffff;
    put16(message, 0, id);
    const asked = new Set<string>();
    let tries = 0;
    let cancelTimer: (() => void) | undefined;
    const handler: DatagramHandler = {
      data: (bytes, from) => {
        if (!asked.has(keyOf(from)) || bytes.length < DNS_HEADER || get16(bytes, 0) !== id) return;
        if (!isResponse(bytes) || (get16(bytes, 4) !== 0 && !sameQuestion(message, bytes, question))) return;
        const response = bytes.slice();
        // A server that can't answer isn't the last word while there are others.
        if ((response[3]! & 15) === SERVER_FAILURE && tries < servers.length) return attempt();
        response.set(query.subarray(0, 2));
        finish(response);
      },
      failed: () => {
        if (tries < TRIES) attempt();
      },
    };
    /** For servers of IPv4 and of IPv6. */
    const sockets = new Map<4 | 6, DatagramSocket>();
    const socketFor = (version: 4 | 6) => {
      const socket = sockets.get(version) ?? this.#sockets.datagrams(version, handler);
      sockets.set(version, socket);
      return socket;
    };
    const attempt = () => {
      cancelTimer?.();
      if (tries >= TRIES) return finish(undefined);
      const server = servers[tries++ % servers.length]!;
      asked.add(keyOf(server));
      cancelTimer = this.#timing.later(TRY_MS, attempt);
      socketFor(server.address.includes(":") ? 6 : 4).send(message, server);
    };
    attempt();
    return () => {
      cancelTimer?.();
      for (const socket of sockets.values()) socket.close();
    };
  }

  /** Asks by TCP, and if no server takes that, by UDP, which may do. @returns ends it */
  #askByStream(query: Uint8Array, question: Question, finish: (response: Uint8Array | undefined) => void): () => void {
    const { servers } = this.#sockets.resolver();
    const failure = buildStatus(query, question, SERVER_FAILURE);
    let stop = () => {};
    const attempt = (index: number) => {
      const server = servers[index];
      if (server) {
        const stream = this.#exchange(server, query, (response) => {
          if (response) return finish(response);
          stream.reset();
          attempt(index + 1);
        });
        stop = () => stream.reset();
      } else {
        stop = this.#askByUdp(query, question, (response) =>
          finish(response && !isTruncated(response) ? response : failure),
        );
      }
    };
    const cancelTimer = this.#timing.later(TCP_TIMEOUT_MS, () => finish(failure));
    attempt(0);
    return () => {
      cancelTimer();
      stop();
    };
  }

  /** One query and its response through a connection of their own. */
  #exchange(server: SocketAddress, query: Uint8Array, complete: (response: Uint8Array | undefined) => void): Stream {
    const reader = new MessageReader();
    let done = false;
    const finish = (response: Uint8Array | undefined) => {
      if (done) return;
      done = true;
      complete(response);
    };
    const stream = this.#sockets.connect(server, {
      connected: () => stream.write(framed(query), () => {}),
      data: (bytes) => {
        reader.push(bytes);
        const response = reader.next();
        if (response)
          finish(response.length >= DNS_HEADER && get16(response, 0) === get16(query, 0) ? response : undefined);
      },
      ended: () => finish(undefined),
      closed: () => finish(undefined),
    });
    return stream;
  }
}

/** Whether a message may be answered at all. */
function isQuery(message: Uint8Array): boolean {
  return message.length >= DNS_HEADER && !isResponse(message);
}

/** A server, however its address is written. */
function keyOf({ address, port }: SocketAddress): string {
  return `${parseIpv6(address)?.join(":") ?? address} ${port}`;
}

/** A message with its length in front (RFC 1035 §4.2.2). */
function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + message.length);
  put16(bytes, 0, message.length);
  bytes.set(message, 2);
  return bytes;
}

/** Takes messages out of a stream. It keeps one that isn't whole, and what was pushed last. */
class MessageReader {
  #bytes = new Uint8Array(0);
  #at = 0;

  push(bytes: Uint8Array): void {
    const rest = this.#bytes.subarray(this.#at);
    const all = new Uint8Array(rest.length + bytes.length);
    all.set(rest);
    all.set(bytes, rest.length);
    this.#bytes = all;
    this.#at = 0;
  }

  next(): Uint8Array | undefined {
    const start = this.#at + 2;
    if (this.#bytes.length < start) return undefined;
    const end = start + get16(this.#bytes, this.#at);
    if (this.#bytes.length < end) return undefined;
    this.#at = end;
    return this.#bytes.slice(start, end);
  }
}

/** A guest's connection to the name server. */
class DnsConnection implements TcpUser {
  readonly #connection: TcpConnection;
  readonly #answer: (query: Uint8Array, complete: (response: Uint8Array | undefined) => void) => void;
  readonly #reader = new MessageReader();
  #pending = 0;
  #reading = false;
  #closed = false;

  constructor(
    connection: TcpConnection,
    answer: (query: Uint8Array, complete: (response: Uint8Array | undefined) => void) => void,
  ) {
    this.#connection = connection;
    this.#answer = answer;
  }

  established(): void {}

  readable(): void {
    // Answers that are there at once come from within; the loop goes on with them.
    if (this.#reading) return;
    this.#reading = true;
    this.#read();
    this.#reading = false;
    const { ended, received } = this.#connection;
    if (ended && received.length === 0 && this.#pending === 0) this.#connection.end();
  }

  #read(): void {
    const { received } = this.#connection;
    // What isn't read stays in the window, and holds the guest back.
    while (!this.#closed && this.#pending < MAX_PIPELINED && this.#connection.room > 0) {
      const query = this.#reader.next();
      if (query) {
        this.#pending++;
        this.#answer(query, (response) => {
          this.#pending--;
          if (this.#closed) return;
          if (response) this.#connection.write(framed(response));
          this.readable();
        });
        continue;
      }
      if (received.length === 0) break;
      const bytes = received.first().subarray(0, PIECE);
      this.#reader.push(bytes);
      this.#connection.consumed(bytes.length);
    }
  }

  writable(): void {
    this.readable();
  }

  closed(): void {
    this.#closed = true;
  }
}
