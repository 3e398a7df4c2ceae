/** Images that QEMU made and wrote are read alike here, and those written here by QEMU. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Random, seeded } from "../../src/fuzz/random.ts";
import { openDisk } from "../../src/host/node/disk.ts";
import {
  apply,
  asQemuIo,
  asRequest,
  content,
  done,
  qemuCheck,
  qemuContent,
  qemuImg,
  qemuIo,
  randomOperation,
  scratch,
} from "./qemu.ts";

const dir = scratch();
const SEED = Number(process.env.WARDIAN_DISK_SEED ?? 1);
const ROUNDS = Number(process.env.WARDIAN_DISK_ROUNDS ?? 1);

interface Kind {
  readonly cluster: number;
  readonly options: string;
  readonly size: number;
  readonly backing?: "raw" | "qcow2" | "compressed";
  /** The backing file's share of the size. */
  readonly under?: number;
}

const M = 2 ** 20;
const KINDS: Record<string, Kind> = {
  "clusters of 64K": { cluster: 65_536, options: "", size: 8 * M },
  "clusters of 512": { cluster: 512, options: "cluster_size=512", size: 1 * M },
  "clusters of 4K": { cluster: 4096, options: "cluster_size=4k", size: 4 * M },
  "clusters of 2M": { cluster: 2 * M, options: "cluster_size=2M", size: 16 * M },
  "version 2": { cluster: 65_536, options: "compat=0.10", size: 8 * M },
  "version 2 over raw": { cluster: 4096, options: "compat=0.10,cluster_size=4k", size: 4 * M, backing: "raw" },
  "lazy refcounts": { cluster: 65_536, options: "lazy_refcounts=on", size: 8 * M },
  "refcounts of 1 bit": { cluster: 512, options: "cluster_size=512,refcount_bits=1", size: 1 * M },
  "refcounts of 2 bits": { cluster: 1024, options: "cluster_size=1k,refcount_bits=2", size: 2 * M },
  "refcounts of 4 bits": { cluster: 4096, options: "cluster_size=4k,refcount_bits=4", size: 4 * M },
  "refcounts of 8 bits": { cluster: 4096, options: "cluster_size=4k,refcount_bits=8", size: 4 * M },
  "refcounts of 32 bits": { cluster: 512, options: "cluster_size=512,refcount_bits=32", size: 1 * M },
  "refcounts of 64 bits": { cluster: 512, options: "cluster_size=512,refcount_bits=64", size: 2 * M },
  "metadata preallocated": { cluster: 65_536, options: "preallocation=metadata", size: 8 * M },
  "all preallocated": { cluster: 65_536, options: "preallocation=full", size: 4 * M },
  "a raw backing file": { cluster: 65_536, options: "", size: 8 * M, backing: "raw" },
  "a qcow2 backing file": { cluster: 65_536, options: "", size: 8 * M, backing: "qcow2" },
  "a compressed backing file": { cluster: 65_536, options: "", size: 8 * M, backing: "compressed" },
  "a shorter backing file": {
    cluster: 16_384,
    options: "cluster_size=16k",
    size: 8 * M,
    backing: "qcow2",
    under: 0.37,
  },
  "an odd capacity": { cluster: 65_536, options: "", size: 5 * M + 512 * 77, backing: "raw", under: 0.9 },
};

/** Makes an image by qemu-img, its backing file full of random writes. */
function make(name: string, kind: Kind, random: Random): { path: string; model: Uint8Array } {
  const path = join(dir, `${name}.qcow2`);
  const model = new Uint8Array(kind.size);
  const args: string[] = kind.options === "" ? [] : ["-o", kind.options];
  if (kind.backing) {
    const size = Math.floor((kind.size * (kind.under ?? 1)) / 512) * 512;
    for (let offset = 0; offset < size; ) {
      const length = Math.min(size - offset, 512 * (1 + (random() % 400)));
      model.fill(random() % 3 === 0 ? 0 : random() % 256, offset, offset + length);
      offset += length;
    }
    const raw = join(dir, `${name}.base.raw`);
    writeFileSync(raw, model.subarray(0, size));
    let base = raw;
    if (kind.backing !== "raw") {
      base = join(dir, `${name}.base.qcow2`);
      qemuImg("convert", "-O", "qcow2", ...(kind.backing === "compressed" ? ["-c"] : []), raw, base);
    }
    args.push("-b", base, "-F", kind.backing === "raw" ? "raw" : "qcow2");
  }
  qemuImg("create", "-f", "qcow2", ...args, path, String(kind.size));
  return { path, model };
}

/** Discarded ranges are taken over as they are read; all else must agree. */
function takeOver(model: Uint8Array, found: Uint8Array, ranges: readonly { offset: number; length: number }[]): void {
  for (const { offset, length } of ranges) model.set(found.subarray(offset, offset + length), offset);
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return Math.min(a.length, b.length);
  return Buffer.compare(a, b) === 0 ? -1 : a.findIndex((byte, i) => byte !== b[i]);
}

describe.each(Object.entries(KINDS))("%s", (name, kind) => {
  test.each([...Array(ROUNDS).keys()])("written by QEMU and here in turn, round %i", async (round) => {
    const random = seeded(SEED * 1000 + round);
    const { path, model } = make(`${name.replace(/\W+/g, "-")}-${round}`, kind, random);
    for (let turn = 0; turn < 6; turn++) {
      const operations = Array.from({ length: 40 }, () => randomOperation(random, kind.size, kind.cluster));
      const discarded = operations.filter((operation) => operation.kind === "discard");
      for (const operation of operations) apply(model, operation);
      let found: Uint8Array;
      if (turn % 2 === 0) {
        qemuIo(path, "qcow2", operations.map(asQemuIo));
        const disk = await openDisk({ path, readOnly: true, allowBacking: [dir] });
        found = await content(disk);
        await disk.close();
      } else {
        const disk = await openDisk({ path });
        for (const operation of operations) {
          await done(disk, asRequest(operation));
          if (random() % 10 === 0) await done(disk, { kind: "flush" });
        }
        found = await content(disk);
        await disk.close();
        const byQemu = qemuContent(path, "qcow2", `${path}.content`);
        expect(firstDifference(found, byQemu), "QEMU reads what is read here").toBe(-1);
        const check = qemuCheck(path);
        expect(check.status, check.text).toBe(0);
      }
      takeOver(model, found, discarded);
      // A discarded range may have been written afterwards: replay what came later.
      const from = operations.findIndex((operation) => operation.kind === "discard");
      if (from >= 0) {
        for (const operation of operations.slice(from)) apply(model, operation);
        takeOver(model, found, lastDiscarded(operations));
      }
      expect(firstDifference(found, model), `content after turn ${turn}`).toBe(-1);
    }
  });
});

/** The parts of discarded ranges, by sector, that nothing has written since. */
function lastDiscarded(
  operations: readonly ReturnType<typeof randomOperation>[],
): { offset: number; length: number }[] {
  const sectors = new Set<number>();
  for (const { kind, offset, length } of operations)
    for (let at = offset; at < offset + length; at += 512) {
      if (kind === "discard") sectors.add(at);
      else sectors.delete(at);
    }
  return [...sectors].map((offset) => ({ offset, length: 512 }));
}
