/** Overlays over images with something in them, for commits. */

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seeded } from "../../src/fuzz/random.ts";
import { openDisk } from "../../src/host/node/disk.ts";
import { apply, asRequest, done, qemuImg, randomOperation } from "./qemu.ts";

export const K = 1024;
export const SIZE = 2048 * K;

export interface Chain {
  readonly overlay: string;
  readonly base: string;
  readonly baseFormat: "raw" | "qcow2";
  /** What the overlay holds, with all that shines through it. */
  readonly model: Uint8Array;
}

export const KINDS = {
  "qcow2 over raw": { base: "raw", cluster: 64 * K, options: "cluster_size=64k", size: SIZE },
  "qcow2 over qcow2": { base: "qcow2", cluster: 4 * K, options: "cluster_size=4k", size: SIZE },
  "a longer overlay": { base: "qcow2", cluster: 16 * K, options: "cluster_size=16k", size: SIZE + 777 * 512 },
  "a longer overlay over raw": { base: "raw", cluster: 4 * K, options: "cluster_size=4k", size: SIZE + 777 * 512 },
  "a shorter overlay": { base: "qcow2", cluster: 4 * K, options: "cluster_size=4k", size: SIZE - 99 * 512 },
  "version 2": { base: "qcow2", cluster: 4 * K, options: "compat=0.10,cluster_size=4k", size: SIZE },
} as const;

export type Kind = (typeof KINDS)[keyof typeof KINDS];

/**
 * Makes an overlay over an image over another, all with something in them.
 * @param dir   a folder, in which they get one of their own
 * @param title for that folder's name, and for what is in the images
 */
export async function chain(
  dir: string,
  title: string,
  { base: baseFormat, cluster, options, size }: Kind,
): Promise<Chain> {
  const folder = join(dir, title.replace(/\W+/g, "-"));
  mkdirSync(folder);
  const [root, base, overlay] = ["root.raw", "base.img", "overlay.qcow2"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const random = seeded(title.length);
  const rootBytes = Buffer.alloc(SIZE);
  for (let at = 0; at < SIZE; at += 512) if (random() % 2) rootBytes.fill(1 + (random() % 255), at, at + 512);
  writeFileSync(root, rootBytes);
  if (baseFormat === "raw") copyFileSync(root, base);
  else qemuImg("create", "-q", "-f", "qcow2", "-b", "root.raw", "-F", "raw", base, String(SIZE));
  let model = new Uint8Array(SIZE);
  model.set(rootBytes);
  const write = async (path: string, format: "raw" | "qcow2") => {
    const disk = await openDisk({ path, format });
    for (let n = 0; n < 30; n++) {
      const operation = randomOperation(random, disk.size, cluster);
      if (operation.kind === "discard") continue;
      apply(model, operation);
      await done(disk, asRequest(operation));
    }
    await disk.close();
  };
  await write(base, baseFormat);
  qemuImg("create", "-q", "-f", "qcow2", "-o", options, "-b", "base.img", "-F", baseFormat, overlay, String(size));
  const longer = new Uint8Array(size);
  longer.set(model.subarray(0, size));
  model = longer;
  await write(overlay, "qcow2");
  return { overlay, base, baseFormat, model };
}
