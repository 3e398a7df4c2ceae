/** Disks of images that keep what their guests write: qcow2 files over an image in the cache. */

import { rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { createQcow2 } from "../disk/qcow2/create.ts";
import { readHeader } from "../disk/qcow2/header.ts";
import { NodeBlockFile } from "../host/node/block-file.ts";

/**
 * The folder of the image that a disk stands on.
 * @returns undefined when there is no such file, or it stands on nothing
 * @throws DiskError when it is no qcow2 file
 */
export async function baseOf(path: string): Promise<string | undefined> {
  if ((await stat(path).catch(() => undefined)) === undefined) return undefined;
  const file = NodeBlockFile.open(path, { readOnly: true });
  try {
    const { backing } = await readHeader(file);
    return backing && dirname(resolve(dirname(path), backing.name));
  } finally {
    file.close();
  }
}

/** Makes a disk that is as its image is until it is written to; it appears whole or not at all. @throws DiskError */
export async function createOver(path: string, base: { disk: string; size: number }): Promise<void> {
  const aside = `${path}.new-${process.pid}`;
  const file = NodeBlockFile.open(aside, { readOnly: false, create: true });
  try {
    await createQcow2(file, { size: base.size, backing: { name: base.disk, format: "qcow2" } });
    file.close();
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}
