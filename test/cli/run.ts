/** Runs the built program, and makes the small guests that it runs here. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { encode } from "../../src/isa/encode.ts";
import { testEngine } from "../support/engine.ts";

export const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
export const ROMS = fileURLToPath(new URL("../../roms", import.meta.url));

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** What comes on stdin, which then ends; without, there is nothing on it; null leaves it to `during`. */
  readonly input?: string | Uint8Array | null;
  readonly env?: Readonly<Record<string, string>>;
  /** Sees the process once it runs. */
  readonly during?: (child: ChildProcessByStdio<Writable, Readable, Readable>) => void;
}

/** Runs a program to its end. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { input = "", env = {}, during } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    const text = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      child[name].setEncoding("utf8").on("data", (chunk: string) => {
        text[name] += chunk;
      });
    child.stdin.on("error", () => {}); // it may end without reading all
    if (input !== null) child.stdin.end(input);
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ status: code ?? 128 + constants.signals[signal!], ...text }));
    during?.(child);
  });
}

/** Runs `wardian` with these arguments; machines by the engine under test, if the environment names one. */
export function wardian(args: readonly string[], options?: RunOptions): Promise<Outcome> {
  return run(process.execPath, [CLI, ...args, ...engineOf(args)], options);
}

function engineOf(args: readonly string[]): string[] {
  const runs = args[0] === "boot" || (args[0] === "snapshot" && args.length > 1);
  const chosen = args.some((arg) => arg.startsWith("--engine"));
  return runs && !chosen && process.env.WARDIAN_ENGINE !== undefined ? ["--engine", testEngine()] : [];
}

/** A directory of this test file's own, removed at its end. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "wardian-cli-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Writes a file and returns its path. */
export function put(directory: string, name: string, bytes: Uint8Array | string): string {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return path;
}

/** Machine code of some instructions: a raw binary that starts in M-mode at the start of RAM. */
export function program(...instructions: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(instructions).buffer);
}

const A0 = 10;
const A1 = 11;

/** Sets a register to 32 bits that may come sign-extended. */
function li(rd: number, value: number): number[] {
  const low = (value << 20) >> 20;
  return [encode("lui", { rd, upper: (value - low) | 0 }), encode("addiw", { rd, rs1: rd, imm: low })];
}

/** Stores a word to the syscon test device: 0x5555 passes, code << 16 | 0x3333 fails. */
export function exits(word: number): Uint8Array {
  return program(...li(A0, 0x10_0000), ...li(A1, word), encode("sw", { rs1: A0, rs2: A1, imm: 0 }), ...FOREVER);
}

const FOREVER = [encode("wfi"), encode("jal", { rd: 0, target: -4 })];

/** Waits for interrupts that never come. */
export const idle = (): Uint8Array => program(...FOREVER);

/** Copies the console's input to its output. */
export function echo(): Uint8Array {
  return program(
    ...li(A0, 0x1000_0000), // the 16550
    encode("lbu", { rd: A1, rs1: A0, imm: 5 }), // line status
    encode("andi", { rd: A1, rs1: A1, imm: 1 }), // data ready
    encode("beq", { rs1: A1, rs2: 0, target: -8 }),
    encode("lbu", { rd: A1, rs1: A0, imm: 0 }),
    encode("sb", { rs1: A0, rs2: A1, imm: 0 }),
    encode("jal", { rd: 0, target: -20 }),
  );
}
