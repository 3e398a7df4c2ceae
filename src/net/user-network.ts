/**
 * A private network behind the host's own sockets, as QEMU's user mode has it:
 * router, name server and DHCP server for the guests on one link.
 *
 * Guests have no IPv6 here: nothing advertises a router, so that they have no
 * address but the link-local one, and use IPv4 at once.
 */

import { LARGEST_FRAME, type Link } from "../backends/link.ts";
import type { DatagramSocket, SocketFailure, Sockets, Stream, StreamHandler } from "../backends/sockets.ts";
import type { Timing } from "../backends/timing.ts";
import { formatIpv4, type Ipv4 } from "./addresses.ts";
import { buildArp, parseArp, REPLY, REQUEST } from "./arp.ts";
import { get32 } from "./bytes.ts";
import { CLIENT_PORT, DhcpServer, SERVER_PORT } from "./dhcp.ts";
import { DNS_PORT, DnsForwarder } from "./dns.ts";
import { BROADCAST, HEADER, isFor, isGroup, TYPE_ARP, TYPE_IPV4, typeOf } from "./ethernet.ts";
import {
  buildEchoReply,
  buildError,
  ECHO_HEADER,
  ECHO_REQUEST,
  HOST_UNREACHABLE,
  isIcmp,
  NET_UNREACHABLE,
  PROHIBITED,
  PROTOCOL_UNREACHABLE,
  TIME_EXCEEDED,
  UNREACHABLE,
} from "./icmp.ts";
import { fragment, ICMP, type Packet, parseIpv4Packet, TCP, UDP } from "./ipv4.ts";
import { TcpNat } from "./nat-tcp.ts";
import { UdpNat } from "./nat-udp.ts";
import { FIRST_GUEST, GATEWAY, HARDWARE, isGuest, isLocal, NAMESERVER } from "./plan.ts";
import { hostAddress, Policy, type PolicyOptions } from "./policy.ts";
import { Reassembly } from "./reassembly.ts";
import { buildUdp, type Datagram, parseUdp } from "./udp.ts";

/** Echoes under way outside. */
const MAX_ECHOES = 32;
/** Errors by ICMP in a second (RFC 1812 §4.3.2.8). */
const MAX_ERRORS = 100;
/** Guests whose hardware address is known. */
const MAX_NEIGHBOURS = 64;

export interface UserNetworkOptions extends PolicyOptions {
  /** What guests without a name of their own are to be called. */
  readonly hostName?: string | undefined;
}

export class UserNetwork implements Link {
  onFrame: ((frame: Uint8Array) => void) | undefined;
  readonly largestFrame = HEADER + 0xffff;
  largestArrival: number | undefined;
  readonly #timing: Timing;
  readonly #sockets: Sockets;
  readonly #policy: Policy;
  readonly #tcp: TcpNat;
  readonly #udp: UdpNat;
  readonly #dhcp: DhcpServer;
  readonly #dns: DnsForwarder;
  readonly #reassembly: Reassembly;
  /** Hardware addresses of guests, the one heard of longest ago first. */
  readonly #neighbours = new Map<Ipv4, Uint8Array>();
  #identification = 1;
  #echoes = 0;
  #errors = 0;
  #errorsSince = 0;
  #closed = false;

