/** Seeded random numbers: a program is a function of its seed. */

/** 32 uniform bits a call. */
export type Random = () => number;

/** The finalizer of MurmurHash3 (Appleby): every bit of the input reaches every bit of the answer. */
export function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Marsaglia's xorshift128, its state mixed from the seed so that neighbours have nothing in common. */
export function seeded(seed: number): Random {
  let [x, y, z, w] = [mix(seed), mix(seed + 0x9e37_79b9), mix(seed ^ 0x5bd1_e995), mix(seed + 1) | 1];
  return () => {
    const t = x ^ (x << 11);
    x = y;
    y = z;
    z = w;
    w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    return w >>> 0;
  };
}

/** True once in `one` times. */
export const chance = (random: Random, one: number): boolean => random() % one === 0;

export const choose = <T>(random: Random, from: readonly T[]): T => from[random() % from.length]!;

/** 64 uniform bits. */
export const random64 = (random: Random): bigint => (BigInt(random()) << 32n) | BigInt(random());
