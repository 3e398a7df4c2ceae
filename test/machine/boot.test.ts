import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { BootError, type BootOptions, type BootPlan, planBoot } from "../../src/machine/boot.ts";
import { findNode, node, readCells, readDtb, readStrings, strings, writeDtb } from "../../src/machine/dtb.ts";
import { RAM_BASE } from "../../src/machine/memory-map.ts";
import { resetVector } from "../../src/machine/reset-vector.ts";
import { linkProgram, makeElf, makeImage } from "./files.ts";

const MIB = 1 << 20;
const base: BootOptions = { bios: "builtin", memoryBytes: 128 * MIB, harts: 2 };
const plan = (options: Partial<BootOptions>): BootPlan => planBoot({ ...base, ...options });
const load = (p: BootPlan, name: string) => p.loads.find((l) => l.name === name)!;
const chosen = (p: BootPlan, name: string): Uint8Array | undefined =>
  findNode(readDtb(p.dtb.bytes).root, "/chosen")!.properties.get(name);
const word = (rom: Uint8Array, at: number): bigint => new DataView(rom.buffer).getBigUint64(at, true);

const image = makeImage(3 * MIB, { size: BigInt(5 * MIB) });

describe("built-in SBI", () => {
  const initrd = Uint8Array.from({ length: 5 * MIB + 1 }, (_, i) => i);
  const p = plan({ kernel: image, initrd, append: "console=ttyS0 root=/dev/ram0" });

  test("the kernel is at its offset from RAM's start, with room for its bss", () => {
    expect(load(p, "kernel")).toMatchObject({ address: 0x8020_0000, size: 5 * MIB });
    expect(load(p, "kernel").bytes.length).toBe(3 * MIB);
  });

  test("hart 0 starts in S-mode with Linux's arguments; the others wait; the ROM is empty", () => {
    const tree = BigInt(p.dtb.address);
    expect(p.harts).toEqual([
      { pc: 0x8020_0000n, privilege: 1, a0: 0n, a1: tree, a2: 0n, started: true },
      { pc: 0x8020_0000n, privilege: 1, a0: 1n, a1: tree, a2: 0n, started: false },
    ]);
    expect(p.rom).toHaveLength(0);
  });

  test("the tree is near the end of RAM and tells of initrd and command line", () => {
    expect(p.dtb.address % (2 * MIB)).toBe(0);
    expect(p.dtb.address).toBe(RAM_BASE + 126 * MIB);
    const at = load(p, "initrd").address;
    expect(at % 4096).toBe(0);
    expect(at + initrd.length).toBeLessThanOrEqual(p.dtb.address);
    expect(readCells(chosen(p, "linux,initrd-start")!)).toEqual([0, at]);
    expect(readCells(chosen(p, "linux,initrd-end")!)).toEqual([0, at + initrd.length]);
    expect(readStrings(chosen(p, "bootargs")!)).toEqual(["console=ttyS0 root=/dev/ram0"]);
    expect(load(p, "device tree")).toMatchObject({ address: p.dtb.address, bytes: p.dtb.bytes });
  });

  test("with much memory the tree stays below 3 GiB", () => {
    const large = plan({ kernel: image, memoryBytes: 3 * 1024 * MIB });
    expect(large.dtb.address).toBe(3070 * MIB);
  });

  test("no initrd and no command line leave no trace; an empty initrd is none", () => {
    for (const q of [plan({ kernel: image }), plan({ kernel: image, initrd: new Uint8Array() })]) {
      expect(["bootargs", "linux,initrd-start", "linux,initrd-end"].map((n) => chosen(q, n))).toEqual(
        Array(3).fill(undefined),
      );
      expect(q.loads.map((l) => l.name)).toEqual(["kernel", "device tree"]);
    }
  });

  test("compressed kernels, raw kernels, ELF kernels", () => {
    const gunzip = (bytes: Uint8Array, limit: number): Uint8Array => gunzipSync(bytes, { maxOutputLength: limit });
    expect(load(plan({ kernel: new Uint8Array(gzipSync(image)), gunzip }), "kernel").bytes.length).toBe(3 * MIB);
    expect(plan({ kernel: Uint8Array.of(0x6f, 0, 0, 0) }).harts[0]!.pc).toBe(0x8020_0000n);
    const elf = linkProgram(".globl _start\nnop\n_start: j .", 0x8040_0000);
    expect(plan({ kernel: elf }).harts[0]!.pc).toBe(0x8040_0002n);
  });

  test("the entry of an ELF kernel linked high is the physical one", () => {
    const elf = makeElf([{ virtual: 0xffff_ffff_8000_0000n, physical: 0x8020_0000n, bytes: new Uint8Array(64) }], {
      entry: 0xffff_ffff_8000_0010n,
    });
    expect(plan({ kernel: elf }).harts[0]!.pc).toBe(0x8020_0010n);
  });
});

