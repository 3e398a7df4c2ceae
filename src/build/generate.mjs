/** Writes the files that are generated from src/isa/table. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "./run.mjs";

export async function generate() {
  const { build } = await import("esbuild");
  const outfile = join(ROOT, `dist/.generate-${process.pid}.mjs`);
  const entryPoints = [join(ROOT, "src/isa/generate-main.ts")];
  try {
    await build({ entryPoints, outfile, bundle: true, platform: "node", format: "esm", logLevel: "warning" });
    process.chdir(ROOT);
    await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile, { force: true });
  }
}
