/** Where things are, whether this runs from its sources or from a bundle. */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { BenchError } from "./errors.ts";

/** The package's directory. @throws BenchError when this file is outside of it. */
export function packageRoot(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    if (existsSync(join(at, "bench", "kernels")) && existsSync(join(at, "package.json"))) return at;
    if (at === dirname(at)) throw new BenchError("the benchmarks run from a checkout of the sources: clone it first");
  }
}