describe("firmware", () => {
  const bios = Uint8Array.from({ length: 1000 }, (_, i) => i);

  test("every hart starts in M-mode in the ROM, which leads to the firmware and tells it of the kernel", () => {
    const p = plan({ bios, kernel: image });
    expect(load(p, "firmware")).toMatchObject({ address: RAM_BASE, bytes: bios });
    expect(load(p, "kernel").address).toBe(0x8020_0000);
    const start = { pc: 0x1000n, privilege: 3, a0: 0n, a1: 0n, a2: 0n, started: true };
    expect(p.harts).toEqual([start, start]);
    expect(p.rom).toEqual(resetVector({ entry: 0x8000_0000n, dtb: BigInt(p.dtb.address), next: 0x8020_0000n }));
  });

  test("a large firmware moves the kernel up", () => {
    const p = plan({ bios: new Uint8Array(2 * MIB + 1), kernel: image });
    expect(load(p, "kernel").address).toBe(0x8040_0000);
    expect(word(p.rom, 56)).toBe(0x8040_0000n);
  });

  test("firmware alone, and as an ELF", () => {
    expect(word(plan({ bios }).rom, 56)).toBe(0n);
    const elf = linkProgram(".globl _start\nnop\n_start: j .", 0x8000_0000);
    expect(word(plan({ bios: elf }).rom, 24)).toBe(0x8000_0002n);
  });
});

test("position-independent programs linked outside RAM go where raw ones do", () => {
  const at = (physical: bigint, type: number): Uint8Array =>
    makeElf([{ physical, bytes: new Uint8Array(64) }], { type, entry: physical + 4n });
  const firmware = plan({ bios: at(0n, 3), kernel: at(0xffff_ffff_8000_0000n, 3) });
  expect(word(firmware.rom, 24)).toBe(0x8000_0004n);
  expect(word(firmware.rom, 56)).toBe(0x8020_0004n);
  expect(load(firmware, "kernel").address).toBe(0x8020_0000);
  expect(plan({ kernel: at(0x8123_4000n, 3) }).harts[0]!.pc).toBe(0x8123_4004n);
  expect(() => plan({ kernel: at(0n, 2) })).toThrow("below or beyond");
});

test("none: the program is what runs first, and its HTIF words are found", () => {
  const source = ".globl _start, tohost, fromhost\n_start: j .\n.data\ntohost: .dword 0\nfromhost: .dword 0";
  const p = plan({ bios: "none", kernel: linkProgram(source, 0x8000_0000) });
  expect(word(p.rom, 24)).toBe(0x8000_0000n);
  expect(p.harts.every((h) => h.pc === 0x1000n && h.privilege === 3 && h.started)).toBe(true);
  expect(p.fromhost).toBe(p.tohost! + 8n);
  const raw = plan({ bios: "none", kernel: Uint8Array.of(0x6f, 0, 0, 0) });
  expect(load(raw, "kernel").address).toBe(RAM_BASE);
  expect(raw.tohost).toBeUndefined();
  expect(plan({ kernel: linkProgram(source, 0x8020_0000) }).tohost).toBeUndefined();
});

test("a given tree keeps its nodes and learns of this boot", () => {
  const given = writeDtb({
    root: node("", {}, [node("thing@1", { compatible: strings("x") })]),
    reservations: [{ address: 1n, size: 2n }],
    bootCpu: 0,
  });
  const p = plan({ kernel: image, dtb: given, append: "quiet", initrd: Uint8Array.of(1) });
  const tree = readDtb(p.dtb.bytes);
  expect(readStrings(findNode(tree.root, "/thing@1")!.properties.get("compatible")!)).toEqual(["x"]);
  expect(tree.reservations).toEqual([{ address: 1n, size: 2n }]);
  expect(readStrings(chosen(p, "bootargs")!)).toEqual(["quiet"]);
  expect(readCells(chosen(p, "linux,initrd-start")!)).toEqual([0, load(p, "initrd").address]);
});

