import { expect, test } from "vitest";
import { ElfError, isElf, readElf } from "../../src/machine/elf.ts";
import { random } from "../devices/support.ts";
import { linkProgram, makeElf } from "./files.ts";

const SOURCE = `
  .globl _start, tohost, buffer
  _start: li a0, 1; j _start
  .data; .balign 64; tohost: .dword 0x1122334455667788
  .bss; .balign 64; buffer: .space 4096
`;

test("a program from the GNU tools", () => {
  const elf = readElf(linkProgram(SOURCE, 0x8000_0000));
  expect(elf.type).toBe(2);
  expect(elf.entry).toBe(0x8000_0000n);
  expect(elf.symbol("_start")).toBe(0x8000_0000n);
  expect(elf.symbol("nothing")).toBeUndefined();
  expect(elf.symbol("tohos")).toBeUndefined();
  const tohost = elf.symbol("tohost")!;
  const data = elf.segments.find((s) => tohost >= s.virtual && tohost < s.virtual + BigInt(s.size))!;
  const at = Number(tohost - data.virtual);
  expect(new DataView(data.bytes.buffer, data.bytes.byteOffset).getBigUint64(at, true)).toBe(0x1122_3344_5566_7788n);
  const buffer = elf.symbol("buffer")!;
  expect(Number(buffer - data.virtual) + 4096).toBeLessThanOrEqual(data.size);
  expect(data.bytes.length).toBeLessThan(data.size);
});

test("a stripped program has no symbols", () => {
  expect(readElf(linkProgram(SOURCE, 0x8000_0000, ["-s"])).symbol("_start")).toBeUndefined();
});

const bytes = Uint8Array.of(1, 2, 3, 4);
const at = { physical: 0x8000_0000n, bytes };
test.each([
  ["not ELF", new TextEncoder().encode("#!/bin/sh\n"), "The file is not an ELF file."],
  ["header only in part", makeElf([at]).subarray(0, 40), "truncated"],
  ["x86", makeElf([at], { machine: 62 }), "The file is an ELF for x86-64, not RISC-V 64-bit."],
  ["Arm", makeElf([at], { machine: 183 }), "ELF for 64-bit Arm,"],
  ["unknown machine", makeElf([at], { machine: 9999 }), "ELF for machine 9999,"],
  ["32-bit", makeElf([at], { class: 1 }), "32-bit RISC-V"],
  ["big-endian", makeElf([at], { data: 2 }), "big-endian"],
  ["object file", makeElf([at], { type: 1 }), "not an executable"],
  ["nothing to load", makeElf([]), "nothing to load"],
  ["segment cut off", makeElf([at]).subarray(0, 64 + 56 + 3), "a segment ends at byte 124 of a file of 123"],
  ["program headers cut off", makeElf([at, at]).subarray(0, 100), "program headers"],
  ["file part larger than memory part", makeElf([{ ...at, size: 3n }]), "larger in the file than in memory"],
  ["overlap", makeElf([at, { physical: 0x8000_0003n, bytes }]), "overlap"],
  [
    "overlap by huge size",
    makeElf([
      { ...at, size: 2n ** 64n - 1n },
      { physical: 0x8000_1000n, bytes },
    ]),
    "overlap",
  ],
  ["huge file part", makeElf([{ ...at, fileSize: 2n ** 64n - 1n, size: 2n ** 64n - 1n }]), "truncated"],
])("%s", (_, file, message) => {
  expect(() => readElf(file)).toThrow(ElfError);
  expect(() => readElf(file)).toThrow(message);
});

test("random damage gives an ELF or one ElfError, and symbol look-ups end", () => {
  const next = random(3);
  const clean = linkProgram(SOURCE, 0x8000_0000);
  const outcomes = { read: 0, refused: 0 };
  for (let i = 0; i < 4000; i++) {
    const file = clean.slice(0, next() % 4 ? clean.length : next() % clean.length);
    const headers = [64, 64 + 4 * 56, file.length];
    for (let k = next() % 4; k >= 0; k--) file[next() % (headers[next() % 3]! || 1)] = next();
    if (!isElf(file)) continue;
    try {
      const elf = readElf(file);
      elf.symbol("tohost");
      for (const s of elf.segments) expect(s.bytes.length).toBeLessThanOrEqual(s.size);
      outcomes.read++;
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      outcomes.refused++;
    }
  }
  expect(outcomes.read).toBeGreaterThan(100);
  expect(outcomes.refused).toBeGreaterThan(100);
});
