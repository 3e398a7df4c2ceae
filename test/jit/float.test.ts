/**
 * Floating point in compiled code does what the interpreter does: programs with
 * loops and calls, under every rounding mode, that look at flags, switch FP off
 * and leave registers badly boxed.
 */

import { setFlagsFromString } from "node:v8";
import { describe, expect, test } from "vitest";
import type { EngineName } from "../../src/core/engine.ts";
import { Assembler } from "../support/assembler.ts";
import { machineOf, RAM_BASE } from "../support/machine.ts";
import { chance, choose, type Random } from "../support/programs.ts";

const DATA = RAM_BASE + 0x8000;
const MSTATUS = 0x300;
const MEPC = 0x341;
const MTVEC = 0x305;
const FFLAGS = 1;
const FCSR = 3;
const FS_INITIAL = 0x2000;
const FS = 0x6000;

const [POINTER, COUNT, FLAGS, SCRATCH, TRAPS, MASK, CALLER] = [8, 9, 18, 19, 20, 21, 1];
const RUN = 6000;
/** Bytes of the data that programs store to. */
const STORED = 128;
/** From here on six registers take integers to floating point and back. */
const INTEGERS = 10;

const BOX = 0xffff_ffffn << 32n;
const VALUES: readonly bigint[] = [
  0n,
  1n << 63n,
  0x3ff0_0000_0000_0000n, // 1
  0xbff8_0000_0000_0000n, // -1.5
  0x3fb9_9999_9999_999an, // 0.1
  0x4009_21fb_5444_2d18n, // pi
  0x4330_0000_0000_0001n, // 2^52 + 1
  0x41df_ffff_ffe0_0000n, // just below 2^31
  0xc3e0_0000_0000_0000n, // -2^63
  0x0010_0000_0000_0000n, // the least normal number
  0x0000_0000_0000_0001n,
  0x7fef_ffff_ffff_ffffn,
  0x7ff0_0000_0000_0000n,
  0x7ff8_0000_0000_0000n,
  0x7ff0_0000_0000_0001n, // signalling
  0x0123_4567_3f80_0000n, // not boxed
  BOX,
  BOX | 0x8000_0000n,
  BOX | 0x3f80_0000n,
  BOX | 0xc049_0fdbn,
  BOX | 0x3dcc_cccdn,
  BOX | 0x4b00_0001n,
  BOX | 0x0080_0000n,
  BOX | 0x0000_0001n,
  BOX | 0x7f7f_ffffn,
  BOX | 0xff80_0000n,
  BOX | 0x7fc0_0000n,
  BOX | 0x7f80_0001n,
];

/** Numbers of no special kind: what makes most of a program's arithmetic. */
const plain = (random: Random, wide: boolean): bigint => {
  const sign = BigInt(random() % 2);
  const fraction = BigInt(random());
  if (!wide) return BOX | (sign << 31n) | (BigInt(117 + (random() % 20)) << 23n) | (fraction >> 9n);
  return (sign << 63n) | (BigInt(1013 + (random() % 20)) << 52n) | (fraction << 20n) | BigInt(random() >>> 12);
};
const value = (random: Random, wide = true): bigint =>
  chance(random, 8) ? choose(random, VALUES) : plain(random, wide);

const BOTH = ["fadd", "fsub", "fmul", "fdiv"];
const SUMS = ["fadd.d", "fsub.d"];
const SIGNS = ["fsgnj", "fsgnjn", "fsgnjx", "fmin", "fmax"];
const FUSED = ["fmadd", "fmsub", "fnmadd", "fnmsub"];
const COMPARES = ["feq", "flt", "fle"];
const WORDS = ["w", "wu", "l", "lu"];

/** A mode that an instruction names itself; dynamic mostly. */
const mode = (random: Random): number => (chance(random, 4) ? random() % 5 : chance(random, 200) ? 5 : 7);
/** f0..f3 mostly hold binary64 numbers, f4..f7 binary32. */
const freg = (random: Random, wide: boolean): number =>
  chance(random, 16) ? random() % 8 : (random() % 4) + (wide ? 0 : 4);
const xreg = (random: Random): number => INTEGERS + (random() % 6);

