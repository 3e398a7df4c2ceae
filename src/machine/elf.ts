/** Reads RISC-V 64-bit ELF files (System V ABI, chapters 4 and 5; RISC-V psABI). */

const HEADER = 64;
const PROGRAM_HEADER = 56;
const SECTION_HEADER = 64;
const SYMBOL = 24;
const PT_LOAD = 1;
const SHT_SYMTAB = 2;
const EM_RISCV = 243;
const MACHINES: Record<number, string> = {
  2: "SPARC",
  3: "32-bit x86",
  8: "MIPS",
  20: "PowerPC",
  21: "64-bit PowerPC",
  22: "s390",
  40: "32-bit Arm",
  62: "x86-64",
  183: "64-bit Arm",
  258: "LoongArch",
};

/** An ELF file that can't be used; the message says why. */
export class ElfError extends Error {
  override name = "ElfError";
}

/** What a program header asks to be loaded. */
export interface ElfSegment {
  /** p_paddr. */
  readonly physical: bigint;
  /** p_vaddr. */
  readonly virtual: bigint;
  /** The part that is in the file: a view of it. */
  readonly bytes: Uint8Array;
  /** Size in memory, ≥ bytes.length; the rest is zero. */
  readonly size: number;
  /** PF_X 1, PF_W 2, PF_R 4. */
  readonly flags: number;
}

export interface Elf {
  /** e_entry, a virtual address. */
  readonly entry: bigint;
  /** e_type: 2 executable, 3 shared or position-independent. */
  readonly type: number;
  readonly segments: readonly ElfSegment[];
  /** Value of a symbol of the symbol table, if there is one. */
  symbol(name: string): bigint | undefined;
}

/** Does the file begin as every ELF file does? */
export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** Reads the headers; segments are views of `bytes`. @throws ElfError */
export function readElf(bytes: Uint8Array): Elf {
  if (!isElf(bytes)) throw new ElfError("The file is not an ELF file.");
  if (bytes.length < HEADER) throw new ElfError("The ELF file is truncated: its header is incomplete.");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[5] !== 1) throw new ElfError("The ELF file is big-endian, not little-endian RISC-V.");
  const machine = view.getUint16(18, true);
  if (machine !== EM_RISCV)
    throw new ElfError(`The file is an ELF for ${MACHINES[machine] ?? `machine ${machine}`}, not RISC-V 64-bit.`);
  if (bytes[4] !== 2) throw new ElfError("The file is an ELF for 32-bit RISC-V, not RISC-V 64-bit.");
  const type = view.getUint16(16, true);
  if (type !== 2 && type !== 3) throw new ElfError("The ELF file is not an executable; link it first.");
  const segments = readSegments(bytes, view);
  if (segments.length === 0) throw new ElfError("The ELF file has nothing to load.");
  return { entry: view.getBigUint64(24, true), type, segments, symbol: (name) => findSymbol(bytes, view, name) };
}

/** A 64-bit field as a number, or one too large for any file. */
function size64(view: DataView, at: number): number {
  const v = view.getBigUint64(at, true);
  return v > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(v);
}

function readSegments(bytes: Uint8Array, view: DataView): ElfSegment[] {
  const table = size64(view, 32);
  const stride = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (count > 0 && (stride < PROGRAM_HEADER || table + count * stride > bytes.length))
    throw new ElfError("The ELF file is truncated: its program headers lie outside it.");
  const out: ElfSegment[] = [];
  for (let i = 0; i < count; i++) {
    const at = table + i * stride;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const offset = size64(view, at + 8);
    const fileSize = size64(view, at + 32);
    const size = size64(view, at + 40);
    if (size === 0) continue;
    if (fileSize > size) throw new ElfError("The ELF file has a segment larger in the file than in memory.");
    if (fileSize > 0 && offset + fileSize > bytes.length)
      throw new ElfError(
        `The ELF file is truncated: a segment ends at byte ${offset + fileSize} of a file of ${bytes.length}.`,
      );
    out.push({
      flags: view.getUint32(at + 4, true),
      virtual: view.getBigUint64(at + 16, true),
      physical: view.getBigUint64(at + 24, true),
      bytes: fileSize > 0 ? bytes.subarray(offset, offset + fileSize) : new Uint8Array(),
      size,
    });
  }
  rejectOverlaps(out);
  return out;
}

/** Without overlaps, what loading costs is bounded by the memory that is loaded to. */
function rejectOverlaps(segments: readonly ElfSegment[]): void {
  const sorted = [...segments].sort((a, b) => (a.physical < b.physical ? -1 : a.physical > b.physical ? 1 : 0));
  for (let i = 1; i < sorted.length; i++) {
    const before = sorted[i - 1]!;
    if (before.physical + BigInt(before.size) > sorted[i]!.physical)
      throw new ElfError("The ELF file has segments that overlap.");
  }
}

function findSymbol(bytes: Uint8Array, view: DataView, name: string): bigint | undefined {
  const wanted = new TextEncoder().encode(`${name}\0`);
  const table = size64(view, 40);
  const stride = view.getUint16(58, true);
  const count = view.getUint16(60, true);
  if (stride < SECTION_HEADER || table + count * stride > bytes.length) return undefined;
  const section = (i: number): { type: number; at: number; end: number; link: number } => {
    const header = table + i * stride;
    const at = size64(view, header + 24);
    return {
      type: view.getUint32(header + 4, true),
      at,
      end: Math.min(at + size64(view, header + 32), bytes.length),
      link: view.getUint32(header + 40, true),
    };
  };
  for (let i = 0; i < count; i++) {
    const symbols = section(i);
    if (symbols.type !== SHT_SYMTAB || symbols.link >= count) continue;
    const names = section(symbols.link);
    for (let at = symbols.at; at + SYMBOL <= symbols.end; at += SYMBOL) {
      const nameAt = names.at + view.getUint32(at, true);
      if (nameAt + wanted.length <= names.end && wanted.every((b, k) => bytes[nameAt + k] === b))
        return view.getBigUint64(at + 8, true);
    }
    return undefined; // there is at most one symbol table
  }
  return undefined;
}
