/**
 * What the translator writes for small programs, as text that is compared with
 * test/jit/fixtures: a change of the translator shows as their difference.
 * `npx vitest run test/jit/emitted.test.ts -u` writes them anew.
 */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { tableNames, withNames } from "../../src/profile/module.ts";
import { namingOf } from "../../src/profile/naming.ts";
import { moduleText } from "../../src/profile/wasm-text.ts";
import { Assembler } from "../support/assembler.ts";
import { coreFile } from "../support/core.ts";
import { makeMachine, RAM_BASE } from "../support/machine.ts";

const table = tableNames(readFileSync(await coreFile()));

/** Instructions before the entry: a shorter slice is no sample. */
const BEFORE = 2;

/** The module that the program becomes. */
function emitted(program: (a: Assembler) => void): string {
  const modules: { bytes: Uint8Array; regions: readonly bigint[] }[] = [];
  const machine = makeMachine({
    engine: "jit",
    host: {
      observe: (bytes, regions) => {
        modules.push({ bytes, regions });
        return bytes;
      },
    },
  });
  const a = new Assembler(RAM_BASE).label("start");
  for (let i = 0; i < BEFORE; i++) a.op("addi", { rd: 0, rs1: 0, imm: 0 });
  program(a);
  machine.load(a);
  // A slice that ends somewhere is a sample of it, and the second sample translates.
  for (let i = 0; i < 2; i++) {
    machine.setPc(RAM_BASE);
    machine.run(BEFORE);
  }
  expect(modules).toHaveLength(1);
  const { bytes, regions } = modules[0]!;
  const named = withNames(
    bytes,
    machine.core.abi.F_OWN!,
    regions.map((address) => `r_${address.toString(16)}`),
  );
  return moduleText(
    named,
    namingOf(machine.core.abi, (place) => table.get(place)),
  );
}

const [A0, A1, A2, RA] = [10, 11, 12, 1];
const back = (a: Assembler) => a.op("jalr", { rd: 0, rs1: RA, imm: 0 });

const PROGRAMS: Record<string, (a: Assembler) => void> = {
  "counted loop": (a) => {
    a.label("loop").op("add", { rd: A1, rs1: A1, rs2: A0 }).op("addi", { rd: A0, rs1: A0, imm: -1 });
    back(a.to("loop", "bne", { rs1: A0, rs2: 0 }));
  },
  "loop in a loop": (a) => {
    a.label("inner").op("add", { rd: A1, rs1: A1, rs2: A0 }).op("addi", { rd: A0, rs1: A0, imm: -1 });
    a.to("inner", "bne", { rs1: A0, rs2: 0 }).op("addi", { rd: A2, rs1: A2, imm: -1 });
    back(a.to("start", "bne", { rs1: A2, rs2: 0 }));
  },
  "load and store": (a) => {
    back(a.op("ld", { rd: A1, rs1: A0, imm: 8 }).op("sw", { rs1: A0, rs2: A1, imm: 16 }));
  },
  "loop along memory": (a) => {
    a.label("loop").op("lw", { rd: A2, rs1: A0, imm: 0 }).op("sd", { rs1: A1, rs2: A2, imm: -8 });
    a.op("addi", { rd: A0, rs1: A0, imm: 4 }).op("addi", { rd: A1, rs1: A1, imm: -24 });
    back(a.to("loop", "bne", { rs1: A0, rs2: A1 }));
  },
  "call and return": (a) => {
    a.to("function", "jal", { rd: RA }).op("ebreak");
    back(a.label("function").op("addi", { rd: A0, rs1: A0, imm: 1 }));
  },
  "branch diamond": (a) => {
    a.to("else", "blt", { rs1: A0, rs2: A1 }).op("addi", { rd: A2, rs1: 0, imm: 1 }).to("end", "jal", { rd: 0 });
    a.label("else").op("addi", { rd: A2, rs1: 0, imm: 2 });
    back(a.label("end").op("add", { rd: A0, rs1: A0, rs2: A2 }));
  },
  "indirect jump": (a) => {
    a.op("addi", { rd: A1, rs1: A1, imm: 1 }).op("jalr", { rd: 0, rs1: A0, imm: 4 });
  },
  division: (a) => {
    back(a.op("div", { rd: A0, rs1: A0, rs2: A1 }));
  },
  "addition of doubles": (a) => {
    back(a.op("fadd.d", { fd: A0, fs1: A0, fs2: A1 }));
  },
  "product and sum of doubles": (a) => {
    back(a.op("fmul.d", { fd: A0, fs1: A1, fs2: A2 }).op("fsub.d", { fd: A1, fs1: A2, fs2: A0 }));
  },
  atomic: (a) => {
    back(a.op("amoadd.w", { rd: A0, rs1: A1, rs2: A2 }));
  },
};

test.each(Object.keys(PROGRAMS))("%s", async (name) => {
  await expect(emitted(PROGRAMS[name]!)).toMatchFileSnapshot(`fixtures/${name.replaceAll(" ", "-")}.wat`);
});
