/** Disks in pages: images on servers and files of the user's, which are only read, with an overlay in memory. */

import { decompress as unzstd } from "fzstd";
import type { BlockFile } from "../../backends/block-file.ts";
import type { Disk, DiskOptions } from "../../backends/disk.ts";
import { ImageDisk } from "../../disk/disk.ts";
import { DiskError, quote } from "../../disk/errors.ts";
import type { Image } from "../../disk/image.ts";
import { MemoryFile } from "../../disk/memory-file.ts";
import { type ImageSource, openImage } from "../../disk/open.ts";
import { createQcow2 } from "../../disk/qcow2/create.ts";
import type { Compression } from "../../disk/qcow2/header.ts";
import { Qcow2Image } from "../../disk/qcow2/image.ts";
import { zstdFrame } from "../../disk/qcow2/zstd.ts";
import { UrlFile } from "./url-file.ts";

/** A disk by the URL of its image or, without one, by a file. */
export interface PageDiskOptions extends DiskOptions {
  readonly file?: Blob;
}

/** Memory that an overlay may take, in bytes; then the guest waits for room that never comes. */
const OVERLAY_LIMIT = 2 ** 31;

/** Opens a disk. @throws DiskError */
export async function openDisk(options: PageDiskOptions): Promise<Disk> {
  const { path, file, format, readOnly } = options;
  const source: ImageSource = {
    decompress,
    openBacking: (name, by) => openBacking(name, by, options),
  };
  const image = await openImage(file ? new BlobFile(file, path) : await UrlFile.open(path), format, source);
  return new ImageDisk(readOnly === true ? image : await overlay(image));
}

/** An image in front of another that takes all writes, and goes with its machine. */
async function overlay(under: Image): Promise<Image> {
  try {
    const file = new MemoryFile("what the guest has written", OVERLAY_LIMIT);
    await createQcow2(file, { size: under.size });
    return await Qcow2Image.open(file, { backing: under });
  } catch (error) {
    await under.close();
    throw error;
  }
}

/** Images come from somewhere: one may name what is beside it, or what its user has allowed. */
async function openBacking(name: string, by: string, { file, allowBacking = [] }: PageDiskOptions): Promise<BlockFile> {
  const forbidden = (why: string) =>
    new DiskError("forbidden", `The image ${quote(by)} wants ${quote(name)} for its backing file, ${why}.`);
  if (file) throw forbidden("and a page can't open that by itself; convert the image by qemu-img");
  const url = new URL(name, by);
  const allowed = [".", ...allowBacking].some((prefix) => {
    const { href } = new URL(prefix, by);
    return href.endsWith("/") ? url.href.startsWith(href) : url.href === href;
  });
  if (!allowed) throw forbidden("which is not in its folder; if you trust the image, allow that by allowBacking");
  return UrlFile.open(url.href);
}

async function decompress(type: Compression, data: Uint8Array, length: number): Promise<Uint8Array> {
  if (type === "zstd") {
    const frame = zstdFrame(data);
    if (!frame) throw new Error("There is no whole frame.");
    return unzstd(frame, new Uint8Array(length));
  }
  const stream = new Blob([data as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream("deflate-raw"));
  const cluster = new Uint8Array(length);
  const reader = stream.getReader();
  for (let at = 0; at < length; ) {
    const { done, value } = await reader.read();
    if (done || at + value.length > length) throw new Error("a cluster has another length");
    cluster.set(value, at);
    at += value.length;
  }
  // Behind its data is rubbish, by which the stream ends badly.
  reader.cancel().catch(() => {});
  return cluster;
}

/** A file that the user has chosen. */
class BlobFile implements BlockFile {
  readonly readOnly = true;
  readonly name: string;
  readonly size: number;
  readonly #blob: Blob;

  constructor(blob: Blob, name: string) {
    this.#blob = blob;
    this.name = name;
    this.size = blob.size;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    let bytes: ArrayBuffer;
    try {
      bytes = await this.#blob.slice(offset, offset + into.length).arrayBuffer();
    } catch {
      throw new DiskError("io", `The file ${quote(this.name)} has changed or is gone; choose it again.`);
    }
    into.set(new Uint8Array(bytes));
    into.fill(0, bytes.byteLength);
  }

  write(): never {
    throw new DiskError("read-only", `The file ${quote(this.name)} is only read.`);
  }

  truncate(): never {
    return this.write();
  }

  flush(): void {}

  punchHole(): boolean {
    return false;
  }

  close(): void {}
}
