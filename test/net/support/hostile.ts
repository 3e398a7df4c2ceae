/** Frames that a hostile guest might send: valid ones of every kind, and what becomes of them by damage. */

import { choose, type Random } from "../../../src/fuzz/random.ts";
import { buildArp } from "../../../src/net/arp.ts";
import { put16, put32 } from "../../../src/net/bytes.ts";
import { fold, pseudoSum, sumOf } from "../../../src/net/checksum.ts";
import { HEADER } from "../../../src/net/ethernet.ts";
import { ICMP, IP_PAYLOAD, newPacket, TCP, UDP } from "../../../src/net/ipv4.ts";
import { HARDWARE } from "../../../src/net/plan.ts";
import { buildUdp } from "../../../src/net/udp.ts";
import { ip, MAC, tcpFrame } from "./guest.ts";

const SOURCES = [
  "10.0.2.15",
  "10.0.2.15",
  "10.0.2.15",
  "10.0.2.16",
  "10.0.2.2",
  "127.0.0.1",
  "0.0.0.0",
  "203.0.113.1",
].map(ip);
const DESTINATIONS = [
  "203.0.113.1",
  "203.0.113.1",
  "203.0.113.2",
  "10.0.2.2",
  "10.0.2.3",
  "10.0.2.15",
  "10.0.2.255",
  "255.255.255.255",
  "127.0.0.1",
  "169.254.169.254",
  "0.0.0.0",
  "224.0.0.1",
].map(ip);
const FLAGS = ["S", "S", ".", ".", ".", "F.", "R", "R.", "S.", "SF", "SR", "", "SFR."];

/** What is known of a connection, so that some segments hit. */
export interface Aim {
  readonly port: number;
  readonly sourcePort: number;
  readonly seq: number;
  readonly ack: number;
}

function checksums(frame: Uint8Array, protocol: number): void {
  put16(frame, HEADER + 10, 0);
  put16(frame, HEADER + 10, fold(sumOf(frame, HEADER, IP_PAYLOAD)));
  const at = IP_PAYLOAD + (protocol === TCP ? 16 : protocol === UDP ? 6 : 2);
  if (at + 2 > frame.length) return;
  put16(frame, at, 0);
  const sum = protocol === ICMP ? 0 : pseudoSum(frame, HEADER, protocol, frame.length - IP_PAYLOAD);
  put16(frame, at, fold(sumOf(frame, IP_PAYLOAD, frame.length, sum)));
}

function address(frame: Uint8Array, random: Random): Uint8Array {
  frame.set(random() % 50 === 0 ? [255, 255, 255, 255, 255, 255] : HARDWARE);
  frame.set(random() % 50 === 0 ? [random(), 0, 0, 0, 0, random()] : MAC, 6);
  return frame;
}

function bytes(random: Random, most: number): Uint8Array {
  const length = random() % 3 === 0 ? random() % 8 : random() % most;
  return Uint8Array.from({ length }, () => random());
}

function tcp(random: Random, aim: Aim | undefined): Uint8Array {
  const hits = aim && random() % 4 !== 0;
  const near = (value: number) =>
    (value + choose(random, [0, 0, 0, 1, -1, 100, -100, 65_535, 1 << 20, random()])) >>> 0;
  const frame = tcpFrame(
    hits ? SOURCES[0]! : choose(random, SOURCES),
    hits ? aim.sourcePort : 1000 + (random() % 3000),
    hits ? DESTINATIONS[0]! : choose(random, DESTINATIONS),
    hits ? aim.port : choose(random, [80, 53, 443, random() & 0xffff]),
    {
      flags: choose(random, FLAGS),
      seq: hits ? near(aim.seq) : random(),
      ack: hits ? near(aim.ack) : random(),
      window: choose(random, [0, 1, 100, 60_000, 65_535]),
      data: Buffer.from(bytes(random, random() % 20 === 0 ? 1400 : 40)).toString("latin1"),
    },
  );
  // Options, or what might be some.
  if (random() % 4 === 0) {
    const words = random() % 11;
    frame[IP_PAYLOAD + 12] = (5 + words) << 4;
    for (let i = 0; i < words * 4 && IP_PAYLOAD + 20 + i < frame.length; i++)
      if (random() % 2) frame[IP_PAYLOAD + 20 + i] = choose(random, [0, 1, 2, 3, 4, 5, 8, 10, 18, random()]);
    checksums(frame, TCP);
  }
  return frame;
}

