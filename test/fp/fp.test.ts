import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compileAssembly } from "../support/asc.ts";
import { fastOperations, type Operation, operations } from "./operations.ts";
import { type Oracle, openOracle } from "./oracle.ts";
import { floatVectors, formats, integerVectors } from "./vectors.ts";

const MODES = ["rne", "rtz", "rdn", "rup", "rmm"];
const NX = 1;
/** Evaluations per operation: vectors × rounding modes. */
const EVALUATIONS = 200_000;

type Bits = number | bigint;
type Exports = Record<string, (...args: Bits[]) => Bits> & { takeFlags(): number };

let fp: Exports;
let oracle: Oracle;

beforeAll(async () => {
  const module = await compileAssembly("assembly/fp/index.ts");
  const memory = new WebAssembly.Memory({ initial: 1 });
  fp = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
  oracle = openOracle();
}, 60_000);

afterAll(() => oracle?.close());

function seedOf(name: string): number {
  return [...name].reduce((hash, c) => Math.imul(hash, 31) + c.charCodeAt(0), 7);
}

function vectorsFor({ name, from }: Operation, count: number): BigUint64Array {
  return from === "int" ? integerVectors(seedOf(name), count) : floatVectors(seedOf(name), formats[from], count);
}

const hex = (x: bigint) => `0x${x.toString(16)}`;

/** Compares with the oracle; `expected` and `actual` may each add flags. Returns up to five differences. */
function differences(
  operation: Operation,
  vectors: BigUint64Array,
  exported: string,
  extra: Bits[],
  preset: number,
): string[] {
  const count = vectors.length / 3;
  const modes = operation.rounds ? MODES.length : 1;
  const { results, flags } = oracle.run(operation, vectors, modes);
  const operands: Bits[][] = [];
  for (let i = 0; i < count; i++) {
    const triple = [...vectors.subarray(i * 3, i * 3 + operation.arity)];
    if (operation.from === "f32") operands.push(triple.map(Number));
    else operands.push(operation.from === "int" ? triple.map((x) => BigInt.asIntN(64, x)) : triple);
  }
  const call = fp[exported]!;
  const found: string[] = [];
  fp.takeFlags();
  for (let rm = 0; rm < modes; rm++) {
    for (let i = 0; i < count && found.length < 5; i++) {
      const given = operation.rounds ? [...operands[i]!, rm, ...extra] : operands[i]!;
      const answer = call(...given);
      const result = typeof answer === "bigint" ? BigInt.asUintN(64, answer) : BigInt(answer >>> 0);
      const raised = fp.takeFlags() | preset;
      const at = rm * count + i;
      if (result === results[at] && raised === (flags[at]! | preset)) continue;
      const args = [...vectors.subarray(i * 3, i * 3 + operation.arity)].map(hex).join(", ");
      const wanted = `${hex(results[at]!)} flags ${flags[at]! | preset}`;
      found.push(`${exported}(${args}) ${MODES[rm]}: ${hex(result)} flags ${raised}, should be ${wanted}`);
    }
  }
  return found;
}

describe("exact operations against the instructions", () => {
  it.each(operations.map((operation) => [operation.name, operation] as const))("%s", (_, operation) => {
    const vectors = vectorsFor(operation, EVALUATIONS / (operation.rounds ? MODES.length : 1));
    expect(differences(operation, vectors, operation.name, [], 0)).toEqual([]);
  });
});

describe("fast operations against the instructions", () => {
  const named = fastOperations.map((operation) => [operation.name, operation] as const);

  it.each(named)("%sFast with NX set: results, and every flag but NX", (name, operation) => {
    expect(differences(operation, vectorsFor(operation, 20_000), `${name}Fast`, [NX], NX)).toEqual([]);
  });

  it.each(named)("%sFast with NX clear: results and flags", (name, operation) => {
    expect(differences(operation, vectorsFor(operation, 20_000), `${name}Fast`, [0], 0)).toEqual([]);
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
    const vectors = floatVectors(seedOf(`host${name}`), formats.f64, count);
    const numbers = new Float64Array(vectors.buffer);
    const out = new Float64Array(1);
    const bits = new BigUint64Array(out.buffer);
    let wrong = 0;
    for (let i = 0; i < count; i++) {
      out[0] = host[name]!(numbers[i * 3]!, numbers[i * 3 + 1]!);
      const wanted = Number.isNaN(out[0]) ? 0x7ff8_0000_0000_0000n : bits[0]!;
      const operands = name === "Sqrt" ? [vectors[i * 3]!] : [vectors[i * 3]!, vectors[i * 3 + 1]!];
      if (BigInt.asUintN(64, fp[`f64${name}`]!(...operands, 0) as bigint) !== wanted) wrong++;
    }
    fp.takeFlags();
    expect(wrong).toBe(0);
  });
});