  /** @throws PolicyError for rules that can't be understood */
  constructor(options: UserNetworkOptions, sockets: Sockets, timing: Timing) {
    this.#timing = timing;
    this.#sockets = sockets;
    this.#policy = new Policy(options, sockets, () => timing.now());
    const emit = (frame: Uint8Array) => this.#emit(frame);
    const unreachable = (packet: Packet, code: number) => this.#sendError(UNREACHABLE, code, packet);
    const shared = { sockets, timing, policy: this.#policy, emit, unreachable };
    this.#dns = new DnsForwarder(sockets, timing);
    this.#tcp = new TcpNat({
      ...shared,
      largest: () => Math.min(this.largestArrival ?? LARGEST_FRAME, this.largestFrame),
      service: (address, port) =>
        address === NAMESERVER && port === DNS_PORT ? (connection) => this.#dns.serve(connection) : undefined,
    });
    this.#udp = new UdpNat(shared);
    this.#dhcp = new DhcpServer({ hostName: options.hostName ?? "", search: () => sockets.resolver().search });
    this.#reassembly = new Reassembly(timing);
  }

  // ---- Frames from guests ------------------------------------------------------------------

  submit(frame: Uint8Array): void {
    // Whoever sends from a group, or from our own address, isn't to be answered.
    if (this.#closed || frame.length < HEADER || isGroup(frame, 6) || isFor(frame.subarray(6), HARDWARE)) return;
    if (!isGroup(frame) && !isFor(frame, HARDWARE)) return;
    const type = typeOf(frame);
    if (type === TYPE_IPV4) this.#receiveIpv4(frame);
    else if (type === TYPE_ARP) this.#receiveArp(frame);
  }

  /** A connection of the host's that is forwarded to a guest's port. @returns undefined if there is no room for it */
  forwardStream(stream: Stream, port: number): StreamHandler | undefined {
    return this.#closed ? undefined : this.#tcp.forward(stream, FIRST_GUEST, port);
  }

  /** A datagram that came to a socket of the host's, for a guest's port. */
  forwardDatagram(
    socket: DatagramSocket,
    data: Uint8Array,
    from: { address: string; port: number },
    port: number,
  ): void {
    if (!this.#closed) this.#udp.forward(socket, data, from, FIRST_GUEST, port);
  }

  close(): void {
    this.#tcp.close();
    this.#udp.close();
    this.#dns.close();
    this.#closed = true;
    this.onFrame = undefined;
  }

  #receiveArp(frame: Uint8Array): void {
    const packet = parseArp(frame);
    if (!packet) return;
    const hardware = frame.slice(packet.senderAt, packet.senderAt + 6);
    // Who claims to be another than the frame's sender isn't believed.
    if (!isFor(frame.subarray(6), hardware)) return;
    this.#learn(packet.sender, hardware);
    const isOurs = packet.target === GATEWAY || packet.target === NAMESERVER;
    if (packet.operation === REQUEST && isOurs)
      this.#send(buildArp(REPLY, HARDWARE, packet.target, hardware, packet.sender));
  }

  #receiveIpv4(frame: Uint8Array): void {
    let packet = parseIpv4Packet(frame);
    if (!packet) return;
    if (packet.source === 0) {
      // Only to ask for an address.
      if (packet.destination === 0xffffffff && packet.protocol === UDP) this.#receiveUdp(packet);
      return;
    }
    if (!isGuest(packet.source)) return;
    this.#learn(packet.source, frame.subarray(6, 12));
    if (packet.moreFragments || packet.fragmentOffset > 0) packet = this.#reassembly.add(packet);
    if (!packet) return;
    const { destination } = packet;
    if (destination >>> 28 === 14 || destination === 0xffffffff) {
      if (packet.protocol === UDP && destination === 0xffffffff) this.#receiveUdp(packet);
      return;
    }
    if (isGroup(frame) || destination >>> 24 === 127 || destination >>> 24 === 0) return;
    if (!isLocal(destination) && packet.ttl <= 1) {
      this.#sendError(TIME_EXCEEDED, 0, packet);
      return;
    }
    if (packet.protocol === TCP) this.#tcp.receive(packet);
    else if (packet.protocol === UDP) this.#receiveUdp(packet);
    else if (packet.protocol === ICMP) this.#receiveIcmp(packet);
    else this.#sendError(UNREACHABLE, PROTOCOL_UNREACHABLE, packet);
  }

  #receiveUdp(packet: Packet): void {
    const datagram = parseUdp(packet);
    if (!datagram) return;
    const { source, destination } = packet;
    if (datagram.destinationPort === SERVER_PORT && (destination === 0xffffffff || destination === GATEWAY)) {
      const reply = this.#dhcp.answer(datagram.data);
      if (reply) this.#sendDhcp(packet, reply.data, reply.destination);
    } else if (source === 0 || destination === 0xffffffff) {
      return;
    } else if (destination === NAMESERVER && datagram.destinationPort === DNS_PORT) {
      this.#receiveDns(packet, datagram);
    } else {
      this.#udp.receive(packet, datagram);
    }
  }

  #sendDhcp(request: Packet, data: Uint8Array, destination: Ipv4): void {
    const frame = buildUdp(GATEWAY, SERVER_PORT, destination, CLIENT_PORT, data);
    // By its hardware address even if it has no other yet, unless it wants a broadcast (RFC 2131 §4.1).
    const known = this.#neighbours.get(destination);
    this.#sendTo(frame, destination === 0xffffffff ? BROADCAST : (known ?? request.frame.subarray(6, 12)));
  }

  #receiveDns(packet: Packet, { sourcePort, data }: Datagram): void {
    if (!this.#policy.allows(NAMESERVER, DNS_PORT)) {
      this.#sendError(UNREACHABLE, PROHIBITED, packet);
      return;
    }
    const { source } = packet;
    this.#dns.answer(data, (response) => {
      if (!this.#closed) this.#emit(buildUdp(NAMESERVER, DNS_PORT, source, sourcePort, response));
    });
  }

  #receiveIcmp(packet: Packet): void {
    if (!isIcmp(packet) || packet.frame[packet.start] !== ECHO_REQUEST) return;
    const { destination } = packet;
    if (destination === GATEWAY || destination === NAMESERVER) {
      this.#emit(buildEchoReply(packet));
      return;
    }
    if (isLocal(destination)) return;
    if (!this.#policy.allows(hostAddress(destination), 0)) {
      this.#sendError(UNREACHABLE, PROHIBITED, packet);
      return;
    }
    if (this.#echoes >= MAX_ECHOES) return;
    this.#echoes++;
    const length = packet.end - packet.start - ECHO_HEADER;
    this.#sockets.echo(formatIpv4(destination), length, (failure) => {
      this.#echoes--;
      if (this.#closed || failure === "timed-out") return;
      if (failure === undefined) this.#emit(buildEchoReply(packet));
      else this.#sendError(UNREACHABLE, echoCode(failure), packet);
    });
  }

  #learn(address: Ipv4, hardware: Uint8Array): void {
    if (!isGuest(address)) return;
    const known = this.#neighbours.get(address);
    if (known && isFor(hardware, known)) return;
    this.#neighbours.delete(address);
    this.#neighbours.set(address, hardware.slice());
    if (this.#neighbours.size > MAX_NEIGHBOURS) this.#neighbours.delete(this.#neighbours.keys().next().value!);
  }

  // ---- Frames to guests --------------------------------------------------------------------

  /** An error, unless it is about what must not be answered (RFC 1122 §3.2.2), or there are too many. */
  #sendError(type: number, code: number, packet: Packet): void {
    if (packet.fragmentOffset > 0 || !isGuest(packet.source)) return;
    if (packet.protocol === ICMP && packet.frame[packet.start] !== ECHO_REQUEST) return;
    const now = this.#timing.now();
    if (now - this.#errorsSince >= 1000) {
      this.#errorsSince = now;
      this.#errors = 0;
    }
    if (this.#errors++ < MAX_ERRORS) this.#emit(buildError(GATEWAY, type, code, packet));
  }

  /** Sends a packet, whatever its size, to its IP destination. */
  #emit(frame: Uint8Array): void {
    const destination = get32(frame, HEADER + 16);
    const hardware = this.#neighbours.get(destination);
    if (!hardware) {
      // Whoever sent it sends it again, when the answer is known.
      this.#send(buildArp(REQUEST, HARDWARE, GATEWAY, undefined, destination));
      return;
    }
    if (frame.length <= LARGEST_FRAME || frame[HEADER + 9] === TCP) {
      this.#sendTo(frame, hardware);
      return;
    }
    this.#identification = (this.#identification + 1) & 0xffff;
    for (const part of fragment(frame, this.#identification)) this.#sendTo(part, hardware);
  }

  #sendTo(frame: Uint8Array, hardware: Uint8Array): void {
    frame.set(hardware);
    frame.set(HARDWARE, 6);
    this.#send(frame);
  }

  #send(frame: Uint8Array): void {
    this.onFrame?.(frame);
  }
}

function echoCode(failure: SocketFailure): number {
  switch (failure) {
    case "network-unreachable":
      return NET_UNREACHABLE;
    case "forbidden":
    case "exhausted":
      return PROHIBITED;
    default:
      return HOST_UNREACHABLE;
  }
}