function dns(random: Random): Uint8Array {
  const name = [...bytes(random, 6)].flatMap((n) => [n % 8, ...bytes(random, n % 8 || 1)]);
  return Uint8Array.from([
    random(),
    random(),
    choose(random, [1, 0, 0x81, random()]),
    0,
    0,
    choose(random, [1, 1, 0, 2]),
    0,
    0,
    0,
    0,
    0,
    random() % 2,
    ...name,
    0,
    0,
    choose(random, [1, 12, 28, 255]),
    0,
    1,
  ]);
}

function dhcp(random: Random): Uint8Array {
  const message = new Uint8Array(300);
  message.set([1, 1, 6, 0, random(), random()]);
  message.set([0x52, 0x54, 0, 0, random() % 3, random()], 28);
  put32(message, 236, 0x63825363);
  message.set([53, 1, random() % 9, 50, 4, 10, 0, 2, random(), 12, random() % 20, ...bytes(random, 20), 255], 240);
  return message;
}

function udp(random: Random): Uint8Array {
  const source = choose(random, SOURCES);
  const kind = random() % 6;
  if (kind === 0) return buildUdp(0, 68, 0xffffffff, 67, dhcp(random));
  if (kind <= 2) return buildUdp(source, random() & 0xffff, ip("10.0.2.3"), 53, dns(random));
  return buildUdp(source, random() % 5000, choose(random, DESTINATIONS), random() & 0xffff, bytes(random, 300));
}

function fragmentOf(frame: Uint8Array, random: Random): Uint8Array {
  put16(frame, HEADER + 4, random() % 40);
  put16(
    frame,
    HEADER + 6,
    choose(random, [0x2000, 0x2000, 0, 0x4000]) | (random() % choose(random, [2, 8, 200, 8192])),
  );
  put16(frame, HEADER + 10, 0);
  put16(frame, HEADER + 10, fold(sumOf(frame, HEADER, IP_PAYLOAD)));
  return frame;
}

/** A frame, of whatever kind. */
export function hostileFrame(random: Random, aim: Aim | undefined): Uint8Array {
  const kind = random() % 20;
  if (kind === 0) return bytes(random, 1514);
  if (kind === 1)
    return address(
      buildArp(
        random() % 4,
        random() % 2 ? MAC : bytes(random, 30).slice(0, 6),
        choose(random, SOURCES),
        undefined,
        choose(random, DESTINATIONS),
      ),
      random,
    );
  if (kind === 2) {
    const frame = newPacket(
      choose(random, SOURCES),
      choose(random, DESTINATIONS),
      choose(random, [ICMP, ICMP, 2, 47, 255]),
      8 + (random() % 64),
    );
    frame[IP_PAYLOAD] = choose(random, [8, 8, 0, 3, random()]);
    checksums(frame, ICMP);
    return address(frame, random);
  }
  let frame = kind < 7 ? udp(random) : tcp(random, aim);
  if (random() % 10 === 0) frame = fragmentOf(frame, random);
  // Damage: bits, lengths, the end.
  if (random() % 8 === 0) frame[HEADER + (random() % (frame.length - HEADER))]! ^= 1 << (random() % 8);
  if (random() % 30 === 0) {
    put16(frame, HEADER + 2, random());
    frame[HEADER] = choose(random, [0x45, 0x46, 0x4f, 0x44, 0x65]);
    put16(frame, HEADER + 10, 0);
    const end = Math.min(frame.length, HEADER + (frame[HEADER]! & 15) * 4);
    put16(frame, HEADER + 10, fold(sumOf(frame, HEADER, end)));
  }
  if (random() % 30 === 0) frame = frame.slice(0, random() % frame.length);
  return frame.length >= HEADER ? address(frame, random) : frame;
}
