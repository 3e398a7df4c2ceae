/** The blank flash banks: no state yet (assembly/devices/pflash.ts). */

import { type CoreAccess, CoreDevice } from "./core-device.ts";

export class Pflash extends CoreDevice {
  constructor(core: CoreAccess) {
    super(core, { name: "pflash", version: 1, window: "DEV_PFLASH", fields: [] });
  }
}
