import { expect, test } from "vitest";
import type { Link } from "../../src/backends/link.ts";
import { Switch } from "../../src/net/switch.ts";
import { VirtualTime } from "./support/virtual-time.ts";

const BROADCAST = 0xffffffffffff;

function frame(to: number, from: number, ...payload: number[]): Uint8Array {
  const bytes = new Uint8Array(14 + payload.length);
  for (let i = 0; i < 6; i++) {
    bytes[i] = Math.floor(to / 2 ** (40 - 8 * i));
    bytes[6 + i] = Math.floor(from / 2 ** (40 - 8 * i));
  }
  bytes.set(payload, 14);
  return bytes;
}

function network(ports: number, isolated: readonly number[] = []) {
  const time = new VirtualTime();
  const it = new Switch(time);
  const got: string[] = [];
  const links = Array.from({ length: ports }, (_, i) => {
    const link = it.connect({ isolated: isolated.includes(i) });
    link.onFrame = (bytes) => got.push(`${i}:${bytes[14]}`);
    return link;
  });
  return { time, it, links, take: () => got.splice(0) };
}

test("what is for everyone, or for who isn't known, goes to all others", () => {
  const { links, take } = network(3);
  links[0]!.submit(frame(BROADCAST, 2, 1));
  links[0]!.submit(frame(0x80, 2, 2));
  expect(take()).toEqual(["1:1", "2:1", "1:2", "2:2"]);
});

test("what is for a known one goes there alone, and not back", () => {
  const { links, take } = network(3);
  links[2]!.submit(frame(BROADCAST, 0x20, 0));
  links[0]!.submit(frame(BROADCAST, 0x22, 0));
  take();
  links[0]!.submit(frame(0x20, 0x22, 7));
  links[2]!.submit(frame(0x20, 0x24, 8));
  expect(take()).toEqual(["2:7"]);
});

test("an address moves with who has it, and is forgotten after five minutes or with its port", () => {
  const { time, it, links, take } = network(3);
  links[1]!.submit(frame(BROADCAST, 0x20, 0));
  links[2]!.submit(frame(BROADCAST, 0x20, 0));
  take();
  links[0]!.submit(frame(0x20, 0x22, 1));
  expect(take()).toEqual(["2:1"]);
  time.pass(300_000);
  links[0]!.submit(frame(0x20, 0x22, 2));
  expect(take()).toEqual(["1:2", "2:2"]);
  links[2]!.submit(frame(BROADCAST, 0x20, 0));
  take();
  links[2]!.close();
  expect(it.addresses).toBe(1);
  links[0]!.submit(frame(0x20, 0x22, 3));
  expect(take()).toEqual(["1:3"]);
});

test("a port that claims many addresses takes none from others", () => {
  const { it, links, take } = network(3);
  links[1]!.submit(frame(BROADCAST, 0x20, 0));
  for (let i = 0; i < 100_000; i++) links[0]!.submit(frame(0x22, 0x1000 + 2 * i * 0x1000000, 0));
  expect(it.addresses).toBeLessThan(100);
  take();
  links[2]!.submit(frame(0x20, 0x24, 5));
  expect(take()).toEqual(["1:5"]);
});

test("isolated ports reach only those that aren't", () => {
  const { links, take } = network(4, [0, 1]);
  links[0]!.submit(frame(BROADCAST, 0x20, 1));
  links[1]!.submit(frame(0x20, 0x22, 2));
  links[3]!.submit(frame(0x20, 0x24, 3));
  expect(take()).toEqual(["2:1", "3:1", "0:3"]);
});

test("two switches know nothing of each other; receivers may write into what they get", () => {
  const a = network(3);
  const b = network(1);
  a.links[1]!.onFrame = (bytes) => bytes.fill(9);
  const seen: Uint8Array[] = [];
  a.links[2]!.onFrame = (bytes) => seen.push(bytes);
  a.links[0]!.submit(frame(BROADCAST, 0x20, 4));
  expect(seen[0]![14]).toBe(4);
  expect(b.take()).toEqual([]);
});

test("another link may be attached; damaged frames and groups as senders are dropped", () => {
  const { it, links, take } = network(1);
  const sent: Uint8Array[] = [];
  const other: Link = { submit: (bytes) => void sent.push(bytes), onFrame: undefined, close: () => {} };
  const attached = it.attach(other);
  links[0]!.submit(frame(BROADCAST, 0x20, 1));
  links[0]!.submit(frame(BROADCAST, 0x010000000000, 1));
  links[0]!.submit(new Uint8Array(13));
  expect(sent).toHaveLength(1);
  other.onFrame?.(frame(0x20, 0x30, 2));
  expect(take()).toEqual(["0:2"]);
  attached.close();
  expect(it.ports).toBe(1);
});
