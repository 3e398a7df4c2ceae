/**
 * The suite of floating point: every F and D instruction that computes, in all
 * rounding modes, static and dynamic, on operands biased to the hard cases, as a
 * bare-metal guest on Wardian and on QEMU. Values and flags have to agree.
 */

import type { Operands } from "../isa/decode.ts";
import type { Row } from "../isa/row.ts";
import type { Qemu } from "../oracle/qemu.ts";
import { Assembler } from "./assembler.ts";
import { type Engine, runOnQemu } from "./engines.ts";
import { RAM_BASE } from "./harness.ts";
import type { Image } from "./image.ts";
import { chance, type Random, seeded } from "./random.ts";
import { rowsOf } from "./rows.ts";
import { floatVectors, formats, integerVectors } from "./vectors.ts";

const MODES = ["rne", "rtz", "rdn", "rup", "rmm"];
const DYNAMIC = 7;
/** Operands in one image, for each kind of source. */
const VECTORS = 4096;
/** An operand triple, and the flags that stand before. */
const VECTOR_SIZE = 32;
const OPERANDS = RAM_BASE + 0x10_0000;
const TEST_DEVICE = 0x10_0000;
const FINISH = 0x5555;
const [FFLAGS, FRM, MSTATUS, MHARTID] = [1, 2, 0x300, 0xf14];
const BOX = 0xffff_ffff_0000_0000n;
const NX = 1;

const KINDS = ["f32", "f64", "int"] as const;
type Kind = (typeof KINDS)[number];

/** One instruction in one rounding mode. */
interface Kernel {
  readonly row: Row;
  readonly kind: Kind;
  /** What frm holds; the instruction itself says dyn or the same. */
  readonly mode: number;
  readonly static: boolean;
}

function kindOf(row: Row): Kind {
  if (row.format.fields.rs1) return "int";
  return row.name.endsWith(".d") ? "f64" : "f32";
}

const kernels: readonly Kernel[] = rowsOf("floating").flatMap((row) => {
  const kind = kindOf(row);
  if (!row.format.fields.rm) return [{ row, kind, mode: 0, static: true }];
  return MODES.flatMap((_, mode) => [true, false].map((fixed) => ({ row, kind, mode, static: fixed })));
});

/** Where an image has what: the results of each kernel, then its flags. */
const RESULTS = OPERANDS + KINDS.length * VECTORS * VECTOR_SIZE;
const resultsAt = (n: number): number => RESULTS + n * VECTORS * 9;
const flagsAt = (n: number): number => resultsAt(n) + VECTORS * 8;
const END = resultsAt(kernels.length);
/** Operations that one image makes. */
export const FLOAT_BATCH = kernels.length * VECTORS;

function code(): Uint8Array {
  const out = new Assembler(RAM_BASE);
  out.csrGet(5, MHARTID).label("park").to("first", "beq", { rs1: 5, rs2: 0 }).op("wfi").to("park", "jal", { rd: 0 });
  out.label("first").csrSet(MSTATUS, 3n << 13n);
  kernels.forEach(({ row, kind, mode, static: fixed }, n) => {
    const first = OPERANDS + KINDS.indexOf(kind) * VECTORS * VECTOR_SIZE;
    // A dynamic mode is in frm; beside a static one, frm holds another.
    out.op("csrrwi", { rd: 0, zimm: fixed ? (mode + 1) % 5 : mode, csr: FRM });
    out
      .li(5, first)
      .li(6, first + VECTORS * VECTOR_SIZE)
      .li(7, resultsAt(n))
      .li(8, flagsAt(n));
    out.label(`loop${n}`);
    for (let i = 0; i < 3; i++) out.op("fld", { fd: i, rs1: 5, imm: i * 8 });
    out.op("ld", { rd: 10, rs1: 5, imm: 0 }).op("lbu", { rd: 11, rs1: 5, imm: 24 });
    out.op("csrrw", { rd: 0, rs1: 11, csr: FFLAGS });
    const names: Operands = { fd: 3, fs1: 0, fs2: 1, fs3: 2, rd: 12, rs1: 10, rm: fixed ? mode : DYNAMIC };
    const operands: Operands = {};
    for (const name of Object.keys(row.format.fields) as (keyof Operands)[]) operands[name] = names[name]!;
    out.op(row.name, operands).csrGet(11, FFLAGS);
    if (row.format.fields.rd) out.op("sd", { rs1: 7, rs2: 12, imm: 0 });
    else out.op("fsd", { rs1: 7, fs2: 3, imm: 0 });
    out.op("sb", { rs1: 8, rs2: 11, imm: 0 });
    out.op("addi", { rd: 5, rs1: 5, imm: VECTOR_SIZE }).op("addi", { rd: 7, rs1: 7, imm: 8 });
    out.op("addi", { rd: 8, rs1: 8, imm: 1 }).to(`loop${n}`, "bltu", { rs1: 5, rs2: 6 });
  });
  out.li(5, TEST_DEVICE).li(6, FINISH).op("sw", { rs1: 5, rs2: 6, imm: 0 });
  return out.label("halt").to("halt", "jal", { rd: 0 }).bytes();
}