function instruction(out: Assembler, random: Random): void {
  const format = chance(random, 2) ? "d" : "s";
  const wide = format === "d";
  const [fd, fs1, fs2, fs3] = [freg(random, wide), freg(random, wide), freg(random, wide), freg(random, wide)];
  const [rd, rs1, rm] = [xreg(random), xreg(random), mode(random)];
  const toInteger = chance(random, 2) ? 1 : rm;
  const imm = 8 * (random() % (STORED / 8));
  switch (random() % 14) {
    case 0:
      out.op("fmul.d", { fd, fs1, fs2, rm });
      out.op(choose(random, SUMS), { fd: fs3, fs1: choose(random, [fd, fs2]), fs2: choose(random, [fd, fs3]), rm });
      break;
    case 1:
    case 2:
      out.op(`${choose(random, BOTH)}.${format}`, { fd, fs1, fs2, rm });
      break;
    case 3:
    case 4:
      out.op(`${choose(random, FUSED)}.${format}`, { fd, fs1, fs2, fs3, rm });
      break;
    case 5:
      out.op(`${choose(random, SIGNS)}.${format}`, { fd, fs1, fs2: chance(random, 2) ? fs1 : fs2 });
      break;
    case 6:
      out.op(`${choose(random, COMPARES)}.${format}`, { rd, fs1, fs2 });
      break;
    case 7:
      out.op(`fcvt.${choose(random, WORDS)}.${format}`, { rd, fs1, rm: toInteger });
      break;
    case 8:
      out.op(`fcvt.${format}.${choose(random, WORDS)}`, { fd, rs1, rm });
      break;
    case 9:
      out.op(wide ? "fcvt.d.s" : "fcvt.s.d", { fd, fs1: freg(random, !wide), rm });
      break;
    case 10:
      out.op(wide ? "fld" : "flw", { fd, rs1: POINTER, imm });
      break;
    case 11:
      out.op(wide ? "fsd" : "fsw", { fs2, rs1: POINTER, imm });
      break;
    case 12:
      if (chance(random, 2)) out.op(wide ? "fmv.x.d" : "fmv.x.w", { rd, fs1 });
      else out.op(wide ? "fmv.d.x" : "fmv.w.x", { fd, rs1 });
      break;
    default:
      out.op(chance(random, 2) ? `fsqrt.${format}` : `fclass.${format}`, { fd, rd, fs1, rm });
  }
}

/** Flags are read, set or cleared; FP is switched off, or left clean. */
function state(out: Assembler, random: Random): void {
  switch (random() % 6) {
    case 0:
      out.op("csrrw", { rd: SCRATCH, rs1: 0, csr: FFLAGS });
      break;
    case 1:
      out.op("csrrs", { rd: 0, rs1: MASK, csr: MSTATUS }).op("csrrc", { rd: 0, rs1: MASK, csr: MSTATUS });
      break;
    case 2:
      out.csrSet(MSTATUS, BigInt(FS_INITIAL * (1 + (random() % 3))) | 0x1800n);
      break;
    case 3:
      out.csrSet(FCSR, (random() % 5) * 32 + (random() % 2));
      break;
    default:
      out.op("csrrs", { rd: SCRATCH, rs1: 0, csr: FFLAGS });
  }
  out.op("slli", { rd: FLAGS, rs1: FLAGS, shamt: 1 }).op("xor", { rd: FLAGS, rs1: FLAGS, rs2: SCRATCH });
}

interface Mix {
  readonly frm: number;
  readonly inexact: boolean;
  /** One of so many instructions is about FP's state; 0: none is. */
  readonly states: number;
}

