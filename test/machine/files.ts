/** Program files for tests: real ones from the RISC-V GNU tools, and made-up ones. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Assembles and links a program at `address`. */
export function linkProgram(source: string, address: number, flags: string[] = []): Uint8Array {
  const dir = mkdtempSync(join(tmpdir(), "elf-"));
  try {
    writeFileSync(join(dir, "a.s"), `${source}\n`);
    const out = join(dir, "a.elf");
    const link = [
      "-nostdlib",
      "-static",
      `-Wl,-Ttext=0x${address.toString(16)}`,
      "-Wl,-N,--build-id=none,--no-warn-rwx-segments",
      ...flags,
    ];
    execFileSync("riscv64-linux-gnu-gcc", [...link, "-o", out, join(dir, "a.s")]);
    return new Uint8Array(readFileSync(out));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export interface Header {
  machine?: number;
  class?: number;
  data?: number;
  type?: number;
  entry?: bigint;
}

export interface Segment {
  virtual?: bigint;
  physical: bigint;
  bytes: Uint8Array;
  size?: bigint;
  fileSize?: bigint;
}

/** An ELF file of program headers only. */
export function makeElf(segments: Segment[], header: Header = {}): Uint8Array {
  const at = 64 + segments.length * 56;
  const out = new Uint8Array(at + segments.reduce((n, s) => n + s.bytes.length, 0));
  const view = new DataView(out.buffer);
  out.set([0x7f, 0x45, 0x4c, 0x46, header.class ?? 2, header.data ?? 1, 1]);
  view.setUint16(16, header.type ?? 2, true);
  view.setUint16(18, header.machine ?? 243, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, header.entry ?? segments[0]?.physical ?? 0n, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  let offset = at;
  segments.forEach((s, i) => {
    const p = 64 + i * 56;
    view.setUint32(p, 1, true);
    view.setUint32(p + 4, 5, true);
    view.setBigUint64(p + 8, BigInt(offset), true);
    view.setBigUint64(p + 16, s.virtual ?? s.physical, true);
    view.setBigUint64(p + 24, s.physical, true);
    view.setBigUint64(p + 32, s.fileSize ?? BigInt(s.bytes.length), true);
    view.setBigUint64(p + 40, s.size ?? BigInt(s.bytes.length), true);
    out.set(s.bytes, offset);
    offset += s.bytes.length;
  });
  return out;
}

/** A RISC-V Linux Image of `length` bytes: its header, then a pattern. */
export function makeImage(length: number, fields: { offset?: bigint; size?: bigint; flags?: bigint } = {}): Uint8Array {
  const out = Uint8Array.from({ length }, (_, i) => i * 7);
  out.fill(0, 0, 64);
  const view = new DataView(out.buffer);
  view.setUint32(0, 0x0000_006f, true);
  view.setBigUint64(8, fields.offset ?? 0x20_0000n, true);
  view.setBigUint64(16, fields.size ?? BigInt(length), true);
  view.setBigUint64(24, fields.flags ?? 0n, true);
  view.setUint32(32, 2, true);
  out.set(new TextEncoder().encode("RISCV\0\0\0RSC\x05"), 48);
  return out;
}

/** Gives an Image an EFI stub's header with one section that ends at `end` of the file. */
export function addSection(image: Uint8Array, end: number): Uint8Array {
  const view = new DataView(image.buffer);
  image.set([0x4d, 0x5a]);
  view.setUint32(60, 64, true);
  view.setUint32(64, 0x4550, true);
  view.setUint16(70, 1, true);
  view.setUint16(84, 0, true);
  view.setUint32(64 + 24 + 16, end - 512, true);
  view.setUint32(64 + 24 + 20, 512, true);
  return image;
}
