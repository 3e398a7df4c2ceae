/** Guests see no difference between the engines: in counted mode a boot of Linux is the same to the last bit. */

import { expect, test } from "vitest";
import type { EngineName } from "../../src/core/engine.ts";
import { debian, digest, finish, guest, instants } from "../support/linux.ts";

const INSTANTS = Number(process.env.WARDIAN_ENGINE_INSTANTS ?? 5);
/** Rounds of a boot, not all of it. */
const ROUNDS = { 1: 20_000, 2: 30_000 } as const;

test.each([1, 2] as const)(
  "%i hart(s): the interpreter's boot and the JIT's are one",
  async (harts) => {
    const boot = await debian(harts);
    const stops = instants(INSTANTS, ROUNDS[harts]);
    const run = (engine: EngineName) => {
      const machine = guest(harts, boot, engine);
      const digests: string[] = [];
      let at = 0;
      for (const stop of stops) {
        expect(machine.cell.rounds(stop - at)).toBeUndefined();
        at = stop;
        digests.push(digest(machine.cell));
      }
      return { digests, end: finish(machine.cell), output: machine.output, regions: machine.cell.counters().regions };
    };
    const { regions: none, ...interpreted } = run("interpreter");
    const { regions, ...compiled } = run("jit");
    expect(compiled).toEqual(interpreted);
    expect(none).toBe(0);
    expect(regions).toBeGreaterThan(50);
    expect(interpreted.output).toContain("reboot: Power down");
  },
  240_000 + INSTANTS * 5000,
);
