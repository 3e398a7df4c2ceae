/** TCP between guests and the host's sockets: connections that guests make, and those that are forwarded to them. */

import type { SocketFailure, Sockets, Stream, StreamHandler } from "../backends/sockets.ts";
import type { Timing } from "../backends/timing.ts";
import { formatIpv4, type Ipv4, toIpv4 } from "./addresses.ts";
import { MTU } from "./ethernet.ts";
import { type Flow, FlowTable } from "./flows.ts";
import { HOST_UNREACHABLE, NET_UNREACHABLE, PROHIBITED } from "./icmp.ts";
import { IP_HEADER, IP_PAYLOAD, type Packet } from "./ipv4.ts";
import { GATEWAY, isLocal } from "./plan.ts";
import { hostAddress, LOOPBACK, type Policy } from "./policy.ts";
import { Relay } from "./relay.ts";
import { State, TcpConnection, type TcpUser } from "./tcp/connection.ts";
import { buildReset, TcpPath } from "./tcp/path.ts";
import { ACK, parseTcp, RST, type Segment, SYN, TCP_HEADER } from "./tcp/segment.ts";
import { distance } from "./tcp/sequence.ts";

const MAX_FLOWS = 2048;
/** Of these, connections that don't stand yet. */
const MAX_OPENING = 256;
/** Bytes that may wait in one direction of a connection; while there are many, less. */
const MOST = 1024 * 1024;
const LEAST = 32 * 1024;
const BUDGET = 64 * 1024 * 1024;
const MSS = MTU - IP_HEADER - TCP_HEADER;

export interface TcpNatOptions {
  readonly sockets: Sockets;
  readonly timing: Timing;
  readonly policy: Policy;
  /** Sends a frame to its IP destination. */
  readonly emit: (frame: Uint8Array) => void;
  /** Tells a packet's sender that it can't be delivered. */
  readonly unreachable: (packet: Packet, code: number) => void;
  /** Bytes of the largest frame that is taken. */
  readonly largest: () => number;
  /** Answers connections to ports of the network's own; undefined: there is nobody. */
  readonly service: (address: Ipv4, port: number) => ((connection: TcpConnection) => TcpUser) | undefined;
}

class TcpEntry {
  guest!: TcpConnection;
  abort!: () => void;

  constructor(readonly flow: Flow) {}

  get usedAt(): number {
    return this.guest.heardAt;
  }
}

export class TcpNat {
  readonly #options: TcpNatOptions;
  readonly #flows = new FlowTable<TcpEntry>();
  /** Those that have something to do once all frames that came were seen. */
  #scheduled: TcpConnection[] = [];

  constructor(options: TcpNatOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#flows.size;
  }

  /** A packet from a guest. */
  receive(packet: Packet): void {
    const segment = parseTcp(packet);
    if (!segment || segment.destinationPort === 0 || segment.sourcePort === 0) return;
    const entry = this.#flows.get(packet.source, segment.sourcePort, packet.destination, segment.destinationPort);
    if (entry && !isReuse(entry.guest, segment)) {
      entry.guest.receive(segment);
      return;
    }
    entry?.abort();
    if ((segment.flags & (SYN | ACK | RST)) === SYN) this.#begin(packet, segment);
    else this.#refuse(packet, segment);
  }

