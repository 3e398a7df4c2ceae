/** Which flags of V8 are set for the JIT, and that they take effect. */

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { jitFlags } from "../../src/host/node/v8.ts";

const HINTS = "--experimental-wasm-branch-hinting";
const RELAXED = "--experimental-wasm-relaxed-simd";
const CHECKS = "--no-wasm-stack-checks";
const BUDGET = "--wasm-tiering-budget=20000000";

test.each([
  ["11.3.244.8-node.38", [HINTS, RELAXED, BUDGET, CHECKS]],
  ["12.4.254.21-node.33", [HINTS, BUDGET, CHECKS]],
  ["13.6.233.17-node.53", [HINTS, CHECKS]],
  ["13.7.152.9", [CHECKS]],
  ["14.6.202.34-node.34", [CHECKS]],
  ["14.7.1.1", []],
  ["10.2.154.26-node.36", []],
  ["unknown", []],
])("V8 %s", (version, flags) => expect(jitFlags(version)).toEqual(flags));

/** A function with i32x4.relaxed_trunc_f32x4_s. */
const RELAXED_MODULE = "0,97,115,109,1,0,0,0,1,6,1,96,1,123,1,123,3,2,1,0,10,9,1,7,0,32,0,253,129,2,11";

test("the program has them once it asks, and not before", async () => {
  const script = `
    import { tuneV8 } from ${JSON.stringify(new URL("../../dist/node.js", import.meta.url).href)};
    const bytes = Uint8Array.of(${RELAXED_MODULE});
    const before = WebAssembly.validate(bytes);
    tuneV8();
    console.log(before, WebAssembly.validate(bytes));
    process.exit();`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  expect(stdout.trim()).toBe(`${!jitFlags(process.versions.v8).includes(RELAXED)} true`);
  expect(stderr).toBe("");
});
