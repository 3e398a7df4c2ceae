/**
 * The timer and software interrupts; its registers are described in
 * assembly/devices/aclint.ts. MSIP is a line of each hart and is saved with it;
 * mtime is the machine's clock.
 */

import { type CoreAccess, CoreDevice } from "./core-device.ts";

export class Aclint extends CoreDevice {
  constructor(core: CoreAccess) {
    super(core, {
      name: "aclint",
      version: 1,
      window: "DEV_ACLINT",
      fields: [{ name: "mtimecmp", offset: "ACLINT_MTIMECMP", type: "u64", count: core.abi.MAX_HARTS ?? 0 }],
    });
  }
}