/** In FUNCTION and in a loop: instructions, ways round some of them, calls. */
function program(random: Random, mix: Mix): Assembler {
  const out = new Assembler(RAM_BASE);
  let labels = 0;
  const some = (count: number, calls: boolean): void => {
    for (let i = 0; i < count; i++) {
      if (mix.states && chance(random, mix.states)) state(out, random);
      if (chance(random, 8)) {
        const label = `over${labels++}`;
        out.to(label, "beq", { rs1: xreg(random), rs2: xreg(random) });
        for (let j = random() % 4; j >= 0; j--) instruction(out, random);
        out.label(label);
      } else if (calls && chance(random, 16)) {
        out.to("function", "jal", { rd: CALLER });
      } else {
        instruction(out, random);
      }
    }
  };
  out.la(SCRATCH, "handler").op("csrrw", { rd: 0, rs1: SCRATCH, csr: MTVEC });
  out.li(MASK, FS).op("csrrs", { rd: 0, rs1: MASK, csr: MSTATUS });
  out.li(POINTER, DATA).csrSet(FCSR, mix.frm * 32 + (mix.inexact ? 1 : 0));
  for (let r = 0; r < 6; r++) out.li(INTEGERS + r, value(random));
  out.li(COUNT, 40).label("outer");
  // Fresh numbers, or soon all would be NaNs.
  for (let r = 0; r < 8; r++) out.op("fld", { fd: r, rs1: POINTER, imm: STORED + 8 * r });
  out.op("addi", { rd: 22, rs1: 0, imm: 3 }).label("inner");
  some(24, false);
  out.op("addi", { rd: 22, rs1: 22, imm: -1 }).to("inner", "bne", { rs1: 22, rs2: 0 });
  some(24, true);
  out.op("addi", { rd: COUNT, rs1: COUNT, imm: -1 }).to("outer", "bne", { rs1: COUNT, rs2: 0 });
  out.label("end").to("end", "jal", { rd: 0 });
  out.label("function");
  some(8, false);
  out.op("jalr", { rd: 0, rs1: CALLER, imm: 0 });
  // FP off: on, and again. Anything else, a reserved rounding mode: over it.
  out.label("handler").op("addi", { rd: TRAPS, rs1: TRAPS, imm: 1 });
  out.op("csrrs", { rd: 23, rs1: 0, csr: MSTATUS }).op("and", { rd: 23, rs1: 23, rs2: MASK });
  out.to("skip", "bne", { rs1: 23, rs2: 0 });
  out.li(23, FS_INITIAL).op("csrrs", { rd: 0, rs1: 23, csr: MSTATUS }).op("mret");
  out.label("skip").op("csrrs", { rd: 23, rs1: 0, csr: MEPC }).op("addi", { rd: 23, rs1: 23, imm: 4 });
  return out.op("csrrw", { rd: 0, rs1: 23, csr: MEPC }).op("mret");
}

function outcome(code: Assembler, values: Uint8Array, engine: EngineName, slice: () => number) {
  const machine = machineOf(code, { engine });
  machine.write(DATA, values);
  machine.run(RUN, 0, slice);
  return {
    regions: machine.core.machineU32(machine.core.abi.M_JIT_TOTAL!),
    state: machine.state(),
    data: machine.read(DATA, values.length),
  };
}

/** xorshift32 */
function generator(seed: number): Random {
  let v = seed * 0x9e37_79b1 || 1;
  return () => {
    v ^= v << 13;
    v ^= v >>> 17;
    v ^= v << 5;
    return v >>> 0;
  };
}

const MIXES: readonly Mix[] = [
  { frm: 0, inexact: true, states: 0 },
  { frm: 0, inexact: true, states: 8 },
  { frm: 0, inexact: false, states: 24 },
  { frm: 1, inexact: true, states: 24 },
  { frm: 2, inexact: true, states: 24 },
  { frm: 3, inexact: true, states: 24 },
  { frm: 4, inexact: true, states: 24 },
  { frm: 6, inexact: true, states: 24 },
];

describe.each([false, true])("relaxed SIMD: %s", (relaxed) => {
  test.each(MIXES)("frm $frm, NX $inexact, state in one of $states", (mix) => {
    if (relaxed) setFlagsFromString("--experimental-wasm-relaxed-simd");
    for (let seed = 1; seed <= 12; seed++) {
      const random = generator(seed * 8 + mix.frm);
      const code = program(random, mix);
      const values = new Uint8Array(STORED + 8 * 8);
      const view = new DataView(values.buffer);
      for (let at = 0; at < values.length; at += 8) view.setBigUint64(at, value(random, at % 64 < 32), true);
      const slices = generator(seed);
      const { regions: none, ...interpreted } = outcome(code, values, "interpreter", () => RUN);
      const { regions, ...compiled } = outcome(code, values, "jit", () => 1 + (slices() % 300));
      expect(compiled, `seed ${seed}`).toEqual(interpreted);
      expect(none).toBe(0);
      expect(regions).toBeGreaterThan(0);
    }
  });
});
