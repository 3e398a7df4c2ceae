/**
 * Floating point within the loop against the exact functions: once NX is raised,
 * the loop takes WebAssembly's own result where it believes it the same. The
 * functions themselves are held to QEMU elsewhere.
 */

import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { floatVectors, formats, integerVectors } from "../../src/fuzz/vectors.ts";
import { encode } from "../../src/isa/encode.ts";
import { rows } from "../../src/isa/table/index.ts";
import { seeded } from "../isa/random.ts";
import { makeMachine, RAM_BASE } from "../support/machine.ts";

const machine = makeMachine();
const { core } = machine;
const { H_F, H_FCSR, H_MSTATUS } = core.abi as Record<string, number>;
const NX = 1;
const FS_INITIAL = 1n;
const FS_DIRTY = 3n;

const DOUBLES = [
  0x0000_0000_0000_0000n,
  0x8000_0000_0000_0000n,
  0x0000_0000_0000_0001n, // least subnormal
  0x000f_ffff_ffff_ffffn, // greatest subnormal
  0x0010_0000_0000_0000n, // least normal
  0x801f_ffff_ffff_ffffn,
  0x3ff0_0000_0000_0000n, // 1
  0xbff0_0000_0000_0001n,
  0x7fef_ffff_ffff_ffffn, // greatest finite
  0x7ff0_0000_0000_0000n, // infinity
  0xfff0_0000_0000_0000n,
  0x7ff8_0000_0000_0000n, // quiet NaN
  0x7ff0_0000_0000_0001n, // signalling NaN
];
const SINGLES = [0, 0x8000_0000, 1, 0x007f_ffff, 0x0080_0000, 0x80ff_ffff, 0x3f80_0000, 0xbf80_0001, 0x7f7f_ffff]
  .concat([0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_0001])
  .map((bits) => 0xffff_ffff_0000_0000n | BigInt(bits));

/** Special numbers, numbers of all magnitudes, and those near 1. */
function operands(single: boolean, random: () => number): bigint[] {
  const values = single ? [...SINGLES, 0x3ff0_0000_3f80_0000n] : [...DOUBLES]; // one of them isn't boxed
  for (let i = 0; i < 12; i++) {
    const near = BigInt(random() & 3);
    const low = BigInt(random());
    const high = BigInt(random());
    if (single) values.push(0xffff_ffff_0000_0000n | (i & 1 ? low : 0x3f00_0000n + (near << 23n) + (low >> 10n)));
    else values.push((high << 32n) | low, ((0x3fen + near) << 52n) | ((high & 0xf_ffffn) << 32n) | low);
  }
  return values;
}

/** f1 and x1 = op(f2, f3, f4) or op(x2), and fcsr after it; `exactly` keeps the loop from its own ways. */
function execute(raw: number, [a, b, c]: readonly bigint[], mode: number, exactly: boolean): unknown {
  machine.writeU64(RAM_BASE, BigInt(raw));
  machine.setPc(RAM_BASE);
  machine.setField("H_MSTATUS", (exactly ? FS_INITIAL : FS_DIRTY) << 13n);
  core.setHartU32(0, H_FCSR!, (mode << 5) | (exactly ? 0 : NX));
  core.setX(0, 1, 0n);
  core.setX(0, 2, a!);
  for (const [register, value] of [0n, a, b, c].entries()) core.setHartU64(0, H_F! + (register + 1) * 8, value ?? 0n);
  expect(core.calls.run(0, 1)).toBe(core.abi.RUN_BUDGET);
  return [machine.f(1), machine.x(1), core.hartU32(0, H_FCSR!) | NX];
}

const shown = (operands: readonly bigint[]) => operands.map((operand) => operand.toString(16)).join(", ");

/** Holds for all modes of frm, and for those of the instruction's own that are given. */
function compare(name: string, list: readonly (readonly bigint[])[], modes: readonly number[] = [7]): void {
  const { fields } = instruction(name).format;
  const registers = { fd: 1, rd: 1, fs1: 2, rs1: 2, fs2: 3, fs3: 4 };
  for (const rm of fields.rm ? modes : [7]) {
    const operands = Object.fromEntries(
      Object.keys(fields).map((field) => [field, field === "rm" ? rm : registers[field as keyof typeof registers]]),
    );
    const raw = encode(name, operands);
    for (const values of list) {
      for (const mode of rm === 7 ? [0, 2, 3, 4] : [0])
        if (!isDeepStrictEqual(execute(raw, values, mode, false), execute(raw, values, mode, true)))
          expect(execute(raw, values, mode, false), `${shown(values)}, modes ${rm}, ${mode}`).toEqual(
            execute(raw, values, mode, true),
          );
    }
  }
}

