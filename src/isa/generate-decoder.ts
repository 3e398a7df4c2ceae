/**
 * Generates the decoder: nested switches over the bits that tell the remaining
 * rows apart, whose leaves fill in the micro-op's operands.
 */

import { type Field, fieldMask } from "./field.ts";
import { type Format, type Operand, SINK } from "./format.ts";
import { opName } from "./names.ts";
import { bySpecificity, type Row } from "./row.ts";

/** AssemblyScript for a field's value: i32 when signed, else u32. */
function fieldCode(field: Field): string {
  const [only] = field.pieces;
  if (field.signed && field.pieces.length === 1 && only!.raw + only!.width === 32) {
    return only!.to === only!.raw ? `(<i32>raw & ${-(2 ** only!.raw)})` : `(<i32>raw >> ${only!.raw})`;
  }
  const bits = field.pieces.map(({ raw, to, width }) => {
    const mask = hex(2 ** width - 1);
    return raw === to
      ? `(raw & ${hex((2 ** width - 1) * 2 ** raw)})`
      : to > 0
        ? `((raw >> ${raw} & ${mask}) << ${to})`
        : `(raw >> ${raw} & ${mask})`;
  });
  const value = bits.length > 1 ? `(${bits.join(" | ")})` : bits[0]!;
  if (field.signed) return `(<i32>(${value} << ${32 - field.bits}) >> ${32 - field.bits})`;
  return field.base ? `(${value} + ${field.base})` : value;
}

const hex = (n: number): string => (n < 10 ? String(n) : `0x${n.toString(16)}`);

function slotCode(format: Format, slot: number | Operand, destination: boolean): string {
  if (typeof slot === "number") return String(slot);
  const code = fieldCode(format.fields[slot]!);
  // A three-bit register is never x0.
  return destination && slot === "rd" && format.fields.rd!.base === 0 ? `destination(${code})` : code;
}

function formatBody(format: Format): string {
  const imm = format.imm.map(([operand, shift]) => {
    const field = format.fields[operand]!;
    const code = fieldCode(field);
    return shift ? `${code} << ${shift}` : code;
  });
  return `  dA = ${slotCode(format, format.a, true)};
  dB = ${slotCode(format, format.b, false)};
  dImm = ${imm.length ? `<i32>(${imm.join(" | ")})` : "0"};
  return op;
`;
}

/** Leaf functions, one for each distinct body. */
class Leaves {
  readonly #names = new Map<string, string>();
  call(row: Row): string {
    const body = formatBody(row.format);
    const name = this.#names.get(body) ?? `${row.format.name}Operands`;
    this.#names.set(body, name);
    return `${name}(${body.includes("raw") ? "raw, " : ""}${opName(row.name)})`;
  }
  text(): string {
    return [...this.#names]
      .map(([body, name]) => `function ${name}(${body.includes("raw") ? "raw: u32, " : ""}op: u16): u16 {\n${body}}\n`)
      .join("\n");
  }
}

/** The slices that make the shallowest trees, by instruction size: [highest bit, lowest bit]. */
const PREFERRED: Record<2 | 4, readonly [number, number][]> = {
  2: [
    [1, 0],
    [15, 13],
  ],
  4: [
    [6, 2],
    [14, 12],
  ],
};

/** A run of bits that all rows fix and that isn't known yet, or undefined. */
function chooseSlice(rows: readonly Row[], known: number, size: 2 | 4): [number, number] | undefined {
  const common = rows.reduce((mask, row) => mask & row.mask, ~known) >>> 0;
  const fixed = (bit: number) => ((common >>> bit) & 1) === 1;
  for (const [high, low] of PREFERRED[size]) {
    if (Array.from({ length: high - low + 1 }, (_, n) => low + n).every(fixed)) return [high, low];
  }
  for (let high = 31; high >= 0; high--) {
    if (!fixed(high)) continue;
    let low = high;
    while (low > 0 && fixed(low - 1)) low--;
    return [high, low];
  }
  return undefined;
}

class Tree {
  readonly #size: 2 | 4;
  readonly #leaves: Leaves;
  readonly #illegal: string;
  constructor(size: 2 | 4, leaves: Leaves) {
    this.#size = size;
    this.#leaves = leaves;
    this.#illegal = `illegal(raw, ${size === 2 ? "OP_ILLEGAL_C" : "OP_ILLEGAL"})`;
  }

