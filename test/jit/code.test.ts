/** Compiled code that changes, moves or lies awkwardly is executed as it is now. */

import { describe, expect, test } from "vitest";
import { Assembler } from "../support/assembler.ts";
import { makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";

const [RA, SP, S0, S1, T0, T1, A0, A1] = [1, 2, 8, 9, 5, 6, 10, 11] as const;
const S_MODE = 1;
const SATP_SV39 = 8n << 60n;
const PTE = { V: 1n, R: 2n, W: 4n, X: 8n, A: 64n, D: 128n } as const;
const LEAF = PTE.V | PTE.R | PTE.W | PTE.X | PTE.A | PTE.D;

/** Every entry is translated when it is first arrived at. */
const eager = (options = {}): TestMachine => makeMachine({ engine: "jit", ramSize: 0x80_0000, ...options });

const regions = ({ core }: TestMachine): number => core.machineU32(core.abi.M_JIT_TOTAL);

/** Runs to the label "end", where the program goes round for ever. */
function finish(machine: TestMachine, program: Assembler, end = BigInt(program.addressOf("end"))): void {
  const { abi, calls } = machine.core;
  for (let i = 0; machine.pc() !== end; i++) {
    if (i > 50_000) throw new Error(`it never ends; the pc is 0x${machine.pc().toString(16)}`);
    expect(calls.run(0, 97)).toBe(abi.RUN_BUDGET);
  }
}

const end = (program: Assembler): Assembler => program.label("end").to("end", "jal", { rd: 0 });

/** Calls the function at the address in s0 `count` times. */
function callLoop(program: Assembler, count: number, name = "call"): Assembler {
  program.li(S1, count).label(name).op("jalr", { rd: RA, rs1: S0, imm: 0 });
  return program.op("addi", { rd: S1, rs1: S1, imm: -1 }).to(name, "bne", { rs1: S1, rs2: 0 });
}

const adds = (at: number, imm: number): Uint8Array =>
  new Assembler(at).op("addi", { rd: A0, rs1: A0, imm }).op("jalr", { rd: 0, rs1: RA, imm: 0 }).bytes();

test("DMA into compiled code", () => {
  const at = RAM_BASE + 0x4000;
  const program = end(callLoop(new Assembler(RAM_BASE).li(S0, at), 500));
  const machine = eager();
  let expected = 0n;
  for (let round = 1; round <= 5; round++) {
    machine.write(at, adds(at, round));
    machine.load(program);
    finish(machine, program);
    expected += 500n * BigInt(round);
    expect(machine.x(A0)).toBe(expected);
  }
  expect(regions(machine)).toBeGreaterThan(5);
});

/** Three levels of tables from `root` on; maps pages of 4 KiB, or 2 MiB if told. */
class Tables {
  readonly #machine: TestMachine;
  readonly root = RAM_BASE + 0x40_0000;
  #next = this.root + 0x1000;

  constructor(machine: TestMachine) {
    this.#machine = machine;
    machine.setField("H_SATP", SATP_SV39 | (BigInt(this.root) >> 12n));
    machine.setField("H_PMPCFG", 0x1fn);
    machine.setField("H_PMPADDR", (1n << 54n) - 1n);
    machine.core.setHartU32(0, machine.core.abi.H_PMP_ACTIVE!, 1);
    machine.setPrivilege(S_MODE);
  }

  map(va: number, pa: number, big = false): void {
    const last = big ? 1 : 0;
    let table = this.root;
    for (let level = 2; ; level--) {
      const at = table + 8 * (Math.floor(va / 2 ** (12 + 9 * level)) % 512);
      if (level === last) {
        this.#machine.writeU64(at, (BigInt(pa) >> 2n) | LEAF);
        return;
      }
      let pte = this.#machine.readU64(at);
      if (!(pte & PTE.V)) {
        pte = (BigInt(this.#next) >> 2n) | PTE.V;
        this.#machine.writeU64(at, pte);
        this.#next += 0x1000;
      }
      table = Number((pte >> 10n) << 12n);
    }
  }
}

test("code in a superpage, and the same page under two addresses", () => {
  const machine = eager();
  const tables = new Tables(machine);
  const [code, big, small] = [RAM_BASE + 0x20_1000, 0x4020_0000, 0x5000_0000];
  tables.map(big, RAM_BASE + 0x20_0000, true);
  tables.map(small, code);
  const program = new Assembler(big).li(S0, big + 0x1000);
  callLoop(program, 300, "one").li(S0, small);
  end(callLoop(program, 300, "other"));
  // Where it is says what it adds.
  const body = new Assembler(small).op("auipc", { rd: T0, upper: 0 }).op("add", { rd: A0, rs1: A0, rs2: T0 });
  machine.write(code, body.op("jalr", { rd: 0, rs1: RA, imm: 0 }).bytes());
  machine.write(RAM_BASE + 0x20_0000, program.bytes());
  machine.setPc(big);
  finish(machine, program);
  expect(machine.x(A0)).toBe(300n * BigInt(big + 0x1000 + small));
  expect(regions(machine)).toBeGreaterThan(1);
});

test("a page that is remapped between calls, and one that goes away", () => {
  const machine = eager();
  const tables = new Tables(machine);
  const [va, first, second] = [0x6000_0000, RAM_BASE + 0x10_0000, RAM_BASE + 0x11_0000];
  const page = (pa: number) => (BigInt(pa) >> 2n) | LEAF;
  tables.map(RAM_BASE, RAM_BASE, true);
  tables.map(RAM_BASE + 0x40_0000, RAM_BASE + 0x40_0000, true);
  tables.map(va, first);
  // The leaf's table is the last one made.
  const leaf = RAM_BASE + 0x40_0000 + 0x1000 * 3;
  expect(machine.readU64(leaf)).toBe(page(first));
  machine.write(first, adds(first, 1));
  machine.write(second, adds(second, 1000));
  const program = new Assembler(RAM_BASE).li(S0, va).li(T0, leaf);
  callLoop(program, 200, "one").li(T1, page(second)).op("sd", { rs2: T1, rs1: T0, imm: 0 });
  program.op("sfence.vma", { rs1: S0, rs2: 0 });
  callLoop(program, 200, "two").li(A1, 1).op("sd", { rs2: 0, rs1: T0, imm: 0 }).op("sfence.vma", { rs1: 0, rs2: 0 });
  end(program.op("jalr", { rd: RA, rs1: S0, imm: 0 }));
  machine.setField("H_MTVEC", BigInt(program.addressOf("end")));
  machine.load(program);
  finish(machine, program);
  expect(machine.x(A0)).toBe(200n + 200_000n);
  expect([machine.field("H_MCAUSE"), machine.field("H_MTVAL")]).toEqual([12n, BigInt(va)]);
});

describe("a loop that", () => {
  test("crosses pages, with an instruction across the border", () => {
    const border = RAM_BASE + 0x3000;
    const program = new Assembler(RAM_BASE)
      .li(S1, 1000)
      .to("loop", "jal", { rd: 0 })
      .org(border - 6);
    program.label("loop").op("addi", { rd: A0, rs1: A0, imm: 3 }).op("addi", { rd: A1, rs1: A0, imm: 1 });
    program.op("addi", { rd: S1, rs1: S1, imm: -1 }).to("loop", "bne", { rs1: S1, rs2: 0 });
    const machine = eager().load(end(program));
    finish(machine, program);
    expect([machine.x(A0), machine.x(A1)]).toEqual([3000n, 3001n]);
  });

  test("keeps its data beside its code", () => {
    const program = new Assembler(RAM_BASE).la(S0, "data").li(S1, 2000).label("loop");
    program.op("ld", { rd: A0, rs1: S0, imm: 0 }).op("addi", { rd: A0, rs1: A0, imm: 7 });
    program.op("sd", { rs2: A0, rs1: S0, imm: 0 }).op("addi", { rd: S1, rs1: S1, imm: -1 });
    end(program.to("loop", "bne", { rs1: S1, rs2: 0 }))
      .align(8)
      .label("data")
      .u64(5n);
    const machine = eager().load(program);
    finish(machine, program);
    expect(machine.readU64(program.addressOf("data"))).toBe(5n + 14_000n);
    // It was not compiled again for each of its stores.
    expect(regions(machine)).toBeLessThan(100);
  });

  test("writes the instruction that comes next", () => {
    const program = new Assembler(RAM_BASE).la(S0, "patched").li(S1, 300).label("loop");
    program.op("slli", { rd: T1, rs1: S1, shamt: 20 }).li(T0, 0x50513).op("add", { rd: T0, rs1: T0, rs2: T1 }); // addi a0, a0, s1
    program.op("sw", { rs2: T0, rs1: S0, imm: 0 }).op("fence.i").label("patched").raw(0x13, 4);
    program.op("addi", { rd: S1, rs1: S1, imm: -1 });
    end(program.to("loop", "bne", { rs1: S1, rs2: 0 }));
    // The word is made of opcode, rd, rs1 = a0 and the immediate in its upper bits.
    const machine = eager().load(program);
    finish(machine, program);
    expect(machine.x(A0)).toBe((300n * 301n) / 2n);
  });
});

test("recursion deeper than calls of WebAssembly may be", () => {
  const depth = 20_000;
  const program = new Assembler(RAM_BASE)
    .li(SP, RAM_BASE + 0x70_0000)
    .li(A0, depth)
    .to("sum", "jal", { rd: RA });
  end(program).label("sum").to("some", "bne", { rs1: A0, rs2: 0 }).op("jalr", { rd: 0, rs1: RA, imm: 0 });
  program.label("some").op("addi", { rd: SP, rs1: SP, imm: -16 }).op("sd", { rs2: RA, rs1: SP, imm: 8 });
  program.op("sd", { rs2: A0, rs1: SP, imm: 0 }).op("addi", { rd: A0, rs1: A0, imm: -1 }).to("sum", "jal", { rd: RA });
  program.op("ld", { rd: T0, rs1: SP, imm: 0 }).op("add", { rd: A0, rs1: A0, rs2: T0 });
  program.op("ld", { rd: RA, rs1: SP, imm: 8 }).op("addi", { rd: SP, rs1: SP, imm: 16 });
  program.op("jalr", { rd: 0, rs1: RA, imm: 0 });
  const machine = eager().load(program);
  finish(machine, program);
  expect(machine.x(A0)).toBe((BigInt(depth) * BigInt(depth + 1)) / 2n);
  expect(machine.x(SP)).toBe(BigInt(RAM_BASE + 0x70_0000));
});

test("a trap in the middle of a block leaves everything before it done, and nothing of it", () => {
  const program = new Assembler(RAM_BASE).li(S0, 0x4000_0000).li(A0, 1).li(S1, 100).label("loop");
  program.op("addi", { rd: S1, rs1: S1, imm: -1 }).op("slli", { rd: A0, rs1: A0, shamt: 1 });
  program.to("safe", "bne", { rs1: S1, rs2: 0 }).op("addi", { rd: A0, rs1: A0, imm: 5 }).label("load");
  program.op("ld", { rd: A0, rs1: S0, imm: 0 }).op("addi", { rd: A0, rs1: A0, imm: 100 }).label("safe");
  program
    .op("andi", { rd: A0, rs1: A0, imm: 0xff })
    .op("ori", { rd: A0, rs1: A0, imm: 1 })
    .to("loop", "jal", { rd: 0 });
  const machine = eager().load(end(program));
  machine.setField("H_MTVEC", BigInt(program.addressOf("end")));
  finish(machine, program);
  let a0 = 1n;
  for (let i = 99; i > 0; i--) a0 = ((a0 << 1n) & 0xffn) | 1n;
  expect(machine.x(A0)).toBe((a0 << 1n) + 5n);
  expect(machine.field("H_MEPC")).toBe(BigInt(program.addressOf("load")));
  expect(machine.field("H_MCAUSE")).toBe(5n);
});
