/** The benchmark kernels of `bench/kernels` and how much work each does. */

export interface Kernel {
  readonly name: string;
  /** Units of work that take the host about 0.1 to 0.2 s. */
  readonly scale: number;
  /** It computes with doubles: left out of the mean over integer kernels. */
  readonly floating?: boolean;
  /** It fuses multiply and add: a host that has the instruction only by option gets it. */
  readonly fma?: boolean;
}

export const KERNELS: readonly Kernel[] = [
  { name: "sha256", scale: 1500 },
  { name: "quicksort", scale: 24 },
  { name: "matmul", scale: 150, floating: true },
  { name: "nbody", scale: 1500, floating: true, fma: true },
  { name: "pointers", scale: 30 },
  { name: "bytecode", scale: 6 },
  { name: "copy", scale: 400 },
  { name: "calls", scale: 400 },
  { name: "sieve", scale: 120 },
  { name: "hash", scale: 120 },
];
