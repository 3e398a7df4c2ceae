/** Suite kernels: the same C code on every machine, by the guest's clock and by the host's. */

import type { Usage } from "../../src/oracle/command.ts";
import { runTool } from "../../src/oracle/command.ts";
import { buildKernel } from "../build.ts";
import { BenchError } from "../errors.ts";
import type { Kernel } from "../kernels.ts";
import type { Machines } from "../machines.ts";
import { makeRow, type Row } from "../report.ts";

export interface KernelsOptions {
  readonly kernels: readonly Kernel[];
  readonly runs: number;
  /** Multiplies every kernel's work. */
  readonly scale: number;
  readonly directory?: string;
}

export interface Outcome {
  /** 16 hexadecimal digits. */
  readonly checksum: string;
  /** By the clock of the machine that the kernel ran on. */
  readonly seconds: number;
  /** Processor seconds of the whole process, start-up included. */
  readonly cpu: number;
}

/** Arguments of a QEMU that boots a kernel. */
export const qemuArgs = (program: string): string[] => {
  const board = ["-M", "virt", "-m", "128M", "-bios", "none"];
  return [...board, "-display", "none", "-monitor", "none", "-serial", "stdio", "-kernel", program];
};

/** Reads what a kernel printed. @throws BenchError when that isn't a result */
export function readOutcome(machine: string, kernel: string, { stdout, cpu, wall }: Usage): Outcome {
  const found = /^([0-9a-f]{16}) (\d+\.\d{6})\r?$/m.exec(stdout);
  if (!found) {
    const said = stdout.trim().split("\n").at(-1);
    throw new BenchError(`${kernel} gave no result on ${machine}${said ? `, but: ${said}` : ""}`);
  }
  const seconds = Number(found[2]);
  if (seconds > wall + 0.1) {
    throw new BenchError(`${machine}'s clock is wrong: ${kernel} took ${seconds} s by it, but ${wall} s in all`);
  }
  return { checksum: found[1]!, seconds, cpu };
}

/** Runs the kernels, the machines in turn; two rows each. @throws BenchError when checksums differ */
export async function runKernels(
  machines: Machines,
  options: KernelsOptions,
  say: (what: string) => void,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const kernel of options.kernels) {
    const guest = await buildKernel(kernel, "guest", options);
    const runners = new Map<string, () => Promise<Usage>>();
    const { wardian, qemus } = machines;
    if (wardian) runners.set("wardian", () => wardian.run(["boot", guest, "--bios", "none"]));
    for (const qemu of qemus) runners.set(qemu.label, () => qemu.run(qemuArgs(guest)));
    if (machines.native) {
      const program = await buildKernel(kernel, "native", options);
      runners.set("native", () => runTool([program], "build it again"));
    }
    const seconds = new Map<string, number[]>();
    const cpu = new Map<string, number[]>();
    let agreed: { machine: string; checksum: string } | undefined;
    for (let round = 1; round <= options.runs; round++) {
      for (const [machine, start] of runners) {
        say(`${kernel.name} on ${machine}, ${round} of ${options.runs}`);
        const outcome = readOutcome(machine, kernel.name, await start());
        agreed ??= { machine, checksum: outcome.checksum };
        if (agreed.checksum !== outcome.checksum) {
          const both = `${agreed.checksum} on ${agreed.machine} and ${outcome.checksum} on ${machine}`;
          throw new BenchError(`${kernel.name} computes different things: ${both}; one of them has a bug`);
        }
        seconds.set(machine, [...(seconds.get(machine) ?? []), outcome.seconds]);
        cpu.set(machine, [...(cpu.get(machine) ?? []), outcome.cpu]);
      }
    }
    rows.push(makeRow({ suite: "kernels", name: kernel.name, unit: "s", better: "lower" }, seconds));
    rows.push(makeRow({ suite: "kernels", name: `${kernel.name}, process`, unit: "CPU s", better: "lower" }, cpu));
  }
  return rows;
}
