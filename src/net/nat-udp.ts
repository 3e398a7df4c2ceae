/**
 * UDP between guests and the host's sockets. A guest's port has one socket of
 * the host for all whom it sends to (RFC 4787 REQ-1: endpoint-independent), and
 * hears from those alone (REQ-8: address-dependent).
 */

import type { DatagramSocket, SocketAddress, SocketFailure, Sockets } from "../backends/sockets.ts";
import type { Timing } from "../backends/timing.ts";
import { formatIpv4, type Ipv4, toIpv4 } from "./addresses.ts";
import { HOST_UNREACHABLE, MAX_QUOTED, NET_UNREACHABLE, PORT_UNREACHABLE, PROHIBITED } from "./icmp.ts";
import type { Packet } from "./ipv4.ts";
import { GATEWAY, isLocal } from "./plan.ts";
import { hostAddress, LOOPBACK, type Policy } from "./policy.ts";
import { buildUdp, type Datagram, MAX_DATAGRAM } from "./udp.ts";

const MAX_PORTS = 512;
/** Whom a port may hear from at a time; whom it sent to longest ago is forgotten first. */
const MAX_PEERS = 64;
const MAX_FORWARDED = 1024;
/** RFC 4787 REQ-5: no less than two minutes. */
const IDLE_MS = 180_000;

export interface UdpNatOptions {
  readonly sockets: Sockets;
  readonly timing: Timing;
  readonly policy: Policy;
  /** Sends a frame, of any size, to its IP destination. */
  readonly emit: (frame: Uint8Array) => void;
  readonly unreachable: (packet: Packet, code: number) => void;
}

/** A guest's port, and the host's socket for it. */
interface Port {
  readonly guest: Ipv4;
  readonly port: number;
  readonly socket: DatagramSocket;
  /** By address and port as the host has them: the packet that went there last, for errors. */
  readonly peers: Map<string, Peer>;
  usedAt: number;
}

interface Peer {
  readonly visible: Ipv4;
  readonly port: number;
  /** The last packet, as far as an error tells of it. */
  packet: Packet;
}

/** A peer of the host that sent to a forwarded port: where the guest's answers go. */
interface Forwarded {
  readonly socket: DatagramSocket;
  readonly peer: SocketAddress;
}

export class UdpNat {
  readonly #options: UdpNatOptions;
  /** Used most recently last. */
  readonly #ports = new Map<number, Port>();
  /** By guest's port and peer, as the guest sees it. */
  readonly #forwarded = new Map<string, Forwarded>();
  #cancelSweep: (() => void) | undefined;

  constructor(options: UdpNatOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#ports.size;
  }

  /** A datagram from a guest. */
  receive(packet: Packet, datagram: Datagram): void {
    const { source, destination } = packet;
    const { sourcePort, destinationPort, data } = datagram;
    const forwarded = this.#forwarded.get(forwardedKey(source, sourcePort, destination, destinationPort));
    if (forwarded) {
      forwarded.socket.send(data, forwarded.peer);
      return;
    }
    if (isLocal(destination) && destination !== GATEWAY) {
      this.#options.unreachable(packet, PORT_UNREACHABLE);
      return;
    }
    const to = hostAddress(destination);
    if (destinationPort === 0 || !this.#options.policy.allows(to, destinationPort)) {
      this.#options.unreachable(packet, PROHIBITED);
      return;
    }
    const port = this.#port(source, sourcePort);
    const address = formatIpv4(to);
    const key = `${address}:${destinationPort}`;
    const peer = port.peers.get(key);
    const kept = beginningOf(packet);
    // The most recent last.
    port.peers.delete(key);
    port.peers.set(key, peer ?? { visible: destination, port: destinationPort, packet: kept });
    if (peer) peer.packet = kept;
    else if (port.peers.size > MAX_PEERS) port.peers.delete(port.peers.keys().next().value!);
    port.socket.send(data, { address, port: destinationPort });
  }