const instruction = (name: string) => rows.find((row) => row.name === name)!;
const isSingle = (name: string) => instruction(name).name.endsWith(".s");
const both = (...names: string[]) => names.flatMap((name) => [[`f${name}.d`], [`f${name}.s`]]);

test.each(
  both("add", "sub", "mul", "div", "sgnj", "sgnjn", "sgnjx", "min", "max", "eq", "lt", "le"),
)("%s has the exact function's value and flags", (name) => {
  const values = operands(isSingle(name), seeded(name.length * 7 + name.charCodeAt(2)));
  compare(
    name,
    values.flatMap((a) => values.map((b) => [a, b])),
  );
});

test.each(both("madd", "msub", "nmsub", "nmadd"))("%s has the exact function's value and flags", (name) => {
  const format = isSingle(name) ? "f32" : "f64";
  const values = operands(isSingle(name), seeded(name.length * 7 + name.charCodeAt(2))).filter((_, i) => i % 2 === 0);
  compare(
    name,
    values.flatMap((a) => values.flatMap((b) => values.map((c) => [a, b, c]))),
  );
  const box = isSingle(name) ? 0xffff_ffff_0000_0000n : 0n;
  const vectors = floatVectors(name.charCodeAt(3), formats[format], 2000);
  compare(
    name,
    Array.from({ length: 2000 }, (_, i) => [...vectors.subarray(i * 3, i * 3 + 3)].map((value) => value | box)),
  );
});

test.each(
  [...both("sqrt", "mv.x", "cvt.w", "cvt.l", "cvt.wu", "cvt.lu").flat(), ...["fcvt.s.d", "fcvt.d.s"]].map((name) => [
    name.replace("fmv.x.s", "fmv.x.w"),
  ]),
)("%s has the exact function's value and flags", (name) => {
  const single = name.endsWith(".s") || name.endsWith(".w");
  const values = floatVectors(name.length, formats[single ? "f32" : "f64"], 1000);
  const box = single ? 0xffff_ffff_0000_0000n : 0n;
  const list = [...operands(single, seeded(5)), ...[...values].map((value) => value | box)];
  compare(
    name,
    list.map((value) => [value]),
    [0, 1, 2, 7],
  );
});

test.each([
  "fmv.d.x",
  "fmv.w.x",
  ...["w", "wu", "l", "lu"].flatMap((integer) => [`fcvt.d.${integer}`, `fcvt.s.${integer}`]),
])("%s has the exact function's value and flags", (name) => {
  compare(
    name,
    [...integerVectors(9, 2000)].filter((_, i) => i % 3 === 0).map((value) => [value]),
    [0, 1, 4, 7],
  );
});

test("FP that is off still traps", () => {
  for (const [name, fields] of [
    ["fadd.d", { fd: 1, fs1: 2, fs2: 3 }],
    ["fld", { fd: 1, rs1: 0, imm: 0 }],
    ["fsd", { rs1: 0, fs2: 1, imm: 0 }],
    ["flt.d", { rd: 1, fs1: 2, fs2: 3 }],
  ] as const) {
    machine.core.calls.resetAll();
    machine.setField("H_MTVEC", BigInt(RAM_BASE + 0x100));
    machine.writeU64(RAM_BASE, BigInt(encode(name, fields)));
    machine.setPc(RAM_BASE);
    core.setHartU32(0, H_FCSR!, NX);
    core.setHartU64(0, H_MSTATUS!, 0n);
    core.calls.run(0, 1);
    expect(machine.field("H_MCAUSE"), name).toBe(2n);
  }
});

test.each([
  "fadd.s",
  "fmadd.d",
  "fcvt.w.d",
  "fcvt.d.w",
  "fcvt.d.s",
  "fcvt.s.l",
])("%s refuses reserved modes", (name) => {
  const { fields } = instruction(name).format;
  const registers = Object.fromEntries(Object.keys(fields).map((field) => [field, field === "rm" ? 0 : 1]));
  for (const [own, frm] of [
    [5, 0],
    [6, 0],
    [7, 5],
    [7, 7],
  ] as const) {
    core.calls.resetAll();
    machine.writeU64(RAM_BASE, BigInt((encode(name, registers) | (own << 12)) >>> 0));
    machine.setPc(RAM_BASE);
    machine.setField("H_MSTATUS", FS_DIRTY << 13n);
    core.setHartU32(0, H_FCSR!, (frm << 5) | NX);
    core.calls.run(0, 1);
    expect(machine.field("H_MCAUSE"), `modes ${own}, ${frm}`).toBe(2n);
  }
});