test("QEMU's reset vector does the same", () => {
  const dir = mkdtempSync(join(tmpdir(), "boot-"));
  try {
    const kernel = join(dir, "kernel");
    writeFileSync(kernel, Uint8Array.of(0x6f, 0, 0, 0));
    const text = execFileSync(
      "qemu-system-riscv64",
      ["-M", "virt", "-m", "128", "-S", "-display", "none", "-monitor", "stdio", "-bios", kernel, "-kernel", kernel],
      { input: "xp /22xw 0x1000\nquit\n", stdio: ["pipe", "pipe", "ignore"], timeout: 15_000 },
    ).toString();
    const theirs = [...text.matchAll(/^0*10[0-9a-f]{2}: (.*)$/gm)].flatMap((m) =>
      m[1]!.trim().split(/\s+/).map(Number),
    );
    const bytes = new Uint8Array(Uint32Array.from(theirs).buffer);
    expect(bytes).toHaveLength(88);
    const entry = word(bytes, 24);
    const dtb = word(bytes, 32);
    const ours = resetVector({ entry, dtb, next: word(bytes, 56) });
    // The last field is the preferred boot hart: any, where QEMU says the first.
    expect(ours.subarray(0, 80)).toEqual(bytes.subarray(0, 80));
    expect(word(ours, 80)).toBe(2n ** 64n - 1n);
    expect(entry).toBe(BigInt(RAM_BASE));
    // And the tree is where this board would put it.
    expect(Number(dtb)).toBe(plan({ kernel: image }).dtb.address);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test.each<[string, Partial<BootOptions>, string]>([
  ["no kernel", {}, "There is no kernel"],
  ["nothing to run", { bios: "none" }, "Without firmware there is nothing to run"],
  ["empty firmware", { bios: new Uint8Array(), kernel: image }, "The firmware file is empty."],
  ["empty kernel", { kernel: new Uint8Array() }, "The kernel file is empty."],
  [
    "another machine's kernel",
    { kernel: makeElf([{ physical: 0n, bytes: image }], { machine: 62 }) },
    "ELF for x86-64",
  ],
  ["another machine's firmware", { bios: makeElf([], { machine: 62 }) }, "ELF for x86-64"],
  ["bad tree", { kernel: image, dtb: new Uint8Array(100) }, "not a flattened device tree"],
  ["kernel larger than memory", { kernel: image, memoryBytes: 4 * MIB }, "The kernel (5 MiB) does not fit"],
  [
    "kernel's bss on the tree",
    { kernel: makeImage(64, { size: BigInt(125 * MIB) }) },
    "The device tree (1 MiB) does not",
  ],
  [
    "initrd larger than memory",
    { kernel: image, initrd: new Uint8Array(129 * MIB) },
    "The initrd (129 MiB) does not fit",
  ],
  ["initrd on the kernel", { kernel: image, initrd: new Uint8Array(120 * MIB) }, "The initrd (120 MiB) does not fit"],
  ["firmware larger than memory", { bios: new Uint8Array(200 * MIB) }, "The firmware (200 MiB) does not fit"],
  [
    "ELF linked low",
    { kernel: makeElf([{ physical: 0x1000n, bytes: image }]) },
    "below or beyond the RAM at 0x80000000",
  ],
  ["ELF linked past RAM", { kernel: makeElf([{ physical: 1n << 40n, bytes: image }]) }, "does not fit"],
  ["ELF linked at the top", { kernel: makeElf([{ physical: 2n ** 64n - 8n, bytes: image }]) }, "below or beyond"],
  [
    "ELF kernel on the firmware",
    { bios: new Uint8Array(100), kernel: makeElf([{ physical: 0x8000_0000n, bytes: image }]) },
    "The firmware and the kernel overlap at 0x80000000",
  ],
])("refused: %s", (_, options, message) => {
  expect(() => plan(options)).toThrow(BootError);
  expect(() => plan(options)).toThrow(message);
});
