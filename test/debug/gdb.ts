/** Runs gdb-multiarch against machines. */

import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

const GUEST = fileURLToPath(new URL("guest/", import.meta.url));

export interface GdbRun {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  /** Resolves with all that it has written, at its end. */
  readonly ended: Promise<string>;
  /** Resolves once its output has this. */
  shows(text: string): Promise<void>;
}

/** Runs GDB with commands, one after another, on a machine at a port. */
export function gdb(port: number, commands: readonly string[], file?: string): GdbRun {
  const setup = [
    "set pagination off",
    "set confirm off",
    "set style enabled off",
    "set architecture riscv:rv64",
    `target remote :${port}`,
  ];
  const args = [...setup, ...commands].flatMap((command) => ["-ex", command]);
  const process = spawn("gdb-multiarch", ["-nx", "-batch", ...args, ...(file === undefined ? [] : [file])], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const waits = new Set<() => void>();
  for (const stream of [process.stdout, process.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      for (const wait of waits) wait();
    });
  return {
    process,
    ended: new Promise((resolve, reject) => {
      process.on("error", reject);
      process.on("close", () => resolve(text));
    }),
    shows: (wanted) =>
      new Promise((resolve) => {
        const look = () => {
          if (!text.includes(wanted)) return;
          waits.delete(look);
          resolve();
        };
        waits.add(look);
        look();
      }),
  };
}

/** A directory of this test file's own, removed at its end. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "wardian-gdb-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Compiles the guest with its symbols. @returns the program's path */
export function buildGuest(directory: string): string {
  const out = join(directory, "guest.elf");
  const flags = ["-g", "-O1", "-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany", "-ffreestanding", "-fno-pic"];
  const link = [
    "-nostdlib",
    "-static",
    "-no-pie",
    "-Wl,--build-id=none",
    "-Wl,-Ttext=0x80000000",
    "-Wl,--no-relax",
    "-Wl,--nmagic",
  ];
  const sources = ["start.S", "main.c"].map((name) => join(GUEST, name));
  execFileSync("riscv64-linux-gnu-gcc", [...flags, ...link, "-Wl,--no-warn-rwx-segments", "-o", out, ...sources]);
  return out;
}