  /** A datagram from outside, for a guest. @param socket answers go through it */
  forward(socket: DatagramSocket, data: Uint8Array, from: SocketAddress, guest: Ipv4, port: number): void {
    const peer = toIpv4(from.address);
    const isOutside = peer !== undefined && peer >>> 24 !== LOOPBACK >>> 24 && !isLocal(peer);
    const visible = isOutside ? peer : GATEWAY;
    const key = forwardedKey(guest, port, visible, from.port);
    this.#forwarded.delete(key);
    this.#forwarded.set(key, { socket, peer: from });
    if (this.#forwarded.size > MAX_FORWARDED) this.#forwarded.delete(this.#forwarded.keys().next().value!);
    this.#emit(visible, from.port, guest, port, data);
  }

  close(): void {
    for (const { socket } of this.#ports.values()) socket.close();
    this.#ports.clear();
    this.#forwarded.clear();
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }

  #port(guest: Ipv4, number: number): Port {
    const key = guest * 0x10000 + number;
    let port = this.#ports.get(key);
    if (port) {
      this.#ports.delete(key);
    } else {
      if (this.#ports.size >= MAX_PORTS) this.#drop(...(this.#ports.entries().next().value as [number, Port]));
      const peers = new Map<string, Peer>();
      const socket = this.#options.sockets.datagrams(4, {
        data: (bytes, from) => this.#answer(guest, number, peers, bytes, from),
        failed: (failure, to) => this.#fail(key, peers, failure, to),
      });
      port = { guest, port: number, socket, peers, usedAt: 0 };
    }
    this.#ports.set(key, port);
    port.usedAt = this.#options.timing.now();
    this.#sweepLater();
    return port;
  }

  #answer(guest: Ipv4, number: number, peers: ReadonlyMap<string, Peer>, bytes: Uint8Array, from: SocketAddress): void {
    const peer = peers.get(`${from.address}:${from.port}`) ?? otherPort(peers, from.address);
    if (!peer) return;
    const port = this.#ports.get(guest * 0x10000 + number);
    if (port) port.usedAt = this.#options.timing.now();
    this.#emit(peer.visible, from.port, guest, number, bytes);
  }

  #fail(key: number, peers: ReadonlyMap<string, Peer>, failure: SocketFailure, to: SocketAddress): void {
    const peer = peers.get(`${to.address}:${to.port}`);
    const code = unreachableCode(failure);
    if (peer && code !== undefined) this.#options.unreachable(peer.packet, code);
    if (to.port !== 0) return;
    // There is no socket at all.
    for (const { packet } of peers.values()) this.#options.unreachable(packet, NET_UNREACHABLE);
    if (this.#ports.get(key)?.peers === peers) this.#ports.delete(key);
  }

  #emit(source: Ipv4, sourcePort: number, guest: Ipv4, port: number, data: Uint8Array): void {
    if (data.length <= MAX_DATAGRAM) this.#options.emit(buildUdp(source, sourcePort, guest, port, data));
  }

  #sweepLater(): void {
    this.#cancelSweep ??= this.#options.timing.later(IDLE_MS / 4, () => {
      this.#cancelSweep = undefined;
      const limit = this.#options.timing.now() - IDLE_MS;
      for (const [key, port] of this.#ports) if (port.usedAt <= limit) this.#drop(key, port);
      if (this.#ports.size > 0) this.#sweepLater();
    });
  }

  #drop(key: number, port: Port): void {
    port.socket.close();
    this.#ports.delete(key);
  }
}

/** A packet, without the rest that errors don't tell, if that is much. */
function beginningOf(packet: Packet): Packet {
  const length = Math.min(packet.end, packet.start + MAX_QUOTED);
  return packet.frame.length <= 2 * MAX_QUOTED
    ? packet
    : { ...packet, frame: packet.frame.slice(0, length), end: length };
}

/** A peer that answers from another port than it was asked at. */
function otherPort(peers: ReadonlyMap<string, Peer>, address: string): Peer | undefined {
  for (const [key, peer] of peers) if (key.startsWith(`${address}:`)) return peer;
  return undefined;
}

function forwardedKey(guest: Ipv4, port: number, peer: Ipv4, peerPort: number): string {
  return `${guest}:${port},${peer}:${peerPort}`;
}

function unreachableCode(failure: SocketFailure): number | undefined {
  switch (failure) {
    case "refused":
      return PORT_UNREACHABLE;
    case "host-unreachable":
      return HOST_UNREACHABLE;
    case "network-unreachable":
    case "exhausted":
      return NET_UNREACHABLE;
    case "forbidden":
      return PROHIBITED;
    default:
      return undefined;
  }
}
