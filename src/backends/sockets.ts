/**
 * The host's sockets, for networks that have none of their own.
 *
 * Addresses are numeric, as text; names never reach this interface. Every call
 * starts something and returns; what comes of it is told to a handler, never
 * from within the call that started it.
 */

export interface SocketAddress {
  /** IPv4 in four parts, or IPv6. */
  readonly address: string;
  readonly port: number;
}

/** What went wrong, as far as the other side can be told. */
export type SocketFailure =
  | "refused"
  | "host-unreachable"
  | "network-unreachable"
  | "timed-out"
  | "reset"
  /** The host forbids it. */
  | "forbidden"
  /** A datagram that is larger than the way takes. */
  | "too-large"
  /** The host has no room for more sockets. */
  | "exhausted"
  | "failed";

/** What a TCP connection tells. Nothing comes after `closed`. */
export interface StreamHandler {
  /** The connection stands; for those that were listened for, it did so from the beginning. */
  connected(): void;
  /** Bytes have come; they are only there during the call. */
  data(bytes: Uint8Array): void;
  /** The peer sends no more. */
  ended(): void;
  /** It has ended, both ways, or failed; exactly once. */
  closed(failure: SocketFailure | undefined): void;
}

export interface Stream {
  readonly remote: SocketAddress;
  /** Sends bytes, which stay as they are until `done`. Callers wait for it before they send more. */
  write(bytes: Uint8Array, done: () => void): void;
  /** Says that no more is sent. */
  end(): void;
  /** Takes no more from the peer until `resume`; little may still come. */
  pause(): void;
  resume(): void;
  /** Ends it both ways at once, by a reset; the handler hears no more. */
  reset(): void;
}

export interface Listener {
  /** The port that was asked for, or that the system chose for 0. */
  readonly port: number;
  close(): void;
}

export interface DatagramHandler {
  /** A datagram has come. */
  data(bytes: Uint8Array, from: SocketAddress): void;
  /** One that was sent has failed. */
  failed(failure: SocketFailure, to: SocketAddress): void;
}

export interface DatagramSocket {
  /** The port, once it is known. */
  readonly port: number;
  /** Sends a datagram, which stays as it is. It may be lost, also when too many are under way. */
  send(bytes: Uint8Array, to: SocketAddress): void;
  /** Ends it; the handler hears no more. */
  close(): void;
}

/** How the host resolves names. */
export interface ResolverConfiguration {
  /** Servers that answer DNS, in order of preference. */
  readonly servers: readonly SocketAddress[];
  /** Names of the host's own table, in lower case and without a last dot, with their addresses. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  /** Domains in which short names are looked up. */
  readonly search: readonly string[];
}

export interface Sockets {
  /** Connects by TCP. */
  connect(to: SocketAddress, handler: StreamHandler): Stream;
  /**
   * Accepts TCP connections at an address of the host.
   * @param accept is given each, and says who hears of it; undefined: it is reset
   * @returns once it listens. Rejects with an error whose message is one sentence.
   */
  listen(at: SocketAddress, accept: (stream: Stream) => StreamHandler | undefined): Promise<Listener>;
  /**
   * A UDP socket for datagrams to addresses of IPv4 or IPv6. Sending may begin at once.
   * @param handler hears `failed` with the address :0 if there is no socket to be had; it is closed then
   */
  datagrams(version: 4 | 6, handler: DatagramHandler): DatagramSocket;
  /** A UDP socket at an address of the host, as with `listen`. */
  bind(at: SocketAddress, handler: DatagramHandler): Promise<DatagramSocket>;
  /**
   * Asks a host for an ICMP echo of so many bytes.
   * @param complete is told whether it answered, and else why not; "forbidden" means that this host can't ask
   */
  echo(address: string, length: number, complete: (failure: SocketFailure | undefined) => void): void;
  resolver(): ResolverConfiguration;
  /** Addresses of the host's own interfaces. */
  ownAddresses(): readonly string[];
  /** A random number of 32 bits that nobody can guess. */
  random(): number;
}
