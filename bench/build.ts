/** Builds the kernels, for the host and as bare-metal guests, from the same sources. */

import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "../src/oracle/command.ts";
import { KERNELS, type Kernel } from "./kernels.ts";
import { packageRoot } from "./paths.ts";

export type Target = "guest" | "native";

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
const GUEST = ["-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany", "-ffreestanding", "-nostdlib", "-static", "-no-pie"];
const GUEST_LINK = ["-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments"];

export interface BuildOptions {
  /** Multiplies every kernel's work; at least one unit is left. */
  readonly scale?: number;
  /** How often the program runs its kernel; once unless told. */
  readonly repetitions?: number;
  /** Where the programs go; dist/bench unless told. */
  readonly directory?: string;
}

/** The file that `buildKernel` makes. */
export function programPath(kernel: Kernel, target: Target, directory = defaultDirectory()): string {
  return join(directory, `${kernel.name}.${target === "guest" ? "elf" : "native"}`);
}

const defaultDirectory = (): string => join(packageRoot(), "dist", "bench");

/** Builds one kernel and returns the program's path. @throws BenchError without a compiler */
export async function buildKernel(kernel: Kernel, target: Target, options: BuildOptions = {}): Promise<string> {
  const { scale = 1, repetitions = 1, directory = defaultDirectory() } = options;
  const root = packageRoot();
  const at = (...parts: string[]) => join(root, ...parts);
  const out = programPath(kernel, target, directory);
  await mkdir(directory, { recursive: true });
  const work = Math.max(1, Math.round(kernel.scale * scale));
  const shared = [...COMMON, `-DSCALE=${work}`, `-DREPETITIONS=${repetitions}`, `-I${at("bench/kernels")}`];
  const source = at("bench/kernels", `${kernel.name}.c`);
  if (target === "native") {
    const fma = kernel.fma && process.arch === "x64" ? ["-mfma"] : [];
    await runTool(
      ["gcc", ...shared, ...fma, source, at("bench/native/main.c"), "-o", out, "-lm"],
      "install the package gcc",
    );
    return out;
  }
  const runtime = at("roms/runtime");
  const parts = (await readdir(runtime)).filter((name) => /\.[cS]$/.test(name)).sort();
  await runTool(
    [
      "riscv64-linux-gnu-gcc",
      ...shared,
      ...GUEST,
      ...GUEST_LINK,
      `-I${runtime}`,
      `-T${join(runtime, "link.ld")}`,
      ...parts.map((name) => join(runtime, name)),
      at("bench/guest/tick.S"),
      at("bench/guest/main.c"),
      source,
      "-o",
      out,
    ],
    "install the package gcc-riscv64-linux-gnu",
  );
  return out;
}

/** Builds all of them for the targets given. */
export async function buildKernels(targets: readonly Target[], options: BuildOptions = {}): Promise<void> {
  for (const kernel of KERNELS) for (const target of targets) await buildKernel(kernel, target, options);
}
