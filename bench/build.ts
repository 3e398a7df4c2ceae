/** Builds the kernels from the same sources: for the host, as bare-metal guests, and as programs of Linux guests. */

import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "../src/oracle/command.ts";
import type { Kernel } from "./kernels.ts";
import { packageRoot } from "./paths.ts";

/** `linux` is a program of riscv64, `linux-i386` the same of a machine with SSE2. */
export type Target = "guest" | "native" | "linux" | "linux-i386";
const SUFFIXES: Readonly<Record<Target, string>> = {
  guest: "elf",
  native: "native",
  linux: "linux",
  "linux-i386": "i386",
};

/**
 * Rounding is the same everywhere: no contraction that the source didn't ask
 * for. Copy loops stay loops: a C library's assembly isn't what is measured.
 */
const COMMON = [
  "-O2",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffp-contract=off",
  "-fno-math-errno",
  "-fno-tree-loop-distribute-patterns",
];
const ALONE = ["-ffreestanding", "-nostdlib", "-static", "-fno-pie", "-no-pie", "-Wl,--build-id=none"];
const RISCV = ["-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany", ...ALONE];
const I386 = ["-m32", "-msse2", "-mfpmath=sse", "-fno-stack-protector", "-fno-asynchronous-unwind-tables", ...ALONE];
const CROSS = ["riscv64-linux-gnu-gcc", "install the package gcc-riscv64-linux-gnu"] as const;

export interface BuildOptions {
  /** Multiplies every kernel's work; at least one unit is left. */
  readonly scale?: number;
  /** How often the program runs its kernel; once unless told. */
  readonly repetitions?: number;
  /** Products are rounded before they are added, on every machine alike: i386 can't do otherwise. */
  readonly unfused?: boolean;
  /** Where the programs go; dist/bench unless told. */
  readonly directory?: string;
}

/** The file that `buildKernel` makes. */
export function programPath(kernel: Kernel, target: Target, directory = defaultDirectory()): string {
  return join(directory, `${kernel.name}.${SUFFIXES[target]}`);
}

const defaultDirectory = (): string => join(packageRoot(), "dist", "bench");

/** Builds one kernel and returns the program's path. @throws BenchError without a compiler */
export async function buildKernel(kernel: Kernel, target: Target, options: BuildOptions = {}): Promise<string> {
  const { scale = 1, repetitions = 1, unfused = false, directory = defaultDirectory() } = options;
  const root = packageRoot();
  const at = (...parts: string[]) => join(root, ...parts);
  const out = programPath(kernel, target, directory);
  await mkdir(directory, { recursive: true });
  const work = Math.max(1, Math.round(kernel.scale * scale));
  const shared = [...COMMON, `-DSCALE=${work}`, `-DREPETITIONS=${repetitions}`, `-I${at("bench/kernels")}`];
  const source = at("bench/kernels", `${kernel.name}.c`);
  if (unfused) shared.push("-DUNFUSED");
  if (target === "native") {
    const fma = kernel.fma && process.arch === "x64" ? ["-mfma"] : [];
    await runTool(
      ["gcc", ...shared, ...fma, source, at("bench/native/main.c"), "-o", out, "-lm"],
      "install the package gcc",
    );
  } else if (target === "linux-i386") {
    const command = ["gcc", ...shared, ...I386, at("bench/linux/main.c"), source, "-o", out];
    await runTool(command, "install the package gcc of an x86-64 Debian");
  } else if (target === "linux") {
    const [compiler, install] = CROSS;
    await runTool([compiler, ...shared, ...RISCV, at("bench/linux/main.c"), source, "-o", out], install);
  } else {
    const [compiler, install] = CROSS;
    const runtime = at("roms/runtime");
    const parts = (await readdir(runtime)).filter((name) => /\.[cS]$/.test(name)).sort();
    const layout = ["-Wl,--no-warn-rwx-segments", `-I${runtime}`, `-T${join(runtime, "link.ld")}`];
    const own = [at("bench/guest/tick.S"), at("bench/guest/main.c")];
    const runtimes = parts.map((name) => join(runtime, name));
    await runTool([compiler, ...shared, ...RISCV, ...layout, ...runtimes, ...own, source, "-o", out], install);
  }
  return out;
}
