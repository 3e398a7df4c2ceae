/** 64-bit values of the kinds that find faults: small, extreme, floats and their special values, noise. */

import { choose, type Random, random64 } from "./random.ts";

const BOXED = 0xffff_ffff_0000_0000n;
const INTEGERS = [0n, 1n << 63n, (1n << 63n) - 1n, 0xffff_ffffn, 0x8000_0000n, 0x7fff_ffffn, 1n << 32n, -(1n << 31n)];
/** Zero, the least and the greatest subnormal, the least and the greatest normal, infinity, NaNs with payloads. */
const SINGLES = [
  0, 1, 0x7f_ffff, 0x80_0000, 0x7f7f_ffff, 0x7f80_0000, 0x7fc0_0000, 0x7fa0_0000, 0x7fc0_1234, 0x3f80_0000,
];
const DOUBLES = [
  0n,
  1n,
  0x000f_ffff_ffff_ffffn,
  0x0010_0000_0000_0000n,
  0x7fef_ffff_ffff_ffffn,
  0x7ff0_0000_0000_0000n,
  0x7ff8_0000_0000_0000n,
  0x7ff4_0000_0000_0000n,
  0x7ff8_0000_dead_beefn,
  0x3ff0_0000_0000_0000n,
  0x41df_ffff_ffc0_0000n, // 2^31 − 1
  0x43e0_0000_0000_0000n, // 2^63
];

/** One such value, 0 ≤ v < 2^64. */
export function edge(random: Random): bigint {
  const sign = random() & 1;
  switch (random() % 12) {
    case 0:
      return BigInt.asUintN(64, BigInt((random() % 33) - 16));
    case 1:
      return BigInt.asUintN(64, choose(random, INTEGERS) - BigInt(random() % 3) + 1n);
    case 2: // one bit, or all below it
      return BigInt.asUintN(64, (1n << BigInt(random() % 64)) - BigInt(sign));
    case 3:
    case 4:
      return BOXED | BigInt((choose(random, SINGLES) | (sign << 31)) >>> 0);
    case 5:
    case 6: // floats near 1, so that sums and products stay in range
      return BOXED | BigInt(((random() & 0x83ff_ffff) + 0x3e00_0000) >>> 0);
    case 7:
      return choose(random, DOUBLES) | (BigInt(sign) << 63n);
    case 8:
    case 9:
      return (random64(random) & 0x803f_ffff_ffff_ffffn) + 0x3fe0_0000_0000_0000n;
    case 10: // halves that are anything but a box
      return (BigInt(choose(random, SINGLES)) << 32n) | BigInt(choose(random, SINGLES));
    default:
      return random64(random);
  }
}

/** A block of them, always the same, to fill memory from. */
export const EDGES: BigUint64Array = (() => {
  let state = 1;
  const next: Random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
  return BigUint64Array.from({ length: 4096 }, () => edge(next));
})();
