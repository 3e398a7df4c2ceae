import { beforeAll, describe, expect, test } from "vitest";
import { decode, microOp } from "../../src/isa/decode.ts";
import { OP_NAMES } from "../../src/isa/ops.generated.ts";
import { numberOps } from "../../src/isa/ops.ts";
import { rows } from "../../src/isa/table/index.ts";
import { listing } from "../../src/oracle/binutils.ts";
import { compileAssembly } from "../support/asc.ts";
import { seeded } from "./random.ts";

interface Decoder {
  decode32(raw: number): number;
  decode16(raw: number): number;
  readonly dA: WebAssembly.Global & { value: number };
  readonly dB: WebAssembly.Global & { value: number };
  readonly dImm: WebAssembly.Global & { value: number };
}

let core: Decoder;

beforeAll(async () => {
  const module = await compileAssembly("assembly/isa/decode.generated.ts");
  const memory = new WebAssembly.Memory({ initial: 1 });
  core = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Decoder;
}, 60_000);

const isShort = (raw: number) => (raw & 3) !== 3;

/** The generated decoder's answer as one string, and the table search's. */
function generated(raw: number): string {
  const op = isShort(raw) ? core.decode16(raw) : core.decode32(raw);
  return `${OP_NAMES[op]} ${core.dA.value} ${core.dB.value} ${core.dImm.value}`;
}

function searched(raw: number): string {
  const decoded = decode(raw);
  if (!decoded) return `${isShort(raw) ? "OP_ILLEGAL_C" : "OP_ILLEGAL"} 0 0 ${raw | 0}`;
  const { op, a, b, imm } = microOp(decoded);
  return `${OP_NAMES[op]} ${a} ${b} ${imm}`;
}

/** Compares many words; strings are only made for those that differ. */
function differing(count: number, next: (n: number) => number): string[] {
  const wrong: string[] = [];
  for (let n = 0; n < count && wrong.length < 10; n++) {
    const raw = next(n);
    const decoded = decode(raw);
    const op = isShort(raw) ? core.decode16(raw) : core.decode32(raw);
    if (decoded) {
      const expected = microOp(decoded);
      const same = expected.a === core.dA.value && expected.b === core.dB.value && expected.imm === core.dImm.value;
      if (same && expected.op === op) continue;
    } else if (op === (isShort(raw) ? 4 : 3) && core.dImm.value === (raw | 0)) continue;
    wrong.push(`${raw.toString(16)}: ${generated(raw)} | ${searched(raw)}`);
  }
  return wrong;
}

describe("the generated decoder agrees with the search of the table", () => {
  test("on every compressed encoding", () => {
    const short = Array.from({ length: 0x10000 }, (_, raw) => raw).filter(isShort);
    expect(differing(short.length, (n) => short[n]!)).toEqual([]);
  });

  test("on a million random words", () => {
    const random = seeded(11);
    expect(differing(1_000_000, () => (random() | 3) >>> 0)).toEqual([]);
  });

  test("on a million words that are a row's, or one bit away", () => {
    const random = seeded(12);
    const long = rows.filter((row) => row.size === 4);
    const next = (n: number) => {
      const row = long[n % long.length]!;
      const raw = row.match | (random() & ~row.mask);
      return (((n & 1 ? raw : raw ^ (1 << (random() & 31))) >>> 0) | 3) >>> 0;
    };
    expect(differing(1_000_000, next)).toEqual([]);
  });
});

