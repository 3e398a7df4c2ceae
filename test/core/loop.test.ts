/**
 * V8 hands functions of more than 8192 virtual registers to a register allocator
 * that is quick instead of good (`kTopTierVirtualRegistersLimit`, src/compiler/
 * pipeline.cc). The interpreter's loop is the one that is near: beyond it, integer
 * code takes half as long again. This counts the registers in V8's own trace.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import { expect, test } from "vitest";
import { coreFile } from "../support/core.ts";

const LIMIT = 8192;
/** What other versions of V8 may need more. */
const RESERVE = 400;
const SECTION_CODE = 10;
const KIND_FUNCTION = "function";

/** Bytes of a module's section, as a reader of its numbers (LEB128). */
function section(bytes: Uint8Array, wanted: number): { next: () => number; skip: (count: number) => void } {
  let at = 8;
  const next = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const skip = (count: number) => {
    at += count;
  };
  for (;;) {
    const id = bytes[at++]!;
    const size = next();
    if (id === wanted) return { next, skip };
    skip(size);
  }
}

/** The module without names: V8 would call its functions by them. */
function nameless(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const kept = [...bytes.subarray(0, 8)];
  for (let at = 8; at < bytes.length; ) {
    const from = at;
    const id = bytes[at++]!;
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      size |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    at += size;
    if (id !== 0) for (let i = from; i < at; i++) kept.push(bytes[i]!);
  }
  return Uint8Array.from(kept);
}

/** Index of the longest function: the loop. */
function longest(bytes: Uint8Array<ArrayBuffer>): number {
  const imported = WebAssembly.Module.imports(new WebAssembly.Module(bytes));
  const { next, skip } = section(bytes, SECTION_CODE);
  let found = 0;
  let most = 0;
  const count = next();
  for (let i = 0; i < count; i++) {
    const size = next();
    if (size > most) [found, most] = [i, size];
    skip(size);
  }
  return found + imported.filter(({ kind }) => kind === KIND_FUNCTION).length;
}

test("the interpreter's loop is small enough for V8's better register allocator", async () => {
  const bytes = nameless(readFileSync(await coreFile()));
  const folder = mkdtempSync(join(tmpdir(), "wardian-loop-"));
  try {
    const [core, compile] = [join(folder, "core.wasm"), join(folder, "compile.mjs")];
    writeFileSync(core, bytes);
    writeFileSync(
      compile,
      `import { readFileSync } from "node:fs"; new WebAssembly.Module(readFileSync(${JSON.stringify(core)}));`,
    );
    const index = longest(bytes);
    const flags = ["--no-liftoff", "--no-wasm-tier-up", "--no-wasm-dynamic-tiering", "--no-wasm-lazy-compilation"];
    const trace = ["--trace-turbo", `--trace-turbo-path=${folder}`, `--trace-turbo-filter=wasm-function#${index}`];
    execFileSync(execPath, [...flags, ...trace, compile], { cwd: folder });
    const name = readdirSync(folder).find((file) => file.endsWith(".json"))!;
    let registers = 0;
    for (const match of readFileSync(join(folder, name), "latin1").matchAll(/"v(\d+)"/g))
      registers = Math.max(registers, Number(match[1]));
    expect(registers).toBeGreaterThan(1000);
    expect(registers).toBeLessThan(LIMIT - RESERVE);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
