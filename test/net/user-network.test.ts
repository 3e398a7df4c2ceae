/** The network as a guest sees it, with a host that is a script. */

import { describe, expect, test } from "vitest";
import { buildArp, REQUEST } from "../../src/net/arp.ts";
import { BROADCAST } from "../../src/net/ethernet.ts";
import { PolicyError } from "../../src/net/policy.ts";
import { buildUdp } from "../../src/net/udp.ts";
import { describeFrame, Guest, ip, MAC, sequences, tcpFrame } from "./support/guest.ts";
import { FakeStream } from "./support/world.ts";

/** A guest's connection to a server that takes it. */
function connected(guest: Guest, to = "203.0.113.1", port = 80) {
  guest.tcp(to, port, { flags: "S", seq: 99 });
  const stream = guest.world.streams.at(-1)!;
  stream.handler!.connected();
  const { seq } = sequences(guest.frames.at(-1)!);
  guest.frames.length = 0;
  guest.tcp(to, port, { flags: ".", seq: 100, ack: seq + 1 });
  return { stream, base: seq + 1 };
}

describe("ARP", () => {
  test("answers for the gateway and the name server, for nobody else", () => {
    const guest = new Guest();
    for (const last of [1, 2, 3, 4, 15])
      guest.submit(buildArp(REQUEST, MAC, guest.address, undefined, ip(`10.0.2.${last}`)), BROADCAST);
    expect(guest.take()).toEqual(["arp reply 10.0.2.2", "arp reply 10.0.2.3"]);
  });

  test("doesn't believe who claims to be another", () => {
    const guest = new Guest();
    const other = Uint8Array.of(2, 2, 2, 2, 2, 2);
    guest.submit(buildArp(REQUEST, other, guest.address, undefined, ip("10.0.2.2")), BROADCAST);
    expect(guest.take()).toEqual([]);
  });

  test("asks for a guest that it doesn't know", () => {
    const guest = new Guest();
    const stream = new FakeStream({ address: "127.0.0.1", port: 4444 }, guest.time);
    guest.network.forwardStream(stream, 22);
    expect(guest.take()).toEqual(["arp who has 10.0.2.15"]);
    guest.submit(buildArp(REQUEST, MAC, guest.address, undefined, ip("10.0.2.2")), BROADCAST);
    guest.take();
    guest.time.pass(1100);
    expect(guest.take()).toEqual(["tcp 10.0.2.2:4444 > 10.0.2.15:22 S"]);
  });
});

describe("ICMP", () => {
  test("the gateway and the name server answer echoes", () => {
    const guest = new Guest();
    guest.ping("10.0.2.2");
    guest.ping("10.0.2.3");
    expect(guest.take()).toEqual([
      "icmp 10.0.2.2 > 10.0.2.15 type 0 code 0",
      "icmp 10.0.2.3 > 10.0.2.15 type 0 code 0",
    ]);
  });

  test("the host asks others, and says what came of it", () => {
    const guest = new Guest();
    for (const address of ["203.0.113.1", "203.0.113.2", "203.0.113.3"]) guest.ping(address);
    expect(guest.world.echoes.map(({ address, length }) => `${address} ${length}`)).toEqual([
      "203.0.113.1 8",
      "203.0.113.2 8",
      "203.0.113.3 8",
    ]);
    const [first, second, third] = guest.world.echoes;
    first!.complete(undefined);
    second!.complete("host-unreachable");
    third!.complete("timed-out");
    expect(guest.take()).toEqual([
      "icmp 203.0.113.1 > 10.0.2.15 type 0 code 0",
      "icmp 10.0.2.2 > 10.0.2.15 type 3 code 1",
    ]);
  });

  test("no more echoes at a time than the host is asked for", () => {
    const guest = new Guest();
    for (let i = 0; i < 1000; i++) guest.ping("203.0.113.1");
    expect(guest.world.echoes.length).toBeLessThanOrEqual(32);
  });

  test("what has come to the end of its life is told so", () => {
    const guest = new Guest();
    guest.ping("203.0.113.1", "x", 1);
    expect(guest.take()).toEqual(["icmp 10.0.2.2 > 10.0.2.15 type 11 code 0"]);
  });
});

