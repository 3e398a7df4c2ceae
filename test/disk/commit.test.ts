/** `commit`: what an overlay has goes to the image under it, as by qemu-img; nothing is lost on the way. */

import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { commitOverlay } from "../../src/disk/commit.ts";
import { ImageDisk } from "../../src/disk/disk.ts";
import { checkQcow2 } from "../../src/disk/qcow2/check.ts";
import { Qcow2Image } from "../../src/disk/qcow2/image.ts";
import { seeded } from "../../src/fuzz/random.ts";
import { openDisk } from "../../src/host/node/disk.ts";
import { commitDisk, diskInfo, resizeDisk } from "../../src/host/node/disk-images.ts";
import { chain, KINDS, SIZE } from "./chain.ts";
import { FaultyFile, FixedFile } from "./faulty-file.ts";
import { content, qemuCheck, qemuContent, qemuImg, scratch } from "./qemu.ts";

const dir = scratch();
describe.each(Object.entries(KINDS))("%s", (title, kind) => {
  test("as qemu-img commit", async () => {
    const { overlay, base, baseFormat, model } = await chain(dir, title, kind);
    const folder = join(dir, `${title.replace(/\W+/g, "-")}-theirs`);
    mkdirSync(folder);
    for (const name of ["root.raw", "base.img", "overlay.qcow2"])
      copyFileSync(join(overlay, "..", name), join(folder, name));
    const [theirOverlay, theirBase] = [join(folder, "overlay.qcow2"), join(folder, "base.img")];

    expect(await commitDisk(overlay)).toBe(base);
    qemuImg("commit", "-q", theirOverlay);

    const raw = join(folder, "content");
    expect(Buffer.compare(qemuContent(base, baseFormat, raw), qemuContent(theirBase, baseFormat, raw))).toBe(0);
    expect(Buffer.compare(qemuContent(base, baseFormat, raw).subarray(0, model.length), model)).toBe(0);
    expect(Buffer.compare(qemuContent(overlay, "qcow2", raw), model)).toBe(0);
    for (const path of baseFormat === "raw" ? [overlay] : [overlay, base]) {
      const check = qemuCheck(path);
      expect(check.status, check.text).toBe(0);
    }
    // Nothing is left in it.
    const map = JSON.parse(qemuImg("map", "--output=json", overlay)) as { depth: number }[];
    expect(map.every(({ depth }) => depth > 0)).toBe(true);
    // Twice is once.
    expect(await commitDisk(overlay)).toBe(base);
    expect(Buffer.compare(qemuContent(overlay, "qcow2", raw), model)).toBe(0);
  });
});

test("compressed clusters are committed", async () => {
  const folder = join(dir, "compressed");
  mkdirSync(folder);
  const [base, source, overlay] = [join(folder, "base.raw"), join(folder, "source.raw"), join(folder, "o.qcow2")];
  writeFileSync(base, Buffer.alloc(SIZE, 1));
  const text = Buffer.alloc(SIZE, "many words ");
  writeFileSync(source, text);
  qemuImg("convert", "-c", "-O", "qcow2", "-B", base, "-F", "raw", source, overlay);
  await commitDisk(overlay);
  expect(Buffer.compare(readFileSync(base), text)).toBe(0);
});

