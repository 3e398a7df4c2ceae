/**
 * The power may fail at any time: afterwards the image has no corruption, by
 * QEMU's judgement and by ours, and every flushed write is there.
 *
 * WARDIAN_DISK_CUTS sets how many cuts; QEMU judges all of them.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ImageDisk } from "../../src/disk/disk.ts";
import type { Image } from "../../src/disk/image.ts";
import { checkQcow2 } from "../../src/disk/qcow2/check.ts";
import { Qcow2Image } from "../../src/disk/qcow2/image.ts";
import { RawImage } from "../../src/disk/raw.ts";
import { type Random, seeded } from "../../src/fuzz/random.ts";
import { FaultyFile, FixedFile } from "./faulty-file.ts";
import { fill, History, SECTOR } from "./history.ts";
import { content, qemuCheck, qemuImg, randomOperation, scratch, submit } from "./qemu.ts";

const dir = scratch();
const CUTS = Number(process.env.WARDIAN_DISK_CUTS ?? 60);
const SEED = Number(process.env.WARDIAN_DISK_SEED ?? 1);

interface Kind {
  readonly options: string;
  readonly cluster: number;
  readonly size: number;
  readonly backing?: boolean;
  readonly snapshot?: boolean;
}

const K = 1024;
const KINDS: Record<string, Kind> = {
  "clusters of 4K": { options: "cluster_size=4k", cluster: 4 * K, size: 2048 * K },
  "clusters of 64K": { options: "cluster_size=64k", cluster: 64 * K, size: 4096 * K },
  "clusters of 512 over a base": { options: "cluster_size=512", cluster: 512, size: 1024 * K, backing: true },
  "clusters of 16K over a base": { options: "cluster_size=16k", cluster: 16 * K, size: 2048 * K, backing: true },
  "a snapshot": { options: "cluster_size=4k", cluster: 4 * K, size: 1024 * K, snapshot: true },
  "version 2": { options: "compat=0.10,cluster_size=4k", cluster: 4 * K, size: 1024 * K },
  "wide refcounts": { options: "cluster_size=512,refcount_bits=64", cluster: 512, size: 1024 * K },
  "narrow refcounts": { options: "cluster_size=1k,refcount_bits=1", cluster: 1024, size: 1024 * K, backing: true },
};

interface Start {
  readonly image: Uint8Array;
  readonly base: Uint8Array | undefined;
  readonly ids: readonly number[];
}

/** An image as it is before the load, its sectors full of numbers where it has data. */
function start(name: string, kind: Kind): Start {
  const path = join(dir, `${name}.qcow2`);
  const sectors = kind.size / SECTOR;
  let ids: number[] = new Array(sectors).fill(0);
  let base: Uint8Array | undefined;
  if (kind.backing) {
    base = new Uint8Array(kind.size - 64 * K);
    for (let i = 0; i < base.length / SECTOR; i++) {
      if (i % 37 < 12) continue;
      ids[i] = 0x8000_0000 + i;
      base.set(fill(SECTOR, ids[i]!), i * SECTOR);
    }
    writeFileSync(`${path}.raw`, base);
  }
  const under = kind.backing ? ["-b", `${path}.raw`, "-F", "raw"] : [];
  qemuImg("create", "-f", "qcow2", "-o", kind.options, ...under, path, String(kind.size));
  if (kind.snapshot) {
    ids = ids.map((_, i) => (i % 41 < 20 ? 0x8000_0000 + i : 0));
    writeFileSync(`${path}.raw`, Buffer.concat(ids.map((id) => fill(SECTOR, id))));
    qemuImg("convert", "-O", "qcow2", "-o", kind.options, `${path}.raw`, path);
    qemuImg("snapshot", "-c", "before", path);
  }
  return { image: readFileSync(path), base, ids };
}

