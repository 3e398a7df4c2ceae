/** The cache's images as pages load them: `image.json` and the files that it names, and an index of all. */

import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { ImageFile, ImageRecord } from "../../hypervisor/image-record.ts";
import {
  listImages,
  type Provisioned,
  type ProvisionedFirmware,
  type ProvisionedInstaller,
  type ProvisionOptions,
  provision,
} from "../../images/index.ts";
import type { Served } from "./static.ts";

/** What `index.json` has of each image. */
export interface ImageEntry {
  readonly name: string;
  readonly description: string;
}

/** Made in seconds, from a few packages; others only when they are named. */
const DEFAULT = "debian";

/** What is found below the folder of images. */
export type ImageFiles = ReadonlyMap<string, Served>;

/**
 * Provisions images and lays them out for pages.
 * @param names default: all that are here, and the one that everything else can do without
 * @throws ImageError
 */
export async function servedImages(options: ProvisionOptions, names?: readonly string[]): Promise<ImageFiles> {
  const files = new Map<string, Served>();
  const entries: ImageEntry[] = [];
  for (const { name, description, ready } of await listImages(options)) {
    if (names ? !names.includes(name) : !ready && name !== DEFAULT) continue;
    // What the cache has may be of another version's recipe; only what was named is worth making anew.
    const wanted = names !== undefined || name === DEFAULT;
    const image = await provision(name, wanted ? options : { ...options, signal: AbortSignal.abort() }).catch(
      (error: unknown) => {
        if (wanted) throw error;
      },
    );
    if (!image) continue;
    // Nothing to boot by itself, or of no use without a network and a disk to write to.
    if (image.kind === "firmware" || image.kind === "installer") continue;
    const { record, parts } = await layOut(image);
    for (const [file, path] of parts) files.set(`${name}/${file}`, { file: path });
    files.set(`${name}/image.json`, { content: `${JSON.stringify(record, null, 2)}\n` });
    entries.push({ name, description });
  }
  files.set("index.json", { content: `${JSON.stringify(entries, null, 2)}\n` });
  return files;
}

async function layOut(
  image: Exclude<Provisioned, ProvisionedFirmware | ProvisionedInstaller>,
): Promise<{ record: ImageRecord; parts: Map<string, string> }> {
  const parts = new Map<string, string>();
  const part = async (path: string): Promise<ImageFile> => {
    const file = basename(path);
    parts.set(file, path);
    return { file, size: (await stat(path)).size };
  };
  const memory = `${image.memory}M`;
  if (image.kind === "elf") return { record: { bios: "none", kernel: await part(image.path), memory }, parts };
  const kernel = await part(image.kernel);
  const initrd = await part(image.initrd);
  const disks = image.kind === "disk" ? [{ file: (await part(image.disk)).file, format: "qcow2" as const }] : [];
  return { record: { kernel, initrd, disks, append: image.append, memory }, parts };
}
