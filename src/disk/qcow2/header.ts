/**
 * The header of a qcow2 image (QEMU docs/interop/qcow2.txt, "Header" and "Header
 * extensions"): read with bounds on everything, and made anew.
 */

import type { BlockFile } from "../../backends/block-file.ts";
import { get64, put64, roundUp, view } from "../bytes.ts";
import { DiskError, damaged, quote } from "../errors.ts";

export const MAGIC = 0x51_46_49_fb; // "QFI\xfb"
/** Bytes of the fields of version 2 and of version 3 as we write them (with compression_type and its padding). */
const V2_LENGTH = 72;
const V3_LENGTH = 104;
const OUR_LENGTH = 112;
/** The first cluster's part that is looked at; extensions beyond aren't ours or QEMU's. */
const HEADER_BYTES = 65_536;
const MIN_CLUSTER_BITS = 9;
const MAX_CLUSTER_BITS = 21;
/** QEMU's own limits, bytes: L1 table 32 MiB, refcount table 8 MiB; 65,536 snapshots. */
export const MAX_L1_BYTES = 32 * 2 ** 20;
const MAX_REFCOUNT_TABLE_BYTES = 8 * 2 ** 20;
const MAX_SNAPSHOTS = 65_536;
const MAX_BACKING_NAME = 1023;
/** No offset in the file reaches this: numbers stay exact, and no file is that long. */
export const MAX_OFFSET = 2 ** 52;

export const EXTENSION_BACKING_FORMAT = 0xe279_2aca;
const EXTENSION_FEATURES = 0x6803_f857;
const EXTENSION_BITMAPS = 0x2385_2875;

/** Incompatible features, by bit. */
const DIRTY = 1 << 0;
const CORRUPT = 1 << 1;
const COMPRESSION = 1 << 3;
/** Names of the bits that we know; what is in neither table has the number for a name. */
const INCOMPATIBLE_NAMES = ["dirty", "corrupt", "external data file", "compression type", "extended L2 entries"];
const LAZY_REFCOUNTS = 1 << 0;
const BITMAPS = 1 << 0;

/** Where fields are that change in place; all in the first sector, which is written as one. */
export const FIELD = { size: 24, l1Table: 36, refcountTable: 48, incompatible: 72, autoclear: 88 } as const;

export type Compression = "zlib" | "zstd";

export interface Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly clusterSize: number;
  /** The disk's capacity, bytes. */
  readonly size: number;
  readonly backing: { readonly name: string; readonly format: string | undefined } | undefined;
  readonly l1Size: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  /** Clusters. */
  readonly refcountTableLength: number;
  /** Log₂ of the bits of a refcount. */
  readonly refcountOrder: number;
  readonly snapshots: { readonly count: number; readonly offset: number };
  readonly compression: Compression;
  readonly dirty: boolean;
  readonly corrupt: boolean;
  readonly lazyRefcounts: boolean;
  /** The bitmaps' directory, if the bit says that it is right. */
  readonly bitmaps: { readonly count: number; readonly offset: number; readonly size: number } | undefined;
  /** Features that a writer must clear, unless it keeps them up: bits 0 to 31 and 32 to 63. */
  readonly autoclear: boolean;
}

export function isQcow2(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && view(bytes).getUint32(0) === MAGIC;
}

/** Reads a file's header. @throws DiskError damaged or unsupported */
export async function readHeader(file: BlockFile): Promise<Header> {
  const bytes = new Uint8Array(HEADER_BYTES);
  await file.read(0, bytes);
  return parseHeader(bytes, file.size, file.name);
}

/**
 * Reads a header.
 * @param bytes the file's first HEADER_BYTES, zeroes beyond its end
 * @param fileSize bytes
 * @param name for messages
 * @throws DiskError damaged or unsupported
 */
