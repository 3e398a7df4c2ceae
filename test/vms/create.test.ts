/** A VM that is a copy of an image: its disk, at the size that was asked for, and what it is joined to. */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDisk } from "../../src/host/node/disk.ts";
import { createDisk, diskInfo } from "../../src/host/node/disk-images.ts";
import { cloneVm } from "../../src/vms/clone.ts";
import { readConfig, writeConfig } from "../../src/vms/config.ts";
import { type CreateOptions, createVm, type SourceImage } from "../../src/vms/create.ts";
import { content, done } from "../disk/qemu.ts";

const dir = mkdtempSync(join(tmpdir(), "wardian-create-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const IMAGE: SourceImage = {
  name: "made",
  memory: 256,
  kernel: join(dir, "kernel"),
  append: "console=ttyS0",
  disk: join(dir, "image.qcow2"),
};
const create = (name: string, options: Partial<CreateOptions> = {}, image = IMAGE) =>
  createVm(join(dir, name), image, { seed: {}, ...options });

beforeAll(async () => {
  writeFileSync(IMAGE.kernel!, "kernel");
  await createDisk(IMAGE.disk!, { size: 1 << 20 });
  const disk = await openDisk({ path: IMAGE.disk! });
  await done(disk, { kind: "write", offset: 4096, bytes: new Uint8Array(512).fill(7) });
  await disk.close();
  // As images in the cache may be.
  chmodSync(IMAGE.disk!, 0o444);
});

test("an image's disk is as large as it is, or larger, with what is on it", async () => {
  for (const [name, diskSize] of [
    ["same", undefined],
    ["larger", 40 << 20],
  ] as const) {
    await create(name, diskSize === undefined ? {} : { diskSize });
    const path = join(dir, name, "disk.qcow2");
    expect((await diskInfo(path)).size).toBe(diskSize ?? 1 << 20);
    expect(statSync(path).mode & 0o777).toBe(0o644);
    const disk = await openDisk({ path });
    const bytes = await content(disk);
    await disk.close();
    expect(bytes.subarray(4096, 4608).every((byte) => byte === 7)).toBe(true);
    expect(bytes.reduce((sum, byte) => sum + byte, 0)).toBe(512 * 7);
  }
  await expect(create("smaller", { diskSize: 512 << 10 })).rejects.toThrow(
    /^The disk of the image "made" has 1 MiB; give --disk-size as much or more, or leave it out\.$/,
  );
  expect(existsSync(join(dir, "smaller"))).toBe(false);
});

test("folders are seen from the VM's, and firmware of its own boots what is on the disk", async () => {
  await create("joined", {
    console: "virtio",
    shares: [{ path: join(dir, "src"), tag: "src", readOnly: true }],
    flash: IMAGE.kernel!,
    nvramTemplate: IMAGE.kernel!,
  });
  const config = await readConfig(join(dir, "joined"));
  expect(config).toMatchObject({ console: "virtio", flash: "flash.fd", nvram: "nvram.fd", network: { kind: "user" } });
  expect(config.shares).toEqual([{ path: join(dir, "src"), tag: "src", readOnly: true }]);
  expect(config).not.toHaveProperty("kernel");
  expect(config).not.toHaveProperty("append");
  expect(readFileSync(join(dir, "joined/nvram.fd"), "utf8")).toBe("kernel");
});

test("a clone has the folders in the VM's own, and leads to the others", async () => {
  await create("first");
  const folder = realpathSync(join(dir, "first"));
  mkdirSync(join(folder, "shared/deep"), { recursive: true });
  writeFileSync(join(folder, "shared/deep/file"), "here");
  symlinkSync("deep/file", join(folder, "shared/link"));
  const shares = [
    { path: "shared", tag: "in" },
    { path: "../out", tag: "out" },
  ];
  writeConfig(folder, { ...(await readConfig(folder)), shares });
  mkdirSync(join(dir, "clones"));
  await cloneVm({ name: "first", folder }, join(dir, "clones/second"), { full: true });
  const config = await readConfig(join(dir, "clones/second"));
  expect(config.shares).toEqual([shares[0], { path: "../../out", tag: "out" }]);
  expect(readFileSync(join(dir, "clones/second/shared/link"), "utf8")).toBe("here");
  expect(readlinkSync(join(dir, "clones/second/shared/link"))).toBe("deep/file");
});

test("an installer has a network unless it is to have none", async () => {
  const { disk: _, ...plain } = IMAGE;
  await create("net", {}, { ...plain, networked: true });
  await create("no-net", { network: "none" }, { ...plain, networked: true });
  expect(await readConfig(join(dir, "net"))).toMatchObject({ network: { kind: "user" } });
  expect(await readConfig(join(dir, "no-net"))).not.toHaveProperty("network");
});
