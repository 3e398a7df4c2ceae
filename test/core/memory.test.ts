/** Atomics, self-modifying code, fences, cache-block instructions, devices of the host. */

import { describe, expect, test } from "vitest";
import { encode } from "../../src/isa/encode.ts";
import { Assembler } from "../support/assembler.ts";
import { attempt, CODE, M, open, perform, readCsr, S, U, writeCsr } from "../support/attempt.ts";
import { testEngine } from "../support/engine.ts";
import { machineOf, makeMachine, RAM_BASE, type TestMachine } from "../support/machine.ts";

const DATA = RAM_BASE + 0x2000;
const ALL = (1n << 64n) - 1n;

describe("LR and SC", () => {
  const ready = (): TestMachine => {
    const machine = open(makeMachine({ harts: 2 }));
    machine.core.setX(0, 8, BigInt(DATA));
    machine.core.setX(0, 9, BigInt(DATA + 8));
    machine.core.setX(0, 6, 77n);
    machine.writeU64(DATA, 0xffff_ffff_8000_0001n);
    return machine;
  };
  const lr = (machine: TestMachine, size = "d") => perform(machine, `lr.${size}`, { rd: 5, rs1: 8 });
  const sc = (machine: TestMachine, size = "d", rs1 = 8): bigint => {
    expect(perform(machine, `sc.${size}`, { rd: 7, rs1, rs2: 6 })).toBeUndefined();
    return machine.x(7);
  };

  test("a pair stores, once", () => {
    const machine = ready();
    lr(machine);
    expect(machine.x(5)).toBe(0xffff_ffff_8000_0001n);
    expect(sc(machine)).toBe(0n);
    expect(machine.readU64(DATA)).toBe(77n);
    expect(sc(machine)).toBe(1n);
  });

  test("words are sign-extended, and their upper neighbour stays", () => {
    const machine = ready();
    lr(machine, "w");
    expect(machine.x(5)).toBe(0xffff_ffff_8000_0001n);
    expect(sc(machine, "w")).toBe(0n);
    expect(machine.readU64(DATA)).toBe(0xffff_ffff_0000_004dn);
  });

  test.each<[string, (machine: TestMachine) => void]>([
    ["no load-reserved came before", () => {}],
    ["it is to another address", (machine) => void perform(machine, "lr.d", { rd: 5, rs1: 9 })],
    [
      "a store-conditional elsewhere came between",
      (machine) => {
        lr(machine);
        sc(machine, "d", 9);
      },
    ],
    [
      "a trap came between",
      (machine) => {
        lr(machine);
        perform(machine, "ecall");
      },
    ],
    [
      "another hart stored there",
      (machine) => {
        lr(machine);
        const other = new Assembler(RAM_BASE + 0x3000).li(5, DATA).op("sd", { rs1: 5, rs2: 5, imm: 0 });
        machine.write(other.origin, other.bytes());
        machine.setPc(other.origin, 1);
        expect(machine.core.calls.run(1, 4)).toBe(0);
        expect(machine.readU64(DATA)).toBe(BigInt(DATA));
      },
    ],
    [
      "the host wrote there",
      (machine) => {
        lr(machine);
        machine.writeU64(DATA, 5n);
      },
    ],
    [
      "the machine was reset",
      (machine) => {
        lr(machine);
        machine.core.calls.resetAll();
        open(machine);
        machine.core.setX(0, 8, BigInt(DATA));
      },
    ],
  ])("the store fails when %s", (_, between) => {
    const machine = ready();
    between(machine);
    const before = machine.readU64(DATA);
    expect(sc(machine)).toBe(1n);
    expect(machine.readU64(DATA)).toBe(before);
  });
});

