/** A disk's size: against a model and against qemu-img, whatever the image is like, and when the power fails. */

import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ImageDisk } from "../../src/disk/disk.ts";
import { checkQcow2 } from "../../src/disk/qcow2/check.ts";
import { Qcow2Image } from "../../src/disk/qcow2/image.ts";
import { RawImage } from "../../src/disk/raw.ts";
import { type Random, seeded } from "../../src/fuzz/random.ts";
import { openDisk } from "../../src/host/node/disk.ts";
import { diskInfo, resizeDisk } from "../../src/host/node/disk-images.ts";
import { FaultyFile, FixedFile } from "./faulty-file.ts";
import { apply, asRequest, content, done, qemuCheck, qemuContent, qemuImg, randomOperation, scratch } from "./qemu.ts";

const dir = scratch();
const K = 1024;

interface Kind {
  readonly options?: string;
  readonly cluster: number;
  /** Of the backing file, bytes. */
  readonly backing?: number;
  readonly snapshot?: boolean;
}

const KINDS: Record<string, Kind> = {
  raw: { cluster: 4 * K },
  "clusters of 64K": { options: "cluster_size=64k", cluster: 64 * K },
  // The L1 table grows again and again, and beyond what a block of refcounts is about.
  "clusters of 512": { options: "cluster_size=512", cluster: 512 },
  "clusters of 512 and wide refcounts": { options: "cluster_size=512,refcount_bits=64", cluster: 512 },
  "clusters of 1K and narrow refcounts": { options: "cluster_size=1k,refcount_bits=1", cluster: K },
  "a base that is longer": { options: "cluster_size=4k", cluster: 4 * K, backing: 3000 * K },
  "a base that is shorter": { options: "cluster_size=16k", cluster: 16 * K, backing: 200 * K },
  "version 2 over a base": { options: "compat=0.10,cluster_size=4k", cluster: 4 * K, backing: 900 * K },
  "a snapshot": { options: "cluster_size=4k", cluster: 4 * K, snapshot: true },
};

/** Makes an image of 512 KiB with something in it. @returns its path and content */
function make(title: string, { options, backing, snapshot }: Kind): { path: string; model: Uint8Array } {
  const path = join(dir, `${title.replace(/\W+/g, "-")}.img`);
  const size = 512 * K;
  const under = noise(backing ?? size, 7);
  if (options === undefined) {
    writeFileSync(path, under);
    return { path, model: under };
  }
  writeFileSync(`${path}.under`, under);
  if (backing === undefined) qemuImg("convert", "-O", "qcow2", "-o", options, `${path}.under`, path);
  else qemuImg("create", "-f", "qcow2", "-o", options, "-b", `${path}.under`, "-F", "raw", path, String(size));
  if (snapshot) qemuImg("snapshot", "-c", "before", path);
  const model = new Uint8Array(size);
  model.set(under.subarray(0, size));
  return { path, model };
}

function noise(length: number, seed: number): Uint8Array {
  const random = seeded(seed);
  const bytes = new Uint8Array(length);
  // Some of it is zero.
  for (let at = 0; at < length; at += 512) if (random() % 3 > 0) bytes.fill(1 + (random() % 255), at, at + 512);
  return bytes;
}

function resized(model: Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(model.subarray(0, size));
  return bytes;
}

function newSize(random: Random, present: number): number {
  const most = random() % 4 === 0 ? 6000 * K : present + 300 * K;
  return 512 * (1 + (random() % (most / 512)));
}

describe.each(Object.entries(KINDS))("%s", (title, kind) => {
  const format = kind.options === undefined ? "raw" : "qcow2";

  test("any sizes and requests in turn, as a model and QEMU have it", async () => {
    const { path, model: first } = make(title, kind);
    const before = kind.snapshot ? first : undefined;
    let model = first;
    const random = seeded(title.length);
    for (let round = 0; round < 12; round++) {
      const size = newSize(random, model.length);
      if (size < model.length && round % 2 === 0)
        await expect(resizeDisk(path, size, { format })).rejects.toThrow(/cut it down to \d+, .* use --shrink\.$/);
      expect(await resizeDisk(path, size, { format, shrink: true })).toBe(size);
      expect(readFileSync(path).length).toBeGreaterThan(0);
      model = resized(model, size);
      const disk = await openDisk({ path, format });
      expect(disk.size).toBe(size);
      for (let n = 0; n < 12; n++) {
        const operation = randomOperation(random, size, kind.cluster);
        if (operation.kind === "discard") continue;
        apply(model, operation);
        await done(disk, asRequest(operation));
      }
      if (round % 3 === 0) {
        // While it is in use.
        await disk.resize(size + 96 * K);
        model = resized(model, size + 96 * K);
        expect(Buffer.compare(await content(disk), model)).toBe(0);
      }
      await disk.close();
      expect(Buffer.compare(qemuContent(path, format, `${path}.raw`), model)).toBe(0);
      if (format === "qcow2") {
        const check = qemuCheck(path);
        expect(check.status, check.text).toBe(0);
      }
    }
    if (!before) return;
    qemuImg("convert", "-l", "before", "-O", "raw", path, `${path}.raw`);
    const snapshot = readFileSync(`${path}.raw`).subarray(0, before.length);
    expect(Buffer.compare(snapshot, before.subarray(0, snapshot.length))).toBe(0);
  });

  // QEMU can't make version 2 longer where its base is.
  test.skipIf(title === "version 2 over a base")("the same as qemu-img resize", async () => {
    const { path } = make(`${title} twice`, kind);
    const theirs = `${path}.theirs`;
    copyFileSync(path, theirs);
    // Of a cluster that was cut through, QEMU shows again what was cut off.
    for (const size of [704 * K, 2048 * K + 512, 320 * K, 321 * K, 4096 * K]) {
      await resizeDisk(path, size, { format, shrink: true });
      qemuImg("resize", "-q", "-f", format, "--shrink", theirs, String(size));
      const info = await diskInfo(path, { format });
      expect(info.size).toBe(size);
      expect(Buffer.compare(qemuContent(path, format, `${path}.raw`), qemuContent(theirs, format, `${path}.raw`))).toBe(
        0,
      );
    }
  });
});

