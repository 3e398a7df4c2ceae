import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileAssembly } from "./asc.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const BUILT = join(root, "dist/core.wasm");
const FEATURES = ["bulk-memory", "sign-extension", "nontrapping-f2i", "mutable-globals"];

function newest(folder: string): number {
  const times = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs);
  return Math.max(...times);
}

let module: Promise<WebAssembly.Module> | undefined;

/** The core as the build left it, or compiled now when that is missing or older than its sources. */
export function coreModule(): Promise<WebAssembly.Module> {
  module ??= (async () => {
    const time = newest(join(root, "assembly"));
    if (existsSync(BUILT) && statSync(BUILT).mtimeMs >= time) return new WebAssembly.Module(readFileSync(BUILT));
    const options = ["--noExportMemory", "--exportStart", "", ...FEATURES.flatMap((name) => ["--enable", name])];
    return compileAssembly("assembly/index.ts", options);
  })();
  return module;
}
