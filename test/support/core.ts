import { existsSync, readdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileTo } from "./asc.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const BUILT = join(root, "dist/core.wasm");
const FEATURES = ["bulk-memory", "sign-extension", "nontrapping-f2i", "mutable-globals"];

function newest(folder: string): number {
  const times = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs);
  return Math.max(...times);
}

let path: Promise<string> | undefined;

/**
 * Path of the core as the build left it. When that is missing or older than its
 * sources, it is compiled, once for all workers of a test run.
 */
export function coreFile(): Promise<string> {
  path ??= (async () => {
    const time = newest(join(root, "assembly"));
    if (existsSync(BUILT) && statSync(BUILT).mtimeMs >= time) return BUILT;
    const own = `dist/test/core-${Math.floor(time)}.wasm`;
    if (!existsSync(join(root, own))) {
      const partial = `dist/test/core-${process.pid}.partial.wasm`;
      const features = FEATURES.flatMap((name) => ["--enable", name]);
      const flags = ["--noExportMemory", "--exportTable", "--exportStart", "", "--debug", ...features];
      await compileTo(partial, "assembly/index.ts", flags);
      renameSync(join(root, partial), join(root, own));
    }
    return join(root, own);
  })();
  return path;
}

let module: Promise<WebAssembly.Module> | undefined;

/** The same, compiled. */
export function coreModule(): Promise<WebAssembly.Module> {
  module ??= coreFile().then((file) => new WebAssembly.Module(readFileSync(file)));
  return module;
}