describe("TCP", () => {
  test("a connection is accepted once the host has it; bytes and ends go both ways", () => {
    const guest = new Guest();
    guest.tcp("203.0.113.1", 80, { flags: "S", seq: 99 });
    expect(guest.take()).toEqual([]);
    const [stream] = guest.world.streams;
    expect(stream!.remote).toEqual({ address: "203.0.113.1", port: 80 });
    stream!.handler!.connected();
    const { seq } = sequences(guest.frames[0]!);
    expect(guest.take()).toEqual(["tcp 203.0.113.1:80 > 10.0.2.15:5000 S."]);
    guest.tcp("203.0.113.1", 80, { flags: ".", seq: 100, ack: seq + 1, data: "GET" });
    expect(stream!.bytes).toBe("GET");
    guest.tcp("203.0.113.1", 80, { flags: "F.", seq: 103, ack: seq + 1 });
    expect(stream!.state).toBe("ended");
    guest.take();
    stream!.handler!.data(Buffer.from("answer"));
    stream!.handler!.ended();
    expect(guest.take()).toEqual([
      "tcp 203.0.113.1:80 > 10.0.2.15:5000 P. 6",
      "tcp 203.0.113.1:80 > 10.0.2.15:5000 F.",
    ]);
    guest.tcp("203.0.113.1", 80, { flags: ".", seq: 104, ack: seq + 8 });
    stream!.handler!.closed(undefined);
    // Nothing is left: the same again belongs to nobody.
    guest.tcp("203.0.113.1", 80, { flags: ".", seq: 104, ack: seq + 8 });
    expect(guest.take()).toEqual(["tcp 203.0.113.1:80 > 10.0.2.15:5000 R"]);
  });

  test.each([
    ["refused", ["tcp 203.0.113.1:80 > 10.0.2.15:5000 R."]],
    ["host-unreachable", ["icmp 10.0.2.2 > 10.0.2.15 type 3 code 1", "tcp 203.0.113.1:80 > 10.0.2.15:5000 R."]],
    ["network-unreachable", ["icmp 10.0.2.2 > 10.0.2.15 type 3 code 0", "tcp 203.0.113.1:80 > 10.0.2.15:5000 R."]],
    ["exhausted", ["tcp 203.0.113.1:80 > 10.0.2.15:5000 R."]],
  ] as const)("the host's connection is %s", (failure, answers) => {
    const guest = new Guest();
    guest.tcp("203.0.113.1", 80, { flags: "S", seq: 99 });
    guest.world.streams[0]!.handler!.closed(failure);
    expect(guest.take()).toEqual(answers);
  });

  test("a reset goes through, either way", () => {
    const guest = new Guest();
    const one = connected(guest, "203.0.113.1", 80);
    one.stream.handler!.closed("reset");
    expect(guest.take()).toEqual(["tcp 203.0.113.1:80 > 10.0.2.15:5000 R."]);
    const two = connected(guest, "203.0.113.1", 81);
    guest.tcp("203.0.113.1", 81, { flags: "R", seq: 100 });
    expect(two.stream.state).toBe("reset");
  });

  test("a guest that doesn't read holds the host back, and is held back by a host that doesn't take", () => {
    const guest = new Guest();
    const { stream, base } = connected(guest);
    for (let i = 0; i < 100 && !stream.paused; i++) stream.handler!.data(new Uint8Array(65_536));
    expect(stream.paused).toBe(true);
    for (let acked = 0; stream.paused; ) {
      const last = guest.frames.filter((frame) => describeFrame(frame).startsWith("tcp")).at(-1)!;
      const end = (sequences(last).seq + last.length - 54 - base) | 0;
      expect(end).toBeGreaterThan(acked);
      acked = end;
      guest.tcp("203.0.113.1", 80, { flags: ".", seq: 100, ack: (base + acked) >>> 0, window: 65_535 });
    }
    stream.drains = false;
    let seq = 100;
    const ack = base;
    const data = "x".repeat(1000);
    for (let i = 0; i < 5000; i++, seq += 1000) guest.tcp("203.0.113.1", 80, { flags: ".", seq, ack, data });
    const held = stream.bytes.length;
    expect(held).toBeLessThan(2_000_000);
    stream.drain();
    guest.time.pass(10);
    expect(stream.bytes.length).toBeGreaterThanOrEqual(65_000);
  });

  test("unknown segments are reset, resets are not answered", () => {
    const guest = new Guest();
    guest.tcp("203.0.113.1", 80, { flags: ".", seq: 5, ack: 77 });
    expect(sequences(guest.frames[0]!)).toEqual({ seq: 77, ack: 0 });
    expect(guest.take()).toEqual(["tcp 203.0.113.1:80 > 10.0.2.15:5000 R"]);
    guest.tcp("203.0.113.1", 80, { flags: "R", seq: 5 });
    expect(guest.take()).toEqual([]);
  });

  test("nobody is at the network's other addresses", () => {
    const guest = new Guest();
    guest.tcp("10.0.2.99", 80, { flags: "S" });
    guest.tcp("10.0.2.3", 80, { flags: "S" }, 5001);
    expect(guest.world.streams).toEqual([]);
    expect(guest.take()).toHaveLength(2);
  });

  test("a flood of SYNs leaves at most 256 connections that don't stand, and no one that does is lost", () => {
    const guest = new Guest();
    const { stream, base } = connected(guest, "203.0.113.9", 443);
    for (let i = 0; i < 20_000; i++) guest.tcp("203.0.113.1", 80, { flags: "S", seq: i }, 1024 + i);
    const open = guest.world.streams.filter(({ state }) => state === "open");
    expect(open.length).toBeLessThanOrEqual(257);
    guest.tcp("203.0.113.9", 443, { flags: ".", seq: 100, ack: base, data: "still here" });
    expect(stream.bytes).toBe("still here");
  });

  test("two thousand connections at a time; then the one idle for longest goes", () => {
    const guest = new Guest();
    const first = connected(guest, "203.0.113.9", 443);
    for (let i = 0; i < 2100; i++) {
      guest.time.pass(10);
      guest.tcp("203.0.113.1", 1000 + i, { flags: "S", seq: 99 });
      guest.world.streams.at(-1)!.handler!.connected();
      const { seq } = sequences(guest.frames.at(-1)!);
      guest.tcp("203.0.113.1", 1000 + i, { flags: ".", seq: 100, ack: seq + 1 });
      guest.frames.length = 0;
      if (i === 1000) guest.tcp("203.0.113.9", 443, { flags: ".", seq: 100, ack: first.base, data: "x" });
    }
    const open = guest.world.streams.filter(({ state }) => state === "open");
    expect(open.length).toBe(2048);
    expect(first.stream.state).toBe("open");
  });

  test("closing the network resets the host's side of all connections, and leaves nothing to happen", () => {
    const guest = new Guest();
    const { stream } = connected(guest);
    guest.udp("203.0.113.1", 1, "x");
    guest.network.close();
    expect(stream.state).toBe("reset");
    expect(guest.world.sockets.every(({ isClosed }) => isClosed)).toBe(true);
    guest.time.pass(1);
    expect(guest.time.pending).toBe(0);
  });
});

