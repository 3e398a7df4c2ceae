/** Writes an image as an ELF executable (System V ABI, chapters 4 and 5), for any machine that loads one. */

const [HEADER, PROGRAM_HEADER] = [64, 56];
const PAGE = 4096;
const EM_RISCV = 243;
const EF_RVC_DOUBLE = 5;
const [ET_EXEC, PT_LOAD, RWX] = [2, 1, 7];

/** One segment at `address`, where it also begins. */
export function writeElf(address: number, bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(PAGE + bytes.length);
  const view = new DataView(out.buffer);
  out.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // 64-bit, little-endian, version 1
  const u16 = (at: number, value: number) => view.setUint16(at, value, true);
  const u32 = (at: number, value: number) => view.setUint32(at, value, true);
  const u64 = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  u16(16, ET_EXEC);
  u16(18, EM_RISCV);
  u32(20, 1);
  u64(24, address);
  u64(32, HEADER);
  u32(48, EF_RVC_DOUBLE);
  u16(52, HEADER);
  u16(54, PROGRAM_HEADER);
  u16(56, 1);
  u32(HEADER, PT_LOAD);
  u32(HEADER + 4, RWX);
  u64(HEADER + 8, PAGE);
  u64(HEADER + 16, address);
  u64(HEADER + 24, address);
  u64(HEADER + 32, bytes.length);
  u64(HEADER + 40, bytes.length);
  u64(HEADER + 48, PAGE);
  out.set(bytes, PAGE);
  return out;
}
