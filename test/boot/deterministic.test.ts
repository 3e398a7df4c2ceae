/**
 * Counted time: Debian from power-on to power-off is the same run whatever the
 * host's clocks say, however it is cut into slices and whichever thread runs it.
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { bootSeed, fixedEntropy } from "../../src/host/node/entropy.ts";
import { gunzip } from "../../src/host/node/files.ts";
import type { Exit } from "../../src/hypervisor/machine.ts";
import { provision } from "../../src/images/index.ts";
import { planBoot } from "../../src/machine/boot.ts";
import { Cell, type CellCounters } from "../../src/machine/cell.ts";
import { seeded } from "../isa/random.ts";
import { coreModule } from "../support/core.ts";
import { testEngine } from "../support/engine.ts";
import { Machine, MINUTES } from "./guests.ts";

const MEMORY = 192 << 20;
const RAM = 0x8000_0000n;
/** The guest's init powers the machine off instead of starting a shell, so nothing is asked of it from outside. */
const AND_OFF = "wardian.poweroff";

interface Run {
  readonly exit: Exit;
  readonly counters: CellCounters;
  readonly console: string;
}

async function image() {
  const found = await provision("debian");
  if (found.kind !== "linux") throw new Error("the image debian is no Linux");
  return found;
}

/** A boot in this thread; the host's milliseconds advance by `step` each time that somebody looks. */
async function inCell(harts: number, step: () => number): Promise<Run & { ram: string }> {
  const { kernel, initrd, append } = await image();
  const boot = planBoot({
    bios: "builtin",
    kernel: new Uint8Array(readFileSync(kernel)),
    initrd: new Uint8Array(readFileSync(initrd)),
    append: `${append} ${AND_OFF}`,
    memoryBytes: MEMORY,
    harts,
    gunzip,
    fdt: { rngSeed: bootSeed(true) },
  });
  let now = 0;
  const hash = createHash("sha256");
  const options = { memoryBytes: MEMORY, harts, boot, sbi: true, deterministic: true, engine: testEngine() };
  const cell = new Cell(await coreModule(), options, {
    now: () => {
      now += step();
      return now;
    },
    wallclock: () => now * 1e9,
    entropy: fixedEntropy(),
    console: (bytes) => hash.update(bytes),
  });
  for (let slices = 1; ; slices++) {
    const result = cell.slice(5);
    if (result.state === "exit") {
      const ram = createHash("sha256").update(cell.readMemory(RAM, MEMORY)).digest("hex");
      return { exit: result.exit, counters: cell.counters(), console: hash.digest("hex"), ram };
    }
    // What the guest has written to its ports is taken between slices.
    if (slices % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    else await null;
  }
}

/** The same as a user gets it. */
async function inWorker(harts: number): Promise<Run> {
  const vm = await Machine.create({
    image: "debian",
    harts,
    memory: MEMORY,
    append: AND_OFF,
    deterministic: true,
  });
  const hash = createHash("sha256");
  vm.console.onData((bytes) => void hash.update(bytes));
  await vm.start();
  const exit = await vm.exited;
  return { exit, counters: (await vm.stats()).counters, console: hash.digest("hex") };
}

const POWEROFF = { kind: "poweroff", code: 0 };

test(
  "one hart",
  async () => {
    const random = seeded(7);
    const worker = inWorker(1);
    const steady = await inCell(1, () => 0.125);
    const jumpy = await inCell(1, () => (random() & 7) ** 2);
    expect(steady.exit).toEqual(POWEROFF);
    expect(steady.counters.instructions).toBeGreaterThan(1e9);
    expect(jumpy).toEqual(steady);
    const { ram, ...seen } = steady;
    expect(ram).toHaveLength(64);
    expect(await worker).toEqual(seen);
  },
  10 * MINUTES,
);

test(
  "two harts",
  async () => {
    const [worker, cell] = await Promise.all([inWorker(2), inCell(2, () => 0.3)]);
    expect(cell.exit).toEqual(POWEROFF);
    const { ram: _, ...seen } = cell;
    expect(worker).toEqual(seen);
  },
  10 * MINUTES,
);
