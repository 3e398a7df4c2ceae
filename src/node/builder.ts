/** The machine in which images' disks are finished, for src/images. */

import type { EngineName } from "../core/engine.ts";
import { createQcow2 } from "../disk/qcow2/create.ts";
import { Qcow2Image } from "../disk/qcow2/image.ts";
import { NodeBlockFile } from "../host/node/block-file.ts";
import { type Machine, MachineError } from "../hypervisor/machine.ts";
import type { BuilderSpec, DiskBuilder } from "../images/index.ts";

/** What of a machine's options is needed. */
interface Options extends Omit<BuilderSpec, "memory"> {
  memory: string;
  engine: EngineName;
}

/** @param create makes a machine */
export function diskBuilder(create: (options: Options) => Promise<Machine>): DiskBuilder {
  return {
    async createDisk(path, size, pieces) {
      const file = NodeBlockFile.open(path, { readOnly: false, create: true });
      await createQcow2(file, { size });
      const image = await Qcow2Image.open(file, {});
      try {
        for (const { offset, bytes } of pieces) await image.write(offset, bytes);
      } finally {
        await image.close();
      }
    },
    async start({ kernel, initrd, append, memory, disks }) {
      const vm = await create({ kernel, initrd, append, memory: `${memory}M`, engine: "jit", disks });
      // It would stand still until there is room: nobody may be there to make some.
      const full = new Promise<never>((_, reject) => {
        vm.on("paused", (message) => reject(new MachineError(message)));
      });
      full.catch(() => {});
      await vm.start();
      return {
        async exec(command, output, errors) {
          const ended = vm.exec(command, { stdout: output, stderr: errors });
          ended.catch(() => {});
          return (await Promise.race([ended, full])).status;
        },
        stop: () => vm.stop(),
      };
    },
  };
}
