/** Debian from its own disk, as on any computer: EDK2 finds GRUB on the EFI partition, GRUB the kernel and initrd in /boot. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { provision } from "../../src/images/index.ts";
import { Machine } from "../../src/node.ts";

const PATIENCE = 900_000;
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH9uX1cV8pLw0Wb8Yp3hVZ7Lr5cM1nQ2sT4uK6xJ0aBd somebody\n";
const GUID = "5c2a1d1e-7d0b-4a53-9b0c-3f5d8a1c7e42";

test(
  "boots to a login, with variables that the guest writes and that are kept",
  async () => {
    const debian = await provision("debian");
    if (debian.kind !== "linux") throw new Error("debian is a Linux image");
    const directory = mkdtempSync(join(tmpdir(), "grub-"));
    const nvram = join(directory, "nvram.fd");
    try {
      const vm = await Machine.create({
        image: "debian-disk",
        flash: "edk2",
        bios: debian.firmware.dynamic,
        nvram,
        sshKey: KEY,
        engine: "jit",
      });
      try {
        await vm.start();
        const grub = vm.console.expect(/GNU GRUB/, { timeout: PATIENCE });
        const run = async (command: string): Promise<string> => {
          const { stdout, stderr, status } = await vm.exec(command, { timeout: PATIENCE });
          expect({ stderr, status }, command).toEqual({ stderr: "", status: 0 });
          return stdout;
        };
        // GRUB's own line, with the root by its id and a kernel of /boot; nothing of ours.
        expect(await run("test -d /sys/firmware/efi && cat /proc/cmdline")).toMatch(
          /^BOOT_IMAGE=\/boot\/vmlinux-\S+ root=UUID=[0-9a-f-]{36} ro console=ttyS0\s*$/,
        );
        await grub;
        expect(await run("ls /boot/efi/EFI/BOOT")).toMatch(/^BOOTRISCV64\.EFI$/im);
        expect(await run("efibootmgr")).toMatch(/^BootCurrent: /m);
        expect(await run("systemctl is-active serial-getty@ttyS0.service")).toBe("active\n");
        expect(await run("systemctl list-units --failed --plain --no-legend")).toBe("");
        // systemd has found the key by fw_cfg, and put it where sshd looks (tmpfiles.d/provision.conf).
        expect(await run("cat /root/.ssh/authorized_keys")).toBe(KEY);
        const name = `/sys/firmware/efi/efivars/Wardian-${GUID}`;
        // Attributes: non-volatile, for boot services and at runtime (UEFI specification, 8.2).
        await run(`printf '\\007\\000\\000\\000kept' >${name} && test "$(tail -c 4 ${name})" = kept`);
        await vm.exec("systemctl poweroff").catch(() => {});
        expect(await vm.exited).toMatchObject({ kind: "poweroff" });
      } finally {
        await vm.stop();
      }

      const shell = await Machine.create({ image: "edk2", memory: "256M", nvram });
      try {
        await shell.start();
        await shell.console.expect(/to skip.*startup\.nsh/, { timeout: PATIENCE });
        shell.console.write(" ");
        await shell.console.expect(/Shell> /, { timeout: PATIENCE });
        shell.console.write(`setvar Wardian -guid ${GUID}\r`);
        // k, e, p, t.
        await shell.console.expect(/6B 65 70 74/, { timeout: PATIENCE });
      } finally {
        await shell.stop();
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
  2 * PATIENCE,
);