function operandsOf(kind: Kind, seed: number): BigUint64Array {
  if (kind === "int") return integerVectors(seed, VECTORS);
  return floatVectors(seed, formats[kind], VECTORS);
}

/** Flags that stand before: those that were raised stay, and inexact alone has a fast path. */
const presetFlags = (random: Random): number => (chance(random, 2) ? 0 : chance(random, 2) ? NX : random() & 31);

function image(seed: number): Image {
  const bytes = new Uint8Array(END - RAM_BASE);
  const view = new DataView(bytes.buffer);
  bytes.set(code());
  KINDS.forEach((kind, k) => {
    const random = seeded(seed + k);
    const operands = operandsOf(kind, random() >>> 1);
    for (let i = 0; i < VECTORS; i++) {
      const at = OPERANDS - RAM_BASE + (k * VECTORS + i) * VECTOR_SIZE;
      for (let j = 0; j < 3; j++) {
        // Now and then a single that isn't boxed, and so is a NaN.
        const box = kind === "f32" && !chance(random, 64) ? BOX : 0n;
        view.setBigUint64(at + j * 8, operands[i * 3 + j]! | box, true);
      }
      view.setUint8(at + 24, presetFlags(random));
    }
  });
  return { bytes, programs: [], slots: [] };
}

export interface FloatTotals {
  readonly operations: number;
  readonly wrong: readonly string[];
}

const MAX_WRONG = 50;
const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** @param say hears how it goes */
export async function fuzzFloat(
  seed: number,
  operations: number,
  engine: Engine,
  qemu: Qemu,
  say: (line: string) => void,
): Promise<FloatTotals> {
  const wrong: string[] = [];
  let done = 0;
  for (let n = 0; done < operations && wrong.length < MAX_WRONG; n++) {
    const made = image(seeded(seed + n * 0x1_0001)());
    const oracle = runOnQemu(qemu, made);
    oracle.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 15));
    const ours = engine(made);
    const theirs = await oracle;
    if (ours.stuck !== undefined || theirs.stuck !== undefined) wrong.push("the guest doesn't come to its end");
    wrong.push(...differences(ours.ram, theirs.ram));
    done += FLOAT_BATCH;
    say(`${(done / 1e6).toFixed(1)} million operations, ${wrong.length} differ`);
  }
  return { operations: done, wrong: wrong.slice(0, MAX_WRONG) };
}

function differences(ours: Uint8Array, theirs: Uint8Array): string[] {
  const wrong: string[] = [];
  const [our, their] = [ours, theirs].map((ram) => new DataView(ram.buffer, ram.byteOffset)) as [DataView, DataView];
  if (Buffer.from(ours.buffer, ours.byteOffset, ours.length).equals(theirs)) return wrong;
  kernels.forEach(({ row, kind, mode, static: fixed }, n) => {
    for (let i = 0; i < VECTORS && wrong.length < MAX_WRONG; i++) {
      const [at, flag] = [resultsAt(n) + i * 8 - RAM_BASE, flagsAt(n) + i - RAM_BASE];
      const [x, y] = [our.getBigUint64(at, true), their.getBigUint64(at, true)];
      const [f, g] = [our.getUint8(flag), their.getUint8(flag)];
      if (x === y && f === g) continue;
      const from = OPERANDS - RAM_BASE + (KINDS.indexOf(kind) * VECTORS + i) * VECTOR_SIZE;
      const given = [0, 8, 16].map((j) => hex(our.getBigUint64(from + j, true))).join(", ");
      const how = `${MODES[mode]}${fixed ? "" : " by frm"}, flags ${our.getUint8(from + 24)} before`;
      wrong.push(`${row.name}(${given}) ${how}: should be ${hex(y)} flags ${g}, is ${hex(x)} flags ${f}`);
    }
  });
  return wrong;
}