  /** Statements that return for every encoding with the `known` bits of these rows. */
  statements(rows: readonly Row[], known: number, indent: string): string {
    const [first] = rows;
    if (rows.length === 1) return this.#last(first!, known, indent);
    const slice = chooseSlice(rows, known, this.#size);
    if (!slice) return this.#overlapping(rows, known, indent);
    const [high, low] = slice;
    const width = high - low + 1;
    const mask = (2 ** width - 1) * 2 ** low;
    const groups = new Map<number, Row[]>();
    for (const row of rows) {
      const value = (row.match & mask) >>> low;
      groups.set(value, [...(groups.get(value) ?? []), row]);
    }
    if (groups.size === 1) {
      const test = `if ((raw & ${hex(mask)}) != ${hex((first!.match & mask) >>> 0)}) return ${this.#illegal};\n`;
      return indent + test + this.statements(rows, known | mask, indent);
    }
    let text = `${indent}switch (raw >> ${low} & ${hex(2 ** width - 1)}) {\n`;
    for (const [value, group] of [...groups].sort(([x], [y]) => x - y)) {
      const inner = this.statements(group, (known | mask) >>> 0, `${indent}    `);
      const single = inner.indexOf("\n") === inner.length - 1;
      text += single
        ? `${indent}  case ${hex(value)}: ${inner.trimStart()}`
        : `${indent}  case ${hex(value)}: {\n${inner}${indent}  }\n`;
    }
    return `${text}${indent}  default: return ${this.#illegal};\n${indent}}\n`;
  }

  #last(row: Row, known: number, indent: string): string {
    const rest = (row.mask & ~known) >>> 0;
    const wrong = rest ? [`(raw & ${hex(rest)}) != ${hex((row.match & rest) >>> 0)}`] : [];
    for (const operand of row.nonzero) wrong.push(`!(raw & ${hex(fieldMask(row.format.fields[operand]!))})`);
    const call = this.#leaves.call(row);
    return `${indent}return ${wrong.length ? `${wrong.join(" || ")} ? ${this.#illegal} : ` : ""}${call};\n`;
  }

  /** Rows of which one is a special case of another: the one with most mask bits decides. */
  #overlapping(rows: readonly Row[], known: number, indent: string): string {
    const [first, ...others] = [...rows].sort(bySpecificity);
    const rest = (first!.mask & ~known) >>> 0;
    const test = `if ((raw & ${hex(rest)}) == ${hex((first!.match & rest) >>> 0)}) {\n`;
    const inner = this.#last(first!, first!.mask, `${indent}  `);
    return `${indent}${test}${inner}${indent}}\n${this.statements(others, known, indent)}`;
  }
}

/** Names of ops in the text, for its import. */
function importOps(text: string): string {
  const names = [...new Set(text.match(/\bOP_[A-Z0-9_]+/g))].sort();
  const lines: string[] = [];
  let line = " ";
  for (const name of names) {
    if (line.length + name.length + 2 > 110) {
      lines.push(line);
      line = " ";
    }
    line += ` ${name},`;
  }
  return `import {\n${[...lines, line].join("\n")}\n} from "./ops.generated";\n`;
}

/** The text of the decoder's module, without its header. */
export function generateDecoder(rows: readonly Row[]): string {
  const leaves = new Leaves();
  const of = (size: 2 | 4) => rows.filter((row) => row.size === size);
  const decode32 = new Tree(4, leaves).statements(of(4), 0b11, "  ");
  const decode16 = new Tree(2, leaves).statements(of(2), 0, "  ");
  const body = `
/** Operands of the micro-op decoded last; an illegal instruction's bits are in dImm. */
export let dA: u32 = 0;
export let dB: u32 = 0;
export let dImm: i32 = 0;

// @ts-ignore: decorator
@inline
function destination(register: u32): u32 {
  return register ? register : ${SINK};
}

function illegal(raw: u32, op: u16): u16 {
  dA = 0;
  dB = 0;
  dImm = <i32>raw;
  return op;
}

${leaves.text()}
/**
 * Decodes an instruction whose two low bits are set.
 * @returns its op, or OP_ILLEGAL
 */
export function decode32(raw: u32): u16 {
${decode32}}

/**
 * Decodes a compressed instruction; the upper half of \`raw\` is 0.
 * @returns its op, or OP_ILLEGAL_C
 */
export function decode16(raw: u32): u16 {
${decode16}}
`;
  return `\n${importOps(body)}${body}`;
}