describe("self-modifying code", () => {
  /** Runs a loop that rewrites the addi at `patched`, `distance` bytes on, each time round. */
  function sum(distance: number, fence: boolean, rounds: number): bigint {
    const program = new Assembler().li(5, 0).li(10, 0).la(6, "patched").label("loop");
    program.op("slli", { rd: 7, rs1: 5, shamt: 20 }).li(28, encode("addi", { rd: 10, rs1: 10, imm: 0 }));
    program
      .op("add", { rd: 7, rs1: 7, rs2: 28 })
      .op("sh", { rs1: 6, rs2: 7, imm: 0 })
      .op("srli", { rd: 7, rs1: 7, shamt: 16 });
    program.op("sh", { rs1: 6, rs2: 7, imm: 2 });
    if (fence) program.op("fence.i");
    program
      .to("go", "jal", { rd: 0 })
      .org(RAM_BASE + distance)
      .label("go")
      .label("patched");
    program.op("addi", { rd: 10, rs1: 10, imm: 0 }).op("addi", { rd: 5, rs1: 5, imm: 1 }).li(7, rounds);
    program.to("end", "bge", { rs1: 5, rs2: 7 }).to("loop", "jal", { rd: 0 });
    program.label("end").to("end", "jal", { rd: 0 });
    const machine = machineOf(program);
    machine.run(rounds * 14 + 100);
    expect(machine.pc()).toBe(BigInt(program.addressOf("end")));
    return machine.x(10);
  }

  test.each([
    ["in the page that runs", 0x100],
    ["in another page", 0x1800],
    ["across two pages", 0x1ffe],
  ])("%s is seen after fence.i, however often", (_, distance) => {
    // More rounds than it takes for the page to count as data and back.
    expect(sum(distance, true, 200)).toBe((199n * 200n) / 2n);
  });

  test("code that the host writes is seen", () => {
    const machine = open(makeMachine());
    for (let i = 0; i < 100; i++) {
      expect(attempt(machine, encode("addi", { rd: 10, rs1: 0, imm: i }))).toBeUndefined();
      expect(machine.x(10)).toBe(BigInt(i));
    }
  });

  test("code that another hart writes is seen", () => {
    const code = new Assembler().label("loop").op("addi", { rd: 10, rs1: 10, imm: 1 }).to("loop", "jal", { rd: 0 });
    const machine = machineOf(code, { harts: 2 });
    machine.core.calls.run(0, 11);
    const raw = encode("addi", { rd: 11, rs1: 11, imm: 1 });
    const writer = new Assembler(RAM_BASE + 0x3000).li(5, RAM_BASE).li(6, raw).op("sw", { rs1: 5, rs2: 6, imm: 0 });
    machine.write(writer.origin, writer.bytes());
    machine.setPc(writer.origin, 1);
    machine.core.calls.run(1, 5);
    expect(machine.readU64(RAM_BASE) & 0xffff_ffffn).toBe(BigInt(raw));
    machine.core.calls.run(0, 10);
    expect([machine.x(10), machine.x(11)]).toEqual([6n, 5n]);
  });
});

