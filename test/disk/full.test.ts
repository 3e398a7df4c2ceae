/** A full disk of the host: a request that finds no room says so, nothing is lost, and it succeeds once there is room. */

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ImageDisk } from "../../src/disk/disk.ts";
import { MemoryFile } from "../../src/disk/memory-file.ts";
import { checkQcow2 } from "../../src/disk/qcow2/check.ts";
import { createQcow2 } from "../../src/disk/qcow2/create.ts";
import { Qcow2Image } from "../../src/disk/qcow2/image.ts";
import { seeded } from "../../src/fuzz/random.ts";
import { openDisk } from "../../src/host/node/disk.ts";
import { createDisk } from "../../src/host/node/disk-images.ts";
import { FaultyFile, FixedFile } from "./faulty-file.ts";
import { fill } from "./history.ts";
import { apply, asRequest, content, done, qemuCheck, randomOperation, scratch, submit } from "./qemu.ts";

const dir = scratch();
const SEED = Number(process.env.WARDIAN_DISK_SEED ?? 1);

async function created(size: number, clusterSize: number, refcountBits: number): Promise<Uint8Array> {
  const file = new MemoryFile("new");
  await createQcow2(file, { size, clusterSize, refcountBits });
  const bytes = new Uint8Array(file.size);
  file.read(0, bytes);
  return bytes;
}

test.each([
  [512, 16],
  [4096, 16],
  [65_536, 16],
  [512, 64],
])("requests that find no room now and then are tried again: clusters of %i, refcounts of %i bits", async (cluster, bits) => {
  const size = 2 ** 20;
  for (let n = 0; n < 2; n++) {
    const random = seeded(SEED * 1000 + n);
    const file = new FaultyFile(await created(size, cluster, bits), random, n % 2 === 1);
    const disk = new ImageDisk(await Qcow2Image.open(file));
    const model = new Uint8Array(size);
    let refused = 0;
    const until = async (request: Parameters<typeof submit>[1]) => {
      for (;;) {
        const result = await submit(disk, request);
        if (result.ok) return;
        expect(result.reason).toBe("no-space");
        refused++;
      }
    };
    for (let i = 0; i < 120; i++) {
      if (random() % 3 === 0) {
        file.fullFrom = file.calls + (random() % 6);
        file.fullFor = 1 + (random() % 4);
      }
      const operation = randomOperation(random, size, cluster);
      if (operation.kind === "discard") continue;
      await until(asRequest(operation));
      apply(model, operation);
      if (random() % 6 === 0) await until({ kind: "flush" });
    }
    await until({ kind: "flush" });
    expect(refused).toBeGreaterThan(0);
    expect(Buffer.compare(await content(disk), model)).toBe(0);
    const left = file.afterCut();
    const path = join(dir, "left.qcow2");
    writeFileSync(path, left);
    const check = qemuCheck(path);
    expect([0, 3], check.text).toContain(check.status);
    expect((await checkQcow2(new FixedFile(left))).corruptions).toBe(0);
    expect(Buffer.compare(await content(new ImageDisk(await Qcow2Image.open(new FixedFile(left)))), model)).toBe(0);
  }
});

const isRoot = process.getuid?.() === 0;

describe.runIf(isRoot)("a file system of 4 MiB", () => {
  const mount = join(dir, "mount");
  let isMounted = false;
  afterAll(() => {
    if (isMounted) execFileSync("umount", [mount]);
  });

  test.each([
    "qcow2",
    "raw",
  ] as const)("holds a %s disk of 16 MiB until it is full, and again when there is room", async (format) => {
    if (!isMounted) {
      mkdirSync(mount);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "wardian-test", mount]);
      isMounted = true;
    }
    const ballast = join(mount, "ballast");
    writeFileSync(ballast, new Uint8Array(2 ** 20));
    const path = join(mount, `disk.${format}`);
    await createDisk(path, { size: 16 * 2 ** 20, format });
    const disk = await openDisk({ path, format });
    let offset = 0;
    let result = await submit(disk, { kind: "flush" });
    for (; result.ok; offset += 40_960)
      result = await submit(disk, { kind: "write", offset, bytes: fill(40_960, offset / 40_960 + 1) });
    offset -= 40_960;
    expect(result).toMatchObject({
      ok: false,
      reason: "no-space",
      message: expect.stringMatching(/host's disk is full/),
    });
    expect(offset).toBeGreaterThan(2 ** 20);
    // It stays full, and what is there can be read; then there is room.
    const again = { kind: "write", offset, bytes: fill(40_960, offset / 40_960 + 1) } as const;
    expect(await submit(disk, again)).toMatchObject({ reason: "no-space" });
    expect((await done(disk, { kind: "read", offset: 40_960, length: 512 }))[0]).toBe(2);
    rmSync(ballast);
    await done(disk, again);
    await done(disk, { kind: "flush" });
    const words = new Uint32Array((await content(disk)).buffer);
    for (let at = 0; at <= offset; at += 512) expect(words[at / 4]).toBe(Math.floor(at / 40_960) + 1);
    await disk.close();
    if (format === "qcow2") expect(qemuCheck(path).status).toBe(0);
    rmSync(path);
  });

  test("tells a new image that does not fit, and leaves nothing of it", async () => {
    writeFileSync(join(mount, "ballast"), new Uint8Array(3.9 * 2 ** 20));
    await expect(createDisk(join(mount, "new.qcow2"), { size: 2 ** 30 })).rejects.toThrow(/host's disk is full/);
    expect(execFileSync("ls", ["-A", mount], { encoding: "utf8" })).toBe("ballast\n");
  });
});
