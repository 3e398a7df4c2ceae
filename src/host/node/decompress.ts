/** What compressed clusters of disk images are made of and read by. */

import * as zlib from "node:zlib";
import { DiskError } from "../../disk/errors.ts";
import type { Compression } from "../../disk/qcow2/header.ts";

/** QEMU inflates with a window of this many bits, so nothing may refer to more. */
const WINDOW_BITS = 12;

export function decompress(type: Compression, data: Uint8Array, length: number): Uint8Array {
  if (type === "zlib") return zlib.inflateRawSync(data, { maxOutputLength: length });
  throw new DiskError(
    "unsupported",
    "The image is compressed by zstd, which can't be read yet; convert it by qemu-img.",
  );
}

/** A cluster compressed as QEMU expects it, or undefined when that makes it no smaller. */
export function compress(cluster: Uint8Array): Uint8Array | undefined {
  const data = zlib.deflateRawSync(cluster, { windowBits: WINDOW_BITS });
  return data.length < cluster.length ? data : undefined;
}