describe("sfence.vma", () => {
  const [ROOT, MIDDLE, LEAVES] = [RAM_BASE + 0x1_0000, RAM_BASE + 0x1_1000, RAM_BASE + 0x1_2000];
  const VA = 0x1000n;
  const pte = (address: number, flags: number) => BigInt(address / 4096) * 1024n + BigInt(flags);
  const LOAD = encode("ld", { rd: 7, rs1: 8, imm: 0 });

  /** S-mode data accesses by MPRV; the page at VA is at DATA, then at DATA + 0x1000. */
  function ready(asid: bigint, superpage = false): TestMachine {
    const machine = open(makeMachine({ ramSize: 0x80_0000 }));
    machine.writeU64(ROOT, pte(MIDDLE, 1));
    machine.writeU64(MIDDLE, superpage ? pte(RAM_BASE + 0x20_0000, 0xcf) : pte(LEAVES, 1));
    machine.writeU64(LEAVES + 8, pte(DATA, 0xcf));
    machine.writeU64(DATA, 1n);
    machine.writeU64(DATA + 0x1000, 2n);
    machine.writeU64(RAM_BASE + 0x20_1000, 1n);
    machine.writeU64(RAM_BASE + 0x40_1000, 2n);
    writeCsr(machine, 0x180, (8n << 60n) | (asid << 44n) | BigInt(ROOT / 4096));
    writeCsr(machine, 0x300, (1n << 17n) | (1n << 11n));
    machine.core.setX(0, 8, VA);
    machine.core.setX(0, 9, asid);
    expect(attempt(machine, LOAD)).toBeUndefined();
    expect(machine.x(7)).toBe(1n);
    if (superpage) machine.writeU64(MIDDLE, pte(RAM_BASE + 0x40_0000, 0xcf));
    else machine.writeU64(LEAVES + 8, pte(DATA + 0x1000, 0xcf));
    return machine;
  }

  test.each([
    ["everything", { rs1: 0, rs2: 0 }],
    ["an address", { rs1: 8, rs2: 0 }],
    ["an address space", { rs1: 0, rs2: 9 }],
    ["an address in an address space", { rs1: 8, rs2: 9 }],
  ])("of %s: what follows sees the tables as they are", (_, operands) => {
    for (const name of ["sfence.vma", "sinval.vma"])
      for (const asid of [0n, 5n, 0xffffn])
        for (const superpage of [false, true]) {
          const machine = ready(asid, superpage);
          if (superpage) machine.core.setX(0, 8, VA + 0x1f_0000n); // anywhere in it
          perform(machine, name, operands);
          machine.core.setX(0, 8, VA);
          expect(attempt(machine, LOAD)).toBeUndefined();
          expect(machine.x(7), `${name} asid ${asid}`).toBe(2n);
        }
  });

  test("a switch of satp and back finds no entry of another space", () => {
    const machine = ready(1n);
    const first = readCsr(machine, 0x180) as bigint;
    machine.writeU64(RAM_BASE + 0x1_3000, 0n); // an empty table
    for (let asid = 2n; asid < 12n; asid++) {
      writeCsr(machine, 0x180, (8n << 60n) | (asid << 44n) | BigInt((RAM_BASE + 0x1_3000) / 4096));
      expect(attempt(machine, LOAD)).toMatchObject({ cause: 13n });
      // The trap left MPP = M and MPRV lends that: set it anew.
      writeCsr(machine, 0x300, (1n << 17n) | (1n << 11n));
    }
    writeCsr(machine, 0x180, first);
    expect(attempt(machine, LOAD)).toBeUndefined();
  });
});

describe("cache blocks", () => {
  test("need their bits of menvcfg and senvcfg", () => {
    const machine = open(makeMachine());
    machine.core.setX(0, 8, BigInt(DATA + 17));
    for (const [name, bits] of [
      ["cbo.inval", 0x10n],
      ["cbo.inval", 0x30n],
      ["cbo.clean", 0x40n],
      ["cbo.flush", 0x40n],
      ["cbo.zero", 0x80n],
    ] as const)
      for (const [m, s] of [
        [0n, 0n],
        [bits, 0n],
        [0n, bits],
        [bits, bits],
      ] as const) {
        writeCsr(machine, 0x30a, m);
        writeCsr(machine, 0x10a, s);
        expect(perform(machine, name, { rs1: 8 }, M)).toBeUndefined();
        expect(perform(machine, name, { rs1: 8 }, S)?.cause).toBe(m ? undefined : 2n);
        expect(perform(machine, name, { rs1: 8 }, U)?.cause).toBe(m && s ? undefined : 2n);
      }
  });

  test("cbo.zero clears the block that holds the address; faults are those of a store", () => {
    const machine = open(makeMachine());
    machine.write(DATA, new Uint8Array(256).fill(0xaa));
    machine.core.setX(0, 8, BigInt(DATA + 64 + 33));
    expect(perform(machine, "cbo.zero", { rs1: 8 })).toBeUndefined();
    const bytes = machine.read(DATA, 256);
    expect([...bytes].every((byte, i) => byte === (i >= 64 && i < 128 ? 0 : 0xaa))).toBe(true);
    machine.core.setX(0, 8, 0x5000_0000n);
    expect(perform(machine, "cbo.zero", { rs1: 8 })).toMatchObject({ cause: 7n });
  });

  test("cbo.zero of a device's registers is noticed at once", () => {
    const machine = open(makeMachine({ devices: true }));
    machine.setField("H_LINES", 8n); // MSIP
    machine.setField("H_MIE", 8n);
    const program = new Assembler()
      .li(8, 0x200_0000)
      .op("cbo.zero", { rs1: 8 })
      .op("csrrs", { rd: 7, rs1: 0, csr: 0x344 });
    machine.load(program).core.calls.run(0, 20);
    expect(machine.x(7)).toBe(0n);
  });
});

