/** Bare-metal programs by the public API: how they end, and what is told of one that can't go on. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Assembler } from "../support/assembler.ts";
import { Machine, rom, transcript, wardian } from "./guests.ts";

type Options = Parameters<typeof Machine.create>[0];

const RAM = 0x8000_0000;
/** Where the built-in SBI starts a raw kernel: one megapage into RAM. */
const KERNEL = 0x8020_0000;
const [RA, A0, A1, T0] = [1, 10, 11, 5];

async function runToEnd(options: Options) {
  const vm = await Machine.create({ memory: "16M", ...options });
  const shown = transcript(vm);
  const crashes: unknown[] = [];
  vm.on("crash", (exit) => crashes.push(exit));
  await vm.start();
  const exit = await vm.exited;
  expect(crashes).toEqual(exit.kind === "crash" ? [exit] : []);
  return { exit, console: shown(), stats: await vm.stats() };
}

test.each([
  ["hello", { image: "hello" }, { kind: "poweroff", code: 0 }, /^Hello from hart 0 of a RISC-V machine\.\r?\n$/],
  ["hello by its path", { image: rom("hello/hello.elf") }, { kind: "poweroff", code: 0 }, /^Hello from hart 0/],
  ["selftest", { image: "selftest" }, { kind: "poweroff", code: 0 }, /pass/i],
  ["HTIF's pass", { kernel: rom("htif/htif-pass.elf") }, { kind: "code", code: 0 }, /^HTIF\n$/],
  ["HTIF's fail", { kernel: rom("htif/htif-fail.elf") }, { kind: "code", code: 3 }, /^HTIF\n$/],
  ["bytes of a file", { kernel: readFileSync(rom("hello/hello.elf")) }, { kind: "poweroff", code: 0 }, /^Hello/],
])("%s", async (_, options: Options, exit, text) => {
  const outcome = await runToEnd(options);
  expect(outcome.exit).toEqual(exit);
  expect(outcome.console).toMatch(text);
  expect(outcome.stats.instructions).toBeGreaterThan(50);
});

test("selftest passes on every hart count and in counted time", async () => {
  for (const harts of [2, 8])
    expect((await runToEnd({ image: "selftest", harts, deterministic: true })).exit).toEqual({
      kind: "poweroff",
      code: 0,
    });
});

/** Calls a function that isn't there, at `nowhere`. */
function lost(origin: number, nowhere: number): Uint8Array {
  return new Assembler(origin)
    .li(A0, 0x1234)
    .li(A1, -2)
    .li(T0, nowhere)
    .op("jalr", { rd: RA, rs1: T0, imm: 0 })
    .op("wfi")
    .bytes();
}

test("a jump into nowhere in M-mode crashes, with all that there is to know", async () => {
  const { exit } = await runToEnd({ bios: "none", kernel: lost(RAM, 0x4000_0000) });
  expect(exit.kind).toBe("crash");
  const lines = exit.report!.split("\n");
  // Its trap vector is 0, where nothing is either.
  expect(lines[0]).toBe("hart 0: instruction access fault that no handler can take, in M-mode");
  expect(exit.report).toMatch(/^ {2}pc 0{16} {2}cause 1 {2}tval 0{16} {2}satp 0{16} {2}mstatus [0-9a-f]{16}$/m);
  expect(exit.report).toContain(
    "  last trap into M-mode: instruction access fault  pc 0000000040000000  tval 0000000040000000",
  );
  expect(exit.report).toMatch(/ a0 0{12}1234 /);
  expect(exit.report).toMatch(/ a1 f{15}e$/m);
  expect(exit.report!.match(/\b(zero|ra|[sgt]p|[ast]\d+) [0-9a-f]{16}\b/g)).toHaveLength(32);
  expect(lines).toContain("  0000000000000000: there is nothing to execute here   <- pc");
  expect(exit.report).toMatch(/: 10500073 {2}wfi {3}<- ra$/m);
});

test("a jump into nowhere in S-mode, above the built-in SBI, crashes as well", async () => {
  const { exit } = await runToEnd({ bios: "builtin", kernel: lost(KERNEL, 0x4000_0000) });
  expect(exit.kind).toBe("crash");
  expect(exit.report).toMatch(/^hart 0: instruction access fault that no handler can take, in S-mode$/m);
  expect(exit.report).toContain("last trap into S-mode: instruction access fault  pc 0000000040000000");
  expect(exit.report).toMatch(/: 10500073 {2}wfi {3}<- ra$/m);
});

test("an illegal instruction without a handler is shown where it stands", async () => {
  const program = new Assembler(RAM).li(A0, 1).op("ebreak").raw(0, 4).bytes();
  const { exit } = await runToEnd({ bios: "none", kernel: program });
  expect(exit.report).toContain("last trap into M-mode: breakpoint  pc 0000000080000004");
  expect(exit.report).toMatch(/0000000080000004: 00100073 {2}ebreak {3}<- mepc$/m);
});

test("the hart that crashed is the one that is told of", async () => {
  // Hart 0 waits; hart 1 goes wrong.
  const program = new Assembler(RAM)
    .csrGet(T0, 0xf14)
    .to("wrong", "bne", { rs1: T0, rs2: 0 })
    .label("wait")
    .op("wfi")
    .to("wait", "jal", { rd: 0 })
    .label("wrong")
    .li(A0, 0x77)
    .op("jalr", { rd: 0, rs1: 0, imm: 16 })
    .bytes();
  for (const trace of [undefined, () => {}]) {
    const options = { bios: "none", kernel: program, harts: 2, ...(trace ? { trace } : {}) } as const;
    const { exit } = await runToEnd(options);
    expect(exit.report).toMatch(/^hart 1: instruction access fault/);
    expect(exit.report).toMatch(/ a0 0{14}77 /);
  }
});

test("memory that is written between slices is what the guest reads", async () => {
  const vm = await Machine.create({ image: "hello" });
  const shown = transcript(vm);
  const found = Buffer.from(await vm.memory.read(RAM, 0x2000)).indexOf("Hello");
  expect(found).toBeGreaterThan(0);
  await vm.memory.write(RAM + found, new TextEncoder().encode("Salut"));
  await vm.start();
  await vm.exited;
  expect(shown()).toMatch(/^Salut from hart 0/);
});

test("the device tree that the guest gets is the one that it is told of", async () => {
  const vm = await Machine.create({ image: "hello", harts: 2, memory: "32M" });
  const { readDtb } = await import("../../src/machine/dtb.ts");
  expect(readDtb(vm.dtb).root.name).toBe("");
  await vm.stop();
  await expect(vm.start()).rejects.toThrow("The machine has ended.");
  expect((await wardian.listImages()).map(({ name }) => name)).toContain("hello");
});
