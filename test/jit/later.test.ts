/** When a module arrives is nothing that a guest can see: Linux boots in the same way whenever they do. */

import { expect, test } from "vitest";
import { delays } from "../support/delays.ts";
import { debian, digest, guest, instants } from "../support/linux.ts";

const INSTANTS = Number(process.env.WARDIAN_ENGINE_INSTANTS ?? 3);
const ROUNDS = 9000;

test.each([
  [1, 4],
  [2, 400],
] as const)(
  "seed %i: modules that take up to %i rounds change nothing",
  async (seed, most) => {
    const boot = await debian(1);
    const stops = instants(INSTANTS, ROUNDS);
    const interpreted = guest(1, boot);
    const { compile, round } = delays(seed, most);
    const compiled = guest(1, boot, "jit", compile);
    const { abi, view } = compiled.cell.core;
    // Much more than would pay.
    view.setUint32(abi.DEV_MACHINE + abi.M_JIT_HOT, 8, true);
    let at = 0;
    for (const stop of [...stops, ROUNDS]) {
      expect(interpreted.cell.rounds(stop - at)).toBeUndefined();
      for (; at < stop; at++) {
        expect(compiled.cell.rounds(1)).toBeUndefined();
        round();
      }
      expect(digest(compiled.cell)).toBe(digest(interpreted.cell));
    }
    expect(compiled.cell.counters().regions).toBeGreaterThan(50);
    expect(compiled.output).toBe(interpreted.output);
  },
  240_000 + INSTANTS * 5000,
);
