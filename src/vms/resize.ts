/** Changes the size of a VM's disk: by its control socket while it runs, else in its image. */

import { diskInfo, resizeDisk } from "../host/node/disk-images.ts";
import { askResize } from "./control/client.ts";
import { lockVm, type Vm, vmHolder } from "./store.ts";
import { writtenDisk } from "./written-disk.ts";

export interface ResizeOptions {
  /** Its place in the configuration, from 0. */
  readonly disk: number;
  /** Gives the new size in bytes from the present one. */
  readonly size: (present: number) => number;
  /** Let it become smaller, of a VM that doesn't run. */
  readonly shrink: boolean;
}

/**
 * Changes a disk's size; a guest that runs is told.
 * @returns the new size in bytes
 * @throws VmError and DiskError
 */
export async function resizeVmDisk(vm: Vm, { disk: index, size, shrink }: ResizeOptions): Promise<number> {
  const { path, format: known, allowBacking } = await writtenDisk(vm, index, "it stays as large as it is");
  const format = known && { format: known };
  if (vmHolder(vm)?.settled) {
    const wanted = size((await diskInfo(path, { ...format })).size);
    await askResize(vm, index, wanted);
    return wanted;
  }
  const lock = await lockVm(vm);
  try {
    return await resizeDisk(path, size, { ...format, allowBacking, shrink });
  } finally {
    lock.release();
  }
}
