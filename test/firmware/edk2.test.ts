/** EDK2, Debian's build for QEMU's board, unmodified, from the machine's flash: it keeps its variables. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { provision } from "../../src/images/index.ts";
import { Machine, type MachineOptions } from "../../src/node.ts";

const PATIENCE = 240_000;
const BANK = 0x200_0000;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "edk2-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** In UEFI's shell. */
async function shell(options: MachineOptions): Promise<{ vm: Machine; run(command: string): Promise<string> }> {
  const vm = await Machine.create({ image: "edk2", memory: "256M", ...options });
  await vm.start();
  await vm.console.expect(/to skip.*startup\.nsh/, { timeout: PATIENCE });
  vm.console.write(" ");
  await vm.console.expect(/Shell> /, { timeout: PATIENCE });
  const run = async (command: string): Promise<string> => {
    vm.console.write(`${command}\r`);
    const [text] = await vm.console.expect(/[\s\S]*?Shell> /, { timeout: PATIENCE });
    return text;
  };
  return { vm, run };
}

test("variables outlive power cycles and kills", async () => {
  const nvram = join(directory, "nvram.fd");
  const first = await shell({ nvram });
  await first.run("set greeting kept");
  expect(await first.run("set greeting")).toContain("kept");
  first.vm.console.write("reset -s\r");
  expect(await first.vm.exited).toMatchObject({ kind: "poweroff" });
  const before = readFileSync(nvram);
  expect(before.length).toBe(BANK);

  const second = await shell({ nvram });
  expect(await second.run("set greeting")).toContain("kept");
  await second.run("set another thing");
  // No power-off: what was written before is there all the same.
  await second.vm.stop();
  const third = await shell({ nvram });
  expect(await third.run("set")).toMatch(/another = thing[\s\S]*greeting = kept|greeting = kept[\s\S]*another = thing/);
  await third.vm.stop();
});

test("one NVRAM file belongs to one machine at a time", async () => {
  const nvram = join(directory, "shared.fd");
  const vm = await Machine.create({ image: "edk2", memory: "256M", nvram });
  await expect(Machine.create({ image: "edk2", memory: "256M", nvram })).rejects.toThrow(/^[^\n]*in use[^\n]*\.$/);
  await vm.stop();
  await (await Machine.create({ image: "edk2", memory: "256M", nvram })).stop();
});

test("above OpenSBI, with a kernel handed over by fw_cfg", async () => {
  const debian = await provision("debian");
  if (debian.kind !== "linux") throw new Error("debian is a Linux image");
  const vm = await Machine.create({
    flash: "edk2",
    bios: debian.firmware.dynamic,
    kernel: debian.kernel,
    initrd: debian.initrd,
    append: debian.append,
    engine: "jit",
  });
  try {
    await vm.start();
    expect(await vm.exec("test -d /sys/firmware/efi && echo efi", { timeout: PATIENCE })).toMatchObject({
      stdout: "efi\n",
    });
  } finally {
    await vm.stop();
  }
});
