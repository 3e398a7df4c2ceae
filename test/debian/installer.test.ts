/** Debian's own installer, from the mirror, without a question: it partitions a disk, which then boots by EDK2 and GRUB. */

import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createDisk, Machine, type MachineOptions } from "../../src/node.ts";
import { MINUTES } from "../boot/guests.ts";
import { exec } from "../images/fixture.ts";

/** Where what the console shows goes, for whoever wants to watch. */
const LOG = process.env.WARDIAN_INSTALLER;

// Half an hour and more, and hundreds of packages from the mirror, whose Release.gpg and whose installer's components must
// be of the present point release: by hand.
test.skipIf(LOG === undefined)(
  "installs to an empty disk, which boots to a login",
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "winstall-"));
    const log = createWriteStream(LOG === "1" || LOG === undefined ? join(directory, "console.log") : LOG);
    const [path, nvram] = [join(directory, "disk.qcow2"), join(directory, "nvram.fd")];
    const started = async (options: MachineOptions): Promise<Machine> => {
      const vm = await Machine.create({ flash: "edk2", nvram, disks: [{ path }], memory: "1G", ...options });
      vm.console.onData((bytes) => void log.write(bytes));
      await vm.start();
      return vm;
    };
    try {
      await createDisk(path, { size: 4 * 2 ** 30 });
      const append = "auto=true priority=critical file=/unattended.cfg";
      const installer = await started({ image: "debian-installer", append });
      try {
        expect(await installer.exited).toMatchObject({ kind: "poweroff" });
      } finally {
        await installer.stop();
      }

      const vm = await started({});
      try {
        await vm.console.expect(/debian login: /, { timeout: 20 * MINUTES });
        vm.console.write("root\r");
        await vm.console.expect(/# $/, { timeout: 10 * MINUTES });
        vm.console.write("ls -d /sys/firmware/efi; findmnt -no FSTYPE / /boot/efi; cat /etc/debian_version\r");
        await vm.console.expect(/\/sys\/firmware\/efi\r\next4\r\n[\s\S]*vfat\r\n13\.\d+\r\n/, {
          timeout: 10 * MINUTES,
        });
        vm.console.write("poweroff\r");
        expect(await vm.exited).toMatchObject({ kind: "poweroff" });
      } finally {
        await vm.stop();
      }
      await exec("qemu-img", ["check", path]);
    } finally {
      log.end();
      await rm(directory, { recursive: true, force: true });
    }
  },
  600 * MINUTES,
);
