/**
 * Seeded operand triples, biased to where floating point goes wrong: specials,
 * both ends of the exponent range, halfway cases, cancellation.
 */

/** Marsaglia's xorshift128: 32 uniform bits a call. */
export function generator(seed: number): () => number {
  let [x, y, z, w] = [seed | 1, 362436069, 521288629, 88675123];
  const next = () => {
    const t = x ^ (x << 11);
    [x, y, z] = [y, z, w];
    w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    return w >>> 0;
  };
  for (let i = 0; i < 16; i++) next();
  return next;
}

export interface Format {
  fraction: number;
  bias: number;
}
export const formats: Record<"f32" | "f64", Format> = {
  f32: { fraction: 23, bias: 127 },
  f64: { fraction: 52, bias: 1023 },
};

/** A number's fields; `fraction` is an integer below 2^52 and so exact. */
interface Fields {
  negative: boolean;
  exponent: number;
  fraction: number;
}

/** Exponent and fraction of the ends of each class of numbers. */
function specials({ fraction, bias }: Format): [number, number][] {
  const ones = 2 ** fraction - 1;
  const half = (ones + 1) / 2;
  const top = 2 * bias + 1;
  return [
    [0, 0],
    [0, 1],
    [0, half],
    [0, ones],
    [1, 0],
    [1, 1],
    [bias, 0],
    [bias, 1],
    [bias - 1, ones],
    [top - 1, 0],
    [top - 1, ones],
    [top, 0],
    [top, 1],
    [top, half - 1],
    [top, half],
    [top, half + 1],
  ];
}

class Source {
  readonly #next: () => number;
  readonly #format: Format;
  readonly #ones: number;
  readonly #top: number;

  constructor(seed: number, format: Format) {
    this.#next = generator(seed);
    this.#format = format;
    this.#ones = 2 ** format.fraction - 1;
    this.#top = 2 * format.bias + 1;
  }

  /** An integer in 0..n−1. */
  below(n: number): number {
    return this.#next() % n;
  }

  #fields(exponent: number, fraction: number): Fields {
    const clamp = (x: number, max: number) => Math.min(Math.max(x, 0), max);
    return {
      negative: this.below(2) === 1,
      exponent: clamp(exponent, this.#top),
      fraction: clamp(fraction, this.#ones),
    };
  }

  #finite(exponent: number, fraction: number): Fields {
    return this.#fields(Math.min(exponent, this.#top - 1), fraction);
  }

