/** What this engine's WebAssembly can do beyond what we take for granted. */

export interface Features {
  /**
   * Relaxed SIMD is there, and its multiply-add rounds once, in both formats: the
   * specification lets it round twice, and where the processor has no fused
   * operation it does. All tiers of an engine agree on it, as they ask the processor.
   */
  readonly relaxedMadd: boolean;
}

/**
 * (module
 *   (func (export "d") (param f64 f64 f64) (result f64)
 *     (f64x2.extract_lane 0 (f64x2.relaxed_madd
 *       (f64x2.splat (local.get 0)) (f64x2.splat (local.get 1)) (f64x2.splat (local.get 2)))))
 *   (func (export "s") (param f32 f32 f32) (result f32)
 *     the same of f32x4))
 */
const MADD = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // "\0asm", version 1
  ...[0x01, 0x0f, 0x02], // section of types, 15 bytes: two
  ...[0x60, 0x03, 0x7c, 0x7c, 0x7c, 0x01, 0x7c], // (f64, f64, f64) → f64
  ...[0x60, 0x03, 0x7d, 0x7d, 0x7d, 0x01, 0x7d], // (f32, f32, f32) → f32
  ...[0x03, 0x03, 0x02, 0x00, 0x01], // section of functions: their types
  ...[0x07, 0x09, 0x02], // section of exports, 9 bytes: two
  ...[0x01, 0x64, 0x00, 0x00], // "d": function 0
  ...[0x01, 0x73, 0x00, 0x01], // "s": function 1
  ...[0x0a, 0x2b, 0x02], // section of code, 43 bytes: two
  ...[0x14, 0x00], // 20 bytes, no locals
  ...[0x20, 0x00, 0xfd, 0x14], // local.get 0, f64x2.splat
  ...[0x20, 0x01, 0xfd, 0x14],
  ...[0x20, 0x02, 0xfd, 0x14],
  ...[0xfd, 0x87, 0x02], // f64x2.relaxed_madd (0x107)
  ...[0xfd, 0x21, 0x00, 0x0b], // f64x2.extract_lane 0, end
  ...[0x14, 0x00],
  ...[0x20, 0x00, 0xfd, 0x13], // local.get 0, f32x4.splat
  ...[0x20, 0x01, 0xfd, 0x13],
  ...[0x20, 0x02, 0xfd, 0x13],
  ...[0xfd, 0x85, 0x02], // f32x4.relaxed_madd (0x105)
  ...[0xfd, 0x1f, 0x00, 0x0b], // f32x4.extract_lane 0, end
);

type Fused = (x: number, y: number, z: number) => number;
type Vector = readonly [x: number, y: number, z: number, sum: number];

const LEAST = 2 ** -1074;
const LEAST_SINGLE = 2 ** -149;
const MAX_SINGLE = (2 - 2 ** -23) * 2 ** 127;

/** x × y + z where rounding twice gives something else, or flushing subnormals to zero does. */
const DOUBLES: readonly Vector[] = [
  [1 + 2 ** -30, 1 + 2 ** -30, -(1 + 2 ** -29), 2 ** -60], // all but the product's last bit cancels
  [1 + 2 ** -27, 1 - 2 ** -27, 2 ** 53 + 2, 2 ** 53 + 2], // just below halfway
  [Number.MAX_VALUE, 2, -Number.MAX_VALUE, Number.MAX_VALUE], // the product overflows
  [2 ** -537, 2 ** -538, LEAST, 2 * LEAST], // the product is half the least number
  [2 ** -600, 2 ** -600, -LEAST, -LEAST],
];
const SINGLES: readonly Vector[] = [
  [1 + 2 ** -12, 1 + 2 ** -12, -(1 + 2 ** -11), 2 ** -24],
  [1 + 2 ** -13, 1 - 2 ** -13, 2 ** 24 + 2, 2 ** 24 + 2],
  [MAX_SINGLE, 2, -MAX_SINGLE, MAX_SINGLE],
  [2 ** -75, 2 ** -75, LEAST_SINGLE, 2 * LEAST_SINGLE],
  [1 + 2 ** -23, (1 - 2 ** -23) * 2 ** -17, 128 + 2 ** -16, 128 + 2 ** -16], // by way of binary64 also wrong
];

const holds = (fused: Fused, vectors: readonly Vector[]): boolean =>
  vectors.every(([x, y, z, sum]) => Object.is(fused(x, y, z), sum));

/** Tries them out, in less than a millisecond. It sets no flag of the engine. */
export function probeFeatures(): Features {
  if (!WebAssembly.validate(MADD)) return { relaxedMadd: false };
  const { d, s } = new WebAssembly.Instance(new WebAssembly.Module(MADD)).exports as Record<"d" | "s", Fused>;
  return { relaxedMadd: holds(d, DOUBLES) && holds(s, SINGLES) };
}