describe("refuses, and changes nothing, with", () => {
  const make = (name: string): [string, string] => {
    const folder = join(dir, name);
    mkdirSync(folder);
    const [base, overlay] = [join(folder, "base.qcow2"), join(folder, "overlay.qcow2")];
    qemuImg("create", "-q", "-f", "qcow2", base, "1M");
    qemuImg("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", overlay);
    return [base, overlay];
  };

  test("no backing file", async () => {
    const [base] = make("alone");
    await expect(commitDisk(base)).rejects.toThrow(/has no backing file that it could be committed to\.$/);
  });

  test("snapshots in the overlay", async () => {
    const [, overlay] = make("snapshots");
    qemuImg("snapshot", "-c", "now", overlay);
    await expect(commitDisk(overlay)).rejects.toThrow(/has snapshots, which would change .*\.$/);
  });

  test("a base that may not be written", async () => {
    const [base, overlay] = make("kept");
    chmodSync(base, 0o444);
    await expect(commitDisk(overlay)).rejects.toThrow(/may not be written, since others may stand on it; .*\.$/);
  });

  test("a base or an overlay in use", async () => {
    const [base, overlay] = make("used");
    for (const path of [base, overlay]) {
      const disk = await openDisk({ path, readOnly: path === base });
      await expect(commitDisk(overlay)).rejects.toThrow(/in use/);
      await disk.close();
    }
    // Of another overlay of the same base as well.
    const other = `${overlay}.other`;
    qemuImg("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", other);
    const disk = await openDisk({ path: other });
    await expect(commitDisk(overlay)).rejects.toThrow(/in use/);
    await disk.close();
    await commitDisk(overlay);
  });

  test("a base in another folder, unless it is allowed", async () => {
    const [base] = make("elsewhere");
    mkdirSync(join(dir, "here"));
    const overlay = join(dir, "here", "stranger.qcow2");
    qemuImg("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay);
    await expect(commitDisk(overlay)).rejects.toThrow(/in another folder/);
    expect(await commitDisk(overlay, { allowBacking: [base] })).toBe(base);
    await resizeDisk(overlay, 3 << 20, { allowBacking: [base] });
    await commitDisk(overlay, { allowBacking: [base] });
    expect((await diskInfo(base)).size).toBe(3 << 20);
  });
});

test("when the power fails, the overlay has all that it had, or the base has", async () => {
  const { overlay, base, model } = await chain(dir, "cuts", { ...KINDS["qcow2 over qcow2"], base: "raw" });
  const [baseBytes, overlayBytes] = [readFileSync(base), readFileSync(overlay)];
  // Raw is qcow2 without tables; both files fail at the same moment.
  const qcow2Base = join(dir, "cuts-base.qcow2");
  qemuImg("convert", "-O", "qcow2", base, qcow2Base);
  const images = { base: readFileSync(qcow2Base), overlay: overlayBytes };
  expect(baseBytes.length).toBe(SIZE);
  const run = async (files: { base: FaultyFile; overlay: FaultyFile }) => {
    const under = await Qcow2Image.open(files.base);
    const over = await Qcow2Image.open(files.overlay, { backing: under });
    await commitOverlay(over, under);
    await over.close();
  };
  const made = (seed: number) => ({
    base: new FaultyFile(images.base, seeded(seed), seed % 2 === 0),
    overlay: new FaultyFile(images.overlay, seeded(seed + 1), seed % 2 === 0),
  });
  const whole = made(1);
  await run(whole);
  const emptied: boolean[] = [];
  for (const which of ["base", "overlay"] as const) {
    const { calls } = whole[which];
    for (let cut = 1; cut <= calls + 1; cut += Math.ceil(calls / 20)) {
      const files = made(cut + 1);
      files[which].cutAt = cut;
      await run(files).catch(() => {});
      const left = { base: files.base.afterCut(), overlay: files.overlay.afterCut() };
      for (const [name, bytes] of Object.entries(left)) {
        const { corruptions, errors } = await checkQcow2(new FixedFile(bytes));
        expect({ corruptions, errors }, `${name}, cut ${cut} of ${which}`).toEqual({ corruptions: 0, errors: 0 });
      }
      const under = await Qcow2Image.open(new FixedFile(left.base));
      const over = await Qcow2Image.open(new FixedFile(left.overlay), { backing: under });
      expect(Buffer.compare(await content(new ImageDisk(over)), model), `cut ${cut} of ${which}`).toBe(0);
      emptied.push((await over.ownExtent(0, SIZE)).length === SIZE);
    }
  }
  expect(new Set(emptied).size).toBe(2);
});
