/** Folders of the host in a guest: mounted, as its root, and what a snapshot says of them. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ProvisionedLinux, provision } from "../../src/images/index.ts";
import { run } from "../../src/oracle/command.ts";
import { treeHash } from "../host/share-folder.ts";
import { complaints, Machine, MINUTES, PATIENCE, transcript } from "./guests.ts";

let image: ProvisionedLinux;
let base: string;
let checks: Uint8Array;

beforeAll(async () => {
  const provisioned = await provision("debian");
  if (provisioned.kind !== "linux") throw new Error("the image debian is no Linux");
  image = provisioned;
  base = mkdtempSync(join(tmpdir(), "wardian-guest-share-"));
  const source = fileURLToPath(new URL("guest/share.c", import.meta.url));
  await run(["riscv64-linux-gnu-gcc", "-O1", "-static", "-pthread", "-o", join(base, "checks"), source]);
  checks = readFileSync(join(base, "checks"));
}, 10 * MINUTES);

afterAll(() => rmSync(base, { recursive: true, force: true }));

/** A folder to share, beside one that isn't. */
function folder(name: string): { dir: string; outside: string } {
  const dir = join(base, name, "shared");
  const outside = join(base, name, "outside");
  mkdirSync(dir, { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, "secret"), "what no guest may read");
  return { dir, outside };
}

test(
  "a guest finds on it what it would find on any file system of Linux, and nothing of outside",
  async () => {
    const { dir, outside } = folder("mounted");
    const fixed = folder("fixed").dir;
    writeFileSync(join(dir, "checks"), checks, { mode: 0o755 });
    writeFileSync(join(fixed, "file"), "fixed");
    symlinkSync("../outside/secret", join(dir, "up"));
    const before = treeHash(outside);
    const shares = [
      { path: dir, tag: "work" },
      { path: fixed, tag: "fixed", readOnly: true },
    ];
    const vm = await Machine.create({ image: "debian", shares });
    const shown = transcript(vm);
    try {
      await vm.start();
      const exec = (command: string) => vm.exec(command, { timeout: PATIENCE });
      // Until it is mounted, the machine can be saved.
      expect((await vm.snapshot()).length).toBeGreaterThan(0);
      await exec("mkdir -p /mnt/w /mnt/f && mount -t virtiofs work /mnt/w && mount -t virtiofs fixed /mnt/f");
      const kept = process.geteuid!() === 0 ? 1 : 0;
      const { stdout, stderr } = await exec(`cd /mnt/w && ./checks work ${kept} ../../../../outside`);
      expect(stderr).toBe("");
      expect(stdout.split("\n").filter((line) => line.startsWith("FAIL"))).toEqual([]);
      expect(stdout.match(/^ok /gm)!.length).toBeGreaterThan(50);
      expect(stdout).toMatch(/\n0 failed\n$/);
      expect(await exec("cat /mnt/w/up")).toMatchObject({ status: 1 });
      expect(treeHash(outside)).toBe(before);

      // The host's changes are seen after a second at most, and a read-only folder takes none of the guest's.
      expect((await exec("cat /mnt/f/file")).stdout).toBe("fixed");
      writeFileSync(join(fixed, "file"), "changed, and longer");
      await new Promise((done) => setTimeout(done, 1100));
      expect((await exec("sleep 1; cat /mnt/f/file")).stdout).toBe("changed, and longer");
      expect((await exec("echo x > /mnt/f/file")).stderr).toMatch(/Read-only file system/);
      expect((await exec("rm /mnt/f/file")).stderr).toMatch(/Read-only file system/);

      await expect(vm.snapshot()).rejects.toThrow('has the folder "work" mounted; unmount it there');
      expect(await exec("cd /; umount /mnt/w /mnt/f")).toMatchObject({ status: 0, stderr: "" });
      const saved = await vm.snapshot();
      const again = await Machine.restore(saved, { shares });
      try {
        await again.start();
        const { stdout: list } = await again.exec("mount -t virtiofs work /mnt/w && cd /mnt/w && ls -d work/race", {
          timeout: PATIENCE,
        });
        expect(list).toBe("work/race\n");
      } finally {
        await again.stop();
      }
      await expect(Machine.restore(saved, { shares: [shares[1]!, shares[0]!] })).rejects.toThrow(
        /belongs to the folder "work"/,
      );
      expect(complaints(shown())).toEqual([]);
    } finally {
      await vm.stop();
    }
  },
  10 * MINUTES,
);

test(
  "a guest boots with it as its root and without an initrd",
  async () => {
    const { dir } = folder("root");
    await run(["sh", "-c", `cd "$0" && cpio -idm --quiet < "$1" || true`, dir, image.initrd]);
    expect(readFileSync(join(dir, "init")).length).toBeGreaterThan(0);
    const vm = await Machine.create({
      kernel: image.kernel,
      append: "console=ttyS0 root=myroot rootfstype=virtiofs rw init=/init",
      shares: [{ path: dir, tag: "myroot" }],
    });
    const shown = transcript(vm);
    try {
      await vm.start();
      const exec = (command: string) => vm.exec(command, { timeout: PATIENCE });
      expect((await exec("grep ' / ' /proc/mounts")).stdout).toMatch(/^myroot \/ virtiofs rw/m);
      await exec("mkdir -p /root/made && echo by the guest > /root/made/file && chmod 4711 /root/made/file && sync");
      expect(readFileSync(join(dir, "root/made/file"), "utf8")).toBe("by the guest\n");
      expect((await exec("stat -c %a /root/made/file")).stdout).toBe("4711\n");
      expect(complaints(shown())).toEqual([]);
      vm.console.write("\n");
      await exec("sh -c 'sleep 1; poweroff' >/dev/null 2>&1 &");
      expect(await vm.exited).toEqual({ kind: "poweroff", code: 0 });
    } catch (error) {
      console.log(`The console's end:\n${shown().slice(-2000)}`);
      throw error;
    } finally {
      await vm.stop();
    }
  },
  10 * MINUTES,
);
