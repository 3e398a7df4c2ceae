/**
 * Suite peers: Wardian against v86, both in Node: the kernels as programs of
 * Debian's Linux, riscv64 here and i386 with SSE2 there, and that Linux's boot.
 * All of it in processor seconds: the host may have other work.
 */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { provision } from "../../src/images/index.ts";
import { runTool, type Usage } from "../../src/oracle/command.ts";
import { buildKernel, type Target } from "../build.ts";
import { BenchError } from "../errors.ts";
import type { Kernel } from "../kernels.ts";
import { type Line, type Outcome, outcomeOf, runLines } from "../lines.ts";
import type { Machines } from "../machines.ts";
import { packageRoot } from "../paths.ts";
import { makeRow, type Row } from "../report.ts";
import { programArchive, RUN_ALL, V86_APPEND, V86_MEMORY, v86Initramfs, v86Parts } from "../v86.ts";
import { DOWN, POWER_OFF } from "./boot.ts";
import { type KernelsOptions, ratiosOfAll } from "./kernels.ts";

/** Of suite kernels' work: v86 would take minutes for all of it. */
const SHARE = 0.25;
/** Seconds that a busy host may take for all kernels. */
const PATIENCE = 1800;

/** What DOWN is on a machine without ACPI. */
const HALTED = "reboot: System halted";

/** A machine with a Linux in it. */
interface Peer {
  /** The kernel's last words. */
  readonly down: string;
  /** What boots it, does the kernels and ends. */
  readonly kernels: readonly string[];
  /** What boots it, with the image's own start and nothing more, and ends. */
  readonly boot: readonly string[];
}

/** Runs on each machine in turn. @throws BenchError when checksums differ or one doesn't get to its end */
export async function runPeers(
  machines: Machines,
  options: KernelsOptions,
  say: (what: string) => void,
): Promise<Row[]> {
  if (!machines.v86) throw new BenchError("suite peers needs a peer: add --against v86");
  const directory = await mkdtemp(join(tmpdir(), "wardian-bench-"));
  try {
    const peers = await preparePeers(machines, options, directory, say);
    const times = new Map<string, Map<string, number[]>>();
    const add = (row: string, machine: string, value: number) => {
      const runs = times.get(row) ?? new Map<string, number[]>();
      times.set(row, runs.set(machine, [...(runs.get(machine) ?? []), value]));
    };
    const sums = new Map<string, string>();
    for (let round = 1; round <= options.runs; round++) {
      for (const [machine, peer] of peers) {
        say(`kernels in Linux on ${machine}, ${round} of ${options.runs}`);
        const lines = await runLines(peer.kernels, PATIENCE);
        for (const [kernel, outcome] of outcomesOf(machine, options.kernels, options.repetitions, lines)) {
          agree(sums, kernel, machine, outcome);
          add(`${kernel}, first`, machine, outcome.first);
          add(`${kernel}, steady`, machine, outcome.steady);
        }
        say(`Debian's boot on ${machine}, ${round} of ${options.runs}`);
        add("Debian to power-off", machine, (await ended(machine, peer)).cpu);
      }
    }
    const rows = [...times].map(([name, runs]) =>
      makeRow({ suite: "peers", name, unit: "CPU s", better: "lower" }, runs),
    );
    return [...rows, ...ratiosOfAll("peers", options.kernels, rows)];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** @throws BenchError when a kernel's checksum isn't what it was on another machine */
export function agree(sums: Map<string, string>, kernel: string, machine: string, { checksum }: Outcome): void {
  const agreed = sums.get(kernel) ?? checksum;
  if (agreed !== checksum)
    throw new BenchError(`${kernel} computes different things: ${agreed}, and ${checksum} on ${machine}`);
  sums.set(kernel, agreed);
}

async function ended(machine: string, { boot, down }: Peer): Promise<Usage> {
  const usage = await runTool(boot, "install the package nodejs");
  if (!usage.stdout.includes(down)) throw new BenchError(`Linux didn't get to power-off on ${machine}`);
  return usage;
}

/** Each kernel's part of what the machine wrote. */
export function outcomesOf(
  machine: string,
  kernels: readonly Kernel[],
  repetitions: number,
  lines: readonly Line[],
): Map<string, Outcome> {
  return new Map(
    kernels.map((kernel) => {
      const from = lines.findIndex(({ text }) => text === `program ${kernel.name}`);
      const length = lines.slice(from + 1).findIndex(({ text }) => text.startsWith("program "));
      const own = lines.slice(from + 1, length < 0 ? undefined : from + 1 + length);
      return [kernel.name, outcomeOf(machine, kernel, repetitions, lines[from]?.cpu.all ?? 0, from < 0 ? [] : own)];
    }),
  );
}

async function preparePeers(
  machines: Machines,
  options: KernelsOptions,
  directory: string,
  say: (what: string) => void,
): Promise<Map<string, Peer>> {
  const peers = new Map<string, Peer>();
  const { wardian } = machines;
  if (wardian) {
    const image = await provision("debian");
    if (image.kind !== "linux") throw new BenchError("the image debian isn't a Linux: mend roms/manifest.json");
    const initrd = join(directory, "initrd");
    await writeFile(initrd, await withKernels(await readFile(image.initrd), "linux", options));
    const whole = ["--kernel", image.kernel, "--initrd", initrd, "--memory", `${image.memory}M`];
    peers.set("wardian", {
      down: DOWN,
      kernels: wardian.command([...whole, "--append", `${image.append} rdinit=${RUN_ALL}`]),
      boot: wardian.command(["debian", "--append", POWER_OFF]),
    });
  }
  const parts = await v86Parts(say);
  const plain = await v86Initramfs(parts);
  const initrd = join(directory, "initrd-v86");
  const full = join(directory, "initrd-v86-programs");
  await writeFile(initrd, plain);
  await writeFile(full, await withKernels(plain, "linux-i386", options));
  const program = join(packageRoot(), "bench/v86-machine.mjs");
  const { kernel, bios, vga } = parts;
  const command = (initrd: string, word: string): string[] => {
    const append = `${V86_APPEND} ${word}`;
    const about = { kernel, bios, vga, initrd, append, memory: V86_MEMORY, until: HALTED };
    return [process.execPath, program, JSON.stringify(about)];
  };
  peers.set("v86", { down: HALTED, kernels: command(full, `rdinit=${RUN_ALL}`), boot: command(initrd, POWER_OFF) });
  return peers;
}

/** An initramfs and the kernels in it. */
export async function withKernels(initrd: Uint8Array, target: Target, options: KernelsOptions): Promise<Uint8Array> {
  const programs = new Map<string, string>();
  const scale = options.scale * SHARE;
  for (const kernel of options.kernels)
    programs.set(kernel.name, await buildKernel(kernel, target, { ...options, scale, unfused: true }));
  return Buffer.concat([initrd, await programArchive(programs)]);
}
