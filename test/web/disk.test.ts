/** Disks on servers and of the user's, in pages: read by ranges, written to memory, and what goes wrong meanwhile. */

import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, expect, test } from "vitest";
import { browser, MINUTES, root, site, soon, visit } from "./support.ts";

const dir = join(root, `dist/test/disk-${process.pid}`);
mkdirSync(dir, { recursive: true });
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const MIB = 2 ** 20;
/** 8 MiB that nobody could guess, then 56 MiB of zeroes. */
const content = Buffer.concat([randomBytes(8 * MIB), Buffer.alloc(56 * MIB)]);
const changed = Buffer.from(content).fill("changed\n", 5_000_000, 5_000_008);
const raw = join(dir, "disk.raw");
writeFileSync(raw, content);
const image = (name: string, ...args: string[]) => {
  execFileSync("qemu-img", [...args, join(dir, name)], { cwd: dir });
  return { file: join(dir, name) };
};
const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const FILES = {
  "/disks/raw": { file: raw },
  "/disks/qcow2": image("disk.qcow2", "convert", "-O", "qcow2", "disk.raw"),
  "/disks/compressed": image("compressed.qcow2", "convert", "-c", "-O", "qcow2", "disk.raw"),
  "/disks/zstd": image("zstd.qcow2", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd", "disk.raw"),
  "/disks/disk.qcow2": { file: join(dir, "disk.qcow2") },
  "/disks/above": image("above", "create", "-f", "qcow2", "-b", "disk.qcow2", "-F", "qcow2"),
  "/disks/astray": image(
    "astray",
    "create",
    "-u",
    "-f",
    "qcow2",
    "-b",
    "../images/debian/kernel",
    "-F",
    "raw",
    "-o",
    "size=64M",
  ),
};

const chromium = await browser();
const home = await site({ files: FILES });

/** Makes a machine with disks; it is `vm` in the page from then on. */
const boot = (page: Page, ...disks: object[]) =>
  page.evaluate(async (given) => {
    const vm = await wardian.Machine.create({ image: "debian", engine: "jit", append: "quiet", disks: given });
    Object.assign(globalThis, { vm });
    await vm.start();
    await vm.exec("true");
  }, disks);

const run = (page: Page, command: string) =>
  page.evaluate((text) => (globalThis as unknown as { vm: Vm }).vm.exec(text), command);

interface Vm {
  exec(command: string): Promise<{ status: number; stdout: string; stderr: string }>;
}

test("images on a server are read as they are, by parts, and written to in memory only", {
  timeout: 6 * MINUTES,
}, async () => {
  const page = await visit(chromium, home.url);
  const before = home.sent();
  await boot(
    page,
    ...["raw", "qcow2", "compressed", "above", "zstd"].map((name) => ({ path: `disks/${name}`, temporary: true })),
  );
  // Kernel and initrd are most of it.
  expect(home.sent() - before).toBeLessThan(40 * MIB);
  for (const disk of ["vda", "vdb", "vdc", "vdd", "vde"]) {
    expect((await run(page, `cat /sys/block/${disk}/size /sys/block/${disk}/ro`)).stdout).toBe("131072\n0\n");
    // Far less than all of it: a megabyte of random bytes costs about that.
    const one = home.sent();
    expect((await run(page, `dd if=/dev/${disk} bs=1M skip=3 count=1 | sha256sum`)).stdout).toContain(
      sha(content.subarray(3 * MIB, 4 * MIB)),
    );
    expect(home.sent() - one).toBeLessThan(4 * MIB);
    // Not at a cluster's beginning, so that the rest of it comes from the server.
    const write = `echo changed | dd of=/dev/${disk} bs=1000 seek=5000 conv=notrunc; sync; echo 3 > /proc/sys/vm/drop_caches`;
    expect(await run(page, `${write}; dd if=/dev/${disk} bs=1M count=10 | sha256sum`)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining(sha(changed.subarray(0, 10 * MIB))),
    });
  }
  expect((await run(page, "sha256sum /dev/vdd")).stdout).toContain(sha(changed));
  await page.evaluate(() => (globalThis as unknown as { vm: { stop(): Promise<void> } }).vm.stop());
  expect(sha(readFileSync(raw))).toBe(sha(content));
  await page.close();
});

