/** Register names of the ABI (RISC-V ELF psABI, Register Convention). */

const numbered = (prefix: string, from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, n) => `${prefix}${from + n}`);

/** x0…x31. */
export const INTEGER_REGISTERS: readonly string[] = [
  "zero",
  "ra",
  "sp",
  "gp",
  "tp",
  ...numbered("t", 0, 2),
  ...numbered("s", 0, 1),
  ...numbered("a", 0, 7),
  ...numbered("s", 2, 11),
  ...numbered("t", 3, 6),
];

/** f0…f31. */
export const FLOAT_REGISTERS: readonly string[] = [
  ...numbered("ft", 0, 7),
  ...numbered("fs", 0, 1),
  ...numbered("fa", 0, 7),
  ...numbered("fs", 2, 11),
  ...numbered("ft", 8, 11),
];
