import { describe, expect, test } from "vitest";
import { put16 } from "../../src/net/bytes.ts";
import { parseIpv4Packet } from "../../src/net/ipv4.ts";
import { parseUdp } from "../../src/net/udp.ts";
import { Guest, sequences } from "./support/guest.ts";
import type { FakeDatagrams } from "./support/world.ts";

const A = 1;
const PTR = 12;
const AAAA = 28;
const TXT = 16;

function query(name: string, type = A, { id = 7, edns = 0 } = {}): Uint8Array {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label, "latin1")]);
  const opt = edns > 0 ? [0, 0, 41, edns >> 8, edns & 255, 0, 0, 0, 0, 0, 0] : [];
  return Uint8Array.from([0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, edns > 0 ? 1 : 0, ...labels, 0, 0, type, 0, 1, ...opt]);
}

/** A server's answer to what it was sent, with so many bytes of records. */
function answer(question: Uint8Array, bytes = 16, rcode = 0): Uint8Array {
  const response = new Uint8Array(question.length + bytes);
  response.set(question);
  response[2] = 0x81;
  response[3] = 0x80 | rcode;
  return response;
}

const SERVER = { address: "192.0.2.53", port: 53 };

function setUp() {
  const guest = new Guest();
  guest.ping("10.0.2.2");
  guest.take();
  const ask = (bytes: Uint8Array) => guest.udp("10.0.2.3", 53, bytes);
  const responses = () =>
    guest.frames.splice(0).map((frame) => {
      const udp = parseUdp(parseIpv4Packet(frame)!)!;
      return udp.data;
    });
  return { guest, ask, responses, upstream: () => guest.world.sockets.at(-1) as FakeDatagrams };
}

