/**
 * Pieces of the fast paths: what WebAssembly's arithmetic, which rounds to
 * nearest even, gives for sure. All are inlined, into the interpreter's loop too.
 */

// @ts-ignore: decorator
@inline
export function double(a: u64): f64 {
  return reinterpret<f64>(a);
}

/** The lower half of `a`. */
// @ts-ignore: decorator
@inline
export function single(a: u64): f32 {
  return reinterpret<f32>(<u32>a);
}

/** Exponent field within 2..2046: one compare of the bits without the sign. */
// @ts-ignore: decorator
@inline
export function plain64(r: u64): bool {
  return (r << 1) - (<u64>2 << 53) < <u64>2045 << 53;
}

/** Exponent field within 2..254. */
// @ts-ignore: decorator
@inline
export function plain32(r: u32): bool {
  return (r << 1) - (<u32>2 << 24) < <u32>253 << 24;
}

/** The rounding error of x + y (Knuth, TAOCP 2, 4.2.2, theorem C); NaN if that overflows on the way. */
// @ts-ignore: decorator
@inline
export function sumError<T>(x: T, y: T, sum: T): T {
  // @ts-ignore: T is f32 or f64
  const z = sum - x;
  // @ts-ignore: T is f32 or f64
  return (x - (sum - z)) + (y - z);
}

/** The leading 26 bits of x (Veltkamp's splitting; Dekker, Numer. Math. 18, 1971). */
// @ts-ignore: decorator
@inline
function upperHalf(x: f64): f64 {
  const scaled = x * 134217729; // 2^27 + 1
  return scaled - (scaled - x);
}

/** The rounding error of x × y (Dekker), if |x × y| ≥ 2^-960; NaN if that overflows on the way. */
// @ts-ignore: decorator
@inline
function productError(x: f64, y: f64, product: f64): f64 {
  const xh = upperHalf(x);
  const xl = x - xh;
  const yh = upperHalf(y);
  const yl = y - yh;
  return xl * yl - (((product - xh * yh) - xl * yh) - xh * yl);
}

/**
 * x × y + z rounded once, or NaN where this can't tell; with `exact`, NaN also
 * where that is inexact. It is right if it is plain or zero.
 *
 * The exact value is sum + lost + rest: the sum of z and the rounded product, what
 * that addition lost, and what the multiplication lost. Tail, lost + rest, is off
 * by at most half its last place, so the exact value lies between sum + tail ×
 * (1 ± 2^-52), and when these two round to the same number so does it (Ziv, ACM
 * TOMS 17, 1991). A tail too small for that product is a sum without error. When
 * lost or rest is zero, so that tail is exact, one addition rounds what is left.
 */
// @ts-ignore: decorator
@inline
export function fusedNearest64(x: f64, y: f64, z: f64, exact: bool): f64 {
  const product = x * y;
  const sum = product + z;
  // Below this the product's error may be too small for a binary64 number.
  if (!(abs<f64>(product) > 1.0e-289)) return x == 0 || y == 0 ? sum : NaN;
  const rest = productError(x, y, product);
  const lost = sumError<f64>(product, z, sum);
  const tail = lost + rest;
  let result = sum + tail * 0.9999999999999998; // 1 - 2^-52
  if (result != sum + tail * 1.0000000000000002) {
    if (lost != 0 && rest != 0) return NaN;
    result = sum + tail;
  }
  if (exact && (sumError<f64>(lost, rest, tail) != 0 || sumError<f64>(sum, tail, result) != 0)) return NaN;
  return result;
}

/**
 * Does rounding this binary64 sum again, to a normal binary32 number, give the sum
 * rounded once? Not if it lies midway between two of them, where what the first
 * rounding lost decides; else rounding, being monotonic, leaves it on its own side.
 */
// @ts-ignore: decorator
@inline
export function narrowsSafely(sum: f64): bool {
  return (reinterpret<u64>(sum) & 0x1fff_ffff) != 0x1000_0000;
}