function parseHeader(bytes: Uint8Array, fileSize: number, name: string): Header {
  const fields = view(bytes);
  if (!isQcow2(bytes)) throw new DiskError("unsupported", `The image ${quote(name)} is not qcow2.`);
  const version = fields.getUint32(4);
  if (version !== 2 && version !== 3)
    throw new DiskError("unsupported", `The image ${quote(name)} has qcow2's version ${version}; convert it to 3.`);
  if (fileSize < V2_LENGTH) throw damaged(name, "it ends in its header");
  const clusterBits = fields.getUint32(20);
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS)
    throw damaged(name, `its clusters would have 2^${clusterBits} bytes, and must have 512 bytes to 2 MiB`);
  const clusterSize = 2 ** clusterBits;
  const headerLength = version === 2 ? V2_LENGTH : fields.getUint32(100);
  if (version === 3 && (headerLength < V3_LENGTH || headerLength % 8 !== 0 || headerLength > clusterSize))
    throw damaged(name, `its header would have ${headerLength} bytes`);
  const features = version === 3 ? checkFeatures(fields, name) : { incompatible: 0, compatible: 0, autoclear: [0, 0] };
  const hasCompressionType = version === 3 && headerLength > 104;
  const type = hasCompressionType ? bytes[104]! : 0;
  if ((type !== 0) !== ((features.incompatible & COMPRESSION) !== 0))
    throw damaged(name, "its header is at odds with itself about compression");
  if (type > 1)
    throw new DiskError("unsupported", `The image ${quote(name)} is compressed in an unknown way (${type}).`);
  if (fields.getUint32(32) !== 0)
    throw new DiskError(
      "unsupported",
      `The image ${quote(name)} is encrypted, which is not supported; decrypt it by qemu-img.`,
    );
  const refcountOrder = version === 2 ? 4 : fields.getUint32(96);
  if (refcountOrder > 6) throw damaged(name, `its refcounts would have 2^${refcountOrder} bits`);
  const area = Math.min(clusterSize, bytes.length);
  const backing = backingName(bytes, fields, area, name);
  const extensions = readExtensions(bytes, headerLength, backing ? Math.min(backing.offset, area) : area, name);
  const decoder = new TextDecoder();
  const format = extensions.get(EXTENSION_BACKING_FORMAT);
  const bitmaps = (features.autoclear[1]! & BITMAPS) !== 0 ? extensions.get(EXTENSION_BITMAPS) : undefined;
  const header: Header = {
    version,
    clusterBits,
    clusterSize,
    size: get64(fields, 24),
    backing: backing && { name: backing.name, format: format && decoder.decode(format) },
    l1Size: fields.getUint32(36),
    l1Offset: get64(fields, 40),
    refcountTableOffset: get64(fields, 48),
    refcountTableLength: fields.getUint32(56),
    refcountOrder,
    snapshots: { count: fields.getUint32(60), offset: get64(fields, 64) },
    compression: type === 1 ? "zstd" : "zlib",
    dirty: (features.incompatible & DIRTY) !== 0,
    corrupt: (features.incompatible & CORRUPT) !== 0,
    lazyRefcounts: (features.compatible & LAZY_REFCOUNTS) !== 0,
    bitmaps: bitmaps && parseBitmaps(bitmaps, clusterSize, name),
    autoclear: features.autoclear.some((bits) => bits !== 0),
  };
  checkTables(header, fileSize, name);
  return header;
}

/** Refuses what isn't understood, by the feature's own name if the image has a table of them. */
function checkFeatures(fields: DataView, name: string) {
  const known = DIRTY | CORRUPT | COMPRESSION;
  const [high, low] = [fields.getUint32(72), fields.getUint32(76)];
  const unknown = [...Array(64).keys()].filter((bit) =>
    bit < 32 ? ((low & ~known) >>> bit) & 1 : (high >>> (bit - 32)) & 1,
  );
  if (unknown.length > 0) {
    const names = unknown.map((bit) => INCOMPATIBLE_NAMES[bit] ?? `number ${bit}`);
    const sentence = `The image ${quote(name)} uses what is not supported: ${names.join(", ")}; convert it by qemu-img.`;
    throw new DiskError("unsupported", sentence);
  }
  return {
    incompatible: low,
    compatible: fields.getUint32(84),
    autoclear: [fields.getUint32(88), fields.getUint32(92)],
  };
}

function backingName(bytes: Uint8Array, fields: DataView, area: number, name: string) {
  const offset = get64(fields, 8);
  const length = fields.getUint32(16);
  if (offset === 0) return undefined;
  if (length > MAX_BACKING_NAME || offset + length > area || offset < V2_LENGTH)
    throw damaged(name, "the name of its backing file is not in its first cluster");
  if (length === 0) return undefined;
  return { offset, name: new TextDecoder().decode(bytes.subarray(offset, offset + length)) };
}

/** The extensions' data by type; the last of a type counts. */
function readExtensions(bytes: Uint8Array, start: number, end: number, name: string): Map<number, Uint8Array> {
  const fields = view(bytes);
  const found = new Map<number, Uint8Array>();
  for (let at = start; at + 8 <= end; ) {
    const type = fields.getUint32(at);
    const length = fields.getUint32(at + 4);
    if (type === 0) break;
    if (length > end - at - 8) throw damaged(name, "one of its header's extensions is longer than the header");
    found.set(type, bytes.subarray(at + 8, at + 8 + length));
    at += 8 + roundUp(length, 8);
  }
  return found;
}

function parseBitmaps(bytes: Uint8Array, clusterSize: number, name: string) {
  const fields = view(bytes);
  if (bytes.length !== 24) throw damaged(name, "its bitmaps' header has a wrong length");
  const bitmaps = { count: fields.getUint32(0), size: get64(fields, 8), offset: get64(fields, 16) };
  if (
    bitmaps.count > 65_535 ||
    bitmaps.size > 64 * 2 ** 20 ||
    bitmaps.offset % clusterSize !== 0 ||
    bitmaps.offset > MAX_OFFSET
  )
    throw damaged(name, "its bitmaps can't be where its header says");
  return bitmaps;
}

