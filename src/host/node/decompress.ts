/** What compressed clusters of disk images are read and made by. */

import * as zlib from "node:zlib";
import { decompress as unzstd } from "fzstd";
import type { Compression } from "../../disk/qcow2/header.ts";
import { zstdFrame } from "../../disk/qcow2/zstd.ts";

/** QEMU inflates with a window of this many bits, so nothing may refer to more. */
const WINDOW_BITS = 12;

/** @throws for data that aren't what they should be, or give more than `length` bytes */
export function decompress(type: Compression, data: Uint8Array, length: number): Uint8Array {
  if (type === "zlib") return zlib.inflateRawSync(data, { maxOutputLength: length });
  const frame = zstdFrame(data);
  if (!frame) throw new Error("There is no whole frame.");
  return unzstd(frame, new Uint8Array(length));
}

/** A cluster compressed by zlib as QEMU expects it, or undefined when that makes it no smaller. */
export function compress(cluster: Uint8Array): Uint8Array | undefined {
  const data = zlib.deflateRawSync(cluster, { windowBits: WINDOW_BITS });
  return data.length < cluster.length ? data : undefined;
}
