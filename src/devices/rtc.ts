/** The Goldfish real-time clock; its registers are described in assembly/devices/rtc.ts. */

import { type CoreAccess, CoreDevice } from "./core-device.ts";

export class Rtc extends CoreDevice {
  constructor(core: CoreAccess) {
    super(core, {
      name: "rtc",
      version: 1,
      window: "DEV_RTC",
      fields: [
        { name: "offset", offset: "RTC_OFFSET", type: "u64" },
        { name: "alarm", offset: "RTC_ALARM", type: "u64" },
        { name: "latch", offset: "RTC_LATCH", type: "u32" },
        { name: "armed", offset: "RTC_ARMED", type: "u32", max: 1 },
        { name: "pending", offset: "RTC_PENDING", type: "u32", max: 1 },
        { name: "enabled", offset: "RTC_ENABLED", type: "u32", max: 1 },
      ],
    });
  }
}
