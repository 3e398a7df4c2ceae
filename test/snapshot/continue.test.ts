/** A machine that is saved and restored again and again is the machine that never was. */

import { expect, test } from "vitest";
import { decodeSnapshot } from "../../src/snapshot/format.ts";
import { restoreCell, saveCell } from "../../src/snapshot/snapshot.ts";
import { debian, digest, finish, guest, instants } from "../support/linux.ts";

/** Instants of the boot; the soak before a release takes 100. */
const INSTANTS = Number(process.env.WARDIAN_SNAPSHOT_INSTANTS ?? 6);
/** Rounds of a boot, not all of it: of 50,000 instructions with one hart, 20,000 each with more. */
const ROUNDS = { 1: 20_000, 2: 30_000 } as const;

test.each([1, 2] as const)("%i hart(s): saved and restored at random instants of a boot", async (harts) => {
  const boot = await debian(harts);
  const stops = instants(INSTANTS, ROUNDS[harts]);

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
