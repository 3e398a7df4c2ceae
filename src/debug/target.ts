/** What the protocol asks of the machine that is debugged. */

/** Kinds of breakpoints and watchpoints, as packets Z0 to Z4 number them. */
export const POINTS = ["software", "hardware", "write", "read", "access"] as const;
export type Point = (typeof POINTS)[number];

/** Why a machine has stopped. */
export type Stop =
  | { readonly reason: "interrupt" | "step" | "crash"; readonly hart: number }
  | { readonly reason: "software" | "hardware"; readonly hart: number }
  | { readonly reason: "write" | "read" | "access"; readonly hart: number; readonly address: bigint };

/** What a hart does from now on; "step" goes on while its pc is in [from, to). */
export type Resume =
  | { readonly kind: "stay" }
  | { readonly kind: "continue" }
  | { readonly kind: "step"; readonly from: bigint; readonly to: bigint };

/** A machine with all its harts stopped, but between `resume` and the stop that follows. */
export interface DebugTarget {
  readonly harts: number;
  /** Numbers of all registers that there are, with their names. */
  readonly registers: readonly Register[];
  /** @returns undefined: no such register */
  readRegister(hart: number, register: number): bigint | undefined;
  /** @returns false: there is none, or it can't be written */
  writeRegister(hart: number, register: number, value: bigint): boolean;
  /** Memory as a hart's page tables have it: as many bytes as are there, up to `length`. */
  readMemory(hart: number, address: bigint, length: number): Uint8Array;
  /** @returns false: not all of it is RAM; then nothing is written */
  writeMemory(hart: number, address: bigint, bytes: Uint8Array): boolean;
  /** @returns false: there is no room for more, or it makes no sense */
  insert(point: Point, address: bigint, size: bigint): boolean;
  /** @returns false: there is none like that */
  remove(point: Point, address: bigint, size: bigint): boolean;
  /** A few words on a hart's state, for people. */
  describe(hart: number): string;
  /** One for each hart. The machine runs until it stops. */
  resume(actions: readonly Resume[]): void;
  /** Removes all breakpoints and watchpoints, and lets the machine go. */
  release(): void;
  /** Powers it off and on; its harts stay stopped. @returns false: it can't be */
  reset(): boolean;
  /** Ends the machine. */
  kill(): void;
}

/** A register by GDB's numbering, see registers. */
export interface Register {
  readonly number: number;
  readonly name: string;
  readonly group: "cpu" | "fpu" | "csr" | "virtual";
  /** Bits that GDB sees: 32 or 64. */
  readonly bits: 32 | 64;
}
