/** Products and sums that one test of plainness is for: with numbers of every kind, and what FP's state is before loops. */

import { expect, test } from "vitest";
import { Assembler } from "../support/assembler.ts";
import { makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";

const [RA, S0, S1, S2, T0, T1, T2, A0] = [1, 8, 9, 18, 5, 6, 7, 10] as const;
const [MSTATUS, MTVEC, FFLAGS] = [0x300, 0x305, 1] as const;
const FS = 0x6000;
const NX = 1;

const DATA = RAM_BASE + 0x10_0000;
const RESULTS = RAM_BASE + 0x40_0000;
const RAM_SIZE = 0x100_0000;

const bits = (value: number): bigint => new BigUint64Array(new Float64Array([value]).buffer)[0]!;

const VALUES: readonly bigint[] = [
  ...[0, -0, 1, -1.5, 0.1, 2 ** -511, -1.1 * 2 ** -512, 1.3 * 2 ** -511, 2 ** -1022, -(2 ** -1011), 2 ** -1074],
  ...[1e-160, 1.7 * 2 ** 511, -(2 ** 513), Number.MAX_VALUE, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
]
  .map(bits)
  .concat([0x7ff8_0000_0000_0000n, 0xfff8_0000_0000_0005n, 0x7ff0_0000_0000_0001n, 0x000f_ffff_ffff_ffffn]);

/** What comes of the product f0 × f1 in f3: its sum with f2, and where that goes. */
const SUMS = [
  { op: "fadd.d", fd: 4, fs1: 2, fs2: 3 },
  { op: "fadd.d", fd: 3, fs1: 3, fs2: 2 },
  { op: "fsub.d", fd: 2, fs1: 2, fs2: 3 },
  { op: "fsub.d", fd: 0, fs1: 3, fs2: 2 },
  { op: "fadd.d", fd: 4, fs1: 3, fs2: 3 },
] as const;

function run(program: Assembler, engine: "jit" | "interpreter", fill: (machine: TestMachine) => void): TestMachine {
  const machine = makeMachine({ engine, ramSize: RAM_SIZE });
  fill(machine);
  machine.load(program);
  const end = BigInt(program.addressOf("end"));
  for (let i = 0; machine.pc() !== end; i++) {
    if (i > 20_000) throw new Error(`it never ends; the pc is 0x${machine.pc().toString(16)}`);
    machine.core.calls.run(0, 997);
  }
  return machine;
}

function compare(program: Assembler, size: number, fill: (machine: TestMachine) => void = () => {}): TestMachine {
  const jit = run(program, "jit", fill);
  const interpreted = run(program, "interpreter", fill);
  const results = new BigUint64Array(jit.read(RESULTS, size).buffer);
  const right = new BigUint64Array(interpreted.read(RESULTS, size).buffer);
  const wrong = results.findIndex((result, i) => result !== right[i]);
  expect(wrong, `result ${wrong} is ${results[wrong]?.toString(16)}, not ${right[wrong]?.toString(16)}`).toBe(-1);
  expect(jit.state()).toEqual(interpreted.state());
  const { core } = jit;
  const compiled = core.hartU64(0, core.abi.H_COUNTERS! + core.abi.CT_COMPILED! * 8);
  expect(Number(compiled)).toBeGreaterThan(Number(jit.field("H_INSTRET")) / 3);
  return jit;
}

const start = (): Assembler =>
  new Assembler(RAM_BASE).li(T0, FS).op("csrrs", { rd: 0, rs1: T0, csr: MSTATUS }).li(S0, DATA).li(S1, RESULTS);

test.each(SUMS)("$op f$fd, f$fs1, f$fs2 behind f3 = f0 × f1", ({ op, ...fields }) => {
  const triples = VALUES.length ** 3;
  const program = start().li(S2, triples).li(T2, NX).label("loop");
  for (let r = 0; r < 3; r++) program.op("fld", { fd: r, rs1: S0, imm: 8 * r });
  program.op("csrrw", { rd: 0, rs1: T2, csr: FFLAGS });
  program.op("fmul.d", { fd: 3, fs1: 0, fs2: 1, rm: 7 }).op(op, { ...fields, rm: 7 });
  program.op("fsd", { fs2: 3, rs1: S1, imm: 0 }).op("fsd", { fs2: fields.fd, rs1: S1, imm: 8 });
  program.op("csrrs", { rd: T1, rs1: 0, csr: FFLAGS }).op("sd", { rs2: T1, rs1: S1, imm: 16 });
  program.op("addi", { rd: S0, rs1: S0, imm: 24 }).op("addi", { rd: S1, rs1: S1, imm: 24 });
  program.op("addi", { rd: S2, rs1: S2, imm: -1 }).to("loop", "bne", { rs1: S2, rs2: 0 });
  program.label("end").to("end", "jal", { rd: 0 });
  const data = new BigUint64Array(3 * triples);
  let at = 0;
  for (const a of VALUES) for (const b of VALUES) for (const c of VALUES) for (const v of [a, b, c]) data[at++] = v;
  compare(program, 24 * triples, (machine) => machine.write(DATA, new Uint8Array(data.buffer)));
});

/** A function with a loop that begins with floating point is called with FP off, as left by a switch of contexts, and dirty. */
test("loops find FP off, clean or dirty", () => {
  const program = start().la(T0, "handler").op("csrrw", { rd: 0, rs1: T0, csr: MTVEC }).li(S2, 3000);
  program.label("again").li(T0, FS).op("csrrc", { rd: 0, rs1: T0, csr: MSTATUS });
  program.op("andi", { rd: T1, rs1: S2, imm: 3 }).op("slli", { rd: T1, rs1: T1, shamt: 13 });
  program.op("csrrs", { rd: 0, rs1: T1, csr: MSTATUS }).to("function", "jal", { rd: RA });
  program.op("csrrs", { rd: T1, rs1: 0, csr: MSTATUS }).op("sd", { rs2: T1, rs1: S1, imm: 0 });
  program.op("fsd", { fs2: 3, rs1: S1, imm: 8 }).op("addi", { rd: S1, rs1: S1, imm: 16 });
  program.op("addi", { rd: S2, rs1: S2, imm: -1 }).to("again", "bne", { rs1: S2, rs2: 0 });
  program.label("end").to("end", "jal", { rd: 0 });
  program.label("function").li(A0, 20).label("loop").op("fld", { fd: 0, rs1: S0, imm: 0 });
  program.op("fmul.d", { fd: 1, fs1: 0, fs2: 0, rm: 7 }).op("fadd.d", { fd: 3, fs1: 3, fs2: 1, rm: 7 });
  program.op("addi", { rd: A0, rs1: A0, imm: -1 }).to("loop", "bne", { rs1: A0, rs2: 0 });
  program.op("jalr", { rd: 0, rs1: RA, imm: 0 });
  program.label("handler").li(T0, 0x2000).op("csrrs", { rd: 0, rs1: T0, csr: MSTATUS }).op("mret");
  const jit = compare(program, 16 * 3000, (machine) => machine.writeU64(DATA, bits(0.3)));
  expect(jit.f(3)).toBeGreaterThan(bits(5000));
});

/** The slices end in the innermost loop, whose head becomes the entry of a region with all of them. */
test("loops in loops, from the innermost one", () => {
  const program = start().li(T0, 0).li(A0, 0).li(T2, 40);
  program.label("outer").op("addi", { rd: S2, rs1: 0, imm: 30 });
  program.label("middle").op("addi", { rd: T1, rs1: 0, imm: 25 }).op("add", { rd: T0, rs1: T0, rs2: S2 });
  program.label("inner").op("add", { rd: A0, rs1: A0, rs2: T0 }).op("addi", { rd: T1, rs1: T1, imm: -1 });
  program.op("xori", { rd: A0, rs1: A0, imm: 21 }).to("inner", "bne", { rs1: T1, rs2: 0 });
  program.op("sd", { rs2: A0, rs1: S1, imm: 0 }).op("addi", { rd: S1, rs1: S1, imm: 8 });
  program.op("addi", { rd: S2, rs1: S2, imm: -1 }).to("middle", "bne", { rs1: S2, rs2: 0 });
  program.op("addi", { rd: T2, rs1: T2, imm: -1 }).to("outer", "bne", { rs1: T2, rs2: 0 });
  program.label("end").to("end", "jal", { rd: 0 });
  compare(program, 8 * 30 * 40);
});
