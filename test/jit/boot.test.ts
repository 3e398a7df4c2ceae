/** Guests see no difference between the engines, cold or hot: in counted mode a boot of Linux is the same to the last bit. */

import { expect, test } from "vitest";
import type { CodeCache } from "../../src/core/code-cache.ts";
import type { EngineName } from "../../src/core/engine.ts";
import { MemoryCodeCache } from "../support/code-cache.ts";
import { debian, digest, finish, guest, instants } from "../support/linux.ts";

const INSTANTS = Number(process.env.WARDIAN_ENGINE_INSTANTS ?? 5);
/** Rounds of a boot, not all of it. */
const ROUNDS = { 1: 20_000, 2: 30_000 } as const;

test.each([1, 2] as const)(
  "%i hart(s): the interpreter's boot and the JIT's are one",
  async (harts) => {
    const boot = await debian(harts);
    const stops = instants(INSTANTS, ROUNDS[harts]);
    const run = (engine: EngineName, codeCache?: CodeCache) => {
      const machine = guest(harts, boot, engine, undefined, codeCache);
      const digests: string[] = [];
      let at = 0;
      for (const stop of stops) {
        expect(machine.cell.rounds(stop - at)).toBeUndefined();
        at = stop;
        digests.push(digest(machine.cell));
      }
      const { regions, regionsRecalled } = machine.cell.counters();
      return { digests, end: finish(machine.cell), output: machine.output, regions, regionsRecalled };
    };
    const { regions: none, regionsRecalled: never, ...interpreted } = run("interpreter");
    const cache = new MemoryCodeCache();
    const { regions, regionsRecalled: _, ...compiled } = run("jit", cache);
    expect(compiled).toEqual(interpreted);
    expect([none, never]).toEqual([0, 0]);
    expect(regions).toBeGreaterThan(50);
    // What was hot is compiled from the start now.
    const { regionsRecalled, regions: __, ...hot } = run("jit", cache);
    expect(hot).toEqual(interpreted);
    expect(regionsRecalled).toBeGreaterThan(50);
    expect(interpreted.output).toContain("reboot: Power down");
  },
  240_000 + INSTANTS * 5000,
);
