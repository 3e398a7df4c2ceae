/** Removes a VM. */

import { clonesOf } from "./clone.ts";
import { quote, VmError } from "./errors.ts";
import { lockVm, nameOf, removeFolder, type Vm } from "./store.ts";

/** Removes the folder with everything in it. @throws VmError when it runs, or clones need its disk */
export async function removeVm(vm: Vm): Promise<void> {
  // Its file goes with the folder.
  const lock = await lockVm(vm);
  try {
    const clones = await clonesOf(vm.folder);
    if (clones.length > 0) {
      const names = clones.map(nameOf).join(", ");
      throw new VmError(
        "running",
        `The VM ${quote(vm.name)} holds the base of its clones' disks (${names}); remove those first.`,
      );
    }
    removeFolder(vm.folder);
  } finally {
    lock.release();
  }
}
