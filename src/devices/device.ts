/** What every device of a machine offers to snapshots. */

/** A saved register: plain, serialisable data. */
export type StateValue = number | bigint | boolean | string | Uint8Array | readonly StateValue[];

/** A device's architectural state, by a versioned schema. */
export interface DeviceState {
  readonly version: number;
  readonly [field: string]: StateValue;
}

export interface Device {
  /** Unique in a machine: "uart", "plic"… */
  readonly name: string;
  save(): DeviceState;
  /** Takes a state that `save` gave; nothing changes when it is refused. @throws DeviceStateError */
  load(state: unknown): void;
}

/** A saved state that can't be loaded; the message says why. */
export class DeviceStateError extends Error {
  override name = "DeviceStateError";
}
