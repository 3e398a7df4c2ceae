/** Machines that run images: our engines by their names, and QEMU. */

import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuLine } from "../oracle/cpu.ts";
import { OracleError } from "../oracle/errors.ts";
import type { Qemu } from "../oracle/qemu.ts";
import { writeElf } from "./elf.ts";
import { RAM_BASE } from "./harness.ts";
import type { Image } from "./image.ts";
import { currentProgram, type Outcome, RAM_SIZE } from "./interpret.ts";

export { ENGINES, type Engine, interpret, type Outcome } from "./interpret.ts";

const QEMU_SECONDS = 30;

/** @throws OracleError when QEMU can't be run */
export async function runOnQemu(qemu: Qemu, image: Image): Promise<Outcome> {
  const folder = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "wardian-fuzz-"));
  try {
    const [elf, memory] = [join(folder, "image.elf"), join(folder, "ram")];
    await writeFile(elf, writeElf(RAM_BASE, image.bytes));
    const args = ["-M", "virt,memory-backend=ram", "-m", `${RAM_SIZE >> 20}`, "-cpu", cpuLine(qemu.version)];
    args.push("-object", `memory-backend-file,id=ram,size=${RAM_SIZE},mem-path=${memory},share=on`);
    args.push("-bios", "none", "-kernel", elf, "-display", "none", "-monitor", "none", "-serial", "none");
    // With one hart QEMU takes atomics apart, and then a fault of theirs is a load's.
    args.push("-smp", "2", "-net", "none");
    let late = false;
    await qemu.run(args, { timeout: QEMU_SECONDS }).catch((error: unknown) => {
      if (!(error instanceof OracleError) || !/didn't end within/.test(error.message)) throw error;
      late = true;
    });
    const ram = (await readFile(memory)).subarray(0, image.bytes.length);
    return { ram, stuck: late ? currentProgram(ram) : undefined };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