test("a file that the user chose, read-only", { timeout: 4 * MINUTES }, async () => {
  const page = await visit(chromium, home.url);
  await page.setContent('<input type="file">');
  await page.locator("input").setInputFiles(join(dir, "compressed.qcow2"));
  await page.evaluate(async () => {
    const file = document.querySelector("input")!.files![0]!;
    const disks = [{ file, readOnly: true, serial: "chosen" }];
    const vm = await wardian.Machine.create({ image: "debian", engine: "jit", disks });
    Object.assign(globalThis, { vm });
    await vm.start();
  });
  const outcome = await run(
    page,
    "cat /sys/block/vda/ro /sys/block/vda/serial; echo; sha256sum /dev/vda; echo > /dev/vda",
  );
  expect(outcome.stdout).toBe(`1\nchosen\n${sha(content)}  /dev/vda\n`);
  expect(outcome.status).not.toBe(0);
  await page.close();
});

test("a server that goes in the middle of a read: the machine waits, says so, and goes on when it is back", {
  timeout: 4 * MINUTES,
}, async () => {
  const page = await visit(chromium, home.url);
  await boot(page, { path: "disks/raw" });
  await page.evaluate(() => {
    const heard: string[] = [];
    const { vm } = globalThis as unknown as { vm: Awaited<ReturnType<typeof wardian.Machine.create>> };
    vm.on("paused", (message) => heard.push(message));
    vm.on("resumed", () => heard.push("resumed"));
    Object.assign(globalThis, { heard });
  });
  const heard = () => page.evaluate(() => (globalThis as unknown as { heard: string[] }).heard);
  let asked = 0;
  home.intercept = (path, response) => {
    if (path !== "/disks/raw" || asked++ < 2) return false;
    response.socket?.destroy();
    return true;
  };
  const sum = run(page, "dd if=/dev/vda bs=1M count=8 | sha256sum");
  await soon(
    page.waitForFunction(() => (globalThis as unknown as { heard: string[] }).heard.length > 0),
    "the message",
  );
  expect(await heard()).toEqual([`The disk image "${home.url}disks/raw" can't be read: its server doesn't answer.`]);
  home.intercept = undefined;
  expect((await soon(sum, "the read")).stdout).toContain(sha(content.subarray(0, 8 * MIB)));
  expect((await heard()).at(-1)).toBe("resumed");

  // And a machine that waits can be stopped.
  home.intercept = (path, response) => {
    if (path !== "/disks/raw") return false;
    response.socket?.destroy();
    return true;
  };
  const never = run(page, "dd if=/dev/vda bs=1M skip=40 count=1 of=/dev/null").catch((error: Error) => error.message);
  await soon(
    page.waitForFunction(() => /answer\.$/.test((globalThis as unknown as { heard: string[] }).heard.at(-1)!)),
    "it",
  );
  const stopped = page.evaluate(() => (globalThis as unknown as { vm: { stop(): Promise<void> } }).vm.stop());
  await soon(stopped, "the stop");
  expect(await never).toMatch(/The machine (has ended|was stopped)\./);
  home.intercept = undefined;
  await page.close();
});

test("an image that changes meanwhile gives the guest an error, not a mixture", { timeout: 4 * MINUTES }, async () => {
  const path = join(dir, "fickle");
  writeFileSync(path, content);
  const fickle = await site({ files: { "/fickle": { file: path } } });
  const page = await visit(chromium, fickle.url);
  await boot(page, { path: "fickle", format: "raw" });
  expect((await run(page, "dd if=/dev/vda bs=4k count=1 of=/dev/null")).status).toBe(0);
  writeFileSync(path, content.subarray(0, 63 * MIB));
  const outcome = await soon(run(page, "dd if=/dev/vda bs=1M skip=5 count=1 of=/dev/null"), "the read");
  expect(outcome.stderr).toContain("Input/output error");
  await page.close();
});

