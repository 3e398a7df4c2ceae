import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/**
 * Compiles one AssemblyScript entry for a test of a single room and returns its
 * module. The memory is imported as `env.memory`, as in the product.
 */
export async function compileAssembly(entry: string, extra: string[] = []): Promise<WebAssembly.Module> {
  const outFile = join("dist/test", `${entry.replace(/[^a-z0-9]+/gi, "-")}-${process.pid}.wasm`);
  await compileTo(outFile, entry, extra);
  return new WebAssembly.Module(readFileSync(join(root, outFile)));
}

/** The same, into a file whose path is relative to the repository. */
export async function compileTo(outFile: string, entry: string, extra: readonly string[] = []): Promise<void> {
  mkdirSync(join(root, "dist/test"), { recursive: true });
  const { error, stderr } = await asc.main([
    entry,
    "--baseDir",
    root,
    "--config",
    "none",
    "--runtime",
    "stub",
    "--importMemory",
    "--memoryBase",
    "1024",
    "--use",
    "abort=",
    "-O3",
    "--noAssert",
    "--outFile",
    outFile,
    ...extra,
  ]);
  if (error) throw new Error(`asc ${entry}: ${error.message}\n${stderr.toString()}`);
}
