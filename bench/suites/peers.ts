/**
 * Suite peers: Wardian against v86, both in Node: the kernels as programs of
 * Debian's Linux, riscv64 here and i386 with SSE2 there, and that Linux's boot.
 */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { provision } from "../../src/images/index.ts";
import { runTool, type Usage } from "../../src/oracle/command.ts";
import { buildKernel, type Target } from "../build.ts";
import { BenchError } from "../errors.ts";
import type { Kernel } from "../kernels.ts";
import type { Machines } from "../machines.ts";
import { packageRoot } from "../paths.ts";
import { makeRow, type Row } from "../report.ts";
import { programArchive, RUN_ALL, V86_APPEND, V86_MEMORY, v86Initramfs, v86Parts } from "../v86.ts";
import { DOWN, POWER_OFF } from "./boot.ts";
import { type KernelsOptions, type Outcome, ratiosOfAll, readOutcome } from "./kernels.ts";

/** Of suite kernels' work: v86 would take minutes for all of it. */
const SHARE = 0.25;

/** What DOWN is on a machine without ACPI. */
const HALTED = "reboot: System halted";

/** A machine with a Linux in it. */
interface Peer {
  /** The kernel's last words. */
  readonly down: string;
  /** To power-off. @param programs the kernels, else the image's own start and nothing more */
  run(programs: boolean): Promise<Usage>;
}

/** Runs on each machine in turn. @throws BenchError when checksums differ or one doesn't get to its end */
export async function runPeers(
  machines: Machines,
  options: KernelsOptions,
  say: (what: string) => void,
): Promise<Row[]> {
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
        const usage = ended(machine, peer, await peer.run(true));
        for (const [kernel, outcome] of outcomesOf(machine, options.kernels, options.repetitions, usage)) {
          const agreed = sums.get(kernel) ?? outcome.checksum;
          if (agreed !== outcome.checksum)
            throw new BenchError(
              `${kernel} computes different things: ${agreed}, and ${outcome.checksum} on ${machine}`,
            );
          sums.set(kernel, agreed);
          add(`${kernel}, first`, machine, outcome.first);
          add(`${kernel}, steady`, machine, outcome.steady);
        }
        say(`Debian's boot on ${machine}, ${round} of ${options.runs}`);
        const { cpu, wall } = ended(machine, peer, await peer.run(false));
        add("Debian to power-off", machine, cpu);
        add("Debian to power-off, wall", machine, wall);
      }
    }
    const rows = [...times].map(([name, runs]) => {
      const unit = name === "Debian to power-off" ? "CPU s" : "s";
      return makeRow({ suite: "peers", name, unit, better: "lower" }, runs);
    });
    return [...rows, ...ratiosOfAll("peers", options.kernels, rows)];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function ended(machine: string, { down }: Peer, usage: Usage): Usage {
  if (!usage.stdout.includes(down)) throw new BenchError(`Linux didn't get to power-off on ${machine}`);
  return usage;
}

/** Each kernel's part of what the machine wrote. */
export function outcomesOf(
  machine: string,
  kernels: readonly Kernel[],
  repetitions: number,
  usage: Usage,
): Map<string, Outcome> {
  const parts = new Map(
    usage.stdout.split(/^program /m).map((part) => [/^\w*/.exec(part)![0], part.replace(/\r/g, "")]),
  );
  return new Map(
    kernels.map(({ name }) => [
      name,
      readOutcome(machine, name, repetitions, { ...usage, stdout: parts.get(name) ?? "" }),
    ]),
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
      run: (programs) =>
        wardian.boot(
          programs ? [...whole, "--append", `${image.append} rdinit=${RUN_ALL}`] : ["debian", "--append", POWER_OFF],
        ),
    });
  }
  if (machines.v86) {
    const parts = await v86Parts(say);
    const plain = await v86Initramfs(parts);
    const initrd = join(directory, "initrd-v86");
    const full = join(directory, "initrd-v86-programs");
    await writeFile(initrd, plain);
    await writeFile(full, await withKernels(plain, "linux-i386", options));
    const program = join(packageRoot(), "bench/v86-machine.mjs");
    const { kernel, bios, vga } = parts;
    peers.set("v86", {
      down: HALTED,
      run: (programs) => {
        const append = `${V86_APPEND} ${programs ? `rdinit=${RUN_ALL}` : POWER_OFF}`;
        const files = { kernel, bios, vga, initrd: programs ? full : initrd };
        const about = { ...files, append, memory: V86_MEMORY, until: HALTED };
        return runTool([process.execPath, program, JSON.stringify(about)], "install the package nodejs");
      },
    });
  }
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