describe("forwards", () => {
  test("a peer is seen as it is; the host itself as the gateway", () => {
    const guest = new Guest();
    guest.ping("10.0.2.2");
    guest.take();
    for (const address of ["198.51.100.1", "127.0.0.1", "::1", "::ffff:198.51.100.2", "10.0.2.77", "2001:db8::1"])
      guest.network.forwardStream(new FakeStream({ address, port: 4444 }, guest.time), 22);
    expect(guest.take().map((line) => line.split(" > ")[0]!.replace(/:(?!4444).*/, ":other"))).toEqual([
      "tcp 198.51.100.1:4444",
      "tcp 10.0.2.2:4444",
      "tcp 10.0.2.2:other",
      "tcp 198.51.100.2:4444",
      "tcp 10.0.2.2:other",
      "tcp 10.0.2.2:other",
    ]);
  });

  test("a guest that refuses resets the host's side", () => {
    const guest = new Guest();
    guest.ping("10.0.2.2");
    guest.frames.length = 0;
    const stream = new FakeStream({ address: "127.0.0.1", port: 4444 }, guest.time);
    guest.network.forwardStream(stream, 22);
    const { seq } = sequences(guest.frames[0]!);
    guest.submit(tcpFrame(guest.address, 22, ip("10.0.2.2"), 4444, { flags: "R.", ack: seq + 1 }));
    expect(stream.state).toBe("reset");
  });

  test("what comes before the guest has answered waits for it", () => {
    const guest = new Guest();
    guest.ping("10.0.2.2");
    guest.frames.length = 0;
    const stream = new FakeStream({ address: "127.0.0.1", port: 4444 }, guest.time);
    const handler = guest.network.forwardStream(stream, 22)!;
    handler.data(Buffer.from("hello"));
    handler.ended();
    const { seq } = sequences(guest.frames[0]!);
    guest.take();
    guest.submit(tcpFrame(guest.address, 22, ip("10.0.2.2"), 4444, { flags: "S.", seq: 7, ack: seq + 1 }));
    const got = guest.take();
    expect(got.join(" ")).toContain("P. 5");
    expect(got.join(" ")).toContain("F");
  });

  test("datagrams come from their peer, and answers go back to it", () => {
    const guest = new Guest();
    guest.ping("10.0.2.2");
    guest.take();
    const socket = guest.world.datagrams(4, { data: () => {}, failed: () => {} });
    guest.network.forwardDatagram(socket, Buffer.from("ping"), { address: "127.0.0.1", port: 777 }, 53);
    expect(guest.take()).toEqual(["udp 10.0.2.2:777 > 10.0.2.15:53 4"]);
    guest.udp("10.0.2.2", 777, "pong", 53);
    expect(socket.sent.map(({ bytes, to }) => [`${Buffer.from(bytes)}`, to])).toEqual([
      ["pong", { address: "127.0.0.1", port: 777 }],
    ]);
  });
});

