/** A machine that is saved and restored again and again is the machine that never was. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fixedEntropy } from "../../src/host/node/entropy.ts";
import { provision } from "../../src/images/index.ts";
import { planBoot } from "../../src/machine/boot.ts";
import { Cell, type Exit } from "../../src/machine/cell.ts";
import { decodeSnapshot } from "../../src/snapshot/format.ts";
import { restoreCell, saveCell } from "../../src/snapshot/snapshot.ts";

/** Instants of the boot; the soak before a release takes 100. */
const INSTANTS = Number(process.env.WARDIAN_SNAPSHOT_INSTANTS ?? 8);
const MEMORY = 192 * 2 ** 20;
/** Rounds of a boot, not all of it: of 50,000 instructions with one hart, 20,000 each with more. */
const ROUNDS = { 1: 20_000, 2: 30_000 } as const;

const module = new WebAssembly.Module(readFileSync(new URL("../../dist/core.wasm", import.meta.url)));

interface Guest {
  readonly cell: Cell;
  output: string;
}

function guest(harts: number, boot?: ReturnType<typeof planBoot>): Guest {
  const made: { output: string } = { output: "" };
  const cell = new Cell(
    module,
    { memoryBytes: MEMORY, harts, sbi: true, deterministic: true, ...(boot ? { boot } : {}) },
    {
      now: () => performance.now(),
      wallclock: () => 0,
      // Completions of the sequence differ between a machine and its copy; the guest here draws none after boot.
      entropy: fixedEntropy(),
      console: (bytes) => {
        made.output += new TextDecoder().decode(bytes);
      },
    },
  );
  return Object.assign(made, { cell });
}

const digest = (cell: Cell): string => createHash("sha256").update(saveCell(cell)).digest("hex");

/** The same instants for both runs: unevenly spread over the boot. */
function instants(total: number): number[] {
  let seed = 12345;
  const at = Array.from({ length: INSTANTS }, () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return 1 + (seed % (total - 1));
  });
  return [...new Set(at)].sort((a, b) => a - b);
}

async function plan(harts: number) {
  const image = await provision("debian");
  if (image.kind !== "linux") throw new Error("debian is a Linux image");
  return planBoot({
    bios: "builtin",
    kernel: readFileSync(image.kernel),
    initrd: readFileSync(image.initrd),
    append: `${image.append} wardian.poweroff`,
    memoryBytes: MEMORY,
    harts,
    fdt: { rngSeed: new Uint8Array(32) },
  });
}

test.each([1, 2] as const)("%i hart(s): saved and restored at random instants of a boot", async (harts) => {
  const boot = await plan(harts);
  const stops = instants(ROUNDS[harts]);

  const whole = guest(harts, boot);
  const expected: string[] = [];
  let at = 0;
  for (const stop of stops) {
    expect(whole.cell.rounds(stop - at)).toBeUndefined();
    at = stop;
    expected.push(digest(whole.cell));
  }
  const end = finish(whole.cell);

  let parts = guest(harts, boot);
  let output = "";
  at = 0;
  for (const [i, stop] of stops.entries()) {
    expect(parts.cell.rounds(stop - at)).toBeUndefined();
    at = stop;
    const copy = guest(harts);
    restoreCell(copy.cell, decodeSnapshot(saveCell(parts.cell)));
    output += parts.output;
    parts = copy;
    expect(digest(parts.cell), `instant ${i}, round ${stop}`).toBe(expected[i]);
  }
  expect(finish(parts.cell)).toEqual(end);
  expect(output + parts.output).toBe(whole.output);
  expect(whole.output).toContain("reboot: Power down");
}, 240_000);

function finish(cell: Cell): { exit: Exit | "idle" | undefined; retired: bigint; digest: string } {
  const exit = cell.rounds(1_000_000);
  return { exit, retired: cell.retired, digest: digest(cell) };
}
