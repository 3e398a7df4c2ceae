/** `convert` against QEMU: what either makes, the other finds identical. */

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { seeded } from "../../src/fuzz/random.ts";
import { openDisk } from "../../src/host/node/disk.ts";
import { checkDisk, convertDisk } from "../../src/host/node/disk-images.ts";
import { content, done, qemuCheck, qemuImg, scratch } from "./qemu.ts";

const dir = scratch();

/** A disk with text, noise, holes and an end that is no whole cluster. */
function source(): string {
  const path = join(dir, "source.raw");
  const random = seeded(5);
  const bytes = new Uint8Array(5 * 2 ** 20 + 512 * 5);
  for (let at = 0; at < bytes.length; ) {
    const length = 512 * (1 + (random() % 300));
    const kind = random() % 3;
    const part = bytes.subarray(at, at + length);
    if (kind === 1) for (let i = 0; i < part.length; i++) part[i] = 97 + ((i * i) % 7) + (random() % 3);
    if (kind === 2) for (let i = 0; i < part.length; i++) part[i] = random();
    at += length;
  }
  writeFileSync(path, bytes);
  return path;
}

const RAW = source();
const RAW_BYTES = readFileSync(RAW);

test.each([
  ["zlib", 65_536],
  ["zlib", 512],
  ["zlib", 2 ** 21],
  ["zstd", 65_536],
  ["zstd", 4096],
  ["zstd", 2 ** 21],
])("reads what qemu-img has compressed by %s in clusters of %i", async (type, cluster) => {
  const path = join(dir, `compressed-${type}-${cluster}.qcow2`);
  qemuImg("convert", "-c", "-O", "qcow2", "-o", `compression_type=${type},cluster_size=${cluster}`, RAW, path);
  const disk = await openDisk({ path });
  expect(Buffer.compare(await content(disk), RAW_BYTES)).toBe(0);
  // Writing to compressed clusters copies them.
  await done(disk, { kind: "write", offset: 4096, bytes: new Uint8Array(1024).fill(1) });
  await disk.close();
  const check = qemuCheck(path);
  expect(check.status, check.text).toBe(0);
  qemuImg("convert", "-O", "raw", path, `${path}.raw`);
  const wanted = Uint8Array.from(RAW_BYTES).fill(1, 4096, 5120);
  expect(Buffer.compare(readFileSync(`${path}.raw`), wanted)).toBe(0);
});

test.each([
  ["qcow2", {}],
  ["qcow2", { compress: true }],
  ["qcow2", { compress: true, clusterSize: 512 }],
  ["qcow2", { compress: true, clusterSize: 4096 }],
  ["qcow2", { compress: true, clusterSize: 2 ** 21 }],
  ["raw", {}],
] as const)("makes %s %o that QEMU finds identical", async (to, options) => {
  const path = join(dir, `made.${to}`);
  const steps: number[] = [];
  await convertDisk(RAW, path, { to, force: true, ...options, progress: (so) => steps.push(so) });
  expect(steps.at(-1)).toBe(RAW_BYTES.length);
  qemuImg("compare", RAW, path);
  if (to === "raw") {
    expect(statSync(path).blocks * 512).toBeLessThan(RAW_BYTES.length * 0.8);
    return;
  }
  const check = qemuCheck(path);
  expect(check.status, check.text).toBe(0);
  expect(await checkDisk(path)).toMatchObject({ corruptions: 0, leaks: 0, errors: 0 });
  const back = join(dir, "back.raw");
  await convertDisk(path, back, { force: true });
  expect(Buffer.compare(readFileSync(back), RAW_BYTES)).toBe(0);
});

test("joins a chain of images into one", async () => {
  const base = join(dir, "base.qcow2");
  const over = join(dir, "over.qcow2");
  await convertDisk(RAW, base);
  qemuImg("create", "-f", "qcow2", "-b", base, "-F", "qcow2", over, "12M");
  const disk = await openDisk({ path: over });
  await done(disk, { kind: "write", offset: 1024, bytes: new Uint8Array(512).fill(3) });
  await done(disk, { kind: "write-zeroes", offset: 2 ** 20, length: 2 ** 20, unmap: true });
  await disk.close();
  const flat = join(dir, "flat.qcow2");
  await convertDisk(over, flat);
  qemuImg("compare", over, flat);
  expect(JSON.parse(qemuImg("info", "--output=json", flat))).not.toHaveProperty("backing-filename");
});

test("leaves nothing when it is given up, and replaces only when told", async () => {
  const path = join(dir, "given-up.qcow2");
  const reason = new Error("enough");
  const abort = new AbortController();
  const progress = () => abort.abort(reason);
  await expect(convertDisk(RAW, path, { signal: abort.signal, progress })).rejects.toBe(reason);
  expect(() => statSync(path)).toThrow(/ENOENT/);
  await convertDisk(RAW, path);
  await expect(convertDisk(RAW, path)).rejects.toThrow(/already; use --force/);
  const disk = await openDisk({ path });
  await expect(convertDisk(RAW, path, { force: true })).rejects.toThrow(/in use/);
  await disk.close();
  await convertDisk(RAW, path, { force: true });
});