describe("by UDP", () => {
  test("what is asked goes to the host's server as it is but for its number, and the answer comes back so", () => {
    const { ask, responses, upstream } = setUp();
    const question = query("Example.ORG", TXT, { edns: 1232 });
    ask(question);
    const [sent] = upstream().sent;
    expect(sent!.to).toEqual(SERVER);
    expect([...sent!.bytes.subarray(2)]).toEqual([...question.subarray(2)]);
    upstream().handler.data(answer(sent!.bytes, 900), SERVER);
    const [response] = responses();
    expect(response!.length).toBe(question.length + 900);
    expect(response![1]).toBe(7);
    expect(upstream().isClosed).toBe(true);
  });

  test("answers of others, to others, or with another number are not believed", () => {
    const { ask, responses, upstream } = setUp();
    ask(query("example.org"));
    const { bytes } = upstream().sent[0]!;
    const wrong = answer(bytes);
    wrong[0]! ^= 1;
    upstream().handler.data(wrong, SERVER);
    upstream().handler.data(answer(bytes), { address: "192.0.2.66", port: 53 });
    const other = answer(bytes);
    other[13]! ^= 1;
    upstream().handler.data(other, SERVER);
    upstream().handler.data(bytes, SERVER);
    upstream().handler.data(new Uint8Array(3), SERVER);
    expect(responses()).toEqual([]);
    upstream().handler.data(answer(bytes), SERVER);
    expect(responses()).toHaveLength(1);
  });

  test("a server that is silent, or fails, has the next asked; in the end it is a failure", () => {
    const { guest, ask, responses, upstream } = setUp();
    ask(query("example.org"));
    guest.time.pass(2100);
    expect(upstream().sent.map(({ to }) => to.address)).toEqual(["192.0.2.53", "192.0.2.54"]);
    guest.time.pass(10_000);
    const [response] = responses();
    expect(response![3]! & 15).toBe(2);
    ask(query("example.org"));
    upstream().handler.data(answer(upstream().sent[0]!.bytes, 0, 2), SERVER);
    expect(upstream().sent[1]!.to.address).toBe("192.0.2.54");
  });

  test("what is larger than the guest takes is cut, and says so", () => {
    const { ask, responses, upstream } = setUp();
    for (const [edns, length, cut] of [
      [0, 480, false],
      [0, 600, true],
      [1232, 1100, false],
      [1232, 1300, true],
      [4096, 2000, true],
    ] as const) {
      const question = query("example.org", A, { edns });
      ask(question);
      upstream().handler.data(answer(upstream().sent[0]!.bytes, length), SERVER);
      const [response] = responses();
      expect((response![2]! & 2) !== 0).toBe(cut);
      if (cut) expect(response!.length).toBe(29);
    }
  });

  test("servers of IPv6 are asked too, however their addresses are written", () => {
    const { guest, ask, responses, upstream } = setUp();
    guest.world.configuration = { ...guest.world.configuration, servers: [{ address: "2001:DB8:0::53", port: 53 }] };
    ask(query("example.org"));
    upstream().handler.data(answer(upstream().sent[0]!.bytes), { address: "2001:db8::53", port: 53 });
    expect(responses()).toHaveLength(1);
  });

  test("names of the host's own table, and localhost, are answered at once", () => {
    const { guest, ask, responses } = setUp();
    ask(query("Printer.Example", A));
    ask(query("printer.example", AAAA));
    ask(query("printer.example", TXT));
    ask(query("9.2.0.192.in-addr.arpa", PTR));
    ask(query("localhost", A));
    const got = responses();
    expect(guest.world.sockets).toEqual([]);
    expect(got.map((each) => each[7])).toEqual([1, 1, 0, 1, 1]);
    expect([...got[0]!.subarray(-4)]).toEqual([192, 0, 2, 9]);
    expect([...got[1]!.subarray(-16)]).toEqual([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    expect(Buffer.from(got[3]!.subarray(-17)).toString("latin1")).toBe("\x07printer\x07example\0");
    expect([...got[4]!.subarray(-4)]).toEqual([127, 0, 0, 1]);
  });

  test("what is no question gets an error or nothing", () => {
    const { guest, ask, responses } = setUp();
    ask(new Uint8Array(5)); // nothing
    ask(answer(query("example.org"))); // an answer: nothing
    ask(query("example.org").subarray(0, 20)); // cut
    const two = query("example.org");
    put16(two, 4, 2);
    ask(two);
    const update = query("example.org");
    update[2] = 5 << 3;
    ask(update);
    const compressed = query("example.org");
    compressed.set([0xc0, 12], 12);
    ask(compressed);
    expect(responses().map((each) => each[3]! & 15)).toEqual([1, 1, 4, 1]);
    expect(guest.world.sockets).toEqual([]);
  });

  test("no more at a time than there is room for", () => {
    const { guest, ask, responses } = setUp();
    for (let i = 0; i < 3000; i++) ask(query(`host${i}.example.org`));
    expect(guest.world.sockets.filter(({ isClosed }) => !isClosed)).toHaveLength(256);
    expect(responses()).toEqual([]);
  });
});

describe("by TCP", () => {
  function connect() {
    const guest = new Guest();
    guest.tcp("10.0.2.3", 53, { flags: "S", seq: 99 });
    const { seq } = sequences(guest.frames[0]!);
    guest.frames.length = 0;
    let at = 100;
    const send = (bytes: Uint8Array, flags = ".") => {
      guest.tcp("10.0.2.3", 53, { flags, seq: at, ack: seq + 1, data: Buffer.from(bytes).toString("latin1") });
      at += bytes.length;
    };
    const framed = (bytes: Uint8Array) => Uint8Array.from([bytes.length >> 8, bytes.length & 255, ...bytes]);
    return { guest, send, framed };
  }
  const dataOf = (frames: readonly Uint8Array[]) => Buffer.concat(frames.map((frame) => frame.subarray(54)));

  test("answers come by TCP, of any size, also if the question is in pieces", () => {
    const { guest, send, framed } = connect();
    const question = query("example.org", TXT);
    const bytes = framed(question);
    send(bytes.subarray(0, 1));
    send(bytes.subarray(1, 9));
    send(bytes.subarray(9));
    const [stream] = guest.world.streams;
    expect(stream!.remote).toEqual(SERVER);
    stream!.handler!.connected();
    expect(stream!.bytes).toBe(Buffer.from(bytes).toString("latin1"));
    stream!.handler!.data(framed(answer(question, 3000)));
    guest.time.pass(1);
    expect(dataOf(guest.frames).length).toBe(2 + question.length + 3000);
    expect(stream!.state).toBe("reset");
  });

  test("a server that takes no TCP is asked by UDP", () => {
    const { guest, send, framed } = connect();
    send(framed(query("example.org")));
    for (const stream of [0, 1]) guest.world.streams[stream]!.handler!.closed("refused");
    const [socket] = guest.world.sockets;
    socket!.handler.data(answer(socket!.sent[0]!.bytes), SERVER);
    guest.time.pass(1);
    expect(dataOf(guest.frames).length).toBeGreaterThan(30);
  });

  test("any number of questions at once, or of what are none, hurts nobody", () => {
    const { guest, send, framed } = connect();
    const one = framed(query("printer.example"));
    for (let i = 0; i < 300; i++) send(new Uint8Array(1400));
    for (let i = 0; i < 300; i++) send(Uint8Array.from({ length: one.length * 30 }, (_, at) => one[at % one.length]!));
    guest.time.pass(10);
    // As much as TCP sends without an acknowledgement.
    expect(dataOf(guest.frames).length).toBeGreaterThan(5000);
  });

  test("several questions, then the end: all are answered before this side ends too", () => {
    const { guest, send, framed } = connect();
    for (let i = 0; i < 40; i++) send(framed(query("printer.example")));
    guest.tcp("10.0.2.3", 53, { flags: "F.", seq: 100 + 40 * (query("printer.example").length + 2), ack: 1 });
    guest.time.pass(1);
    const answers = dataOf(guest.frames);
    const each = 2 + query("printer.example").length + 16;
    expect(answers.length).toBeGreaterThanOrEqual(10 * each);
  });
});