/** Requests of which some overlap in time, and flushes, until the power fails or it is over. */
async function load(image: Image, history: History, kind: Kind, random: Random, rounds: number): Promise<number> {
  const disk = new ImageDisk(image);
  let id = 1;
  let requests = 0;
  let failed = 0;
  for (let round = 0; round < rounds && failed === 0; round++) {
    const busy: { offset: number; length: number }[] = [];
    const waits: Promise<void>[] = [];
    const run = async (request: Parameters<typeof submit>[1], complete: () => void) => {
      requests++;
      const result = await submit(disk, request);
      if (result.ok) complete();
      else failed++;
    };
    for (let i = random() % 8; i >= 0; i--) {
      const { kind: what, offset, length } = randomOperation(random, kind.size, kind.cluster);
      if (busy.some((other) => offset < other.offset + other.length && other.offset < offset + length)) continue;
      busy.push({ offset, length });
      if (what === "write") {
        const begun = history.begin(offset, length, id);
        waits.push(run({ kind: "write", offset, bytes: fill(length, id) }, begun));
        id++;
      } else if (what === "discard") {
        waits.push(run({ kind: "discard", offset, length }, history.beginDiscard(offset, length)));
      } else {
        const begun = history.begin(offset, length, 0);
        waits.push(run({ kind: "write-zeroes", offset, length, unmap: what === "unmap" }, begun));
      }
    }
    if (random() % 2 === 0) await Promise.all(waits);
    if (random() % 3 === 0) waits.push(run({ kind: "flush" }, history.beginFlush()));
    await Promise.all(waits);
  }
  return requests;
}

async function open(file: FaultyFile | FixedFile, { base }: Start): Promise<Qcow2Image> {
  const backing = base && new RawImage(new FixedFile(base, "base"));
  return Qcow2Image.open(file, backing && { backing });
}

describe.each(Object.entries(KINDS))("cuts: %s", (title, kind) => {
  const name = title.replace(/\W+/g, "-");
  const each = Math.ceil(CUTS / Object.keys(KINDS).length);

  test(`${each} of them leave every flushed write and no corruption`, async () => {
    const begin = start(name, kind);
    const path = join(dir, `${name}-cut.qcow2`);
    let leaks = 0;
    // How long loads are, to know where to cut.
    const rounds = 12;
    let calls = 0;
    let flushes = 0;
    for (let n = 0; n < 4; n++) {
      const whole = new FaultyFile(begin.image, seeded(SEED), n % 2 === 1);
      await load(await open(whole, begin), new History(begin.ids), kind, seeded(SEED + n), rounds);
      calls = Math.max(calls, whole.calls);
      flushes = Math.max(flushes, whole.flushes);
    }
    for (let n = 0; n < each; n++) {
      const seed = SEED * 100_000 + n;
      const about = `seed ${seed}`;
      const file = new FaultyFile(begin.image, seeded(seed), n % 2 === 1);
      // Half of them at any call, and half in a flush.
      if (n % 4 < 2) file.cutAt = 1 + (seeded(seed + 2)() % calls);
      else file.cutAtFlush = 1 + (seeded(seed + 2)() % flushes);
      const history = new History(begin.ids);
      await load(await open(file, begin), history, kind, seeded(seed + 1), rounds);
      const left = file.afterCut();

      writeFileSync(path, left);
      const theirs = qemuCheck(path);
      expect([0, 3], `${about}: ${theirs.text}`).toContain(theirs.status);
      const ours = await checkQcow2(new FixedFile(left));
      expect({ corruptions: ours.corruptions, leaks: ours.leaks, errors: ours.errors }, about).toEqual({
        corruptions: 0,
        leaks: theirs.leaks,
        errors: 0,
      });
      leaks += ours.leaks;
      const disk = new ImageDisk(await open(new FixedFile(left), begin));
      expect(history.fault(await content(disk)), about).toBeUndefined();
      if (kind.snapshot) expect(snapshotIds(path), about).toEqual(begin.ids);
    }
    // A cut that never leaves anything behind would test nothing.
    if (each >= 20) expect(leaks).toBeGreaterThan(0);
  });
});

/** What the snapshot holds, as QEMU reads it: a number for each sector. */
function snapshotIds(path: string): number[] {
  const raw = `${path}.snapshot`;
  qemuImg("convert", "-l", "before", "-O", "raw", path, raw);
  const bytes = readFileSync(raw);
  return Array.from({ length: bytes.length / SECTOR }, (_, i) => bytes.readUInt32LE(i * SECTOR));
}
