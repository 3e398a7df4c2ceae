/** Whatever the way does to segments, both sides get all bytes, once and in order, and both learn of the end. */

import { expect, test } from "vitest";
import { type Random, seeded } from "../../../src/fuzz/random.ts";
import { type End, pair } from "../support/tcp-peer.ts";
import { VirtualTime } from "../support/virtual-time.ts";

interface Faults {
  readonly loss: number;
  readonly duplication: number;
  readonly reordering: number;
  /** Bits that turn over in a frame. */
  readonly damage: number;
  /** A reader that stands still now and then. */
  readonly stalls: boolean;
}

const share = (random: Random): number => random() / 2 ** 32;

function bytesOf(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random());
}

function joinBadly(time: VirtualTime, from: End, to: End, random: Random, faults: Faults): void {
  from.send = (frame) => {
    if (share(random) < faults.loss) return;
    if (share(random) < faults.damage) {
      frame = frame.slice();
      frame[14 + (random() % (frame.length - 14))]! ^= 1 << (random() % 8);
    }
    const delay = 2 + (share(random) < faults.reordering ? share(random) * 20 : 0);
    const copies = share(random) < faults.duplication ? 2 : 1;
    for (let i = 0; i < copies; i++) time.later(delay + i * share(random) * 30, () => to.deliver(frame.slice()));
  };
}

/** Reads for a while, then doesn't, and so on. */
function stall(time: VirtualTime, end: End, random: Random): void {
  const toggle = () => {
    if (end.ending) return;
    end.reads = !end.reads;
    if (end.reads) end.take();
    time.later(share(random) * (end.reads ? 300 : 3000), toggle);
  };
  toggle();
}

const NONE: Faults = { loss: 0, duplication: 0, reordering: 0, damage: 0, stalls: false };
const ROWS: [string, Faults][] = [
  ["nothing", NONE],
  ["loss of 1 %", { ...NONE, loss: 0.01 }],
  ["loss of 10 %", { ...NONE, loss: 0.1 }],
  ["loss of 25 %", { ...NONE, loss: 0.25 }],
  ["duplication", { ...NONE, duplication: 0.3 }],
  ["reordering", { ...NONE, reordering: 0.3 }],
  ["damage", { ...NONE, damage: 0.1 }],
  ["stalls", { ...NONE, stalls: true }],
  ["all of it", { loss: 0.05, duplication: 0.1, reordering: 0.2, damage: 0.02, stalls: true }],
];
const SEEDS = Number(process.env.WARDIAN_TCP_SEEDS ?? 12);

test.each(ROWS)("%s", (_, faults) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = seeded(seed);
    const time = new VirtualTime();
    const options = () => ({
      mss: [200, 536, 1460][random() % 3]!,
      limit: [2048, 16_384, 65_536, 1 << 20][random() % 4]!,
      burst: random() % 3 === 0 ? 20_000 : 0,
      // Numbers turn over during the transfer.
      initialSequence: 2 ** 32 - (random() % 100_000),
    });
    const [a, b] = pair(time, options(), options());
    joinBadly(time, a, b, random, faults);
    joinBadly(time, b, a, random, faults);
    if (faults.stalls) for (const end of [a, b]) stall(time, end, random);
    const sizes = [random() % 150_000, random() % 150_000] as const;
    const [fromA, fromB] = [bytesOf(random, sizes[0]), bytesOf(random, sizes[1])];
    a.connection.open();
    a.write(fromA, true);
    b.write(fromB, true);
    time.until(() => a.ending !== undefined && b.ending !== undefined, 3_600_000);
    for (const end of [a, b]) end.take();
    const label = `seed ${seed}: `;
    // Of two that have said and heard all, the one whose last FIN isn't answered any more doesn't learn it.
    const endings = [a.ending, b.ending].sort();
    if (faults.loss < 0.2 || endings[1] !== "timed-out") expect(label + endings).toBe(`${label}finished,finished`);
    else expect(endings[0]).toBe("finished");
    expect(Buffer.compare(a.bytes, fromB), label).toBe(0);
    expect(Buffer.compare(b.bytes, fromA), label).toBe(0);
    expect([a.hasEnded, b.hasEnded]).toEqual([true, true]);
  }
});
