/**
 * The FUSE protocol as far as a virtio file system speaks it (VIRTIO 1.2 §5.11;
 * Linux's include/uapi/linux/fuse.h, version 7.31): numbers and layouts.
 */
import { get32, put32 } from "../bytes.ts";

export const OP_LOOKUP = 1;
export const OP_FORGET = 2;
export const OP_GETATTR = 3;
export const OP_SETATTR = 4;
export const OP_READLINK = 5;
export const OP_SYMLINK = 6;
export const OP_MKNOD = 8;
export const OP_MKDIR = 9;
export const OP_UNLINK = 10;
export const OP_RMDIR = 11;
export const OP_RENAME = 12;
export const OP_LINK = 13;
export const OP_OPEN = 14;
export const OP_READ = 15;
export const OP_WRITE = 16;
export const OP_STATFS = 17;
export const OP_RELEASE = 18;
export const OP_FSYNC = 20;
export const OP_INIT = 26;
export const OP_OPENDIR = 27;
export const OP_READDIR = 28;
export const OP_RELEASEDIR = 29;
export const OP_FSYNCDIR = 30;
export const OP_CREATE = 35;
export const OP_INTERRUPT = 36;
export const OP_DESTROY = 38;
export const OP_IOCTL = 39;
export const OP_NOTIFY_REPLY = 41;
export const OP_BATCH_FORGET = 42;
export const OP_FALLOCATE = 43;
export const OP_READDIRPLUS = 44;
export const OP_RENAME2 = 45;
export const OP_COPY_FILE_RANGE = 47;
export const OP_SYNCFS = 50;

/** Operations to which nothing is answered. */
export const SILENT: ReadonlySet<number> = new Set([OP_FORGET, OP_BATCH_FORGET, OP_INTERRUPT, OP_NOTIFY_REPLY]);

export const ROOT_NODE = 1;
export const MAJOR = 7;
/** What is spoken; the least that a guest must speak has replies of the same layout. */
export const MINOR = 31;
export const LEAST_MINOR = 23;

/** INIT flags. */
export const ASYNC_READ = 1 << 0;
export const ATOMIC_O_TRUNC = 1 << 3;
export const BIG_WRITES = 1 << 5;
export const AUTO_INVAL_DATA = 1 << 12;
export const DO_READDIRPLUS = 1 << 13;
export const READDIRPLUS_AUTO = 1 << 14;
export const ASYNC_DIO = 1 << 15;
export const PARALLEL_DIROPS = 1 << 18;
export const MAX_PAGES = 1 << 22;
export const CACHE_SYMLINKS = 1 << 23;

/** SETATTR: which fields count. */
export const FATTR_MODE = 1 << 0;
export const FATTR_UID = 1 << 1;
export const FATTR_GID = 1 << 2;
export const FATTR_SIZE = 1 << 3;
export const FATTR_ATIME = 1 << 4;
export const FATTR_MTIME = 1 << 5;
export const FATTR_FH = 1 << 6;
export const FATTR_ATIME_NOW = 1 << 7;
export const FATTR_MTIME_NOW = 1 << 8;

/** OPEN's reply: what the guest has cached of the file is still good. */
export const FOPEN_KEEP_CACHE = 1 << 1;
/** WRITE: from the page cache, on behalf of whoever had it open. */
export const WRITE_CACHE = 1 << 0;
export const GETATTR_FH = 1 << 0;
export const FSYNC_FDATASYNC = 1 << 0;

/** Of Linux, as on RISC-V. */
export const O_ACCMODE = 0o3;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;

export const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;
export const S_IFLNK = 0o120000;
export const S_ISGID = 0o2000;

/** struct fuse_in_header and fuse_out_header. */
export const IN_HEADER = 40;
export const OUT_HEADER = 16;
export const ATTR = 88;
/** struct fuse_entry_out and fuse_attr_out. */
export const ENTRY_OUT = 40 + ATTR;
export const ATTR_OUT = 16 + ATTR;
const DIRENT = 24;

/** What a guest is told of a file. Times are nanoseconds since 1970; sizes bytes; `blocks` of 512 bytes. */
export interface Attributes {
  readonly ino: bigint;
  readonly size: bigint;
  readonly blocks: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly blksize: number;
}

const BILLION = 1_000_000_000n;

function putAttributes(view: DataView, at: number, from: Attributes): void {
  view.setBigUint64(at, from.ino, true);
  view.setBigUint64(at + 8, from.size, true);
  view.setBigUint64(at + 16, from.blocks, true);
  for (const [i, time] of [from.atimeNs, from.mtimeNs, from.ctimeNs].entries()) {
    // Seconds are rounded down, so that nanoseconds are never negative.
    const nanoseconds = ((time % BILLION) + BILLION) % BILLION;
    view.setBigInt64(at + 24 + 8 * i, (time - nanoseconds) / BILLION, true);
    view.setUint32(at + 48 + 4 * i, Number(nanoseconds), true);
  }
  for (const [i, field] of [from.mode, from.nlink, from.uid, from.gid, from.rdev, from.blksize].entries())
    view.setUint32(at + 60 + 4 * i, field, true);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** struct fuse_attr_out. @param valid seconds for which they may be cached */
export function attributesReply(attributes: Attributes, valid: number): Uint8Array {
  const out = new Uint8Array(ATTR_OUT);
  put32(out, 0, valid);
  putAttributes(viewOf(out), 16, attributes);
  return out;
}

/** struct fuse_entry_out, at the start of `out`. @param valid seconds for which name and attributes may be cached */
export function putEntry(out: Uint8Array, node: number, attributes: Attributes, valid: number): void {
  const view = viewOf(out);
  view.setBigUint64(0, BigInt(node), true);
  put32(out, 16, valid);
  put32(out, 24, valid);
  putAttributes(view, 40, attributes);
}

/** Bytes of a directory entry whose name has so many. */
export function entrySize(nameLength: number, plus: boolean): number {
  return (plus ? ENTRY_OUT : 0) + ((DIRENT + nameLength + 7) & ~7);
}

/** struct fuse_dirent, at the start of `out`. @param next the offset at which the entry after it is */
export function putDirent(out: Uint8Array, ino: bigint, next: number, mode: number, name: Uint8Array): void {
  const view = viewOf(out);
  view.setBigUint64(0, ino, true);
  view.setBigUint64(8, BigInt(next), true);
  put32(out, 16, name.length);
  put32(out, 20, (mode & S_IFMT) >> 12); // DT_* are the file types of modes
  out.set(name, DIRENT);
}

/** A string that ends with NUL, each byte a character, or undefined if it doesn't end. */
export function readString(body: Uint8Array, at: number): string | undefined {
  const end = body.indexOf(0, at);
  if (end < 0) return undefined;
  let text = "";
  for (let i = at; i < end; i++) text += String.fromCharCode(body[i]!);
  return text;
}

/** A signed 64-bit number of seconds, exact or beyond any time that a file can have. */
export function readSeconds(body: Uint8Array, at: number): number {
  return (get32(body, at + 4) | 0) * 2 ** 32 + get32(body, at);
}
