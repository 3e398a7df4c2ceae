/** U-Boot, Debian's build for QEMU's board, unmodified: in M-mode, and in S-mode above either SBI. */

import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { provision } from "../../src/images/index.ts";
import { Machine, type MachineOptions } from "../../src/node.ts";

const M_MODE = "/usr/lib/u-boot/qemu-riscv64/u-boot.bin";
const S_MODE = "/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin";
const PATIENCE = 60_000;

async function firmware(): Promise<string> {
  const image = await provision("debian");
  if (image.kind !== "linux") throw new Error("debian is a Linux image");
  return image.firmware.dynamic;
}

const WAYS: readonly [string, () => Promise<MachineOptions>][] = [
  ["in M-mode", async () => ({ bios: "none", kernel: M_MODE })],
  ["above the built-in SBI", async () => ({ bios: "builtin", kernel: S_MODE })],
  ["above OpenSBI, two harts", async () => ({ bios: await firmware(), kernel: S_MODE, harts: 2 })],
];

test.each(WAYS)(
  "U-Boot %s",
  async (_way, options) => {
    expect(existsSync(M_MODE), "install Debian's package u-boot-qemu").toBe(true);
    const vm = await Machine.create({ ...(await options()), memory: "256M" });
    try {
      await vm.start();
      const shell = async (command: string): Promise<string> => {
        vm.console.write(`${command}\n`);
        const [text] = await vm.console.expect(/[\s\S]*?\n=> $/, { timeout: PATIENCE });
        return text.replace(/\r/g, "");
      };
      await vm.console.expect(/Hit any key to stop autoboot/, { timeout: PATIENCE });
      vm.console.write(" ");
      await vm.console.expect(/=> $/, { timeout: PATIENCE });
      expect(await shell("version")).toMatch(/U-Boot 20\d\d\.\d\d/);
      // 256 MiB at the board's RAM base, from our device tree.
      expect(await shell("bdinfo")).toMatch(/size\s+= 0x0*10000000/);
      expect(await shell("mw.l 0x84000000 0x12345678 4; md.l 0x84000000 2")).toMatch(/84000000: 12345678 12345678/);
      expect(await vm.memory.read(0x8400_0000, 4)).toEqual(Uint8Array.of(0x78, 0x56, 0x34, 0x12));
      expect(await shell("setexpr x 0x1234 * 0x10; echo $x")).toContain("12340");
      expect(await shell("crc32 0x84000000 0x10")).toMatch(/==> [0-9a-f]{8}/);
      vm.console.write("poweroff\n");
      expect(await vm.exited).toMatchObject({ kind: "poweroff" });
    } finally {
      await vm.stop();
    }
  },
  120_000,
);
