/** What opening a disk promises: locks, whose files an image may name, temporary overlays, and refusals in a sentence. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";
import type { DiskOptions } from "../../src/backends/disk.ts";
import { DiskError } from "../../src/disk/errors.ts";
import { openDisk } from "../../src/host/node/disk.ts";
import { content, done, qemuCheck, qemuImg, qemuIo, scratch, submit } from "./qemu.ts";

const dir = scratch();
const HOLDER = join(dir, "holder.mjs");
const KILLS = Number(process.env.WARDIAN_DISK_KILLS ?? 8);

beforeAll(async () => {
  const entry = fileURLToPath(new URL("./holder.ts", import.meta.url));
  await build({
    entryPoints: [entry],
    outfile: HOLDER,
    bundle: true,
    platform: "node",
    format: "esm",
  });
});

/** Makes an image of 1 MiB in a folder of its own, unless the name has one. */
function image(name: string, ...args: string[]): string {
  const path = join(dir, name.includes("/") ? name : join(name, name));
  mkdirSync(dirname(path), { recursive: true });
  qemuImg("create", "-q", "-f", "qcow2", ...args, path, ...(args.includes("-b") ? [] : ["1M"]));
  return path;
}

/** The message that opening gives; it must be one sentence. */
async function refusal(options: DiskOptions): Promise<string> {
  try {
    const disk = await openDisk(options);
    await disk.close();
  } catch (error) {
    expect(error).toBeInstanceOf(DiskError);
    const { message } = error as DiskError;
    expect(message).toMatch(/^[^\n]+\.$/);
    return message;
  }
  throw new Error("it was opened");
}

const locksBeside = (path: string) => readdirSync(dirname(path)).filter((name) => name.startsWith(".wardian-lock"));

type Holder = ChildProcessByStdio<null, Readable, null>;

/** A process that has a disk open until it is killed. */
async function holder(path: string, ...args: string[]): Promise<Holder> {
  const child = spawn(process.execPath, [HOLDER, path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`the holder ended with ${code}`)));
  });
  return child;
}

function kill(child: Holder): Promise<void> {
  return new Promise((resolve) => {
    child.once("close", () => resolve());
    child.kill("SIGKILL");
  });
}

describe("a lock", () => {
  test("lets nobody else write, and goes with the disk", async () => {
    const path = image("one.qcow2");
    const disk = await openDisk({ path });
    expect(await refusal({ path })).toMatch(/in use by this program itself, which writes it; end that first\./);
    expect(await refusal({ path, readOnly: true })).toMatch(/in use/);
    await disk.close();
    const [a, b] = [await openDisk({ path, readOnly: true }), await openDisk({ path, readOnly: true })];
    expect(await refusal({ path })).toMatch(/which reads it/);
    await a.close();
    await b.close();
    await (await openDisk({ path })).close();
    expect(locksBeside(path)).toEqual([]);
  });

  test("is known by every name of the image", async () => {
    const path = image("names.qcow2");
    symlinkSync(path, join(dir, "link"));
    const disk = await openDisk({ path });
    expect(await refusal({ path: join(dir, "link") })).toMatch(/in use/);
    expect(await refusal({ path: `file://${path}` })).toMatch(/in use/);
    await disk.close();
  });

  test("holds against other processes, which it names, and dies with them", async () => {
    const path = image("processes.qcow2");
    const child = await holder(path, "write");
    expect(await refusal({ path })).toMatch(new RegExp(`in use by process ${child.pid} \\(node\\), which writes it`));
    await kill(child);
    expect(locksBeside(path)).toHaveLength(1);
    await (await openDisk({ path })).close();
    expect(locksBeside(path)).toEqual([]);
  });

  test("lets many read what no one writes", async () => {
    const path = image("readers.qcow2");
    const children = [await holder(path, "read"), await holder(path, "read")];
    await (await openDisk({ path, readOnly: true })).close();
    expect(await refusal({ path })).toMatch(/which reads it/);
    await Promise.all(children.map(kill));
    await (await openDisk({ path })).close();
  });

  test("is held by at most one of many that come at once", async () => {
    const path = image("race.qcow2");
    for (let round = 0; round < 5; round++) {
      const tries = await Promise.allSettled(Array.from({ length: 6 }, () => openDisk({ path })));
      const open = tries.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      expect(open.length).toBeLessThanOrEqual(1);
      for (const disk of open) await disk.close();
    }
    expect(locksBeside(path)).toEqual([]);
  });

  test("sees that QEMU has the image", async () => {
    const path = image("qemu.qcow2");
    const child = spawn("qemu-io", ["-f", "qcow2", path], { stdio: ["pipe", "pipe", "inherit"] });
    await new Promise((resolve) => {
      child.stdout.once("data", resolve);
      child.stdin.write("length\n");
    });
    expect(await refusal({ path })).toMatch(/in use by QEMU, which writes it/);
    child.stdin.end("quit\n");
    await new Promise((resolve) => child.once("close", resolve));
    await (await openDisk({ path })).close();
  });

  test("does not count what another host's process has not touched for long", async () => {
    const path = image("foreign.qcow2");
    const disk = await openDisk({ path });
    const [name] = locksBeside(path);
    const foreign = name!.replace(/-[0-9a-f]{12}-/, "-0123456789ab-");
    copyFileSync(join(dirname(path), name!), join(dirname(path), foreign));
    await disk.close();
    expect(await refusal({ path })).toMatch(/another host or container/);
    utimesSync(join(dirname(path), foreign), Date.now() / 1000 - 120, Date.now() / 1000 - 120);
    await (await openDisk({ path })).close();
    expect(locksBeside(path)).toEqual([]);
  });
});

