/** Counted machines that boot Debian, for tests that compare whole runs. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { CodeCache } from "../../src/core/code-cache.ts";
import type { EngineName } from "../../src/core/engine.ts";
import type { Compile } from "../../src/core/jit.ts";
import { fixedEntropy } from "../../src/host/node/entropy.ts";
import { provision } from "../../src/images/index.ts";
import { type BootPlan, planBoot } from "../../src/machine/boot.ts";
import { Cell, type Exit } from "../../src/machine/cell.ts";
import { saveCell } from "../../src/snapshot/snapshot.ts";
import { testEngine } from "./engine.ts";

const MEMORY = 192 * 2 ** 20;

const module = new WebAssembly.Module(readFileSync(new URL("../../dist/core.wasm", import.meta.url)));

export interface Guest {
  readonly cell: Cell;
  output: string;
}

/**
 * @param boot     without it, the cell waits for a snapshot
 * @param engine   default: see testEngine
 * @param compile  how the JIT's modules are compiled; at once unless told
 * @param codeCache  what the JIT has from earlier runs, and adds to
 */
export function guest(
  harts: number,
  boot?: BootPlan,
  engine: EngineName = testEngine(),
  compile?: Compile,
  codeCache?: CodeCache,
): Guest {
  const made: { output: string } = { output: "" };
  const cell = new Cell(
    module,
    { memoryBytes: MEMORY, harts, sbi: true, deterministic: true, engine, ...(boot ? { boot } : {}) },
    {
      now: () => performance.now(),
      wallclock: () => 0,
      // Completions of the sequence differ between a machine and its copy; the guest here draws none after boot.
      entropy: fixedEntropy(),
      ...(compile ? { compile } : {}),
      ...(codeCache ? { codeCache } : {}),
      console: (bytes) => {
        made.output += new TextDecoder().decode(bytes);
      },
    },
  );
  // By hand: 1 compiles what is met at once.
  const hot = process.env.WARDIAN_ENGINE_HOT;
  if (hot && engine !== "interpreter") {
    const { view, abi } = cell.core;
    view.setUint32(abi.DEV_MACHINE + abi.M_JIT_HOT, Number(hot), true);
  }
  return Object.assign(made, { cell });
}

/** All that a snapshot holds. */
export const digest = (cell: Cell): string => createHash("sha256").update(saveCell(cell)).digest("hex");

/** Debian to its power-off. */
export async function debian(harts: number): Promise<BootPlan> {
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

/** Runs to the end. */
export function finish(cell: Cell): { exit: Exit | "idle" | undefined; retired: bigint; digest: string } {
  const exit = cell.rounds(1_000_000);
  return { exit, retired: cell.retired, digest: digest(cell) };
}

/** Rounds at which to look, unevenly spread below `total`. */
export function instants(count: number, total: number): number[] {
  let seed = 12345;
  const at = Array.from({ length: count }, () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return 1 + (seed % (total - 1));
  });
  return [...new Set(at)].sort((a, b) => a - b);
}