  /** Ends all. */
  close(): void {
    for (const entry of [...this.#flows.values()]) entry.abort();
  }

  /**
   * A connection from outside, for a guest.
   * @param stream of the host
   */
  forward(stream: Stream, guest: Ipv4, port: number): StreamHandler | undefined {
    const flow = this.#flowOf(stream, guest, port);
    if (!flow) return undefined;
    this.#makeRoom();
    const entry = new TcpEntry(flow);
    const relay = this.#relay(entry, () => entry.guest.abort());
    relay.join(entry.guest, stream);
    entry.guest.open();
    return relay.hostSide;
  }

  // ---- Connections that guests make --------------------------------------------------------

  #begin(packet: Packet, segment: Segment): void {
    const { source, destination } = packet;
    const flow: Flow = {
      source,
      sourcePort: segment.sourcePort,
      destination,
      destinationPort: segment.destinationPort,
    };
    const to = hostAddress(destination);
    const serve = this.#options.service(destination, segment.destinationPort);
    if (!serve && isLocal(destination) && destination !== GATEWAY) {
      this.#refuse(packet, segment);
      return;
    }
    if (!this.#options.policy.allows(to, segment.destinationPort)) {
      this.#options.unreachable(packet, PROHIBITED);
      this.#refuse(packet, segment);
      return;
    }
    this.#makeRoom();
    const entry = new TcpEntry(flow);
    if (serve) {
      this.#serve(entry, segment, serve);
      return;
    }
    const relay = this.#relay(entry, (failure) => {
      const code = unreachableCode(failure);
      if (code !== undefined) this.#options.unreachable(packet, code);
      // To some systems an error by ICMP is a hint only, and they would try again for minutes.
      entry.guest.abort();
    });
    entry.guest.defer(segment);
    const host = this.#options.sockets.connect(
      { address: formatIpv4(to), port: segment.destinationPort },
      relay.hostSide,
    );
    relay.join(entry.guest, host);
  }

  /** A connection that the network itself answers. */
  #serve(entry: TcpEntry, segment: Segment, serve: (connection: TcpConnection) => TcpUser): void {
    let user: TcpUser | undefined;
    const closed: TcpUser["closed"] = (how) => {
      this.#flows.delete(entry);
      user?.closed(how);
    };
    this.#add(
      entry,
      {
        established: () => user?.established(),
        readable: () => user?.readable(),
        writable: () => user?.writable(),
        closed,
      },
      () => {
        entry.guest.abort();
        closed("reset");
      },
    );
    user = serve(entry.guest);
    entry.guest.defer(segment);
    entry.guest.accept();
  }

  // ---- The table ---------------------------------------------------------------------------

  /** Adds a flow, with the guest's connection. */
  #add(entry: TcpEntry, user: TcpUser, abort: () => void): void {
    const { sockets, timing, emit } = this.#options;
    const { source, sourcePort, destination, destinationPort } = entry.flow;
    const ends = {
      source: destination,
      sourcePort: destinationPort,
      destination: source,
      destinationPort: sourcePort,
    };
    entry.guest = new TcpConnection({
      timing,
      user,
      wire: new TcpPath(ends, emit),
      initialSequence: sockets.random(),
      mss: MSS,
      burst: () => this.#options.largest() - IP_PAYLOAD - TCP_HEADER,
      limit: this.#limit,
      schedule: this.#schedule,
    });
    entry.abort = abort;
    this.#flows.add(entry);
  }

  #relay(entry: TcpEntry, failed: (failure: SocketFailure) => void): Relay {
    const relay = new Relay({
      failed: (failure) => {
        this.#flows.delete(entry);
        failed(failure);
      },
      done: () => this.#flows.delete(entry),
    });
    this.#add(entry, relay.guestSide, () => relay.abort());
    return relay;
  }

  /** Gives up a connection if there are too many: first those that are over, then whichever was longest idle. */
  #makeRoom(): void {
    let opening = 0;
    for (const { guest } of this.#flows.values()) if (guest.state < State.Established) opening++;
    if (opening >= MAX_OPENING) this.#flows.spare(({ guest }) => (guest.state < State.Established ? 0 : 1))?.abort();
    else if (this.#flows.size >= MAX_FLOWS)
      this.#flows.spare(({ guest }) => (guest.state === State.TimeWait ? 0 : 1))?.abort();
  }

  readonly #limit = (): number => Math.max(LEAST, Math.min(MOST, Math.floor(BUDGET / Math.max(1, this.#flows.size))));

  readonly #schedule = (connection: TcpConnection): void => {
    if (this.#scheduled.push(connection) > 1) return;
    this.#options.timing.soon(() => {
      const scheduled = this.#scheduled;
      this.#scheduled = [];
      for (const each of scheduled) each.flush();
    });
  };

  /** How the guest sees a connection from outside: from its peer, or if that is the host itself, from the gateway. */
  #flowOf({ remote }: Stream, source: Ipv4, sourcePort: number): Flow | undefined {
    const peer = toIpv4(remote.address);
    const visible = peer !== undefined && peer !== LOOPBACK && !isLocal(peer) && peer >>> 24 !== 127;
    const destination = visible ? peer : GATEWAY;
    let port = remote.port;
    // Peers of several addresses may have the same port, and be the gateway to the guest.
    for (let tries = 0; tries < 1000; tries++) {
      if (!this.#flows.get(source, sourcePort, destination, port))
        return { source, sourcePort, destination, destinationPort: port };
      port = 1024 + (this.#options.sockets.random() % (0x10000 - 1024));
    }
    return undefined;
  }

  #refuse(packet: Packet, segment: Segment): void {
    const reset = buildReset(
      {
        source: packet.destination,
        sourcePort: segment.destinationPort,
        destination: packet.source,
        destinationPort: segment.sourcePort,
      },
      segment,
    );
    if (reset) this.#options.emit(reset);
  }
}

/** Whether a SYN begins a new connection between ends that had one lately (RFC 9293 §3.10.7.4, TIME-WAIT). */
function isReuse(connection: TcpConnection, segment: Segment): boolean {
  return (
    connection.state === State.TimeWait &&
    (segment.flags & (SYN | ACK | RST)) === SYN &&
    distance(segment.sequence, connection.nextSequence) > 0
  );
}

/** What ICMP says of a failure; undefined: nothing, the connection is just refused. */
function unreachableCode(failure: SocketFailure): number | undefined {
  switch (failure) {
    case "host-unreachable":
    case "timed-out":
      return HOST_UNREACHABLE;
    case "network-unreachable":
      return NET_UNREACHABLE;
    case "forbidden":
      return PROHIBITED;
    default:
      return undefined;
  }
}
