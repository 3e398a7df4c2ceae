/** Suite boot: Debian's kernel from reset to power-off, in processor seconds and on the wall. */

import { provision } from "../../src/images/index.ts";
import type { Usage } from "../../src/oracle/command.ts";
import { BenchError } from "../errors.ts";
import type { Machines } from "../machines.ts";
import { makeRow, type Row } from "../report.ts";

/** Says to the image's start script to power off instead of giving a shell. */
export const POWER_OFF = "wardian.poweroff";
/** The kernel's last words. */
export const DOWN = "reboot: Power down";

/** Boots on each machine in turn. @throws BenchError when one doesn't get to its end */
export async function runBoot(machines: Machines, runs: number, say: (what: string) => void): Promise<Row[]> {
  say("making Debian's image");
  const image = await provision("debian");
  if (image.kind !== "linux") throw new BenchError("the image debian isn't a Linux: mend roms/manifest.json");
  const runners = new Map<string, () => Promise<Usage>>();
  const { wardian, qemus } = machines;
  if (wardian) runners.set("wardian", () => wardian.boot(["debian", "--append", POWER_OFF]));
  for (const qemu of qemus) {
    const board = ["-M", "virt", "-m", `${image.memory}M`, "-bios", image.firmware.dynamic];
    const streams = ["-display", "none", "-monitor", "none", "-serial", "stdio"];
    const linux = ["-kernel", image.kernel, "-initrd", image.initrd, "-append", `${image.append} ${POWER_OFF}`];
    runners.set(qemu.label, () => qemu.run([...board, ...streams, ...linux]));
  }
  const cpu = new Map<string, number[]>();
  const wall = new Map<string, number[]>();
  for (let round = 1; round <= runs; round++) {
    for (const [machine, start] of runners) {
      say(`debian on ${machine}, ${round} of ${runs}`);
      const usage = await start();
      if (!usage.stdout.includes(DOWN)) throw new BenchError(`debian didn't boot to power-off on ${machine}`);
      cpu.set(machine, [...(cpu.get(machine) ?? []), usage.cpu]);
      wall.set(machine, [...(wall.get(machine) ?? []), usage.wall]);
    }
  }
  return [
    makeRow({ suite: "boot", name: "debian", unit: "CPU s", better: "lower" }, cpu),
    makeRow({ suite: "boot", name: "debian, wall", unit: "s", better: "lower" }, wall),
  ];
}
