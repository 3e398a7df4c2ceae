/** A file of its own: it sets a flag of V8, for the rest of its process. */

import { readFileSync } from "node:fs";
import { arch, platform, versions } from "node:process";
import { setFlagsFromString } from "node:v8";
import { expect, test } from "vitest";
import { probeFeatures } from "../../src/core/features.ts";

const [major, minor] = versions.v8.split(".").map(Number) as [number, number];
/** Since V8 11.4 relaxed SIMD needs no flag. */
const shipped = major > 11 || (major === 11 && minor >= 4);
/** Whether the processor fuses; undefined where we can't know. */
function fuses(): boolean | undefined {
  if (arch === "arm64") return true;
  if (arch !== "x64" || platform !== "linux") return undefined;
  return /^flags\s*:.*\bfma\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
}

test.skipIf(shipped)("without its flag there is no relaxed SIMD", () => {
  expect(probeFeatures()).toEqual({ relaxedMadd: false });
});

test.skipIf(fuses() === undefined)("relaxed multiply-add is used exactly where the processor fuses", () => {
  if (!shipped) setFlagsFromString("--experimental-wasm-relaxed-simd");
  expect(probeFeatures()).toEqual({ relaxedMadd: fuses() });
});
