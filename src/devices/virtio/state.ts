/** Reading saved state back: a snapshot comes from a file, so every field is checked. */

/** A device's saved state: plain data with a version of its layout. */
export interface SavedState {
  readonly version: number;
  readonly [field: string]: unknown;
}

/** A saved state that can't be loaded; the message says which field is wrong. */
export class SavedStateError extends Error {
  override readonly name = "SavedStateError";
}

/** Checked access to one saved state's fields. Every method throws SavedStateError. */
export class StateReader {
  readonly #of: string;
  readonly #state: Record<string, unknown>;

  /** @param of what the state belongs to, for messages */
  constructor(of: string, state: unknown, version: number) {
    this.#of = of;
    if (typeof state !== "object" || state === null) this.#fail("is not an object");
    this.#state = state as Record<string, unknown>;
    if (this.#state.version !== version) {
      this.#fail(`has version ${String(this.#state.version)}, and only ${version} can be loaded`);
    }
  }

  /** A whole number from 0 to `max`. */
  number(field: string, max: number): number {
    const value = this.#state[field];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > max) {
      this.#fail(`needs a whole number up to ${max} as "${field}"`);
    }
    return value;
  }

  boolean(field: string): boolean {
    const value = this.#state[field];
    if (typeof value !== "boolean") this.#fail(`needs true or false as "${field}"`);
    return value;
  }

  /** An unsigned integer of 64 bits. */
  bigint(field: string): bigint {
    const value = this.#state[field];
    if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) {
      this.#fail(`needs an unsigned 64-bit integer as "${field}"`);
    }
    return value;
  }

  /** Exactly `length` states, checked by whoever loads them. */
  list(field: string, length: number): readonly unknown[] {
    const value = this.#state[field];
    if (!Array.isArray(value) || value.length !== length) this.#fail(`needs a list of ${length} as "${field}"`);
    return value;
  }

  /** Exactly `length` whole numbers from 0 to `max`. */
  numbers(field: string, length: number, max: number): number[] {
    return this.list(field, length).map((value) => {
      if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max) return value;
      return this.#fail(`needs whole numbers up to ${max} in "${field}"`);
    });
  }

  /** At most `length` whole numbers from 0 to `max`. */
  someNumbers(field: string, length: number, max: number): number[] {
    const value = this.#state[field];
    if (!Array.isArray(value) || value.length > length) this.#fail(`needs a list of up to ${length} as "${field}"`);
    return this.numbers(field, value.length, max);
  }

  /** Some other state, checked by whoever loads it. */
  any(field: string): unknown {
    return this.#state[field];
  }

  #fail(what: string): never {
    throw new SavedStateError(`The saved state of ${this.#of} ${what}; it is damaged or from another version.`);
  }
}
