import { expect, test } from "vitest";
import { seeded } from "../../src/fuzz/random.ts";
import { fragment, IP_PAYLOAD, type Packet, parseIpv4Packet } from "../../src/net/ipv4.ts";
import { Reassembly } from "../../src/net/reassembly.ts";
import { buildUdp, parseUdp } from "../../src/net/udp.ts";
import { VirtualTime } from "./support/virtual-time.ts";

function pieces(length: number, identification = 1, fill = 7): Packet[] {
  const frame = buildUdp(0x0a00020f, 1, 0x01020304, 2, new Uint8Array(length).fill(fill));
  return fragment(frame, identification).map((each) => parseIpv4Packet(each)!);
}

test("fragments in any order, also twice, become the datagram that they were", () => {
  const random = seeded(1);
  let id = 0;
  const reassembly = new Reassembly(new VirtualTime());
  for (const length of [1473, 3000, 9000, 65_507]) {
    for (let round = 0; round < 20; round++) {
      const parts = pieces(length, id++).flatMap((part) => (random() % 4 === 0 ? [part, part] : [part]));
      const shuffled = parts.map((part) => [random(), part] as const).sort((a, b) => a[0] - b[0]);
      const wholes = shuffled.map(([, part]) => reassembly.add(part)).filter((whole) => whole !== undefined);
      // Twice, if all of it came twice.
      expect(wholes.length).toBeGreaterThan(0);
      const data = new Uint8Array(length).fill(7);
      for (const whole of wholes) expect(Buffer.compare(parseUdp(whole)!.data, data)).toBe(0);
    }
  }
});

test("fragments that overlap are no packet", () => {
  const [first, second] = pieces(2000);
  const reassembly = new Reassembly(new VirtualTime());
  reassembly.add(first!);
  reassembly.add({ ...second!, fragmentOffset: second!.fragmentOffset - 8 });
  expect(reassembly.add(second!)).toBeUndefined();
});

test("what goes beyond the largest packet, or has holes of the wrong size, is dropped", () => {
  const [first] = pieces(2000);
  const reassembly = new Reassembly(new VirtualTime());
  expect(reassembly.add({ ...first!, fragmentOffset: 65_528, moreFragments: false })).toBeUndefined();
  expect(reassembly.add({ ...first!, end: first!.end - 1 })).toBeUndefined();
  expect(reassembly.add({ ...first!, end: IP_PAYLOAD })).toBeUndefined();
});

test("the rest comes too late after fifteen seconds, or when there were many others", () => {
  const time = new VirtualTime();
  const reassembly = new Reassembly(time);
  const [first, second] = pieces(2000);
  reassembly.add(first!);
  time.pass(15_001);
  expect(reassembly.add(second!)).toBeUndefined();
  time.pass(15_001);
  reassembly.add(first!);
  for (let id = 100; id < 140; id++) reassembly.add(pieces(2000, id)[0]!);
  expect(reassembly.add(second!)).toBeUndefined();
});
