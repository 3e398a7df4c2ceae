/** The interrupt controller; its registers are described in assembly/devices/plic.ts. */

import { type CoreAccess, CoreDevice, type Field } from "./core-device.ts";

export class Plic extends CoreDevice {
  constructor(core: CoreAccess) {
    const sources = core.abi.PLIC_SOURCES ?? 0;
    const contexts = core.abi.PLIC_CONTEXTS ?? 0;
    const words = Math.floor(sources / 32) + 1;
    const list = (name: string, offset: string, count: number, max?: number): Field =>
      max === undefined ? { name, offset, type: "u32", count } : { name, offset, type: "u32", count, max };
    super(core, {
      name: "plic",
      version: 1,
      window: "DEV_PLIC",
      fields: [
        list("priority", "PLIC_PRIORITY", sources + 1, 7),
        list("pending", "PLIC_PENDING", words),
        list("level", "PLIC_LEVEL", words),
        list("claimed", "PLIC_CLAIMED", words),
        list("enable", "PLIC_ENABLE", contexts * words),
        list("threshold", "PLIC_THRESHOLD", contexts, 7),
      ],
    });
  }

  /** Bits that stand for no source would never go away. */
  protected override check(state: unknown): (number | bigint)[][] {
    const values = super.check(state);
    const sources = this.constant("PLIC_SOURCES");
    const words = Math.floor(sources / 32) + 1;
    const last = 2 ** ((sources % 32) + 1);
    for (const list of values.slice(1, 5))
      list.forEach((word, i) => {
        if (i % words === 0 && Number(word) % 2 === 1) this.refuse("has source 0 in use");
        if (i % words === words - 1 && Number(word) >= last) this.refuse(`has a source past ${sources} in use`);
      });
    return values;
  }
}
