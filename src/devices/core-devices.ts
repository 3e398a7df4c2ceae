/** All devices that live in the core, in the order in which they are saved and loaded. */

import { Aclint } from "./aclint.ts";
import type { CoreAccess } from "./core-device.ts";
import type { Device } from "./device.ts";
import { Pflash } from "./pflash.ts";
import { Plic } from "./plic.ts";
import { Rtc } from "./rtc.ts";
import { Syscon } from "./syscon.ts";
import { Uart } from "./uart.ts";

export function coreDevices(core: CoreAccess): Device[] {
  const flash = [new Pflash(core, 0), new Pflash(core, 1)];
  return [new Syscon(core), new Rtc(core), new Aclint(core), new Plic(core), new Uart(core), ...flash];
}
