/** Everything generated from the table, as text. Pure: `generate-main.ts` writes it. */

import { executedAs } from "./expansion.ts";
import { numberFusions } from "./fusion.ts";
import { generateDecoder } from "./generate-decoder.ts";
import { generateDispatch } from "./generate-dispatch.ts";
import { generateFusion } from "./generate-fusion.ts";
import { opName } from "./names.ts";
import { FIRST_OP, numberOps, type Op } from "./ops.ts";
import type { Row } from "./row.ts";

const HEADER = "// Generated from src/isa/table by src/isa/generate-main.ts: do not edit.\n";

/** Runs of neighbouring ids among the ops that have a twin, as [first, last]. */
function nearRuns(ops: readonly Op[]): [Op, Op][] {
  const runs: [Op, Op][] = [];
  for (const op of ops) {
    if (!op.row?.flags.far || op.far) continue;
    const last = runs.at(-1);
    if (last && last[1].id + 2 === op.id) last[1] = op;
    else runs.push([op, op]);
  }
  return runs;
}

function generateOps(ops: readonly Op[]): string {
  const count = ops.at(-1)!.id + 1;
  const near = nearRuns(ops).map(([first, last]) => `op >= ${first.name} && op <= ${last.name}`);
  return `${HEADER}
${ops.map((op) => `export const ${op.name}: u16 = ${op.id};`).join("\n")}

/** The first id that stands for an instruction. */
export const OP_FIRST: u16 = ${FIRST_OP};
/** One more than the highest id. */
export const OP_COUNT: u16 = ${count};

/**
 * The twin of a jump or branch for a target outside its page, or 0 for other
 * ops. \`op\` is as the decoder returns it, never itself a twin.
 */
export function farOf(op: u16): u16 {
  return ${near.map((test) => `(${test})`).join(" || ")} ? op + 1 : 0;
}
`;
}

/** Bits of an op's shape: which fields of its micro-op are registers; F stands for those of floating point. */
const SHAPE = {
  READS_A: 1,
  READS_B: 2,
  READS_C: 4,
  WRITES_A: 8,
  CSR: 16,
  READS_F_A: 32,
  READS_F_B: 64,
  READS_F_C: 128,
  READS_F_D: 256,
  WRITES_F_A: 512,
  ROUNDS: 1024,
} as const;

function shapeOf({ format }: Row): number {
  const isSource = (operand: unknown) => operand === "rs1" || operand === "rs2";
  return (
    (isSource(format.a) ? SHAPE.READS_A : 0) |
    (isSource(format.b) ? SHAPE.READS_B : 0) |
    (isSource(format.imm[0]?.[0]) ? SHAPE.READS_C : 0) |
    (format.a === "rd" ? SHAPE.WRITES_A : 0) |
    ("csr" in format.fields ? SHAPE.CSR : 0) |
    (format.a === "fs2" ? SHAPE.READS_F_A : 0) |
    (format.b === "fs1" ? SHAPE.READS_F_B : 0) |
    (format.imm[0]?.[0] === "fs2" ? SHAPE.READS_F_C : 0) |
    (format.imm[1]?.[0] === "fs3" ? SHAPE.READS_F_D : 0) |
    (format.a === "fd" ? SHAPE.WRITES_F_A : 0) |
    ("rm" in format.fields ? SHAPE.ROUNDS : 0)
  );
}

/** What compressed instructions do, and which fields of a micro-op are registers. */
function generateShape(rows: readonly Row[], ops: readonly Op[]): string {
  const imports = new Set<string>();
  const use = (name: string) => {
    imports.add(name);
    return name;
  };
  const cases = rows
    .filter((row) => row.name.startsWith("c."))
    .map((row) => `    case ${use(opName(row.name))}: return ${use(opName(executedAs(row.name)))};`);
  const body = cases.join("\n");
  const shapes: number[] = new Array(ops.at(-1)!.id + 1).fill(0);
  for (const op of ops) if (op.row) shapes[op.id] = shapeOf(op.row);
  const list = Array.from(
    { length: Math.ceil(shapes.length / 32) },
    (_, i) => `  ${shapes.slice(i * 32, i * 32 + 32).join(", ")},`,
  ).join("\n");
  return `${HEADER}
import {
  ${[...imports].join(", ")},
} from "./ops.generated";

/** The instruction that a compressed one expands to; others are themselves. */
export function baseOf(op: u16): u16 {
  switch (<i32>op) {
${body}
    default: return op;
  }
}

// Which fields of a micro-op are registers; of compressed instructions, ask for their base.
${Object.entries(SHAPE)
  .map(([name, bit]) => `export const ${name}: u16 = ${bit};`)
  .join("\n")}

const SHAPES: usize = memory.data<u16>([
${list}
]);

export function shapeOf(op: u16): u16 {
  return load<u16>(SHAPES + (<u32>op << 1));
}
`;
}

function generateNames(ops: readonly Op[]): string {
  const names: string[] = [];
  for (const op of ops) names[op.id] = op.name;
  const list = Array.from(names, (name) => `  ${JSON.stringify(name ?? "")},\n`).join("");
  return `${HEADER}
/** Names of the micro-ops by id; spare ids are empty. */
export const OP_NAMES: readonly string[] = [
${list}];
`;
}

/**
 * @param rows  the table
 * @returns     the generated files' text by path from the repository's root
 */
export function generate(rows: readonly Row[]): Record<string, string> {
  const ops = numberOps(rows);
  const opCount = ops.at(-1)!.id + 1;
  const fusions = numberFusions(rows, opCount);
  const ids = new Map(ops.map((op) => [op.name, op.id]));
  return {
    "assembly/isa/ops.generated.ts": generateOps(ops),
    "assembly/isa/decode.generated.ts": HEADER + generateDecoder(rows),
    "assembly/exec/dispatch.generated.ts": HEADER + generateDispatch(rows, fusions),
    "assembly/isa/fusion.generated.ts": HEADER + generateFusion(fusions, opCount, (name) => ids.get(name)!),
    "assembly/isa/shape.generated.ts": generateShape(rows, ops),
    "src/isa/ops.generated.ts": generateNames(ops),
  };
}
