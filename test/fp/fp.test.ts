import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { directedVectors, floatVectors, formats, integerVectors, tieVectors } from "../../src/fuzz/vectors.ts";
import { compileAssembly } from "../support/asc.ts";
import { fastOperations, type Operation, operations } from "./operations.ts";
import { type Answers, type Oracle, openOracle } from "./oracle.ts";

const MODES = ["rne", "rtz", "rdn", "rup", "rmm"];
const NX = 1;
/** Evaluations per operation: vectors × rounding modes. */
const EVALUATIONS = 200_000;
const FAST_VECTORS = 20_000;

type Bits = number | bigint;
type Call = (a: Bits, b: Bits, c: Bits, d?: Bits, e?: Bits) => Bits;
type Exports = Record<string, Call> & { takeFlags(): number };

let fp: Exports;
let oracle: Oracle;
const pool: Partial<Record<Operation["from"], BigUint64Array>> = {};

beforeAll(async () => {
  const module = await compileAssembly("assembly/fp/index.ts");
  const memory = new WebAssembly.Memory({ initial: 1 });
  fp = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
  oracle = openOracle();
}, 60_000);

afterAll(() => oracle?.close());

/** A window, another for each operation, on the triples for its kind of operand. */
function vectorsFor({ name, from }: Operation, count: number): BigUint64Array {
  pool[from] ??=
    from === "int" ? integerVectors(1, EVALUATIONS) : floatVectors(from === "f32" ? 2 : 3, formats[from], EVALUATIONS);
  const windows = EVALUATIONS / count;
  const start = (operations.findIndex((operation) => operation.name === name) % windows) * count;
  return pool[from].subarray(start * 3, (start + count) * 3);
}

/** Operands as the exports take them: binary32 numbers, else bigints (signed for integers). */
function operandsOf({ from }: Operation, vectors: BigUint64Array): ArrayLike<Bits> {
  if (from === "int") return new BigInt64Array(vectors.buffer, vectors.byteOffset, vectors.length);
  if (from === "f64") return vectors;
  const words = new Uint32Array(vectors.buffer, vectors.byteOffset, vectors.length * 2);
  return Uint32Array.from({ length: vectors.length }, (_, i) => words[i * 2]!);
}

const hex = (x: bigint) => `0x${x.toString(16)}`;

/**
 * Calls an export for each triple and mode and compares with the oracle's
 * answers. `guest` are the guest's flags, which the fast variants take and which
 * count as raised; undefined for the exact ones. Returns up to five differences.
 */
function differences(operation: Operation, vectors: BigUint64Array, answers: Answers, guest?: number): string[] {
  const { arity, rounds } = operation;
  const exported = operation.name + (guest === undefined ? "" : "Fast");
  const raw = fp[exported]!;
  // What an export doesn't take, WebAssembly ignores.
  const calls: Record<number, (a: Bits, b: Bits, c: Bits, rm: number) => Bits> = {
    1: (a, _b, _c, rm) => raw(a, rm, guest ?? 0),
    2: (a, b, _c, rm) => raw(a, b, rm, guest ?? 0),
    3: (a, b, c, rm) => raw(a, b, c, rm, guest ?? 0),
  };
  const call = calls[arity]!;
  const operands = operandsOf(operation, vectors);
  const preset = guest ?? 0;
  const count = vectors.length / 3;
  const found: string[] = [];
  fp.takeFlags();
  for (let rm = 0; rm < (rounds ? MODES.length : 1); rm++) {
    for (let i = 0; i < count && found.length < 5; i++) {
      const answer = call(operands[i * 3]!, operands[i * 3 + 1]!, operands[i * 3 + 2]!, rm);
      const result = typeof answer === "bigint" ? BigInt.asUintN(64, answer) : BigInt(answer >>> 0);
      const raised = fp.takeFlags() | preset;
      const wanted = answers.results[rm * count + i]!;
      const flags = answers.flags[rm * count + i]! | preset;
      if (result === wanted && raised === flags) continue;
      const given = [...vectors.subarray(i * 3, i * 3 + arity)].map(hex).join(", ");
      const got = `${hex(result)} flags ${raised}`;
      found.push(`${exported}(${given}) ${MODES[rm]}: ${got}, should be ${hex(wanted)} flags ${flags}`);
    }
  }
  return found;
}

