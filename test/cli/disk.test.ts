/** `wardian disk`, as a user meets it. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatBytes } from "../../src/cli/commands/disk.ts";
import { parseDiskSize } from "../../src/cli/options.ts";
import { type Outcome, run, scratch, wardian } from "./run.ts";

const dir = scratch();
const at = (name: string) => join(dir, name);

async function ok(...args: string[]): Promise<Outcome> {
  const outcome = await wardian(["disk", ...args]);
  expect(outcome.stderr.replace(/^(Converting|Committing|note: .*)\n/gm, "")).toBe("");
  expect(outcome.status).toBe(0);
  return outcome;
}

test("creates disks that QEMU takes", async () => {
  expect((await ok("create", at("a.qcow2"), "1G")).stdout).toMatch(/a\.qcow2 is ready: qcow2, 1 GiB/);
  await ok("create", at("b.qcow2"), "64M", "--cluster-size", "4K", "--refcount-bits", "8", "--lazy-refcounts");
  await ok("create", at("c.img"), "3M");
  await ok("create", "--backing", at("a.qcow2"), at("over.qcow2"));
  await ok("create", "--format", "qcow2", "--backing", at("c.img"), "--backing-format", "raw", at("over-raw"), "5M");
  const info = async (name: string) => JSON.parse((await run("qemu-img", ["info", "--output=json", at(name)])).stdout);
  expect(await info("a.qcow2")).toMatchObject({ format: "qcow2", "virtual-size": 2 ** 30, "cluster-size": 65_536 });
  expect(await info("b.qcow2")).toMatchObject({
    "cluster-size": 4096,
    "format-specific": { data: { "refcount-bits": 8, "lazy-refcounts": true, compat: "1.1" } },
  });
  expect(await info("c.img")).toMatchObject({ format: "raw", "virtual-size": 3 * 2 ** 20, "actual-size": 0 });
  expect(await info("over.qcow2")).toMatchObject({
    "virtual-size": 2 ** 30,
    "backing-filename": "a.qcow2",
    "backing-filename-format": "qcow2",
  });
  expect(await info("over-raw")).toMatchObject({ "virtual-size": 5 * 2 ** 20, "backing-filename-format": "raw" });
  for (const name of ["a.qcow2", "b.qcow2", "over.qcow2", "over-raw"])
    expect((await run("qemu-img", ["check", at(name)])).status).toBe(0);
  expect(readdirSync(dir).filter((name) => name.startsWith("."))).toEqual([]);
});

test("describes them", async () => {
  await run("qemu-img", ["create", "-f", "qcow2", at("info.qcow2"), "10M"]);
  await run("qemu-img", ["snapshot", "-c", "before", at("info.qcow2")]);
  await run("qemu-img", ["create", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw", at("evil.qcow2"), "1M"]);
  const { stdout } = await ok("info", at("info.qcow2"));
  expect(stdout).toMatch(/format: +qcow2, version 3\n/);
  expect(stdout).toMatch(/capacity: +10 MiB \(10485760 bytes\)\n/);
  expect(stdout).toMatch(/snapshot: +1 "before", 20\d\d-/);
  expect((await ok("info", at("evil.qcow2"))).stdout).toMatch(/refused: +The image .* wants "\/etc\/passwd"/);
  const json = JSON.parse((await ok("info", "--json", at("evil.qcow2"))).stdout);
  expect(json).toMatchObject({
    format: "qcow2",
    size: 2 ** 20,
    qcow2: { backing: { name: "/etc/passwd", format: "raw" } },
  });
  expect(json.qcow2.backing).not.toHaveProperty("path");
});

test("converts both ways, and compresses", async () => {
  const bytes = new Uint8Array(2 ** 20);
  for (let i = 0; i < 300_000; i++) bytes[i] = (i * i) >> 7;
  writeFileSync(at("from.raw"), bytes);
  await ok("convert", at("from.raw"), at("to.qcow2"));
  await ok("convert", "--compress", at("from.raw"), at("packed.qcow2"));
  await ok("convert", at("packed.qcow2"), at("back.raw"));
  expect(Buffer.compare(readFileSync(at("back.raw")), bytes)).toBe(0);
  for (const name of ["to.qcow2", "packed.qcow2"])
    expect((await run("qemu-img", ["compare", at("from.raw"), at(name)])).status).toBe(0);
});

test("checks and repairs, with the statuses of qemu-img", async () => {
  await run("qemu-img", ["create", "-f", "qcow2", at("check.qcow2"), "10M"]);
  await run("qemu-io", ["-c", "write -P 1 0 1M", at("check.qcow2")]);
  expect((await ok("check", at("check.qcow2"))).stdout).toBe("No errors were found.\n");
  const image = readFileSync(at("check.qcow2"));
  const broken = Uint8Array.from(image);
  // The refcount of the last cluster, in the first block, and of one that doesn't exist yet.
  broken[2 * 65_536 + 2 * (image.length / 65_536 - 1) + 1] = 2;
  writeFileSync(at("check.qcow2"), broken);
  const corrupt = await wardian(["disk", "check", at("check.qcow2")]);
  expect([corrupt.status, (await run("qemu-img", ["check", at("check.qcow2")])).status]).toEqual([2, 2]);
  const json = await wardian(["disk", "check", "--json", at("check.qcow2")]);
  expect(JSON.parse(json.stdout)).toMatchObject({ leaks: 1, corruptions: 1 });
  expect((await ok("check", "--repair", "all", at("check.qcow2"))).stdout).toMatch(
    /Repaired: \d corruptions?, 1 leak\n/,
  );
  expect((await run("qemu-img", ["check", at("check.qcow2")])).status).toBe(0);
});

test("resizes, and commits an overlay, as qemu-img sees it", async () => {
  await ok("create", at("size.qcow2"), "1M");
  expect((await ok("resize", at("size.qcow2"), "10M")).stdout).toBe(
    `${at("size.qcow2")} has 10 MiB (10485760 bytes)\n`,
  );
  await ok("resize", at("size.qcow2"), "+512K");
  const sizeOf = async (name: string) =>
    JSON.parse((await run("qemu-img", ["info", "--output=json", at(name)])).stdout)["virtual-size"];
  expect(await sizeOf("size.qcow2")).toBe(10.5 * 2 ** 20);
  await ok("resize", "--shrink", at("size.qcow2"), "2M");
  expect(await sizeOf("size.qcow2")).toBe(2 * 2 ** 20);
  writeFileSync(at("size.raw"), new Uint8Array(4096).fill(7));
  await ok("resize", at("size.raw"), "8K", "--format", "raw");
  expect(readFileSync(at("size.raw"))).toEqual(Buffer.concat([Buffer.alloc(4096, 7), Buffer.alloc(4096)]));

  await ok("create", "--backing", at("size.qcow2"), at("commit.qcow2"), "3M");
  await run("qemu-io", ["-c", "write -P 5 2560K 64K", at("commit.qcow2")]);
  expect((await ok("commit", at("commit.qcow2"))).stdout).toBe(
    `${at("size.qcow2")} has what ${at("commit.qcow2")} had\n`,
  );
  const read = await run("qemu-io", ["-r", "-c", "read -P 5 2560K 64K", at("size.qcow2")]);
  expect([read.status, read.stdout]).toEqual([0, expect.not.stringContaining("failed")]);
  expect((await run("qemu-img", ["check", at("commit.qcow2")])).status).toBe(0);
});

describe("one sentence for", () => {
  test.each([
    ["a new size that is none", ["resize", at("y.qcow2"), "++1M"], /'\+\+1M' is invalid/],
    ["a size that would lose something", ["resize", at("y.qcow2"), "512K"], /use --shrink/],
    ["a commit of what stands on nothing", ["commit", at("y.qcow2")], /no backing file/],
    ["a commit of raw", ["commit", at("y.raw")], /no backing file/],
    ["no size", ["create", at("x.qcow2")], /needs a size/],
    ["a size that is none", ["create", at("x.qcow2"), "large"], /'large' is invalid/],
    ["no room for a sector", ["create", at("x.qcow2"), "100"], /multiple of 512/],
    ["a file that is there", ["create", at("y.qcow2"), "1M"], /--force/],
    ["no folder", ["create", at("none/x.qcow2"), "1M"], /does not exist/],
    ["odd clusters", ["create", at("x.qcow2"), "1M", "--cluster-size", "1536"], /power of two/],
    ["odd refcounts", ["create", at("x.qcow2"), "1M", "--refcount-bits", "3"], /1, 2, 4/],
    [
      "clusters of raw",
      ["create", "--format", "raw", at("x"), "1M", "--cluster-size", "4K"],
      /choose the format qcow2/,
    ],
    ["a backing file that isn't there", ["create", "--backing", at("nothing"), at("x.qcow2")], /does not exist/],
    ["a format that is none", ["create", "--format", "vdi", at("x"), "1M"], /vdi/],
    ["an image that isn't there", ["info", at("nothing")], /does not exist/],
    ["a check of raw", ["check", at("y.raw")], /raw/],
    ["compressed raw", ["convert", "--compress", at("y.qcow2"), at("x.raw")], /never compressed/],
    ["no command", [], /needs a command/],
  ])("%s", async (_, args, about) => {
    writeFileSync(at("y.raw"), new Uint8Array(512));
    await wardian(["disk", "create", at("y.qcow2"), "1M"]);
    const { status, stdout, stderr } = await wardian(["disk", ...args]);
    expect(stderr).toMatch(about);
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
    expect([status, stdout]).toEqual([1, ""]);
    expect(() => readFileSync(at("x.qcow2"))).toThrow();
  });
});

test("sizes", () => {
  expect([parseDiskSize("10G"), parseDiskSize("512"), parseDiskSize("1.5k")]).toEqual([10 * 2 ** 30, 512, 1536]);
  for (const text of ["", "0", "100", "-1", "1Q", "99999999999999T"]) expect(() => parseDiskSize(text), text).toThrow();
  expect([formatBytes(512), formatBytes(1536), formatBytes(2 ** 40)]).toEqual([
    "512 bytes",
    "1.5 KiB (1536 bytes)",
    "1 TiB (1099511627776 bytes)",
  ]);
});
