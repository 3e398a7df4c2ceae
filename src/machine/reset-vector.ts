/**
 * The boot ROM's reset vector: what every hart runs first when firmware boots.
 * It does as QEMU's riscv boards do: a0 = hart id, a1 = device tree, a2 = the
 * fw_dynamic_info that OpenSBI's FW_DYNAMIC reads (docs/firmware/fw_dynamic.md;
 * other firmware ignores it), then it jumps to the firmware.
 */

const T0 = 5;
const A0 = 10;
const A1 = 11;
const A2 = 12;
const MHARTID = 0xf14;

// The few instructions needed (Unprivileged manual, RV64I and Zicsr).
const iType = (opcode: number, funct3: number, rd: number, rs1: number, imm: number): number =>
  ((imm << 20) | (rs1 << 15) | (funct3 << 12) | (rd << 7) | opcode) >>> 0;
const auipc = (rd: number): number => (rd << 7) | 0x17;
const addi = (rd: number, rs1: number, imm: number): number => iType(0x13, 0, rd, rs1, imm);
const ld = (rd: number, rs1: number, imm: number): number => iType(0x03, 3, rd, rs1, imm);
const jr = (rs1: number): number => iType(0x67, 0, 0, rs1, 0);
/** csrrs rd, csr, x0 */
const csrr = (rd: number, csr: number): number => iType(0x73, 2, rd, 0, csr);

/** Offsets in the ROM. */
const ENTRY = 24;
const TREE = 32;
const INFO = 40;
const SIZE = INFO + 6 * 8;

const INFO_MAGIC = 0x4942_534fn; // "OSBI"
const INFO_VERSION = 2n;
const NEXT_MODE_S = 1n;
const ANY_HART = 0xffff_ffff_ffff_ffffn;

export interface ResetVector {
  /** Where to jump, in M-mode. */
  entry: bigint;
  /** Guest physical address of the device tree. */
  dtb: bigint;
  /** What the firmware starts next, in S-mode, or 0. */
  next: bigint;
}

/** The ROM's bytes, from its first address. */
export function resetVector({ entry, dtb, next }: ResetVector): Uint8Array {
  const rom = new Uint8Array(SIZE);
  const view = new DataView(rom.buffer);
  const code = [auipc(T0), addi(A2, T0, INFO), csrr(A0, MHARTID), ld(A1, T0, TREE), ld(T0, T0, ENTRY), jr(T0)];
  code.forEach((word, i) => {
    view.setUint32(i * 4, word, true);
  });
  view.setBigUint64(ENTRY, entry, true);
  view.setBigUint64(TREE, dtb, true);
  [INFO_MAGIC, INFO_VERSION, next, NEXT_MODE_S, 0n, ANY_HART].forEach((v, i) => {
    view.setBigUint64(INFO + i * 8, v, true);
  });
  return rom;
}
