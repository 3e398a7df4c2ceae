/** Snapshots come from files: damaged or made to do harm, they are refused or they run, and nothing else. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fixedEntropy } from "../../src/host/node/entropy.ts";
import { planBoot } from "../../src/machine/boot.ts";
import { Cell } from "../../src/machine/cell.ts";
import { decodeSnapshot, encodeSnapshot, type Snapshot, SnapshotError } from "../../src/snapshot/format.ts";
import { restoreCell, saveCell } from "../../src/snapshot/snapshot.ts";

const file = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url));
const module = new WebAssembly.Module(file("dist/core.wasm"));
const MEMORY = 16 * 2 ** 20;

function cell(boot?: ReturnType<typeof planBoot>): Cell {
  return new Cell(
    module,
    { memoryBytes: MEMORY, harts: 2, sbi: false, deterministic: true, ...(boot ? { boot } : {}) },
    { now: () => 0, wallclock: () => 0, entropy: fixedEntropy(), console: () => {} },
  );
}

/** The self-test in its middle, as a snapshot. */
function sample(): Uint8Array {
  const kernel = file("roms/selftest/selftest.elf");
  const machine = cell(planBoot({ bios: "none", kernel, memoryBytes: MEMORY, harts: 2 }));
  machine.rounds(1);
  return saveCell(machine);
}

function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

/** Restores and runs on. @returns whether it was refused */
function tried(snapshot: () => Snapshot): boolean {
  try {
    const decoded = snapshot();
    if (decoded.header.memoryBytes !== MEMORY || decoded.header.harts !== 2) return true;
    const machine = cell();
    restoreCell(machine, decoded);
    machine.rounds(2);
    return false;
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error;
    expect(error.message).toMatch(/^The (snapshot|saved state) .*[^\n]+\.$/);
    return true;
  }
}

test("what is saved is what is loaded", () => {
  const bytes = sample();
  const machine = cell();
  restoreCell(machine, decodeSnapshot(bytes));
  expect(Buffer.from(saveCell(machine)).equals(Buffer.from(bytes))).toBe(true);
});

test("a file cut short anywhere is refused", () => {
  const bytes = sample();
  const next = random(1);
  for (let i = 0; i < 200; i++)
    expect(() => decodeSnapshot(bytes.subarray(0, next(bytes.length)))).toThrow(SnapshotError);
});

test("changed bytes are refused or run", () => {
  const bytes = sample();
  const next = random(2);
  let refused = 0;
  for (let i = 0; i < 150; i++) {
    const copy = bytes.slice();
    for (let k = 0; k <= next(4); k++) copy[next(Math.min(copy.length, 16_384))] = next(256);
    if (tried(() => decodeSnapshot(copy))) refused++;
  }
  expect(refused).toBeGreaterThan(10);
});

test("wild values in every register are refused or run", () => {
  const { header, ...rest } = decodeSnapshot(sample());
  const next = random(3);
  const wild = [0n, 1n, 2n ** 63n, 2n ** 64n - 1n, 0xdead_beef_0000_0001n, 2n ** 55n + 5n];
  let ran = 0;
  for (let i = 0; i < 150; i++) {
    const change = (value: unknown): unknown => {
      if (typeof value === "bigint") return next(20) === 0 ? wild[next(wild.length)] : value;
      if (typeof value === "number") return next(400) === 0 ? next(256) : value;
      if (Array.isArray(value)) return value.map(change);
      return value;
    };
    const states = (state: object) =>
      Object.fromEntries(Object.entries(state).map(([key, value]) => [key, key === "version" ? value : change(value)]));
    const changed = {
      ...header,
      hartStates: header.hartStates.map(states),
      devices: Object.fromEntries(Object.entries(header.devices).map(([name, state]) => [name, states(state)])),
    } as unknown as Snapshot["header"];
    if (!tried(() => decodeSnapshot(encodeSnapshot({ header: changed, ...rest })))) ran++;
  }
  expect(ran).toBeGreaterThan(0);
});
