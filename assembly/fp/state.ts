/**
 * The exception flags that the arithmetic of this room raises, and the numbers
 * that instructions and `fcsr` give to flags and rounding modes.
 *
 * Source: RISC-V Unprivileged manual, "F", section "Floating-Point Control and
 * Status Register".
 */

// Bits of fflags.
export const FLAG_NX: u32 = 1; //  inexact
export const FLAG_UF: u32 = 2; //  underflow
export const FLAG_OF: u32 = 4; //  overflow
export const FLAG_DZ: u32 = 8; //  divide by zero
export const FLAG_NV: u32 = 16; // invalid operation

// Rounding modes. The others (5, 6, and 7 = "dynamic") are for the decoder to
// reject or resolve: no function of this room may be given one.
export const RM_RNE: u32 = 0; // to nearest, ties to even
export const RM_RTZ: u32 = 1; // towards zero
export const RM_RDN: u32 = 2; // down
export const RM_RUP: u32 = 3; // up
export const RM_RMM: u32 = 4; // to nearest, ties away from zero

/** Flags raised since the last `takeFlags`. */
export let fflags: u32 = 0;

/** Accumulates exception flags (FLAG_*). */
// @ts-ignore: decorator
@inline
export function raise(bits: u32): void {
  fflags |= bits;
}

/** Returns the accumulated flags and clears them. */
// @ts-ignore: decorator
@inline
export function takeFlags(): u32 {
  const flags = fflags;
  fflags = 0;
  return flags;
}
