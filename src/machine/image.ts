/**
 * Recognises kernel files: RISC-V Linux Image (Documentation/arch/riscv/
 * boot-image-header.rst), the same compressed, ELF, or a raw binary.
 */

import { type Elf, ElfError, isElf, readElf } from "./elf.ts";

/** A kernel file that can't be used; the message says why. */
export class ImageError extends Error {
  override name = "ImageError";
}

export type KernelImage =
  /** `offset`: where it belongs from a 2 MiB boundary; `size`: memory it needs, bytes. */
  | { kind: "linux"; bytes: Uint8Array; offset: number; size: number }
  | { kind: "elf"; elf: Elf }
  | { kind: "raw"; bytes: Uint8Array };

/** Inflates gzip data; must throw rather than give more than `limit` bytes. */
export type Gunzip = (bytes: Uint8Array, limit: number) => Uint8Array;

const MAGIC2 = 0x0543_5352; // "RSC\x05"
const ARM64_MAGIC = 0x644d_5241; // "ARMd"
const LINUX_HEADER = 64;
const FLAG_BIG_ENDIAN = 1n;
const COMPRESSED: [string, number[]][] = [
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["lz4", [0x02, 0x21, 0x4c, 0x18]],
  ["bzip2", [0x42, 0x5a, 0x68]],
];

/**
 * Recognises a kernel. `limit` bounds what may come out of a compressed one, in
 * bytes; without `gunzip`, compressed kernels are refused. @throws ImageError
 */
export function readImage(bytes: Uint8Array, limit: number, gunzip?: Gunzip): KernelImage {
  if (bytes.length === 0) throw new ImageError("The kernel file is empty.");
  if (isElf(bytes)) return readKernelElf(bytes);
  const inner = compressedPayload(bytes);
  if (inner) {
    const plain = inflate(inner, limit, gunzip);
    if (compressedPayload(plain)) throw new ImageError("The kernel is compressed twice; decompress it first.");
    return readImage(plain, limit);
  }
  for (const [name, magic] of COMPRESSED)
    if (magic.every((b, i) => bytes[i] === b))
      throw new ImageError(`The kernel is compressed with ${name}; decompress it first.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length >= LINUX_HEADER) {
    const magic = view.getUint32(56, true);
    if (magic === MAGIC2) return readLinux(bytes, view);
    if (magic === ARM64_MAGIC) throw new ImageError("The kernel is for 64-bit Arm, not RISC-V 64-bit.");
  }
  if (bytes.length >= 0x206 && view.getUint32(0x202, true) === 0x5372_6448)
    throw new ImageError("The kernel is for x86, not RISC-V 64-bit.");
  return { kind: "raw", bytes };
}

function readKernelElf(bytes: Uint8Array): KernelImage {
  try {
    return { kind: "elf", elf: readElf(bytes) };
  } catch (error) {
    if (error instanceof ElfError) throw new ImageError(`The kernel can't be used. ${error.message}`);
    throw error;
  }
}

/** The gzip stream of a `.gz` file or of an EFI zboot image (Linux, drivers/firmware/efi/libstub/zboot-header.S). */
export function compressedPayload(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < LINUX_HEADER || view.getUint32(0, true) !== 0x5a4d || view.getUint32(4, true) !== 0x676d_697a)
    return undefined;
  const kind = new TextDecoder().decode(bytes.subarray(24, 32)).replace(/\0.*$/s, "");
  if (kind !== "gzip") throw new ImageError(`The kernel is an EFI image compressed with ${kind}; decompress it first.`);
  const at = view.getUint32(8, true);
  const size = view.getUint32(12, true);
  if (at + size > bytes.length) throw new ImageError("The kernel file is truncated: its payload is incomplete.");
  return bytes.subarray(at, at + size);
}

function inflate(bytes: Uint8Array, limit: number, gunzip: Gunzip | undefined): Uint8Array {
  if (!gunzip) throw new ImageError("The kernel is compressed with gzip; decompress it first.");
  try {
    return gunzip(bytes, limit);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ImageError(`The compressed kernel is damaged or larger than the guest's memory (${reason}).`);
  }
}

function readLinux(bytes: Uint8Array, view: DataView): KernelImage {
  if (view.getBigUint64(24, true) & FLAG_BIG_ENDIAN)
    throw new ImageError("The kernel is big-endian, not little-endian.");
  const offset = view.getBigUint64(8, true);
  const size = view.getBigUint64(16, true);
  if (offset > 0xffff_ffffn || size > 0xffff_ffffn)
    throw new ImageError("The kernel's header is damaged: it asks for more than 4 GiB.");
  const needed = portableExecutableSize(bytes, view);
  if (needed > bytes.length)
    throw new ImageError(`The kernel file is truncated: it has ${bytes.length} bytes of ${needed}.`);
  return { kind: "linux", bytes, offset: Number(offset), size: Math.max(Number(size), bytes.length) };
}

/**
 * Bytes that the sections of an image with an EFI stub take in the file, or 0
 * (PE/COFF specification, section table): the Linux header has no file size.
 */
function portableExecutableSize(bytes: Uint8Array, view: DataView): number {
  const at = view.getUint32(60, true);
  if (view.getUint16(0, true) !== 0x5a4d || at + 24 > bytes.length || view.getUint32(at, true) !== 0x4550) return 0;
  const count = view.getUint16(at + 6, true);
  const table = at + 24 + view.getUint16(at + 20, true);
  let end = 0;
  for (let i = 0; i < count && table + (i + 1) * 40 <= bytes.length; i++) {
    const header = table + i * 40;
    end = Math.max(end, view.getUint32(header + 16, true) + view.getUint32(header + 20, true));
  }
  return end;
}
