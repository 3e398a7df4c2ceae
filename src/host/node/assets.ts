/** Files that come with Wardian: the built core and the executor's script. */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { MachineError } from "../../hypervisor/machine.ts";

/** The directory of built files: this one in a bundle, `dist` when run from sources. */
function distDirectory(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return existsSync(join(here, "core.wasm")) ? here : join(here, "../../../dist");
}

/** Path of a built file. @throws MachineError when it hasn't been built */
export function asset(name: string): string {
  const path = join(distDirectory(), name);
  if (!existsSync(path)) throw new MachineError(`${name} has not been built; run "npm run build".`);
  return path;
}

let core: Promise<WebAssembly.Module> | undefined;

/** The core, compiled once for the whole process. */
export function coreModule(): Promise<WebAssembly.Module> {
  core ??= WebAssembly.compile(readFileSync(asset("core.wasm")));
  return core;
}
