/** A block request as the driver writes it (VIRTIO 1.2 §5.2.6), checked against the disk. */
import { get32, get64 } from "../bytes.ts";
import { type Chain, readFrom } from "../chain.ts";
import type { GuestMemory, Outcome } from "../guest-memory.ts";

const T_IN = 0;
const T_OUT = 1;
const T_FLUSH = 4;
const T_GET_ID = 8;
const T_DISCARD = 11;
const T_WRITE_ZEROES = 13;

export const S_OK = 0;
export const S_IOERR = 1;
export const S_UNSUPP = 2;
export type Status = typeof S_OK | typeof S_IOERR | typeof S_UNSUPP;

export const SECTOR = 512;
/** Type, a reserved word, sector; data follows. */
export const HEADER = 16;
/** Of a discard or write-zeroes: sector, number of sectors, flags. */
const RANGE = 16;
const F_UNMAP = 1;
/** The most ranges in one request, and the most sectors in one of them. */
export const MAX_RANGES = 16;
export const MAX_RANGE_SECTORS = 2 ** 22;

export interface BlockRange {
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
  readonly unmap: boolean;
}

export interface BlockRequest {
  readonly kind: "read" | "write" | "flush" | "discard" | "write-zeroes" | "id";
  /** Where on the disk, one after another; of "flush" and "id" none. */
  readonly ranges: readonly BlockRange[];
}

/** What of a disk a request is checked against. */
export interface DiskShape {
  readonly size: number;
  readonly sectorSize: number;
  readonly readOnly: boolean;
}

/**
 * Reads a request.
 * @returns what it asks for, or the status to answer it with; "fault" also when
 * it has no room for a header or a status (§5.2.6.2)
 */
export function readRequest(memory: GuestMemory, chain: Chain, disk: DiskShape): BlockRequest | Status | Outcome {
  if (chain.readableLength < HEADER || chain.writableLength < 1) return "fault";
  const header = new Uint8Array(HEADER);
  const got = readFrom(memory, chain, 0, header);
  if (typeof got === "string") return got;
  const sector = get64(header, 8);
  switch (get32(header, 0)) {
    case T_IN:
      return transfer("read", sector, chain.writableLength - 1, disk);
    case T_OUT:
      return disk.readOnly ? S_IOERR : transfer("write", sector, chain.readableLength - HEADER, disk);
    case T_FLUSH:
      return { kind: "flush", ranges: [] };
    case T_GET_ID:
      return { kind: "id", ranges: [] };
    case T_DISCARD:
      return readRanges(memory, chain, disk, "discard");
    case T_WRITE_ZEROES:
      return readRanges(memory, chain, disk, "write-zeroes");
    default:
      return S_UNSUPP;
  }
}

function transfer(kind: "read" | "write", sector: number, length: number, disk: DiskShape): BlockRequest | Status {
  if (length % SECTOR) return S_IOERR;
  const range = within(sector, length / SECTOR, disk);
  return range ? { kind, ranges: [{ ...range, unmap: false }] } : S_IOERR;
}

function readRanges(
  memory: GuestMemory,
  chain: Chain,
  disk: DiskShape,
  kind: "discard" | "write-zeroes",
): BlockRequest | Status | Outcome {
  if (disk.readOnly) return S_IOERR;
  const length = chain.readableLength - HEADER;
  if (length === 0 || length % RANGE || length > RANGE * MAX_RANGES) return S_IOERR;
  const bytes = new Uint8Array(length);
  const got = readFrom(memory, chain, HEADER, bytes);
  if (typeof got === "string") return got;
  const ranges: BlockRange[] = [];
  for (let at = 0; at < length; at += RANGE) {
    const count = get32(bytes, at + 8);
    const flags = get32(bytes, at + 12);
    // §5.2.6.2: unknown flags, and unmap with a discard, aren't supported.
    if (flags & ~F_UNMAP || (flags && kind === "discard")) return S_UNSUPP;
    const range = count <= MAX_RANGE_SECTORS ? within(get64(bytes, at), count, disk) : undefined;
    if (!range) return S_IOERR;
    if (count > 0) ranges.push({ ...range, unmap: (flags & F_UNMAP) !== 0 });
  }
  return { kind, ranges };
}

/** The bytes of these sectors, if they are the disk's and whole sectors of its own. */
function within(sector: number, count: number, disk: DiskShape): { offset: number; length: number } | undefined {
  const capacity = Math.floor(disk.size / SECTOR);
  if (sector > capacity || count > capacity - sector) return undefined;
  const range = { offset: sector * SECTOR, length: count * SECTOR };
  return range.offset % disk.sectorSize || range.length % disk.sectorSize ? undefined : range;
}
