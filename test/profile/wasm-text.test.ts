/** The text of modules: knows all that the translator writes, and survives what it doesn't. */

import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readModule, withNames } from "../../src/profile/module.ts";
import { instructionOf } from "../../src/profile/opcodes.ts";
import { WasmError } from "../../src/profile/reader.ts";
import { functionText, moduleText } from "../../src/profile/wasm-text.ts";

const JIT = new URL("../../assembly/jit/", import.meta.url);
/** Value types and prefixes, by the names that they have there. */
const NO_OPCODE = /^(VOID|I32|I64|F32|F64|V128|SIMD|PREFIX)$/;

test("every opcode that the translator names has its name here", () => {
  const sources = readdirSync(JIT).map((file) => readFileSync(new URL(file, JIT), "utf8"));
  const constants = sources.flatMap((text) => [...text.matchAll(/const (\w+): u8 = 0x(\w+);/g)]);
  const opcodes = constants.filter(([, name]) => !NO_OPCODE.test(name!));
  expect(opcodes.length).toBeGreaterThan(80);
  // I64_EXTEND_I32_U is i64.extend_i32_u; types behind the last _ may be left out there.
  const wrong = opcodes.filter(([, name, code]) => {
    const known = instructionOf(Number.parseInt(code!, 16))?.name.replace(/[./]/g, "_").toUpperCase();
    return !known?.startsWith(name!);
  });
  expect(wrong.map(([text]) => text)).toEqual([]);
});

/** (func (param i64) (result i64) (block (br_if 0 (i64.eqz (local.get 0)))) (i64.add (local.get 0) (i64.const -2))), a hint */
const section = (id: number, ...bytes: number[]) => [id, bytes.length, ...bytes];
const BODY = [0x00, 0x02, 0x40, 0x20, 0x00, 0x50, 0x0d, 0x00, 0x0b, 0x20, 0x00, 0x42, 0x7e, 0x7c, 0x0b];
const MODULE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...section(1, 1, 0x60, 1, 0x7e, 1, 0x7e),
  ...section(3, 1, 0),
  // Function 0 has one hint, at 6: unlikely.
  ...section(0, 25, ...new TextEncoder().encode("metadata.code.branch_hint"), 1, 0, 1, 6, 1, 0),
  ...section(10, 1, BODY.length, ...BODY),
);

test("a module's text", () => {
  expect(WebAssembly.validate(MODULE)).toBe(true);
  expect(moduleText(MODULE)).toBe(
    [
      "(module",
      "  (type $0 (func (param i64) (result i64)))",
      "  (func $0 (type $0)",
      "    block $1",
      "      br_if $1 (; unlikely ;) (i64.eqz (local.get 0))",
      "    end",
      "    i64.add (local.get 0) (i64.const -2)",
      "  )",
      ")",
      "",
    ].join("\n"),
  );
});

test("names that are put behind a module are read again, and it stays valid", () => {
  const names = ["r_80000852"];
  const named = withNames(MODULE, 0, names);
  expect(WebAssembly.validate(named)).toBe(true);
  expect([...readModule(named).names]).toEqual([[0, "r_80000852"]]);
  expect(functionText(named, 0)).toMatch(/^\(func \$r_80000852 /);
});

test("a long name's and a long section's sizes take more bytes", () => {
  const names = Array.from({ length: 200 }, (_, i) => `${"r".repeat(i)}`);
  expect([...readModule(withNames(MODULE, 0, names)).names.values()]).toEqual(names);
});

test("a module that is cut or changed anywhere is text or a WasmError", () => {
  for (let at = 8; at < MODULE.length; at++) {
    for (const change of [1, 0x80, 0xff]) {
      const changed = MODULE.slice();
      changed[at]! ^= change;
      for (const bytes of [changed, changed.subarray(0, at)]) {
        try {
          moduleText(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(WasmError);
        }
      }
    }
  }
});
