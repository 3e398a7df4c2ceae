/**
 * The flash banks; their registers are described in assembly/devices/pflash.ts.
 * What they hold is memory, and saved with the machine's pages.
 */

import { type CoreAccess, CoreDevice, type Field } from "./core-device.ts";

/** What a bank may read as: the array, or one of the commands that leave it readable otherwise. */
const COMMANDS = new Set([0, 0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98, 0xe8]);

const BANK: readonly Field[] = [
  { name: "command", offset: "PF_COMMAND", type: "u32", max: 0xe8 },
  { name: "cycle", offset: "PF_CYCLE", type: "u32", max: 3 },
  { name: "status", offset: "PF_STATUS", type: "u32", max: 0xff },
  { name: "count", offset: "PF_COUNT", type: "u32", max: 0xffff },
  { name: "at", offset: "PF_AT", type: "u32" },
  { name: "locked", offset: "PF_LOCKED", type: "u32", max: 1 },
];

/** One of the two banks. */
export class Pflash extends CoreDevice {
  readonly #bank: number;

  constructor(core: CoreAccess, bank: 0 | 1) {
    super(core, { name: `pflash${bank}`, version: 1, window: "DEV_PFLASH", fields: BANK });
    this.#bank = bank;
  }

  override save() {
    const at = this.#buffer();
    return { ...super.save(), buffer: new Uint8Array(this.core.memory.buffer).slice(at, at + this.#size) };
  }

  override load(state: unknown): void {
    const buffer = typeof state === "object" && state !== null ? (state as Record<string, unknown>).buffer : undefined;
    if (!(buffer instanceof Uint8Array) || buffer.length !== this.#size)
      this.refuse(`needs its buffer of ${this.#size} bytes`);
    super.load(state);
    new Uint8Array(this.core.memory.buffer).set(buffer, this.#buffer());
  }

  protected override check(state: unknown): (number | bigint)[][] {
    const values = super.check(state);
    const value = (name: string) => Number(values[BANK.findIndex((field) => field.name === name)]![0]);
    if (!COMMANDS.has(value("command"))) this.refuse("is in the middle of a command that there isn't");
    const at = value("at");
    if (at % this.#size !== 0 || at >= this.constant("FLASH_BANK"))
      this.refuse("has its buffer at a place that can't be");
    return values;
  }

  protected override address(field: Field): number {
    return super.address(field) + this.#bank * this.constant("PF_BANK");
  }

  get #size(): number {
    return this.constant("PF_BUFFER_SIZE");
  }

  #buffer(): number {
    return this.constant("DEV_PFLASH") + this.#bank * this.constant("PF_BANK") + this.constant("PF_BUFFER");
  }
}
