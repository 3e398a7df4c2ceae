/** Bundles for browsers: the module with all that it needs, and the page. */

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ROOT } from "./run.mjs";

const SHARED = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: "browser",
  target: "es2022",
  logLevel: "silent",
  // Written below, and found beside the module or in it, whatever bundles it again.
  external: ["./embedded.js"],
};

/**
 * dist/browser: index.js, which is the module; embedded.js, which it imports
 * when the first machine is made; executor.js and core.wasm, the same as files.
 * @param {(options: object) => Promise<unknown>} bundle esbuild's
 */
export async function bundleModule(bundle, work) {
  await bundle({
    ...SHARED,
    entryPoints: { executor: "src/host/browser/executor.ts" },
    outdir: work,
    format: "iife",
    minify: true,
  });
  await bundle({ ...SHARED, entryPoints: { index: "src/browser.ts" }, outdir: work, format: "esm" });
  copyFileSync(join(ROOT, "dist/core.wasm"), join(ROOT, work, "core.wasm"));
  const core = gzipSync(readFileSync(join(ROOT, work, "core.wasm")), { level: 9 }).toString("base64");
  const executor = readFileSync(join(ROOT, work, "executor.js"), "utf8");
  const text = `export const core = ${JSON.stringify(core)};\nexport const executor = ${JSON.stringify(executor)};\n`;
  writeFileSync(join(ROOT, work, "embedded.js"), text);
}

/** dist/web: the page. */
export async function bundlePage(bundle, work) {
  mkdirSync(join(ROOT, work), { recursive: true });
  await bundle({
    ...SHARED,
    entryPoints: { page: "src/web/page/main.ts", style: "src/web/page/style.css" },
    outdir: work,
    format: "esm",
    minify: true,
  });
  copyFileSync(join(ROOT, "src/web/page/index.html"), join(ROOT, work, "index.html"));
  copyFileSync(join(ROOT, "dist/browser/embedded.js"), join(ROOT, work, "embedded.js"));
}
