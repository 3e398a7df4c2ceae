/** A guest that writes its frames by hand, on a user-mode network in virtual time. */

import { formatIpv4, parseIpv4 } from "../../../src/net/addresses.ts";
import { parseArp, REQUEST } from "../../../src/net/arp.ts";
import { get16, get32, put16, put32 } from "../../../src/net/bytes.ts";
import { fold, pseudoSum, sumOf } from "../../../src/net/checksum.ts";
import { HEADER, TYPE_ARP, typeOf } from "../../../src/net/ethernet.ts";
import { ICMP, IP_PAYLOAD, newPacket, parseIpv4Packet, TCP, UDP } from "../../../src/net/ipv4.ts";
import { HARDWARE } from "../../../src/net/plan.ts";
import { ACK, FIN, parseTcp, RST, SYN } from "../../../src/net/tcp/segment.ts";
import { buildUdp, parseUdp } from "../../../src/net/udp.ts";
import { UserNetwork, type UserNetworkOptions } from "../../../src/net/user-network.ts";
import { flagsOf } from "./scripted.ts";
import { VirtualTime } from "./virtual-time.ts";
import { World } from "./world.ts";

export const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
export const ip = (text: string): number => parseIpv4(text)!;

export interface TcpFields {
  readonly flags: string;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  readonly data?: string;
}

export class Guest {
  readonly time = new VirtualTime();
  readonly world = new World(this.time);
  readonly network: UserNetwork;
  readonly frames: Uint8Array[] = [];
  readonly address: number;

  constructor(options: UserNetworkOptions = {}, address = "10.0.2.15") {
    this.network = new UserNetwork(options, this.world, this.time);
    this.network.onFrame = (frame) => this.frames.push(frame);
    this.address = ip(address);
  }

  submit(frame: Uint8Array, to: Uint8Array = HARDWARE, from: Uint8Array = MAC): void {
    frame.set(to);
    frame.set(from, 6);
    this.network.submit(frame);
    this.time.pass(0);
  }

  udp(to: string, port: number, data: string | Uint8Array, sourcePort = 5000): void {
    const bytes = typeof data === "string" ? Buffer.from(data, "latin1") : data;
    this.submit(buildUdp(this.address, sourcePort, ip(to), port, bytes));
  }

  tcp(to: string, port: number, fields: TcpFields, sourcePort = 5000): void {
    this.submit(tcpFrame(this.address, sourcePort, ip(to), port, fields));
  }

  ping(to: string, data = "abcdefgh", ttl = 64): void {
    const frame = newPacket(this.address, ip(to), ICMP, 8 + data.length);
    frame[HEADER + 8] = ttl;
    put16(frame, HEADER + 10, 0);
    put16(frame, HEADER + 10, fold(sumOf(frame, HEADER, IP_PAYLOAD)));
    frame[IP_PAYLOAD] = 8;
    put32(frame, IP_PAYLOAD + 4, 0x12340001);
    frame.set(Buffer.from(data), IP_PAYLOAD + 8);
    put16(frame, IP_PAYLOAD + 2, fold(sumOf(frame, IP_PAYLOAD, frame.length)));
    this.submit(frame);
  }

  /** What came, in words. */
  take(): string[] {
    return this.frames.splice(0).map(describeFrame);
  }
}

export function tcpFrame(source: number, sourcePort: number, to: number, port: number, fields: TcpFields): Uint8Array {
  const { flags, seq = 0, ack = 0, window = 60_000, data = "" } = fields;
  const bits: [string, number][] = [
    ["S", SYN],
    ["F", FIN],
    ["R", RST],
    [".", ACK],
  ];
  const frame = newPacket(source, to, TCP, 20 + data.length);
  const at = IP_PAYLOAD;
  put16(frame, at, sourcePort);
  put16(frame, at + 2, port);
  put32(frame, at + 4, seq);
  put32(frame, at + 8, ack);
  frame[at + 12] = 5 << 4;
  frame[at + 13] = bits.reduce((sum, [name, bit]) => (flags.includes(name) ? sum | bit : sum), 0);
  put16(frame, at + 14, window);
  frame.set(Buffer.from(data, "latin1"), at + 20);
  put16(frame, at + 16, fold(sumOf(frame, at, frame.length, pseudoSum(frame, HEADER, TCP, frame.length - at))));
  return frame;
}

export function describeFrame(frame: Uint8Array): string {
  if (typeOf(frame) === TYPE_ARP) {
    const arp = parseArp(frame)!;
    return `arp ${arp.operation === REQUEST ? "who has" : "reply"} ${formatIpv4(arp.operation === REQUEST ? arp.target : arp.sender)}`;
  }
  const packet = parseIpv4Packet(frame);
  if (!packet) return "damaged";
  const where = (port?: number) => (port === undefined ? "" : `:${port}`);
  const ends = (from?: number, to?: number) =>
    `${formatIpv4(packet.source)}${where(from)} > ${formatIpv4(packet.destination)}${where(to)}`;
  if (packet.moreFragments || packet.fragmentOffset > 0)
    return `fragment ${packet.fragmentOffset}+${packet.end - packet.start}${packet.moreFragments ? " and more" : ""}`;
  if (packet.protocol === UDP) {
    const udp = parseUdp(packet);
    return udp ? `udp ${ends(udp.sourcePort, udp.destinationPort)} ${udp.data.length}` : "udp damaged";
  }
  if (packet.protocol === ICMP)
    return `icmp ${ends()} type ${frame[packet.start]} code ${frame[packet.start + 1]}${fold(sumOf(frame, packet.start, packet.end)) === 0 ? "" : " damaged"}`;
  const tcp = parseTcp(packet);
  if (!tcp) return "tcp damaged";
  const data = tcp.end - tcp.payloadAt;
  return `tcp ${ends(tcp.sourcePort, tcp.destinationPort)} ${flagsOf(tcp.flags)}${data > 0 ? ` ${data}` : ""}`;
}

export function sequences(frame: Uint8Array): { seq: number; ack: number } {
  return { seq: get32(frame, IP_PAYLOAD + 4), ack: get32(frame, IP_PAYLOAD + 8) };
}

export const portOf = (frame: Uint8Array): number => get16(frame, IP_PAYLOAD);
