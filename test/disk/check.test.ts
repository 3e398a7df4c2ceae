/** Our check counts corruptions and leaks as `qemu-img check` does, and what it repairs QEMU finds sound. */

import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readHeader } from "../../src/disk/qcow2/header.ts";
import { type Random, seeded } from "../../src/fuzz/random.ts";
import { openDisk } from "../../src/host/node/disk.ts";
import { checkDisk, diskInfo } from "../../src/host/node/disk-images.ts";
import { FixedFile } from "./faulty-file.ts";
import { asQemuIo, content, done, qemuCheck, qemuContent, qemuImg, qemuIo, randomOperation, scratch } from "./qemu.ts";

const dir = scratch();
const SEED = Number(process.env.WARDIAN_DISK_SEED ?? 1);
const ROUNDS = Number(process.env.WARDIAN_DISK_ROUNDS ?? 1) * 5;

const KINDS: Record<
  string,
  { options: string; cluster: number; snapshot?: boolean; bitmap?: boolean; compress?: string }
> = {
  "clusters of 64K": { options: "", cluster: 65_536 },
  "clusters of 512": { options: "cluster_size=512", cluster: 512 },
  "a snapshot": { options: "cluster_size=4k", cluster: 4096, snapshot: true },
  "a bitmap": { options: "cluster_size=4k", cluster: 4096, bitmap: true },
  "compressed clusters": { options: "cluster_size=4k", cluster: 4096, compress: "zlib" },
  "narrow refcounts": { options: "cluster_size=1k,refcount_bits=2", cluster: 1024 },
};

const SIZE = 2 ** 20;

function make(title: string): string {
  const { options, cluster, snapshot, bitmap, compress } = KINDS[title]!;
  const path = join(dir, `${title.replace(/\W+/g, "-")}.qcow2`);
  const random = seeded(7);
  const operations = () => Array.from({ length: 30 }, () => asQemuIo(randomOperation(random, SIZE, cluster)));
  qemuImg("create", "-f", "qcow2", ...(options === "" ? [] : ["-o", options]), path, String(SIZE));
  qemuIo(path, "qcow2", operations());
  if (compress) {
    qemuImg("convert", "-c", "-O", "qcow2", "-o", options, path, `${path}.c`);
    copyFileSync(`${path}.c`, path);
  }
  if (bitmap) qemuImg("bitmap", "--add", path, "b0");
  if (snapshot) qemuImg("snapshot", "-c", "one", path);
  if (snapshot || bitmap) qemuIo(path, "qcow2", operations());
  return path;
}

/**
 * Breaks something in the tables: an entry of an L2 table, a refcount, a flag.
 * @returns whether the disk may now show tables, which a repair changes
 */
async function breakIt(bytes: Uint8Array, random: Random): Promise<boolean> {
  const header = await readHeader(new FixedFile(bytes));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const mask = 0x00ff_ffff_ffff_fe00n;
  const block = Number(view.getBigUint64(header.refcountTableOffset) & mask);
  const used = Math.floor(bytes.length / header.clusterSize);
  let showsTables = false;
  for (let n = 1 + (random() % 3); n > 0; n--) {
    const l1 = header.l1Offset + 8 * (random() % header.l1Size);
    const l2 = Number(view.getBigUint64(l1) & mask);
    const entry = l2 + 8 * (random() % (header.clusterSize / 8));
    switch (random() % 6) {
      case 0: // a refcount too high or too low
      case 1: {
        const bit = (random() % used) << header.refcountOrder;
        bytes[block + (bit >> 3)]! ^= 1 << (bit & 7);
        break;
      }
      case 2: // a cluster that is gone
        if (l2 !== 0) view.setBigUint64(entry, 0n);
        break;
      case 3: // a flag
        if (l2 !== 0 && view.getBigUint64(entry) !== 0n)
          view.setBigUint64(entry, view.getBigUint64(entry) ^ (1n << 63n));
        break;
      case 4: // a cluster that another entry has too, or that is a table
        showsTables = true;
        if (l2 !== 0) view.setBigUint64(entry, (1n << 63n) | BigInt((random() % used) * header.clusterSize));
        break;
      case 5: // a cluster that is beyond the end
        if (l2 !== 0)
          view.setBigUint64(entry, (1n << 63n) | BigInt((used + 7 + (random() % 100)) * header.clusterSize));
        break;
    }
  }
  return showsTables;
}

describe.each(Object.keys(KINDS))("%s", (title) => {
  const path = make(title);
  const good = readFileSync(path);
  const broken = join(dir, `${title.replace(/\W+/g, "-")}-broken.qcow2`);

  test("sound", async () => {
    expect(qemuCheck(path).status).toBe(0);
    expect(await checkDisk(path)).toMatchObject({ corruptions: 0, leaks: 0, errors: 0 });
  });

  test.each([...Array(ROUNDS).keys()])("broken, round %i", async (round) => {
    const random = seeded(SEED * 1000 + round);
    const bytes = Uint8Array.from(good);
    const showsTables = await breakIt(bytes, random);
    writeFileSync(broken, bytes);
    const theirs = qemuCheck(broken);
    const ours = await checkDisk(broken);
    expect({ corruptions: ours.corruptions, leaks: ours.leaks }, `${theirs.text}\n${ours.messages.join("\n")}`).toEqual(
      {
        corruptions: theirs.corruptions,
        leaks: theirs.leaks,
      },
    );
    const before = qemuContent(broken, "qcow2", `${broken}.raw`);

    // Leaks alone first, then the rest.
    const less = await checkDisk(broken, { repair: "leaks" });
    expect(less.repairedLeaks).toBe(ours.leaks);
    expect(less.repairedCorruptions).toBe(0);
    expect(qemuCheck(broken).leaks).toBe(0);
    const all = await checkDisk(broken, { repair: "all" });
    const after = qemuCheck(broken);
    const last = await checkDisk(broken);
    expect({ corruptions: last.corruptions, leaks: last.leaks }, after.text).toEqual({
      corruptions: after.corruptions,
      leaks: after.leaks,
    });
    if (all.corruptions === 0) expect(after.status, after.text).toBe(0);
    const content = qemuContent(broken, "qcow2", `${broken}.raw`);
    if (!showsTables) expect(Buffer.compare(content, before), "the content stays").toBe(0);
  });
});

test("an image that QEMU did not close is repaired when it is opened, and not when it is read", async () => {
  const path = join(dir, "dirty.qcow2");
  qemuImg("create", "-f", "qcow2", "-o", "lazy_refcounts=on,cluster_size=4k", path, "1M");
  spawnSync("qemu-io", ["-f", "qcow2", "-c", "write -P 5 0 200k", "-c", "flush", "-c", "abort", path]);
  expect((await diskInfo(path)).qcow2).toMatchObject({ dirty: true, lazyRefcounts: true });
  expect(qemuCheck(path).status).not.toBe(0);
  const read = await openDisk({ path, readOnly: true });
  expect((await content(read))[100_000]).toBe(5);
  await read.close();
  expect((await diskInfo(path)).qcow2?.dirty).toBe(true);
  const disk = await openDisk({ path });
  await done(disk, { kind: "write", offset: 512 * 1024, bytes: new Uint8Array(4096).fill(6) });
  await disk.close();
  expect((await diskInfo(path)).qcow2?.dirty).toBe(false);
  const check = qemuCheck(path);
  expect(check.status, check.text).toBe(0);
  const bytes = qemuContent(path, "qcow2", `${path}.raw`);
  expect([bytes[100_000], bytes[512 * 1024]]).toEqual([5, 6]);
});