  #fraction(): number {
    const bits = (this.#next() & 0xfffff) * 2 ** 32 + this.#next();
    const short = Math.floor(bits / 2 ** (52 - this.#format.fraction));
    const k = 2 ** this.below(this.#format.fraction + 1);
    switch (this.below(8)) {
      case 0:
        return k - 1;
      case 1:
        return this.#ones + 1 - k;
      case 2:
        return k;
      case 3:
        return short - (short % k);
      case 4:
        return short - (short % k) + 1;
      default:
        return short;
    }
  }

  #special(): Fields {
    const list = specials(this.#format);
    return this.#fields(...list[this.below(list.length)]!);
  }

  number(): Fields {
    const { bias, fraction } = this.#format;
    switch (this.below(10)) {
      case 0:
        return this.#special();
      case 1:
        return this.#fields(this.below(this.#top + 1), this.#fraction());
      case 2:
        return this.#finite(this.below(fraction + 8), this.#fraction());
      case 3:
        return this.#finite(this.#top - 1 - this.below(fraction + 8), this.#fraction());
      case 4:
        return this.#finite(0, this.#fraction());
      case 5:
        return this.#finite(bias - 2 + this.below(68), this.#fraction());
      case 6: {
        // Integers and halves, ends of the integer ranges among them.
        const exponent = bias + [-1, 0, 1, 30, 31, 32, 62, 63, 64][this.below(9)]!;
        const bits = Math.max(0, fraction - (exponent - bias) - 1);
        const unit = 2 ** Math.min(bits, fraction);
        const f = this.#fraction();
        return this.#finite(exponent, f - (f % unit));
      }
      default:
        return this.#finite(bias - 30 + this.below(60), this.#fraction());
    }
  }

  second(a: Fields): Fields {
    const { bias, fraction } = this.#format;
    const e = a.exponent;
    switch (this.below(12)) {
      case 0:
        return this.#finite(e - 2 + this.below(5), this.#fraction());
      case 1: {
        const b = this.#finite(e, a.fraction - 2 + this.below(5));
        return { ...b, negative: !a.negative };
      }
      case 2: // a sum's or difference's last place
        return this.#finite(e - fraction - 4 + this.below(8), this.#fraction());
      case 3: // a product at the lower end
        return this.#finite(bias - e + 4 - this.below(fraction + 8), this.#fraction());
      case 4: // a product at the upper end
        return this.#finite(bias - e + this.#top - 4 + this.below(6), this.#fraction());
      case 5: // a quotient at the lower end
        return this.#finite(e + bias - 4 + this.below(fraction + 8), this.#fraction());
      case 6: // a quotient at the upper end
        return this.#finite(e - bias - 2 + this.below(6), this.#fraction());
      default:
        return this.number();
    }
  }

  third(a: Fields, b: Fields): Fields {
    const { bias, fraction } = this.#format;
    const e = a.exponent + b.exponent - bias;
    const product = value(a, this.#format) * value(b, this.#format);
    switch (this.below(8)) {
      case 0:
      case 1:
        if (Number.isFinite(product) && product !== 0) {
          const c = this.#nearest(product);
          return { ...c, fraction: Math.min(this.#ones, Math.max(0, c.fraction - 1 + this.below(3))) };
        }
        return this.number();
      case 2:
        return this.#finite(e - 2 + this.below(5), this.#fraction());
      case 3:
        return this.#finite(e - fraction - 4 + this.below(8), this.#fraction());
      case 4:
        return this.#finite(e + fraction - 4 + this.below(8), this.#fraction());
      case 5:
        return this.#finite(e - 2 * fraction - 10 + this.below(4 * fraction + 20), this.#fraction());
      default:
        return this.number();
    }
  }

  /** The negation of x's leading bits: what cancels most of a product. */
  #nearest(x: number): Fields {
    const { bias, fraction } = this.#format;
    const exponent = Math.max(bias + Math.floor(Math.log2(Math.abs(x))), 1);
    const ratio = Math.abs(x) / 2 ** (exponent - bias);
    return { ...this.#finite(exponent, Math.floor((ratio - 1) * 2 ** fraction)), negative: x > 0 };
  }
}

function value({ negative, exponent, fraction }: Fields, format: Format): number {
  const { bias } = format;
  if (exponent > 2 * bias) return Number.NaN;
  const scaled = fraction / 2 ** format.fraction + (exponent > 0 ? 1 : 0);
  // In two steps: 2^(1 − bias) and its like are in range, their product may not be.
  return (negative ? -scaled : scaled) * 2 ** (Math.max(exponent, 1) - bias);
}

function pack(triples: Fields[][], format: Format): BigUint64Array {
  const words = new Uint32Array(triples.length * 6);
  let at = 0;
  for (const { negative, exponent, fraction } of triples.flat()) {
    const sign = (negative ? 1 : 0) << 31;
    if (format.fraction === 23) {
      words[at] = sign | (exponent << 23) | fraction;
    } else {
      words[at] = fraction >>> 0;
      words[at + 1] = sign | (exponent << 20) | Math.floor(fraction / 2 ** 32);
    }
    at += 2;
  }
  return new BigUint64Array(words.buffer);
}

/** `count` triples (a, b, c) of bit patterns, zero-extended to 64 bits. */
export function floatVectors(seed: number, format: Format, count: number): BigUint64Array {
  const source = new Source(seed, format);
  const triples = Array.from({ length: count }, () => {
    const a = source.number();
    const b = source.second(a);
    return [a, b, source.third(a, b)];
  });
  return pack(triples, format);
}

/**
 * Every combination of special operands; for three operands also sums whose last
 * rounding hangs on one bit far below: a × b = 2^(2n) + 1 for
 * a, b = 2^n ± 2^((n + 1) / 2) + 1 (Aurifeuille), plus or minus a power of two.
 */
export function directedVectors(format: Format, arity: 1 | 2 | 3): BigUint64Array {
  const { fraction, bias } = format;
  const list = [false, true].flatMap((negative) =>
    specials(format).map(([exponent, fraction]): Fields => ({ negative, exponent, fraction })),
  );
  const [one] = list;
  const seconds = arity > 1 ? list : [one!];
  const thirds = arity > 2 ? list : [one!];
  const triples = list.flatMap((a) => seconds.flatMap((b) => thirds.map((c) => [a, b, c])));
  if (arity === 3) {
    const n = fraction === 52 ? 41 : 23;
    const unit = 2 ** (fraction - n);
    const middle = 2 ** ((n + 1) / 2);
    const a = { negative: false, exponent: bias + n, fraction: (middle + 1) * unit };
    const b = { negative: false, exponent: bias + n - 1, fraction: (2 ** n - 2 * middle + 2) * unit };
    for (let distance = 0; distance < 72; distance++) {
      for (const negative of [false, true]) {
        triples.push([a, b, { negative, exponent: bias + 2 * n + distance, fraction: 0 }]);
        triples.push([a, b, { negative, exponent: bias + 2 * n + distance, fraction: 1 }]);
      }
    }
  }
  return pack(triples, format);
}

/**
 * Triples whose fractions have two ones, or are all ones from some place on, with
 * exponents such that a × b, its last places, or half of c's last place meet c.
 */
export function tieVectors(seed: number, format: Format, count: number): BigUint64Array {
  const next = generator(seed);
  const { fraction, bias } = format;
  const number = (exponent: number): Fields => {
    const [j, k] = [2 ** (next() % fraction), 2 ** (next() % fraction)];
    const fractions = [j, j === k ? j : j + k, 2 ** fraction - j, j - 1];
    return { negative: (next() & 1) === 1, exponent, fraction: fractions[next() & 3]! };
  };
  const triples = Array.from({ length: count }, () => {
    const a = number(bias - 8 + (next() % 16));
    const b = number(bias - 8 + (next() % 16));
    const distance = [-2 * fraction, -fraction, 0, fraction][next() & 3]! - 4 + (next() % 9);
    return [a, b, number(Math.max(0, a.exponent + b.exponent - bias + distance))];
  });
  return pack(triples, format);
}

/** `count` triples whose first is an integer register: every width, runs, ends and halfway cases. */
export function integerVectors(seed: number, count: number): BigUint64Array {
  const next = generator(seed);
  const vectors = new BigUint64Array(count * 3);
  for (let i = 0; i < count; i++) {
    const random = (BigInt(next()) << 32n) | BigInt(next());
    const k = BigInt(next() % 64);
    const kinds = [
      random,
      random >> k,
      -(random >> k),
      (1n << k) + BigInt(next() % 5) - 2n,
      -(1n << k) + BigInt(next() % 5) - 2n,
      // Leading bits, then a one and zeros: halfway for one format or the other.
      ((random >> 10n) | 1n) << (k % 11n),
      ((random >> 39n) | 1n) << (k % 40n),
      (((random >> 39n) | 1n) << (k % 40n)) + BigInt(next() % 3) - 1n,
    ];
    vectors[i * 3] = BigInt.asUintN(64, kinds[next() % kinds.length]!);
  }
  return vectors;
}