describe("UDP", () => {
  test("one socket for all whom a port sends to; nobody else is heard", () => {
    const guest = new Guest();
    guest.udp("203.0.113.1", 1000, "a");
    guest.udp("203.0.113.2", 2000, "b");
    expect(guest.world.sockets).toHaveLength(1);
    const [socket] = guest.world.sockets;
    expect(socket!.sent.map(({ to }) => to)).toEqual([
      { address: "203.0.113.1", port: 1000 },
      { address: "203.0.113.2", port: 2000 },
    ]);
    socket!.handler.data(Buffer.from("answer"), { address: "203.0.113.2", port: 2000 });
    socket!.handler.data(Buffer.from("from elsewhere"), { address: "203.0.113.3", port: 2000 });
    expect(guest.take()).toEqual(["udp 203.0.113.2:2000 > 10.0.2.15:5000 6"]);
  });

  test("large datagrams are split, and put together", () => {
    const guest = new Guest();
    guest.udp("203.0.113.1", 1000, "a");
    guest.world.sockets[0]!.handler.data(new Uint8Array(4000), { address: "203.0.113.1", port: 1000 });
    expect(guest.take()).toEqual(["fragment 0+1480 and more", "fragment 1480+1480 and more", "fragment 2960+1048"]);
  });

  test("failures come back by ICMP", () => {
    const guest = new Guest();
    guest.udp("203.0.113.1", 1000, "a");
    const { handler } = guest.world.sockets[0]!;
    handler.failed("refused", { address: "203.0.113.1", port: 1000 });
    handler.failed("host-unreachable", { address: "203.0.113.1", port: 1000 });
    expect(guest.take()).toEqual([
      "icmp 10.0.2.2 > 10.0.2.15 type 3 code 3",
      "icmp 10.0.2.2 > 10.0.2.15 type 3 code 1",
    ]);
  });

  test("sockets are given up after three minutes, and when there are many", () => {
    const guest = new Guest();
    guest.udp("203.0.113.1", 1000, "a");
    guest.time.pass(100_000);
    expect(guest.world.sockets[0]!.isClosed).toBe(false);
    guest.time.pass(200_000);
    expect(guest.world.sockets[0]!.isClosed).toBe(true);
    expect(guest.time.pending).toBe(0);
    for (let i = 0; i < 3000; i++) guest.udp("203.0.113.1", 1000, "a", 2000 + i);
    expect(guest.world.sockets.filter(({ isClosed }) => !isClosed).length).toBeLessThanOrEqual(512);
  });
});

