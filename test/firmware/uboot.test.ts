/** U-Boot, Debian's build for QEMU's board, unmodified: in M-mode, and in S-mode above either SBI. */

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

/** A disk with a GPT, whose second partition is an ext4 with Debian's kernel, and says that it is to be booted from. */
function bootDisk(folder: string, kernel: string, initrd: string): string {
  const root = join(folder, "root");
  mkdirSync(join(root, "boot/extlinux"), { recursive: true });
  copyFileSync(kernel, join(root, "boot/vmlinux"));
  copyFileSync(initrd, join(root, "boot/initrd.img"));
  writeFileSync(
    join(root, "boot/extlinux/extlinux.conf"),
    [
      "default debian",
      "timeout 1",
      "label debian",
      "  linux /boot/vmlinux",
      "  initrd /boot/initrd.img",
      "  append console=ttyS0 from=extlinux",
      "",
    ].join("\n"),
  );
  const disk = join(folder, "disk.raw");
  const [offset, size] = [64, 96].map((mib) => mib << 20) as [number, number];
  execFileSync("truncate", ["-s", String(offset + size + (1 << 20)), disk]);
  const second = `2:${offset / 512}:${(offset + size) / 512 - 1}`;
  // Attribute 2: "legacy BIOS bootable", by which U-Boot chooses (UEFI specification, table 5.8).
  execFileSync("sgdisk", ["-n", "1:2048:+8M", "-n", second, "-A", "2:set:2", disk], { stdio: "ignore" });
  const blocks = String(size / 1024);
  execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", "-b", "1024", "-E", `offset=${offset}`, "-d", root, disk, blocks]);
  return disk;
}

test(
  "boots Debian's kernel by extlinux.conf from a partitioned disk, above OpenSBI",
  async () => {
    const image = await provision("debian");
    if (image.kind !== "linux") throw new Error("debian is a Linux image");
    const folder = mkdtempSync(join(tmpdir(), "extlinux-"));
    try {
      const path = bootDisk(folder, image.kernel, image.initrd);
      const vm = await Machine.create({
        bios: await firmware(),
        kernel: S_MODE,
        memory: "512M",
        disks: [{ path, format: "raw" }],
      });
      try {
        await vm.start();
        const found = vm.console.expect(/Found \/boot\/extlinux\/extlinux\.conf/, { timeout: PATIENCE });
        const { stdout } = await vm.exec("cat /proc/cmdline; ls /dev/vda2", { timeout: 4 * PATIENCE });
        expect(stdout).toBe("console=ttyS0 from=extlinux\n/dev/vda2\n");
        await found;
      } finally {
        await vm.stop();
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  6 * PATIENCE,
);
