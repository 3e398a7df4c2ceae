/** Requests to a disk as calls that are waited for. */

import type { Disk, DiskRequest, DiskResult } from "../../src/backends/disk.ts";

export function submit(disk: Disk, request: DiskRequest): Promise<DiskResult> {
  return new Promise((resolve) => disk.submit(request, resolve));
}

/** As submit, but a failure is thrown. */
export async function done(disk: Disk, request: DiskRequest): Promise<Uint8Array> {
  const result = await submit(disk, request);
  if (!result.ok) throw new Error(`${request.kind}: ${result.reason}: ${result.message}`);
  return result.bytes;
}

/** All of a disk, read in pieces of odd lengths. */
export async function content(disk: Disk): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.size);
  for (let offset = 0; offset < disk.size; offset += 77_824) {
    const length = Math.min(77_824, disk.size - offset);
    bytes.set(await done(disk, { kind: "read", offset, length }), offset);
  }
  return bytes;
}
