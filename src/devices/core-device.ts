/** Devices whose registers live in the core's memory: saved and loaded field by field. */

import { type Device, type DeviceState, DeviceStateError, type StateValue } from "./device.ts";

/** The core's memory and its exported constants (assembly/abi.ts and assembly/devices). */
export interface CoreAccess {
  readonly memory: WebAssembly.Memory;
  readonly abi: Readonly<Record<string, number>>;
}

/** A register, or `count` of them in a row, and what values it can have. */
export interface Field {
  /** Name in the saved state. */
  readonly name: string;
  /** The core's constant that gives its offset in the window. */
  readonly offset: string;
  readonly type: "u8" | "u32" | "u64";
  /** The largest value; defaults to the type's. */
  readonly max?: number;
  /** With this a list of exactly as many values. */
  readonly count?: number;
}

/** A device's registers. */
export interface Schema {
  readonly name: string;
  readonly version: number;
  /** The core's constant that gives its window's address. */
  readonly window: string;
  readonly fields: readonly Field[];
}

const WIDTH = { u8: 1, u32: 4, u64: 8 } as const;
const TYPE_MAX = { u8: 0xff, u32: 0xffff_ffff } as const;

export class CoreDevice implements Device {
  readonly name: string;

  constructor(
    protected readonly core: CoreAccess,
    protected readonly schema: Schema,
  ) {
    this.name = schema.name;
  }

  save(): DeviceState {
    const view = this.view();
    const state: Record<string, StateValue> = {};
    for (const field of this.schema.fields) {
      const at = this.address(field);
      state[field.name] =
        field.count === undefined
          ? get(view, at, field.type)
          : Array.from({ length: field.count }, (_, i) => get(view, at + i * WIDTH[field.type], field.type));
    }
    return { ...state, version: this.schema.version };
  }

  load(state: unknown): void {
    const values = this.check(state);
    const view = this.view();
    this.schema.fields.forEach((field, i) => {
      values[i]!.forEach((value, k) => {
        set(view, this.address(field) + k * WIDTH[field.type], field.type, value);
      });
    });
    // Whatever the core has derived from the registers must be looked at again.
    view.setUint32(this.constant("DEV_MACHINE") + this.constant("M_ATTENTION"), 1, true);
  }

  /** The fields' values in the schema's order, a list each. @throws DeviceStateError */
  protected check(state: unknown): (number | bigint)[][] {
    if (typeof state !== "object" || state === null) this.refuse("is not an object");
    const record = state as Record<string, unknown>;
    if (record.version !== this.schema.version)
      this.refuse(`has version ${String(record.version)}, not ${this.schema.version}`);
    return this.schema.fields.map((field) => {
      const value = Object.hasOwn(record, field.name) ? record[field.name] : undefined;
      const list = field.count === undefined ? [value] : value;
      if (!Array.isArray(list) || (field.count !== undefined && list.length !== field.count))
        this.refuse(`needs ${field.count} values of "${field.name}"`);
      for (const v of list) if (!fits(v, field)) this.refuse(`has a value of "${field.name}" that can't be`);
      return list as (number | bigint)[];
    });
  }

  protected refuse(what: string): never {
    throw new DeviceStateError(
      `The saved state of device "${this.name}" ${what}; it is damaged or of another version.`,
    );
  }

  /** A constant of the core; a missing one is a mistake in the build. */
  protected constant(name: string): number {
    const value = this.core.abi[name];
    if (value === undefined) throw new Error(`The core does not export "${name}"; rebuild it.`);
    return value;
  }

  protected address(field: Field): number {
    return this.constant(this.schema.window) + this.constant(field.offset);
  }

  protected view(): DataView {
    return new DataView(this.core.memory.buffer);
  }
}

function fits(value: unknown, field: Field): boolean {
  if (field.type === "u64") return typeof value === "bigint" && BigInt.asUintN(64, value) === value;
  const max = field.max ?? TYPE_MAX[field.type];
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}

function get(view: DataView, at: number, type: Field["type"]): number | bigint {
  if (type === "u8") return view.getUint8(at);
  return type === "u32" ? view.getUint32(at, true) : view.getBigUint64(at, true);
}

function set(view: DataView, at: number, type: Field["type"], value: number | bigint): void {
  if (type === "u8") view.setUint8(at, Number(value));
  else if (type === "u32") view.setUint32(at, Number(value), true);
  else view.setBigUint64(at, BigInt(value), true);
}