/** Every table must be aligned, of a bearable size, and begin in the file. */
function checkTables(header: Header, fileSize: number, name: string): void {
  const { clusterSize, size, l1Size } = header;
  if (size > MAX_OFFSET) throw damaged(name, "its capacity is absurd");
  const perL1 = (clusterSize / 8) * clusterSize;
  if (l1Size * 8 > MAX_L1_BYTES) throw damaged(name, "its L1 table would have more than 32 MiB");
  if (l1Size < Math.ceil(size / perL1)) throw damaged(name, "its L1 table is too small for its capacity");
  const length = header.refcountTableLength * clusterSize;
  if (length > MAX_REFCOUNT_TABLE_BYTES) throw damaged(name, "its refcount table would have more than 8 MiB");
  if (length === 0) throw damaged(name, "it has no refcount table");
  if (header.snapshots.count > MAX_SNAPSHOTS) throw damaged(name, "it would have more than 65,536 snapshots");
  const within = (offset: number, bytes: number, what: string) => {
    if (offset % clusterSize !== 0) throw damaged(name, `its ${what} is not at the start of a cluster`);
    // A table's last cluster need not be whole.
    if (bytes > 0 && (offset > fileSize || offset + bytes > roundUp(fileSize, clusterSize)))
      throw damaged(name, `it is cut off: its ${what} is beyond its end`);
  };
  within(header.l1Offset, l1Size * 8, "L1 table");
  within(header.refcountTableOffset, length, "refcount table");
  within(header.snapshots.offset, header.snapshots.count * 40, "snapshot table");
}

export interface NewHeader {
  readonly clusterBits: number;
  readonly size: number;
  readonly backing?: { readonly name: string; readonly format: string };
  readonly l1Size: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableLength: number;
  readonly refcountOrder: number;
  readonly lazyRefcounts?: boolean;
}

/** A version 3 header with its extensions and backing name. @throws DiskError when they don't fit into a cluster */
export function encodeHeader(header: NewHeader): Uint8Array {
  const bytes = new Uint8Array(2 ** header.clusterBits);
  const fields = view(bytes);
  const encoder = new TextEncoder();
  fields.setUint32(0, MAGIC);
  fields.setUint32(4, 3);
  fields.setUint32(20, header.clusterBits);
  put64(fields, 24, header.size);
  fields.setUint32(36, header.l1Size);
  put64(fields, 40, header.l1Offset);
  put64(fields, 48, header.refcountTableOffset);
  fields.setUint32(56, header.refcountTableLength);
  fields.setUint32(84, header.lazyRefcounts ? LAZY_REFCOUNTS : 0);
  fields.setUint32(96, header.refcountOrder);
  fields.setUint32(100, OUR_LENGTH);
  let at = OUR_LENGTH;
  const append = (type: number, data: Uint8Array) => {
    if (at + 8 + roundUp(data.length, 8) + 8 > bytes.length) return;
    fields.setUint32(at, type);
    fields.setUint32(at + 4, data.length);
    bytes.set(data, at + 8);
    at += 8 + roundUp(data.length, 8);
  };
  if (header.backing) append(EXTENSION_BACKING_FORMAT, encoder.encode(header.backing.format));
  const name = header.backing ? encoder.encode(header.backing.name) : undefined;
  // A table of names is welcome, and left out where there is no room for it.
  const features = featureNames();
  if (at + 8 + features.length + 8 + (name?.length ?? 0) <= bytes.length) append(EXTENSION_FEATURES, features);
  at += 8; // the end of the extensions
  if (name) {
    if (name.length > MAX_BACKING_NAME || at + name.length > bytes.length)
      throw new DiskError("unusable", "The backing file's name is too long for an image; use a shorter one.");
    put64(fields, 8, at);
    fields.setUint32(16, name.length);
    bytes.set(name, at);
  }
  return bytes;
}

/** "Feature name table": type, bit and a name of 46 bytes for each feature. */
function featureNames(): Uint8Array {
  const names: [number, number, string][] = [
    [0, 0, "dirty bit"],
    [0, 1, "corrupt bit"],
    [0, 2, "external data file"],
    [0, 3, "compression type"],
    [0, 4, "extended L2 entries"],
    [1, 0, "lazy refcounts"],
    [2, 0, "bitmaps"],
    [2, 1, "raw external data"],
  ];
  const bytes = new Uint8Array(names.length * 48);
  for (const [i, [kind, bit, name]] of names.entries()) {
    bytes[i * 48] = kind;
    bytes[i * 48 + 1] = bit;
    bytes.set(new TextEncoder().encode(name), i * 48 + 2);
  }
  return bytes;
}

/** The incompatible features of a version 3 header with the dirty and the corrupt bit cleared, as 8 bytes. */
export function cleared(header: Header): Uint8Array {
  const bytes = new Uint8Array(8);
  view(bytes).setUint32(4, header.compression === "zlib" ? 0 : COMPRESSION);
  return bytes;
}
