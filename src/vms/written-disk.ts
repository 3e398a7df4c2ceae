/** A disk of a VM that is to be changed as a whole. */

import { resolve } from "node:path";
import type { MachineDisk } from "../hypervisor/protocol.ts";
import { readConfig } from "./config.ts";
import { quote, VmError } from "./errors.ts";
import type { Vm } from "./store.ts";

export interface WrittenDisk {
  /** Absolute, as are those that it may have for its backing files. */
  readonly path: string;
  readonly format: MachineDisk["format"];
  readonly allowBacking: string[];
}

/**
 * Looks a disk up that a VM writes to.
 * @param index its place in the configuration, from 0
 * @param otherwise what is so of a disk that it doesn't write to, as the end of a sentence
 * @throws VmError
 */
export async function writtenDisk(vm: Vm, index: number, otherwise: string): Promise<WrittenDisk> {
  const { disks = [] } = await readConfig(vm.folder);
  const disk = disks[index];
  const name = quote(vm.name);
  if (!disk) throw new VmError("files", `The VM ${name} has no disk ${index}; it has ${disks.length}, from 0 on.`);
  if (disk.readOnly || disk.temporary) {
    const why = disk.readOnly ? "is read-only" : "is temporary, and its image only read";
    throw new VmError("files", `Disk ${index} of the VM ${name} ${why}; ${otherwise}.`);
  }
  return {
    path: resolve(vm.folder, disk.path),
    format: disk.format,
    allowBacking: (disk.allowBacking ?? []).map((allowed) => resolve(vm.folder, allowed)),
  };
}
