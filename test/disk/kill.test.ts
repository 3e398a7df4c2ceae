/**
 * A running machine is killed, as it would be by the system: its guest's image and
 * file system are sound afterwards, and what the guest had synced is there.
 *
 * WARDIAN_DISK_VM_KILLS sets how often.
 */

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { copyFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openDisk } from "../../src/host/node/disk.ts";
import { content, qemuCheck, qemuImg, scratch } from "./qemu.ts";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const KILLS = Number(process.env.WARDIAN_DISK_VM_KILLS ?? 2);
const dir = scratch();
const path = (name: string) => join(dir, name);

/** Syncs file after file, says which are safe, and never ends. */
const WORK =
  "k=0; while true; do k=$((k+1)); seq $k 4000 > /mnt/f.new && sync /mnt/f.new && mv /mnt/f.new /mnt/f$k && sync -f /mnt && echo safe $k; done";

test(`${KILLS} machines are killed while their guests write`, async () => {
  execFileSync("mke2fs", ["-q", "-t", "ext4", "-F", path("fs.raw"), "32M"]);
  qemuImg("convert", "-O", "qcow2", path("fs.raw"), path("disk.qcow2"));
  // One boot for all: a saved machine, and its disk as it was then.
  const machine = ["debian", "--memory", "192M", "--disk", path("disk.qcow2")];
  const mount = "modprobe ext4 && mount -t ext4 /dev/vda /mnt && sync";
  execFileSync(process.execPath, [CLI, "snapshot", "save", path("vm.snapshot"), ...machine, "--exec", mount]);
  copyFileSync(path("disk.qcow2"), path("start.qcow2"));
  let files = 0;
  for (let n = 0; n < KILLS; n++) {
    copyFileSync(path("start.qcow2"), path("disk.qcow2"));
    const args = [CLI, "snapshot", "load", path("vm.snapshot"), "--disk", path("disk.qcow2"), "--exec", WORK];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`the machine ended with ${code}: ${said}`)));
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (said.includes("safe 2\n")) resolve();
      });
    });
    await new Promise((resolve) => setTimeout(resolve, (n * 97) % 700));
    const closed = new Promise((resolve) => child.once("close", resolve));
    child.removeAllListeners("exit");
    child.kill("SIGKILL");
    await closed;
    const about = `kill ${n}`;
    const check = qemuCheck(path("disk.qcow2"));
    expect([0, 3], `${about}: ${check.text}`).toContain(check.status);
    const disk = await openDisk({ path: path("disk.qcow2") });
    writeFileSync(path("after.raw"), await content(disk));
    await disk.close();
    const repair = spawnSync("e2fsck", ["-fy", path("after.raw")], { encoding: "utf8" });
    expect([0, 1], `${about}: ${repair.stdout}`).toContain(repair.status);
    const again = spawnSync("e2fsck", ["-fn", path("after.raw")], { encoding: "utf8" });
    expect(again.status, `${about}: ${again.stdout}`).toBe(0);
    const safe = [...said.matchAll(/safe (\d+)\n/g)].map((match) => Number(match[1]));
    for (const k of safe) {
      const command = ["-R", `cat /f${k}`, path("after.raw")];
      const found = execFileSync("debugfs", command, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
      const wanted = Array.from({ length: 4000 - k + 1 }, (_, i) => `${k + i}\n`).join("");
      expect(found === wanted, `${about}: file ${k} is there`).toBe(true);
      files++;
    }
  }
  expect(files).toBeGreaterThanOrEqual(2 * KILLS);
  expect(readdirSync(dir).filter((name) => name.startsWith(".wardian-lock"))).toEqual([]);
});
