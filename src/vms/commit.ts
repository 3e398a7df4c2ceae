/** Commits the overlay that is a VM's disk: by its control socket while it runs, else in its files. */

import { type CommitDiskOptions, commitDisk, diskInfo } from "../host/node/disk-images.ts";
import { askCommit } from "./control/client.ts";
import { lockVm, type Vm, vmHolder } from "./store.ts";
import { writtenDisk } from "./written-disk.ts";

/**
 * Writes what a disk's overlay holds to its backing file, and empties the overlay.
 * @param index    the disk's place in the configuration, from 0
 * @param options  of a VM that doesn't run
 * @returns the backing file's path
 * @throws VmError and DiskError; the signal's reason
 */
export async function commitVmDisk(
  vm: Vm,
  index: number,
  options: Pick<CommitDiskOptions, "progress" | "signal"> = {},
): Promise<string> {
  const { path, format, allowBacking } = await writtenDisk(vm, index, "it holds nothing to commit");
  if (vmHolder(vm)?.settled) {
    await askCommit(vm, index);
    const { qcow2 } = await diskInfo(path, { ...(format && { format }), allowBacking });
    return qcow2?.backing?.path ?? path;
  }
  const lock = await lockVm(vm);
  try {
    return await commitDisk(path, { ...options, ...(format && { format }), allowBacking });
  } finally {
    lock.release();
  }
}
