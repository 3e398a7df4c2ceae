/** Changes the size of a VM's disk: by its control socket while it runs, else in its image. */

import { resolve } from "node:path";
import { diskInfo, resizeDisk } from "../host/node/disk-images.ts";
import { readConfig } from "./config.ts";
import { askResize } from "./control/client.ts";
import { quote, VmError } from "./errors.ts";
import { lockVm, type Vm, vmHolder } from "./store.ts";

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
  const { disks = [] } = await readConfig(vm.folder);
  const disk = disks[index];
  const name = quote(vm.name);
  if (!disk) throw new VmError("files", `The VM ${name} has no disk ${index}; it has ${disks.length}, from 0 on.`);
  if (disk.readOnly || disk.temporary) {
    const why = disk.readOnly ? "is read-only" : "is temporary, and its image only read";
    throw new VmError("files", `Disk ${index} of the VM ${name} ${why}; it stays as large as it is.`);
  }
  const path = resolve(vm.folder, disk.path);
  const format = disk.format && { format: disk.format };
  const allowBacking = (disk.allowBacking ?? []).map((allowed) => resolve(vm.folder, allowed));
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
