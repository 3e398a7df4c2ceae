/** Saved state of a virtio device's parts: written into, and read back from, the one flat state of its transport. */
import { type DeviceState, DeviceStateError, type StateValue } from "../device.ts";

/** The fields of one part. */
export type Fields = Readonly<Record<string, StateValue>>;

/** Does a load that has been checked: nothing may change before everything has been. */
export type Apply = () => void;

/** The fields of a part, named as belonging to it: "queue.0" and "size" give "queue.0.size". */
export function nest(part: string, fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [`${part}.${name}`, value]));
}

/**
 * Checked access to the fields of a state, or of a part of one: a snapshot comes
 * from a file. Every method throws DeviceStateError.
 */
export class StateReader {
  readonly #device: string;
  readonly #state: Record<string, unknown>;
  readonly #prefix: string;

  private constructor(device: string, state: Record<string, unknown>, prefix: string) {
    this.#device = device;
    this.#state = state;
    this.#prefix = prefix;
  }

  /** @param device what the state belongs to, for messages; @param version the only one that can be loaded */
  static of(device: string, state: unknown, version: number): StateReader {
    const reader = new StateReader(device, (state ?? {}) as Record<string, unknown>, "");
    if (typeof state !== "object" || state === null) reader.#fail("is not an object");
    const found = (state as Partial<DeviceState>).version;
    if (found !== version) reader.#fail(`has version ${String(found)}, and only ${version} can be loaded`);
    return reader;
  }

  /** The fields that `nest` named. */
  part(name: string): StateReader {
    return new StateReader(this.#device, this.#state, `${this.#prefix}${name}.`);
  }

  /** A whole number from 0 to `max`. */
  number(field: string, max: number): number {
    const value = this.#get(field);
    if (isCount(value, max)) return value;
    return this.#fail(`needs a whole number up to ${max} as "${this.#prefix}${field}"`);
  }

  /** A list of `least` to `most` whole numbers from 0 to `max`. */
  numbers(field: string, least: number, most: number, max: number): number[] {
    const value = this.#get(field);
    if (Array.isArray(value) && value.length >= least && value.length <= most) {
      const list: unknown[] = value;
      if (list.every((item) => isCount(item, max))) return list as number[];
    }
    return this.#fail(`needs a list of whole numbers up to ${max} as "${this.#prefix}${field}"`);
  }

  boolean(field: string): boolean {
    const value = this.#get(field);
    if (typeof value === "boolean") return value;
    return this.#fail(`needs true or false as "${this.#prefix}${field}"`);
  }

  /** An unsigned integer of 64 bits. */
  bigint(field: string): bigint {
    const value = this.#get(field);
    if (typeof value === "bigint" && BigInt.asUintN(64, value) === value) return value;
    return this.#fail(`needs an unsigned 64-bit integer as "${this.#prefix}${field}"`);
  }

  /** Refuses the state for a reason of the device's own, which ends with what to do. */
  refuse(why: string): never {
    throw new DeviceStateError(`The saved state of ${this.#device} ${why}.`);
  }

  #get(field: string): unknown {
    const name = this.#prefix + field;
    return Object.hasOwn(this.#state, name) ? this.#state[name] : undefined;
  }

  #fail(what: string): never {
    throw new DeviceStateError(
      `The saved state of ${this.#device} ${what}; use a snapshot of the same machine and version.`,
    );
  }
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max;
}
