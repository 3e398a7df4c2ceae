/** The test finisher: its state is the machine's exit (assembly/devices/syscon.ts). */

import { type CoreAccess, CoreDevice } from "./core-device.ts";

export class Syscon extends CoreDevice {
  constructor(core: CoreAccess) {
    super(core, {
      name: "syscon",
      version: 1,
      window: "DEV_MACHINE",
      fields: [
        { name: "exit", offset: "M_EXIT", type: "u32", max: core.abi.EXIT_CRASH ?? 0 },
        { name: "code", offset: "M_EXIT_CODE", type: "u32" },
      ],
    });
  }
}