test("gives up room in the image for what is cut off", async () => {
  const path = join(dir, "room.qcow2");
  qemuImg("create", "-q", "-f", "qcow2", path, "8M");
  const write = async () => {
    const disk = await openDisk({ path });
    await done(disk, { kind: "write", offset: 0, bytes: new Uint8Array(8 << 20).fill(1) });
    await disk.close();
  };
  await write();
  const { length } = await diskInfo(path);
  for (const size of [1 << 20, 8 << 20]) await resizeDisk(path, size, { shrink: true });
  await write();
  // What was freed is used again.
  expect((await diskInfo(path)).length).toBeLessThanOrEqual(length + 65_536);
  expect(qemuCheck(path).status).toBe(0);
});

test.each([
  ["no whole sector", 1000, {}, /multiple of 512/],
  ["less than nothing", -512, {}, /multiple of 512/],
  ["more than its tables can be about", 2 ** 42, {}, /clusters of 512 bytes, and can't become that large/],
])("refuses %s", async (title, size, options, about) => {
  const path = join(dir, `${title.replaceAll(" ", "-")}.qcow2`);
  qemuImg("create", "-q", "-f", "qcow2", "-o", "cluster_size=512", path, "1M");
  const before = readFileSync(path);
  await expect(resizeDisk(path, size, options)).rejects.toThrow(about);
  expect(Buffer.compare(readFileSync(path), before)).toBe(0);
});

test("refuses a version 2 image with snapshots, as qemu-img does, and a disk that somebody has", async () => {
  const path = join(dir, "old.qcow2");
  qemuImg("create", "-q", "-f", "qcow2", "-o", "compat=0.10", path, "1M");
  qemuImg("snapshot", "-c", "before", path);
  expect(() => qemuImg("resize", "-q", path, "2M")).toThrow();
  await expect(resizeDisk(path, 2 << 20)).rejects.toThrow(/version 2 and has snapshots, .*\.$/);
  const other = join(dir, "used.qcow2");
  qemuImg("create", "-q", "-f", "qcow2", other, "1M");
  const disk = await openDisk({ path: other });
  await expect(resizeDisk(other, 2 << 20)).rejects.toThrow(/in use/);
  const both = await Promise.allSettled([disk.resize(4 << 20), disk.resize(3 << 20)]);
  expect(both.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  expect(disk.size).toBe(4 << 20);
  await expect(disk.resize(512)).rejects.toThrow(/while a machine has it, it can only grow\.$/);
  await disk.close();
});

describe("when the power fails while it grows, the old or the new size is there, and all data, for", () => {
  const cases = Object.entries(KINDS).filter(([, { options }]) => options !== undefined);
  test.each(cases)("%s", async (title, kind) => {
    const { path, model } = make(`${title} cut`, kind);
    const image = readFileSync(path);
    const under = kind.backing === undefined ? undefined : readFileSync(`${path}.under`);
    const open = (file: FaultyFile | FixedFile) => {
      const backing = under && new RawImage(new FixedFile(under, "under"));
      return Qcow2Image.open(file, backing && { backing });
    };
    const size = 5000 * K;
    const grow = async (file: FaultyFile) => {
      const opened = await open(file);
      // Tables that have changed go through it as well.
      await opened.write(K, new Uint8Array(512).fill(9));
      await opened.flush();
      await opened.resize(size);
      await opened.close();
    };
    const wanted = model.slice().fill(9, K, K + 512);
    const whole = new FaultyFile(image, seeded(1), false);
    await grow(whole);
    const sizes = new Set<number>();
    for (let cut = 1; cut <= whole.calls + 1; cut += Math.ceil(whole.calls / 24)) {
      const file = new FaultyFile(image, seeded(cut), cut % 2 === 0);
      file.cutAt = cut;
      await grow(file).catch(() => {});
      const left = file.afterCut();
      const { corruptions, errors } = await checkQcow2(new FixedFile(left));
      expect({ corruptions, errors }, `cut ${cut}`).toEqual({ corruptions: 0, errors: 0 });
      const disk = new ImageDisk(await open(new FixedFile(left)));
      sizes.add(disk.size);
      const found = await content(disk);
      const [before, after] = [resized(model, disk.size), resized(wanted, disk.size)];
      expect(Buffer.compare(found, before) === 0 || Buffer.compare(found, after) === 0, `cut ${cut}`).toBe(true);
      if (disk.size === size) expect(Buffer.compare(found, after)).toBe(0);
    }
    expect([...sizes].sort((a, b) => a - b)).toEqual([512 * K, size]);
  });
});