describe("exact operations against the instructions", () => {
  it.each(operations.map((operation) => [operation.name, operation] as const))("%s", (_, operation) => {
    const modes = operation.rounds ? MODES.length : 1;
    const vectors = vectorsFor(operation, EVALUATIONS / modes);
    expect(differences(operation, vectors, oracle.run(operation, vectors, modes))).toEqual([]);
    if (operation.from === "int") return;
    const directed = directedVectors(formats[operation.from], operation.arity);
    expect(differences(operation, directed, oracle.run(operation, directed, modes))).toEqual([]);
  });
});

describe("fast operations against the instructions", () => {
  it.each(fastOperations.map((operation) => [operation.name, operation] as const))("%sFast", (_, operation) => {
    const directed = directedVectors(formats[operation.from as "f32" | "f64"], operation.arity);
    for (const vectors of [vectorsFor(operation, FAST_VECTORS), directed]) {
      const answers = oracle.run(operation, vectors, MODES.length);
      expect(differences(operation, vectors, answers, 0)).toEqual([]);
      expect(differences(operation, vectors, answers, NX)).toEqual([]);
    }
  });
});

describe("fused operations, the fast against the exact", () => {
  const COUNT = 100_000;

  it.each(["f32", "f64"] as const)("%s, where the last rounding hangs on little", (name) => {
    const format = formats[name];
    for (const vectors of [floatVectors(5, format, COUNT), tieVectors(6, format, COUNT)]) {
      const words = new Uint32Array(vectors.buffer);
      const operand = (i: number): Bits => (name === "f64" ? vectors[i]! : words[i * 2]!);
      const [exact, fast] = [fp[`${name}Fma`]!, fp[`${name}FmaFast`]!];
      const wrong: string[] = [];
      fp.takeFlags();
      for (let i = 0; i < vectors.length && wrong.length < 5; i += 3) {
        const [a, b, c] = [operand(i), operand(i + 1), operand(i + 2)];
        const wanted = exact(a, b, c, 0);
        const raised = fp.takeFlags();
        for (const guest of [0, NX]) {
          const answer = fast(a, b, c, 0, guest);
          if (answer === wanted && (fp.takeFlags() | guest) === (raised | guest)) continue;
          wrong.push(`${[a, b, c].map((bits) => hex(BigInt(bits))).join(", ")}, flags ${guest}`);
        }
      }
      expect(wrong).toEqual([]);
    }
  });
});

describe("exact operations against the host's arithmetic, rounding to nearest", () => {
  const host: Record<string, (a: number, b: number) => number> = {
    Add: (a, b) => a + b,
    Sub: (a, b) => a - b,
    Mul: (a, b) => a * b,
    Div: (a, b) => a / b,
    Sqrt: (a) => Math.sqrt(a),
  };

  it.each(Object.keys(host))("f64%s", (name) => {
    const count = 100_000;
    const vectors = floatVectors(4, formats.f64, count);
    const numbers = new Float64Array(vectors.buffer);
    const out = new Float64Array(1);
    const bits = new BigUint64Array(out.buffer);
    const call = fp[`f64${name}`]!;
    let wrong = 0;
    for (let i = 0; i < count; i++) {
      out[0] = host[name]!(numbers[i * 3]!, numbers[i * 3 + 1]!);
      const wanted = Number.isNaN(out[0]) ? 0x7ff8_0000_0000_0000n : bits[0]!;
      const [a, b] = [vectors[i * 3]!, vectors[i * 3 + 1]!];
      const answer = (name === "Sqrt" ? call(a, 0, 0) : call(a, b, 0)) as bigint;
      if (BigInt.asUintN(64, answer) !== wanted) wrong++;
    }
    fp.takeFlags();
    expect(wrong).toBe(0);
  });
});