describe("a backing file", () => {
  test("may be in the image's folder", async () => {
    const base = image("near/base.qcow2");
    qemuIo(base, "qcow2", ["write -P 7 0 64k"]);
    const path = image("near/over.qcow2", "-b", "base.qcow2", "-F", "qcow2");
    const disk = await openDisk({ path });
    expect((await done(disk, { kind: "read", offset: 512, length: 512 }))[0]).toBe(7);
    await disk.close();
  });

  test("may be elsewhere only if the user says so", async () => {
    const secret = join(dir, "secret/secret.raw");
    mkdirSync(dirname(secret));
    writeFileSync(secret, new Uint8Array(2 ** 20).fill(9));
    for (const [i, name] of [secret, "../secret/secret.raw", `file:${secret}`].entries()) {
      const path = image(`far${i}/over.qcow2`, "-u", "-b", name, "-F", "raw", "-o", "size=1M");
      expect(await refusal({ path })).toMatch(
        /in another folder; if you trust the image, allow that \(--allow-backing/,
      );
      for (const allowed of [secret, dirname(secret)]) {
        const disk = await openDisk({ path, allowBacking: [allowed] });
        expect((await content(disk))[0]).toBe(9);
        await disk.close();
      }
    }
    const link = image("linked/over.qcow2", "-u", "-b", "base.raw", "-F", "raw", "-o", "size=1M");
    symlinkSync(secret, join(dirname(link), "base.raw"));
    expect(await refusal({ path: link })).toMatch(/in another folder/);
  });

  test.each([
    "nbd://localhost/x",
    'json:{"driver":"file","filename":"/etc/passwd"}',
    "fat:/etc",
    "http://localhost/x",
  ])("is a file and not %s", async (name) => {
    const path = image(`protocol${name.replace(/\W/g, "")}/over.qcow2`, "-u", "-b", name, "-F", "raw", "-o", "size=1M");
    expect(await refusal({ path, allowBacking: ["/"] })).toMatch(/only files can be that/);
  });

  test("is missed with a sentence, and never looped through", async () => {
    const a = image("loop/a.qcow2", "-u", "-b", "b.qcow2", "-F", "qcow2", "-o", "size=1M");
    expect(await refusal({ path: a })).toMatch(/backing file "b\.qcow2" of .* does not exist/);
    image("loop/b.qcow2", "-u", "-b", "a.qcow2", "-F", "qcow2", "-o", "size=1M");
    expect(await refusal({ path: a })).toMatch(/form a loop/);
    expect(await refusal({ path: a, readOnly: true })).toMatch(/form a loop/);
    expect(locksBeside(a)).toEqual([]);
  });

  test("is a plain file", async () => {
    const path = image("special/over.qcow2", "-u", "-b", "/dev/zero", "-F", "raw", "-o", "size=1M");
    expect(await refusal({ path, allowBacking: ["/dev"] })).toMatch(/not a plain file/);
  });
});

describe("a temporary overlay", () => {
  test("takes all writes and leaves the image and the host's folders alone", async () => {
    const path = image("temporary.qcow2");
    qemuIo(path, "qcow2", ["write -P 7 0 64k"]);
    const before = readFileSync(path);
    const [a, b] = [await openDisk({ path, temporary: true }), await openDisk({ path, temporary: true })];
    expect(a.readOnly).toBe(false);
    await done(a, { kind: "write", offset: 512, bytes: new Uint8Array(512).fill(1) });
    await done(a, { kind: "flush" });
    const [inA, inB] = [await content(a), await content(b)];
    expect([inA[0], inA[512], inA[1024], inB[512]]).toEqual([7, 1, 7, 7]);
    await a.close();
    await b.close();
    expect(readFileSync(path)).toEqual(before);
  });

  test("is gone when its process is killed", async () => {
    const path = image("killed.qcow2");
    const folder = join(dir, "tmp");
    mkdirSync(folder);
    process.env.TMPDIR = folder;
    try {
      const child = await holder(path, "temporary", "work");
      await new Promise((resolve) => child.stdout.once("data", resolve));
      await kill(child);
    } finally {
      delete process.env.TMPDIR;
    }
    expect(readdirSync(folder)).toEqual([]);
  });
});

test(`${KILLS} processes killed while they write leave what they flushed, and no corruption`, async () => {
  for (let n = 0; n < KILLS; n++) {
    const path = image(`kill${n}/disk.qcow2`, ...(n % 2 === 0 ? [] : ["-o", "cluster_size=4k"]));
    const child = await holder(path, "write", "work");
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    await new Promise((resolve) => setTimeout(resolve, 20 + ((n * 37) % 150)));
    await kill(child);
    const check = qemuCheck(path);
    expect([0, 3], check.text).toContain(check.status);
    const disk = await openDisk({ path });
    const words = new Uint32Array((await content(disk)).buffer);
    await disk.close();
    const safe = Number(said.trimEnd().split("\n").at(-1) || 0);
    const latest = new Map<number, number>();
    for (let id = 1; id <= safe; id++) latest.set(((id * 7919) % 256) * 4096, id);
    for (const [offset, id] of latest) expect(words[offset / 4]).toBeGreaterThanOrEqual(id);
  }
});

test("a raw image that nobody has called raw takes no qcow2 header", async () => {
  const path = join(dir, "guessed.img");
  writeFileSync(path, new Uint8Array(65_536));
  const header = new Uint8Array(512);
  header.set([0x51, 0x46, 0x49, 0xfb]);
  const guessed = await openDisk({ path });
  expect(await submit(guessed, { kind: "write", offset: 0, bytes: header })).toMatchObject({ ok: false, reason: "io" });
  await guessed.close();
  const said = await openDisk({ path, format: "raw" });
  expect(await submit(said, { kind: "write", offset: 0, bytes: header })).toMatchObject({ ok: true });
  await said.close();
});

describe("one sentence for", () => {
  const file = (name: string, bytes: Uint8Array | string) => {
    const path = join(dir, name);
    writeFileSync(path, bytes);
    return path;
  };
  /** A good image with some of its header's bytes replaced. */
  const patched = (name: string, at: number, bytes: number[]) => {
    const path = image(`patched-${name}`);
    const whole = readFileSync(path);
    whole.set(bytes, at);
    writeFileSync(path, whole);
    return path;
  };
  const cases: [string, () => string, RegExp][] = [
    ["no file", () => join(dir, "nothing"), /does not exist/],
    ["an empty path", () => "", /path is empty/],
    ["a folder", () => dir, /is a directory/],
    ["a URL", () => "https://example.org/disk.qcow2", /fetch it first/],
    ["a short header", () => file("short", new Uint8Array([0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3])), /ends in its header/],
    ["version 1", () => patched("version", 7, [1]), /version 1/],
    ["clusters of 2^63 bytes", () => patched("bits", 23, [63]), /2\^63 bytes/],
    ["an L1 table of 2^32 entries", () => patched("l1", 36, [255, 255, 255, 255]), /more than 32 MiB/],
    ["an L1 table beyond the end", () => patched("l1-offset", 40, [0, 0, 1, 0, 0, 0, 0, 0]), /cut off/],
    ["an L1 table between clusters", () => patched("l1-odd", 46, [1, 1]), /not at the start of a cluster/],
    ["an absurd capacity", () => patched("size", 24, [255, 255, 255, 255]), /capacity is absurd/],
    ["a capacity beyond the L1 table", () => patched("larger", 24, [0, 0, 1, 0]), /L1 table is too small/],
    ["no refcounts", () => patched("refcounts", 56, [0, 0, 0, 0]), /no refcount table/],
    ["refcounts of 2^9 bits", () => patched("order", 99, [9]), /2\^9 bits/],
    ["many snapshots", () => patched("snapshots", 60, [255]), /snapshots/],
    ["encryption", () => patched("crypt", 35, [1]), /encrypted/],
    ["an external data file", () => patched("external", 79, [4]), /external data file/],
    ["extended L2 entries", () => patched("extended", 79, [16]), /extended L2 entries/],
    ["a feature of the future", () => patched("future", 72, [1]), /number 56/],
    ["an image marked as corrupt", () => patched("corrupt", 79, [2]), /marked it so/],
    ["a long header", () => patched("header", 100, [1, 0, 0, 0]), /header would have/],
    ["a backing name out of place", () => patched("name", 8, [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 5]), /first cluster/],
  ];
  test.each(cases)("%s", async (_, path, message) => {
    expect(await refusal({ path: path() })).toMatch(message);
  });
});