/** The micro-op's operands as the interpreter expects them: written out, not derived. */
const CONVENTIONS: [source: string, op: string, a: number, b: number, imm: number][] = [
  ["add a0,a1,a2", "ADD", 10, 11, 12],
  ["add zero,a1,a2", "ADD", 32, 11, 12],
  ["add a0,zero,zero", "ADD", 10, 0, 0],
  ["cpop a0,a1", "CPOP", 10, 11, 0],
  ["addi a0,a1,-2048", "ADDI", 10, 11, -2048],
  ["srai a0,a1,63", "SRAI", 10, 11, 63],
  ["sraiw a0,a1,31", "SRAIW", 10, 11, 31],
  ["lui a0,0x80000", "LUI", 10, 0, -0x80000000],
  ["auipc zero,0x12345", "AUIPC", 32, 0, 0x12345000],
  ["ld zero,-8(sp)", "LD", 32, 2, -8],
  ["jalr ra,4(a1)", "JALR", 1, 11, 4],
  ["sd zero,-2048(a1)", "SD", 0, 11, -2048],
  ["sw a2,2047(a1)", "SW", 12, 11, 2047],
  ["beq a0,zero,.-4096", "BEQ", 10, 0, -4096],
  ["bltu zero,a1,.+4094", "BLTU", 0, 11, 4094],
  ["jal zero,.-1048576", "JAL", 32, 0, -1048576],
  ["jal ra,.+1048574", "JAL", 1, 0, 1048574],
  ["lr.w.aq a0,(a1)", "LR_W", 10, 11, 0x200],
  ["sc.d.rl a0,a2,(a1)", "SC_D", 10, 11, 0x100 | 12],
  ["amoadd.w.aqrl zero,a2,(a1)", "AMOADD_W", 32, 11, 0x300 | 12],
  ["flw f0,4(a1)", "FLW", 0, 11, 4],
  ["fsd f31,-8(a1)", "FSD", 31, 11, -8],
  ["fmadd.d f0,f1,f2,f31,rup", "FMADD_D", 0, 1, 2 | (31 << 8) | (3 << 16)],
  ["fadd.s f0,f1,f2", "FADD_S", 0, 1, 2 | (7 << 16)],
  ["fsqrt.d f0,f1,rtz", "FSQRT_D", 0, 1, 1 << 16],
  ["fsgnjx.d f0,f1,f2", "FSGNJX_D", 0, 1, 2],
  ["feq.s zero,f1,f2", "FEQ_S", 32, 1, 2],
  ["fcvt.lu.d zero,f1,rtz", "FCVT_LU_D", 32, 1, 1 << 16],
  ["fcvt.s.l f0,a1,rmm", "FCVT_S_L", 0, 11, 4 << 16],
  ["fcvt.s.d f0,f1,rdn", "FCVT_S_D", 0, 1, 2 << 16],
  ["fclass.d zero,f1", "FCLASS_D", 32, 1, 0],
  ["fmv.d.x f0,a1", "FMV_D_X", 0, 11, 0],
  ["csrrw zero,0xfff,a1", "CSRRW", 32, 11, 0xfff],
  ["csrrsi a0,fcsr,31", "CSRRSI", 10, 31, 3],
  ["fence rw,w", "FENCE", 0, 0, 0],
  ["fence.tso", "FENCE_TSO", 0, 0, 0],
  ["pause", "PAUSE", 0, 0, 0],
  ["ecall", "ECALL", 0, 0, 0],
  ["mret", "MRET", 0, 0, 0],
  ["sfence.vma a1,a2", "SFENCE_VMA", 0, 11, 12],
  ["sinval.vma zero,a2", "SINVAL_VMA", 0, 0, 12],
  ["cbo.zero (a1)", "CBO_ZERO", 0, 11, 0],
  ["c.addi4spn s0,sp,1020", "C_ADDI4SPN", 8, 2, 1020],
  ["c.lw a5,124(s0)", "C_LW", 15, 8, 124],
  ["c.fld fa5,248(s0)", "C_FLD", 15, 8, 248],
  ["c.sd a5,8(s0)", "C_SD", 15, 8, 8],
  ["c.addi a0,-32", "C_ADDI", 10, 10, -32],
  ["c.nop", "C_NOP", 32, 0, 0],
  ["c.addiw a0,31", "C_ADDIW", 10, 10, 31],
  ["c.li zero,5", "C_LI", 32, 0, 5],
  ["c.addi16sp sp,-512", "C_ADDI16SP", 2, 2, -512],
  ["c.lui a0,0xfffe0", "C_LUI", 10, 0, -0x20000],
  ["c.srai a5,63", "C_SRAI", 15, 15, 63],
  ["c.andi a5,-1", "C_ANDI", 15, 15, -1],
  ["c.subw a5,s0", "C_SUBW", 15, 15, 8],
  ["c.j .-2048", "C_J", 32, 0, -2048],
  ["c.beqz a5,.+254", "C_BEQZ", 15, 0, 254],
  ["c.bnez a5,.-256", "C_BNEZ", 15, 0, -256],
  ["c.slli zero,5", "C_SLLI", 32, 0, 5],
  ["c.slli a0,63", "C_SLLI", 10, 10, 63],
  ["c.lwsp a0,252(sp)", "C_LWSP", 10, 2, 252],
  ["c.fldsp f0,504(sp)", "C_FLDSP", 0, 2, 504],
  ["c.jr a1", "C_JR", 32, 11, 0],
  ["c.jalr a1", "C_JALR", 1, 11, 0],
  ["c.mv a0,a1", "C_MV", 10, 11, 0],
  ["c.mv zero,a1", "C_MV", 32, 11, 0],
  ["c.add a0,a1", "C_ADD", 10, 10, 11],
  ["c.ebreak", "C_EBREAK", 0, 0, 0],
  ["c.swsp zero,4(sp)", "C_SWSP", 0, 2, 4],
  ["c.sdsp a0,504(sp)", "C_SDSP", 10, 2, 504],
  ["c.fsdsp f31,8(sp)", "C_FSDSP", 31, 2, 8],
];

test("operands are where the interpreter expects them", () => {
  // Without norvc the assembler compresses what it can.
  const source = CONVENTIONS.map(([text]) => `${text.startsWith("c.") ? "" : ".option norvc\n"}${text}\n.option rvc`);
  const listed = listing(`.option norelax\n${source.join("\n")}\n`);
  expect(listed).toHaveLength(CONVENTIONS.length);
  CONVENTIONS.forEach(([text, op, a, b, imm], n) => {
    expect(generated(listed[n]!.raw), text).toBe(`OP_${op} ${a} ${b} ${imm}`);
  });
});

test("farOf gives the twin of each near jump or branch, and of nothing else", async () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const module = await compileAssembly("assembly/isa/ops.generated.ts");
  const { farOf } = new WebAssembly.Instance(module, { env: { memory } }).exports as { farOf(op: number): number };
  for (const op of numberOps(rows)) {
    if (!op.far) expect(OP_NAMES[farOf(op.id)], op.name).toBe(op.row?.flags.far ? `${op.name}_FAR` : OP_NAMES[0]);
  }
}, 60_000);