describe("rules", () => {
  const reached = (guest: Guest, to: string, port: number): boolean => {
    const before = guest.world.streams.length;
    guest.tcp(to, port, { flags: "S" }, 1024 + before);
    return guest.world.streams.length > before;
  };

  test("the host's loopback, its own addresses and link-local ones are denied", () => {
    const guest = new Guest();
    for (const address of ["10.0.2.2", "169.254.169.254", "198.51.100.7"])
      expect(reached(guest, address, 80), address).toBe(false);
    for (const address of ["0.0.0.0", "127.0.0.1", "127.9.9.9", "0.1.2.3", "255.255.255.255", "224.0.0.1", "240.0.0.1"])
      expect(reached(guest, address, 80), address).toBe(false);
    guest.udp("10.0.2.2", 53, "x");
    guest.udp("169.254.169.254", 53, "x");
    expect(guest.world.sockets).toEqual([]);
    expect(reached(guest, "203.0.113.1", 80)).toBe(true);
  });

  test("10.0.2.2 is the host's loopback, where that is allowed", () => {
    for (const rule of ["10.0.2.2", "127.0.0.1", "127.0.0.1:80", "10.0.2.2:80"]) {
      const guest = new Guest({ allow: [rule] });
      expect(reached(guest, "10.0.2.2", 80)).toBe(true);
      expect(guest.world.streams[0]!.remote).toEqual({ address: "127.0.0.1", port: 80 });
      expect(reached(guest, "10.0.2.2", 81)).toBe(!rule.includes(":"));
    }
    expect(reached(new Guest({ allow: ["0.0.0.0/0"] }), "10.0.2.2", 80)).toBe(false);
  });

  test("the most specific rule decides, of equals the one that denies", () => {
    const guest = new Guest({
      allow: ["10.0.0.0/8", "10.1.0.0/16:443", "198.51.100.7:22", "192.0.2.1"],
      deny: ["0.0.0.0/0", "10.1.0.0/16", "192.0.2.1"],
    });
    expect(reached(guest, "203.0.113.1", 80)).toBe(false);
    expect(reached(guest, "10.9.0.1", 80)).toBe(true);
    expect(reached(guest, "10.1.0.1", 80)).toBe(false);
    expect(reached(guest, "10.1.0.1", 443)).toBe(true);
    expect(reached(guest, "192.0.2.1", 1)).toBe(false);
    expect(reached(guest, "198.51.100.7", 22)).toBe(true);
    expect(reached(guest, "198.51.100.7", 23)).toBe(false);
  });

  test("who is denied everything has no names either, unless they are allowed", () => {
    const query = Uint8Array.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1]);
    const guest = new Guest({ deny: ["0.0.0.0/0"] });
    guest.udp("10.0.2.3", 53, query);
    expect(guest.take()).toEqual(["icmp 10.0.2.2 > 10.0.2.15 type 3 code 13"]);
    const other = new Guest({ deny: ["0.0.0.0/0"], allow: ["10.0.2.3"] });
    other.udp("10.0.2.3", 53, query);
    expect(other.world.sockets).toHaveLength(1);
  });

  test.each([
    ["example.org", /"example.org" is no destination/],
    ["10.0.0.1/8", /beyond its first 8/],
    ["10.0.0.0/33", /no destination/],
    ["10.0.0.0/8:0", /no port from 1 to 65535/],
    ["10.0.0.0/8:65536", /no port from 1 to 65535/],
    ["fd00::/8", /IPv4 addresses only/],
    ["[::1]:80", /IPv4 addresses only/],
    ["0x7f.1", /no destination/],
    ["010.0.0.0/8", /no destination/],
    ["", /no destination/],
  ])("%j is no rule", (rule, message) => {
    expect(() => new Guest({ allow: [rule] })).toThrow(PolicyError);
    expect(() => new Guest({ deny: [rule] })).toThrow(message);
  });
});

test("who sends from an address that no guest has isn't heard", () => {
  const guest = new Guest();
  for (const source of ["10.0.2.2", "10.0.2.3", "10.0.2.0", "10.0.2.255", "192.0.2.1", "127.0.0.1", "224.0.0.1"])
    guest.submit(buildUdp(ip(source), 5000, ip("203.0.113.1"), 53, Buffer.from("x")));
  expect([guest.take(), guest.world.sockets]).toEqual([[], []]);
});
