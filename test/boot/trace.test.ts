/** The execution trace against objdump's listing of the same program, and against another run. */

import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { Assembler } from "../support/assembler.ts";
import { Machine, rom } from "./guests.ts";

const RAM = 0x8000_0000;

interface Line {
  readonly hart: number;
  readonly mode: string;
  readonly pc: string;
  readonly raw: string;
  readonly text: string;
}

async function trace(options: Parameters<typeof Machine.create>[0]) {
  let text = "";
  const vm = await Machine.create({
    memory: "16M",
    ...options,
    trace: async (lines) => {
      text += lines;
    },
  });
  await vm.start();
  const exit = await vm.exited;
  return { text, exit, instructions: (await vm.stats()).instructions };
}

function parse(text: string): Line[] {
  return Array.from(text.matchAll(/^(\d+) ([USM]) ([0-9a-f]{16}) ([0-9a-f]{4,8}) +(.*)$/gm), (match) => {
    const [, hart, mode, pc, raw, text] = match;
    return { hart: Number(hart), mode: mode!, pc: pc!, raw: raw!, text: text! };
  });
}

/** Address → bits and text, as `objdump -M no-aliases` lists a program. */
function objdump(path: string): Map<string, { raw: string; text: string }> {
  const out = execFileSync("riscv64-linux-gnu-objdump", ["-d", "-z", "-M", "no-aliases", path], { encoding: "utf8" });
  const lines = out.matchAll(/^ *([0-9a-f]+):\t([0-9a-f]+) *\t([^#\n]*)/gm);
  return new Map(
    Array.from(lines, ([, pc, raw, text]) => [
      pc!.padStart(16, "0"),
      {
        raw: raw!,
        text: text!
          .replace(/\s*<.*/, "")
          .replace("\t", " ")
          .trim(),
      },
    ]),
  );
}

test("a traced program reads as objdump lists it, instruction by instruction", async () => {
  const { text, exit, instructions } = await trace({ image: "hello" });
  expect(exit).toEqual({ kind: "poweroff", code: 0 });
  const lines = parse(text);
  // Every line is an instruction, and every instruction that has retired a line.
  expect(lines).toHaveLength(text.split("\n").length - 1);
  expect(lines).toHaveLength(instructions);
  const listed = objdump(rom("hello/hello.elf"));
  const program = lines.filter(({ pc }) => BigInt(`0x${pc}`) >= BigInt(RAM));
  expect(program.length).toBeGreaterThan(500);
  expect(program[0]!.pc).toBe("0000000080000000");
  for (const { pc, raw, text } of program) expect({ pc, raw, text }).toEqual({ pc, ...listed.get(pc) });
  // Straight-line code follows itself: where the next line isn't the next address, a jump or a branch stands.
  for (let i = 1; i < lines.length; i++) {
    const [last, next] = [lines[i - 1]!, lines[i]!];
    const follows = BigInt(`0x${last.pc}`) + BigInt(last.raw.length / 2) === BigInt(`0x${next.pc}`);
    if (!follows) expect(last.text).toMatch(/^(c\.)?(j|b|mret)/);
  }
});

test("counted time: the same trace each time, interrupts and all harts included", async () => {
  // Each hart waits for its timer, goes on in the handler, and the first one there ends the machine.
  const program = new Assembler(RAM)
    .la(5, "handler")
    .op("csrrw", { rd: 0, rs1: 5, csr: 0x305 })
    .csrGet(6, 0xf14)
    .op("slli", { rd: 6, rs1: 6, shamt: 3 })
    .li(7, 0x200_4000) // mtimecmp
    .op("add", { rd: 7, rs1: 7, rs2: 6 })
    .op("slli", { rd: 6, rs1: 6, shamt: 4 })
    .op("addi", { rd: 6, rs1: 6, imm: 300 })
    .op("sd", { rs1: 7, rs2: 6, imm: 0 })
    .csrSet(0x304, 0x80, 5)
    .op("csrrsi", { rd: 0, csr: 0x300, zimm: 8 })
    .li(8, 500)
    .label("work")
    .op("addi", { rd: 8, rs1: 8, imm: -1 })
    .to("work", "bne", { rs1: 8, rs2: 0 })
    .label("wait")
    .op("wfi")
    .to("wait", "jal", { rd: 0 })
    .align(4)
    .label("handler")
    .li(5, 0x10_0000)
    .li(6, 0x5555)
    .op("sw", { rs1: 5, rs2: 6, imm: 0 })
    .to("wait", "jal", { rd: 0 })
    .bytes();
  const options = { bios: "none", kernel: program, harts: 2, deterministic: true } as const;
  const first = await trace(options);
  const second = await trace(options);
  expect(first.exit).toEqual({ kind: "poweroff", code: 0 });
  expect(first.text).toMatch(/^0 [0-9a-f]{16} trap: interrupt 7$/m);
  expect(first.text).toMatch(/^1 M [0-9a-f]{16} 10500073 wfi$/m);
  expect(second.text === first.text).toBe(true);
  expect(parse(first.text)).toHaveLength(first.instructions);
  // Looking doesn't change the run.
  const vm = await Machine.create({ memory: "16M", ...options });
  await vm.start();
  await vm.exited;
  expect((await vm.stats()).instructions).toBe(first.instructions);
});

test("traps stand where they happened, in every mode", async () => {
  // Into U-mode and out of it by ecall; then off by the test device.
  const program = new Assembler(RAM)
    .la(5, "handler")
    .op("csrrw", { rd: 0, rs1: 5, csr: 0x305 })
    .csrSet(0x3b0, -1, 5) // PMP: everything
    .csrSet(0x3a0, 0x1f, 5)
    .la(5, "user")
    .op("csrrw", { rd: 0, rs1: 5, csr: 0x341 })
    .op("mret")
    .align(4)
    .label("user")
    .op("addi", { rd: 10, rs1: 0, imm: 7 })
    .op("ecall")
    .align(4)
    .label("handler")
    .li(5, 0x10_0000)
    .li(6, 0x5555)
    .op("sw", { rs1: 5, rs2: 6, imm: 0 })
    .label("stay")
    .to("stay", "jal", { rd: 0 });
  const { text } = await trace({ bios: "none", kernel: program.bytes() });
  const user = program.addressOf("user").toString(16).padStart(16, "0");
  const ecall = (program.addressOf("user") + 4).toString(16).padStart(16, "0");
  const handler = program.addressOf("handler").toString(16).padStart(16, "0");
  const at = text.indexOf(`0 U ${user} 00700513 addi a0,zero,7\n`);
  expect(at).toBeGreaterThan(0);
  const [, trap, next] = text.slice(at).split("\n");
  expect(trap).toBe(`0 ${ecall} trap: environment call from U-mode`);
  expect(next).toMatch(new RegExp(`^0 M ${handler} `));
});
