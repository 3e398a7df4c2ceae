import { describe, expect, test } from "vitest";
import { seeded } from "../../src/fuzz/random.ts";
import { formatIpv4, parseIpv4 } from "../../src/net/addresses.ts";
import { get32, put32 } from "../../src/net/bytes.ts";
import { DhcpServer } from "../../src/net/dhcp.ts";

const DISCOVER = 1;
const OFFER = 2;
const REQUEST = 3;
const DECLINE = 4;
const ACK = 5;
const NAK = 6;
const RELEASE = 7;
const INFORM = 8;

const address = (text: string): number[] => text.split(".").map(Number);

interface Fields {
  readonly client?: number;
  readonly ciaddr?: string;
  readonly broadcast?: boolean;
  readonly options?: readonly (readonly [number, readonly number[]])[];
}

function message(
  type: number,
  { client = 1, ciaddr = "0.0.0.0", broadcast = false, options = [] }: Fields = {},
): Uint8Array {
  const bytes = new Uint8Array(548);
  bytes.set([1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
  if (broadcast) bytes[10] = 0x80;
  put32(bytes, 12, parseIpv4(ciaddr)!);
  bytes.set([0x52, 0x54, 0, 0, client >> 8, client], 28);
  put32(bytes, 236, 0x63825363);
  let at = 240;
  for (const [code, value] of [[53, [type]] as const, ...options]) {
    bytes.set([code, value.length, ...value], at);
    at += 2 + value.length;
  }
  bytes[at] = 255;
  return bytes;
}

function parse(reply: Uint8Array) {
  const options = new Map<number, number[]>();
  for (let at = 240; reply[at] !== 255; at += 2 + reply[at + 1]!)
    options.set(reply[at]!, [...reply.subarray(at + 2, at + 2 + reply[at + 1]!)]);
  return { type: options.get(53)![0], yiaddr: formatIpv4(get32(reply, 16)), options };
}

function server(search: string[] = ["example.org", "lab.example.org"]) {
  const it = new DhcpServer({ hostName: "guest", search: () => search });
  return (bytes: Uint8Array) => {
    const reply = it.answer(bytes);
    return reply && { ...parse(reply.data), to: formatIpv4(reply.destination), data: reply.data };
  };
}

const asked = (text: string) => [50, address(text)] as const;
const from = (text: string) => [54, address(text)] as const;

describe("a lease", () => {
  test("is offered and given, with all that a guest needs", () => {
    const ask = server();
    const offer = ask(message(DISCOVER))!;
    expect([offer.type, offer.yiaddr, offer.to]).toEqual([OFFER, "10.0.2.15", "255.255.255.255"]);
    const ack = ask(message(REQUEST, { options: [asked("10.0.2.15"), from("10.0.2.2")] }))!;
    expect([ack.type, ack.yiaddr]).toEqual([ACK, "10.0.2.15"]);
    expect([...ack.data.subarray(4, 8)]).toEqual([0xde, 0xad, 0xbe, 0xef]);
    expect(Object.fromEntries(ack.options)).toEqual({
      1: [255, 255, 255, 0],
      3: [10, 0, 2, 2],
      6: [10, 0, 2, 3],
      12: [...Buffer.from("guest")],
      15: [...Buffer.from("example.org")],
      26: [5, 220],
      28: [10, 0, 2, 255],
      51: [0, 1, 81, 128],
      53: [ACK],
      54: [10, 0, 2, 2],
      58: [0, 0, 168, 192],
      59: [0, 1, 39, 80],
      119: [...Buffer.from("\x07example\x03org\0\x03lab\x07example\x03org\0", "latin1")],
    });
  });

  test("has no more than the guest asks for", () => {
    const ask = server();
    const offer = ask(message(DISCOVER, { options: [[55, [1, 3]]] }))!;
    expect([...offer.options.keys()].sort((a, b) => a - b)).toEqual([1, 3, 51, 53, 54, 58, 59]);
  });

  test("is renewed where the guest is, and given again to whoever comes back", () => {
    const ask = server();
    ask(message(REQUEST, { options: [asked("10.0.2.15"), from("10.0.2.2")] }));
    expect(ask(message(REQUEST, { ciaddr: "10.0.2.15" }))).toMatchObject({ type: ACK, to: "10.0.2.15" });
    expect(ask(message(REQUEST, { ciaddr: "10.0.2.15", broadcast: true }))).toMatchObject({ to: "255.255.255.255" });
    expect(ask(message(REQUEST, { options: [asked("10.0.2.15")] }))).toMatchObject({ type: ACK, yiaddr: "10.0.2.15" });
    expect(ask(message(DISCOVER))).toMatchObject({ yiaddr: "10.0.2.15" });
  });

  test("is each guest's own; another's, or an address from elsewhere, is denied", () => {
    const ask = server();
    expect([1, 2, 3].map((client) => ask(message(DISCOVER, { client }))!.yiaddr)).toEqual([
      "10.0.2.15",
      "10.0.2.16",
      "10.0.2.17",
    ]);
    expect(ask(message(REQUEST, { client: 2, options: [asked("10.0.2.15")] }))).toMatchObject({
      type: NAK,
      yiaddr: "0.0.0.0",
    });
    for (const other of ["192.168.1.5", "10.0.2.2", "10.0.2.3", "10.0.2.0", "10.0.2.255"])
      expect(ask(message(REQUEST, { client: 9, options: [asked(other)] })), other).toMatchObject({ type: NAK });
    expect(ask(message(DISCOVER, { client: 8, options: [asked("10.0.2.77")] }))).toMatchObject({ yiaddr: "10.0.2.77" });
  });

  test("that is given back, or found taken, goes accordingly", () => {
    const ask = server();
    ask(message(DISCOVER, { client: 1 }));
    expect(ask(message(RELEASE, { client: 1, ciaddr: "10.0.2.15" }))).toBeUndefined();
    expect(ask(message(DISCOVER, { client: 2 }))).toMatchObject({ yiaddr: "10.0.2.15" });
    expect(ask(message(DECLINE, { client: 2, options: [asked("10.0.2.15")] }))).toBeUndefined();
    expect(ask(message(DISCOVER, { client: 2 }))).toMatchObject({ yiaddr: "10.0.2.16" });
  });
});

test("whoever has an address may ask for the rest", () => {
  expect(server()(message(INFORM, { ciaddr: "10.0.2.40" }))).toMatchObject({
    type: ACK,
    yiaddr: "0.0.0.0",
    to: "10.0.2.40",
  });
});

test("another server's client isn't answered, nor who comes through a relay, nor what is no request", () => {
  const ask = server();
  expect(ask(message(REQUEST, { options: [asked("10.0.2.15"), from("10.0.2.9")] }))).toBeUndefined();
  const relayed = message(DISCOVER);
  relayed[24] = 10;
  const reply = message(DISCOVER);
  reply[0] = 2;
  for (const bytes of [relayed, reply, message(OFFER), new Uint8Array(300), new Uint8Array(0)])
    expect(ask(bytes)).toBeUndefined();
});

test("options may go on where names usually are, and damaged ones end the list", () => {
  const ask = server();
  const bytes = message(REQUEST, { options: [[52, [1]]] });
  bytes.set([50, 4, 10, 0, 2, 33, 255], 108);
  expect(ask(bytes)).toMatchObject({ type: ACK, yiaddr: "10.0.2.33" });
  const cut = message(DISCOVER).slice(0, 245);
  cut.set([53, 1, 1, 50, 200], 240);
  expect(ask(cut)).toMatchObject({ type: OFFER });
});

test("a guest's name is given back, if it is one", () => {
  const ask = server();
  const name = (text: string) => [12, [...Buffer.from(text)]] as const;
  const given = (text: string) =>
    Buffer.from(ask(message(DISCOVER, { options: [name(text)] }))!.options.get(12)!).toString();
  expect(given("alice.lab")).toBe("alice.lab");
  for (const text of [`${"a".repeat(60)}.${"a".repeat(60)}!`, "-a", "a..b", "a b", "<script>"])
    expect(given(text)).toBe("guest");
});

test("thousands of clients, and anything at all, leave it as it was", () => {
  const ask = server();
  for (let client = 0; client < 5000; client++)
    expect(ask(message(DISCOVER, { client }))!.yiaddr).toMatch(/^10\.0\.2\./);
  const random = seeded(1);
  for (let i = 0; i < 20_000; i++) {
    const bytes = message(1 + (random() % 9), { client: random() % 300 });
    for (let n = random() % 8; n > 0; n--) bytes[random() % bytes.length] = random();
    ask(bytes.subarray(0, random() % 4 === 0 ? random() % bytes.length : bytes.length));
  }
});