test("a device of the host can't answer with more bits than were asked for", () => {
  const machine = open(makeMachine({ devices: true, host: { mmioRead: () => ALL } }));
  machine.core.setX(0, 8, 0x1000_1000n);
  for (const [name, value] of [
    ["lbu", 0xffn],
    ["lhu", 0xffffn],
    ["lwu", 0xffff_ffffn],
    ["lw", ALL],
    ["ld", ALL],
  ] as const) {
    expect(perform(machine, name, { rd: 7, rs1: 8, imm: 0 })).toBeUndefined();
    expect(machine.x(7), name).toBe(value);
  }
});

test("a page that isn't here yet stops the hart with nothing changed, and the same instruction works later", () => {
  // The page is taken away behind the back of all: with "both", its shadow would keep it.
  const engine = testEngine();
  const machine = open(makeMachine({ engine: engine === "both" ? "jit" : engine }));
  const { core } = machine;
  const { abi } = core as { abi: Readonly<Record<string, number>> };
  const frame = abi.FRAMES! + (DATA - RAM_BASE) / 4096;
  for (const [name, operands] of [
    ["ld", { rd: 7, rs1: 8, imm: 0 }],
    ["sd", { rs1: 8, rs2: 6, imm: 0 }],
    ["ld", { rd: 7, rs1: 8, imm: -4 }],
    ["sd", { rs1: 8, rs2: 6, imm: -4 }],
    ["amoadd.d", { rd: 7, rs1: 8, rs2: 6 }],
    ["lr.d", { rd: 7, rs1: 8 }],
    ["sc.d", { rd: 7, rs1: 8, rs2: 6 }],
    ["cbo.zero", { rs1: 8 }],
    ["jalr", { rd: 1, rs1: 8, imm: 0 }],
  ] as const) {
    core.calls.resetAll();
    open(machine);
    core.setX(0, 8, BigInt(DATA));
    core.setX(0, 6, 3n);
    core.setX(0, 7, 9n);
    machine.write(CODE, new Uint8Array(Uint32Array.of(encode(name, operands)).buffer));
    machine.write(DATA - 8, new Uint8Array(16).fill(1));
    machine.setPc(CODE);
    core.bytes[frame]! &= ~1;
    const memory = machine.core.bytes.slice(abi.RAM! + 0x1ff8, abi.RAM! + 0x2008);
    const before = machine.state();
    expect(core.calls.run(0, 1), name).toBe(name === "jalr" ? abi.RUN_BUDGET : abi.RUN_WAIT);
    if (name === "jalr") expect(core.calls.run(0, 1)).toBe(abi.RUN_WAIT);
    else expect(machine.state(), name).toEqual(before);
    expect(machine.field("H_WAIT_ADDR")).toBe(BigInt(DATA));
    expect(machine.core.bytes.slice(abi.RAM! + 0x1ff8, abi.RAM! + 0x2008)).toEqual(memory);
    core.bytes[frame]! |= 1;
    expect([abi.RUN_BUDGET, abi.RUN_TRAPS]).toContain(core.calls.run(0, 1));
    expect(machine.instret()).toBe(name === "jalr" ? 2n : 1n);
  }
});