test("what is no disk for a page is said in a sentence", async () => {
  const page = await visit(chromium, home.url);
  home.intercept = (path, response) => {
    if (path !== "/disks/whole") return false;
    response.writeHead(200, { "Content-Length": 64 * MIB }).end(content);
    return true;
  };
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ path: "/disks/none" }, /can't be read: the server has no such file \(404\)\.$/],
    [{ path: "/disks/whole" }, /can't be read: its server sends it only as a whole, and not by ranges; /],
    [{ path: "http://localhost:9/disk" }, /can't be read: the server can't be reached, or doesn't allow this page /],
    [{ path: "/disks/raw", format: "qcow2" }, /raw/],
    [
      { path: "/disks/astray" },
      /^The image \S+ wants "\.\.\/images\/debian\/kernel" for its backing file, which is not in/,
    ],
    [{ path: "/disks/raw", serial: "longer than twenty characters" }, /^The serial number/],
    [{}, /^A disk needs the URL of its image as path, or a file\.$/],
  ];
  for (const [disk, message] of cases) {
    const said = page.evaluate(
      (given) =>
        wardian.Machine.create({ image: "hello", disks: [given] }).then(
          () => "it was made",
          (error: Error) => error.message,
        ),
      disk,
    );
    expect(await soon(said, JSON.stringify(disk))).toMatch(message);
  }
  home.intercept = undefined;
  await page.close();
});

test("machines on a switch reach each other, and nobody else", { timeout: 4 * MINUTES }, async () => {
  const page = await visit(chromium, home.url);
  const outcome = await page.evaluate(async () => {
    const lan = new wardian.Switch();
    const make = async (address: number) => {
      const network = { kind: "switch", switch: lan } as const;
      const vm = await wardian.Machine.create({ image: "debian", memory: "128M", engine: "jit", network });
      await vm.start();
      await vm.exec(`ifconfig eth0 10.0.0.${address} netmask 255.255.255.0 up`);
      return vm;
    };
    const [one, two] = await Promise.all([make(1), make(2)]);
    const plugged = lan.machines;
    const macs = await Promise.all(
      [one, two].map(async (vm) => (await vm.exec("cat /sys/class/net/eth0/address")).stdout),
    );
    const ping = (await one.exec("ping -c 3 10.0.0.2")).stdout;
    const listening = two.exec("mkfifo /tmp/f; exec 9<>/tmp/f; nc -l -p 99 <&9 | sha256sum");
    const sent = (
      await one.exec("sleep 1; head -c 3000000 /dev/urandom > /tmp/x; nc 10.0.0.2 99 < /tmp/x; sha256sum < /tmp/x")
    ).stdout;
    const nobody = (await one.exec("ping -c 1 -W 1 10.0.0.3")).status;
    const received = (await listening).stdout;
    await Promise.all([one.stop(), two.stop()]);
    await new Promise((resolve) => setTimeout(resolve));
    const wrong = await wardian.Machine.create({ image: "hello", network: { kind: "user" } as never }).catch(
      (error: Error) => error.message,
    );
    return { plugged, left: lan.machines, macs, ping, same: sent === received && sent.length > 60, nobody, wrong };
  });
  expect(outcome).toMatchObject({ plugged: 2, left: 0, same: true, nobody: 1 });
  expect(outcome.ping).toContain("3 packets received");
  expect(new Set(outcome.macs).size).toBe(2);
  expect(outcome.wrong).toMatch(/^A page's machines have no network but a Switch: /);
  await page.close();
});
