/** A GUID partition table (UEFI specification 2.10, chapter 5), for disks with sectors of 512 bytes. */

import type { Piece } from "./builder.ts";

const SECTOR = 512;
/** Entries of the table, and bytes of each: the least that is allowed (5.3.1). */
const ENTRIES = 128;
const ENTRY_SIZE = 128;
const TABLE_SECTORS = (ENTRIES * ENTRY_SIZE) / SECTOR;
const HEADER_SIZE = 92;

export const PARTITION_TYPES = {
  /** EFI System Partition (table 5.7). */
  efi: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
  /** Root of a riscv64 system (Discoverable Partitions Specification). */
  root: "72ec70a6-cf74-40e6-bd49-4bda08e8f224",
} as const;

export interface Partition {
  type: string;
  /** Its own GUID. */
  id: string;
  name: string;
  /** Bytes, whole sectors. */
  offset: number;
  size: number;
}

/**
 * The table's two copies and the protective MBR.
 * @param size the disk's, in bytes, whole sectors
 */
export function partitionTable(size: number, id: string, partitions: readonly Partition[]): Piece[] {
  const last = size / SECTOR - 1;
  const table = Buffer.alloc(TABLE_SECTORS * SECTOR);
  for (const [index, partition] of partitions.entries()) {
    const entry = table.subarray(index * ENTRY_SIZE, (index + 1) * ENTRY_SIZE);
    entry.set(guid(partition.type), 0);
    entry.set(guid(partition.id), 16);
    entry.writeBigUInt64LE(BigInt(partition.offset / SECTOR), 32);
    entry.writeBigUInt64LE(BigInt((partition.offset + partition.size) / SECTOR - 1), 40);
    entry.write(partition.name, 56, 72, "utf16le");
  }
  const header = (at: number, other: number, tableAt: number): Buffer => {
    const bytes = Buffer.alloc(SECTOR);
    bytes.write("EFI PART", 0, "latin1");
    bytes.writeUInt32LE(0x0001_0000, 8); // revision 1.0
    bytes.writeUInt32LE(HEADER_SIZE, 12);
    bytes.writeBigUInt64LE(BigInt(at), 24);
    bytes.writeBigUInt64LE(BigInt(other), 32);
    bytes.writeBigUInt64LE(BigInt(2 + TABLE_SECTORS), 40); // first and last usable sector
    bytes.writeBigUInt64LE(BigInt(last - TABLE_SECTORS - 1), 48);
    bytes.set(guid(id), 56);
    bytes.writeBigUInt64LE(BigInt(tableAt), 72);
    bytes.writeUInt32LE(ENTRIES, 80);
    bytes.writeUInt32LE(ENTRY_SIZE, 84);
    bytes.writeUInt32LE(crc32(table), 88);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, HEADER_SIZE)), 16);
    return bytes;
  };
  const backup = last - TABLE_SECTORS;
  return [
    { offset: 0, bytes: Buffer.concat([protectiveMbr(last), header(1, last, 2), table]) },
    { offset: backup * SECTOR, bytes: Buffer.concat([table, header(last, 1, backup)]) },
  ];
}

/** 5.2.3: one partition of type 0xEE over the whole disk. */
function protectiveMbr(last: number): Buffer {
  const bytes = Buffer.alloc(SECTOR);
  bytes.set([0x00, 0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff], 446);
  bytes.writeUInt32LE(1, 454);
  bytes.writeUInt32LE(Math.min(last, 0xffff_ffff), 458);
  bytes.writeUInt16LE(0xaa55, 510);
  return bytes;
}

/** A GUID's bytes: the first three fields are little-endian (appendix A). */
function guid(text: string): Uint8Array {
  const bytes = Buffer.from(text.replaceAll("-", ""), "hex");
  return Buffer.concat([
    bytes.subarray(0, 4).reverse(),
    bytes.subarray(4, 6).reverse(),
    bytes.subarray(6, 8).reverse(),
    bytes.subarray(8),
  ]);
}

/** The CRC that the table uses, as Ethernet does: the polynomial reversed, bit by bit. */
function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
