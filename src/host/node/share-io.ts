/** Operations on what is in files: open, read, write and their like. */

import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { FileRequest } from "../../backends/files.ts";
import { get32, put32 } from "../../devices/virtio/bytes.ts";
import {
  FOPEN_KEEP_CACHE,
  FSYNC_FDATASYNC,
  O_ACCMODE,
  O_APPEND,
  O_EXCL,
  O_TRUNC,
  OP_COPY_FILE_RANGE,
  OP_CREATE,
  OP_FALLOCATE,
  OP_FSYNC,
  OP_OPEN,
  OP_READ,
  OP_RELEASE,
  OP_WRITE,
  WRITE_CACHE,
} from "../../devices/virtio/fs/fuse.ts";
import { EEXIST, EFBIG, EINVAL, EIO, ENOENT, EOPNOTSUPP, ESTALE, errnoOf, Refusal } from "./share-error.ts";
import { checkRegular, type Folder, handleAt, NOTHING, nameAt, type Operations, offsetAt } from "./share-folder.ts";
import type { OpenFile } from "./share-handles.ts";
import type { FileNode } from "./share-nodes.ts";
import { groupIn } from "./share-owner.ts";

/** The most bytes that are read or written at once. */
export const MAX_TRANSFER = 2 ** 20;
/** The most bytes that one request copies; the guest asks again for more. */
const MOST_COPIED = 8 * MAX_TRANSFER;
/** The most bytes of zeros that one request writes. */
const MOST_ZEROS = 64 * MAX_TRANSFER;
/** How recent a change may be for the clock to tell it from the next one: ticks of file systems are up to 10 ms. */
const TICK_NS = 20_000_000n;
const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;
const FALLOC_ZERO_RANGE = 16;
/** Whatever is opened: no terminal becomes ours, and nothing blocks. */
const ALWAYS = constants.O_NOCTTY | constants.O_NONBLOCK;

/** Flags for the host; Linux numbers these alike on RISC-V and here. */
function hostFlags(flags: number): number {
  const mode = [constants.O_RDONLY, constants.O_WRONLY, constants.O_RDWR][flags & O_ACCMODE];
  if (mode === undefined) throw new Refusal(EINVAL);
  return mode | ALWAYS | (flags & O_APPEND ? constants.O_APPEND : 0) | (flags & O_TRUNC ? constants.O_TRUNC : 0);
}

const isWriting = (flags: number): boolean => (flags & O_ACCMODE) !== 0 || (flags & O_TRUNC) !== 0;

/** struct fuse_open_out. */
function opened(folder: Folder, node: FileNode, fd: number, flags: number): Uint8Array {
  const writable = (flags & O_ACCMODE) !== 0;
  const append = (flags & O_APPEND) !== 0;
  const out = new Uint8Array(16);
  const handle: OpenFile = { kind: "file", node, fd, writable, append };
  put32(out, 0, folder.handles.add(handle));
  if (unchanged(node, fd)) put32(out, 8, FOPEN_KEEP_CACHE);
  return out;
}

/** Whether a file is as it was when the guest last opened it, so that what it has cached is good. */
function unchanged(node: FileNode, fd: number): boolean {
  const { ctimeNs } = fstatSync(fd, { bigint: true });
  const same = node.seen === ctimeNs;
  // Another change at once could leave the same time.
  node.seen = BigInt(Date.now()) * 1_000_000n - ctimeNs > TICK_NS ? ctimeNs : 0n;
  return same;
}

function openNode(folder: Folder, node: FileNode, flags: number): Uint8Array {
  checkRegular(node);
  if (isWriting(flags)) folder.checkWritable();
  folder.handles.checkRoom();
  const fd = folder.nodes.open(folder.nodes.path(node), hostFlags(flags));
  return opened(folder, node, fd, flags);
}

function create(folder: Folder, request: FileRequest): Uint8Array {
  const { nodes, handles } = folder;
  const directory = nodes.directory(request.node);
  const name = nameAt(request, 16);
  const flags = get32(request.body, 0);
  handles.checkRoom();
  for (let attempt = 0; attempt < 3; attempt++) {
    const fd = folder.readOnly ? undefined : makeFile(folder, request, name, get32(request.body, 4), hostFlags(flags));
    if (fd !== undefined) {
      try {
        const { node, stats } = nodes.lookup(directory, name);
        if (fstatSync(fd, { bigint: true }).ino !== stats.ino) throw new Refusal(ESTALE);
        const entry = folder.tell(node, stats);
        return joined(entry, opened(folder, node, fd, flags));
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    }
    if (flags & O_EXCL) throw new Refusal(EEXIST);
    try {
      const { node } = nodes.lookup(directory, name);
      const open = openNode(folder, node, flags);
      return joined(folder.tell(node, nodes.stat(node)), open);
    } catch (error) {
      // It has just been removed again, by somebody on the host.
      if (errnoOf(error) !== ENOENT) throw error;
      folder.checkWritable();
    }
  }
  throw new Refusal(ESTALE);
}

/**
 * Makes a file that isn't there yet, with the mode and the owner that the guest wants.
 * @returns its descriptor, or nothing if there is something of that name
 */
export function makeFile(
  { nodes, owners }: Folder,
  { node, uid, gid }: FileRequest,
  name: string,
  mode: number,
  flags: number,
): number | undefined {
  const directory = nodes.directory(node);
  const path = nodes.entryPath(directory, name);
  let fd: number;
  try {
    fd = nodes.open(path, flags | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, mode & 0o777);
  } catch (error) {
    if (errnoOf(error) === EEXIST) return undefined;
    throw error;
  }
  try {
    if (owners.kept) fchownSync(fd, uid, groupIn(nodes.stat(directory), gid));
    // The guest has applied its own umask; the host's is none of its business.
    if ((Number(fstatSync(fd).mode) & 0o7777) !== (mode & 0o7777)) fchmodSync(fd, mode & 0o7777);
    return fd;
  } catch (error) {
    closeSync(fd);
    unlinkSync(nodes.entryPath(directory, name));
    throw error;
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

function read({ handles }: Folder, { body, room }: FileRequest): Uint8Array {
  const { fd } = handles.file(handleAt(body, 0));
  return readAt(fd, offsetAt(body, 8), Math.min(get32(body, 16), room, MAX_TRANSFER));
}

/** Bytes of a file: fewer than asked for only at its end. */
function readAt(fd: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = readSync(fd, bytes, done, length - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

function write(folder: Folder, { body }: FileRequest): Uint8Array {
  const file = folder.handles.file(handleAt(body, 0));
  const offset = offsetAt(body, 8);
  const size = get32(body, 16);
  if (size > body.length - 40) throw new Refusal(EINVAL);
  folder.checkWritable();
  const data = body.subarray(40, 40 + size);
  // What comes from mapped memory goes where it belongs, also if who opened the file appends.
  const exact = file.append && (get32(body, 20) & WRITE_CACHE) !== 0;
  return written(exact ? writeExact(folder, file.node, data, offset) : writeAt(file.fd, data, offset));
}

function writeExact({ nodes }: Folder, node: FileNode, data: Uint8Array, offset: number): number {
  const fd = nodes.open(nodes.path(node), constants.O_WRONLY | ALWAYS);
  try {
    return writeAt(fd, data, offset);
  } finally {
    closeSync(fd);
  }
}

/** @returns how many bytes were written: fewer if something went wrong after some */
function writeAt(fd: number, data: Uint8Array, offset: number): number {
  let done = 0;
  try {
    while (done < data.length) done += writeSync(fd, data, done, data.length - done, offset + done);
  } catch (error) {
    if (done === 0) throw error;
  }
  return done;
}

/** struct fuse_write_out. */
function written(count: number): Uint8Array {
  const out = new Uint8Array(8);
  put32(out, 0, count);
  return out;
}

function fsync({ handles }: Folder, { body }: FileRequest): Uint8Array {
  const file = handles.file(handleAt(body, 0));
  if (get32(body, 8) & FSYNC_FDATASYNC) fdatasyncSync(file.fd);
  else fsyncSync(file.fd);
  return NOTHING;
}

/**
 * Node has no fallocate. Zeros are written where that comes to the same: beyond
 * the file's end, and where zeros are to be. What is inside the file must be
 * allocated already, since a hole can't be told from zeros.
 */
function fallocate(folder: Folder, { body }: FileRequest): Uint8Array {
  const file = folder.handles.file(handleAt(body, 0));
  const offset = offsetAt(body, 8);
  const length = offsetAt(body, 16);
  const mode = get32(body, 24);
  folder.checkWritable();
  if (length === 0) throw new Refusal(EINVAL);
  const end = offset + length;
  if (end > Number.MAX_SAFE_INTEGER) throw new Refusal(EFBIG);
  const stats = fstatSync(file.fd, { bigint: true });
  const size = Number(stats.size);
  const erase = (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) !== 0;
  const keep = (mode & FALLOC_KEEP_SIZE) !== 0;
  const known = [0, FALLOC_ZERO_RANGE, FALLOC_ZERO_RANGE | FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE];
  if (!known.includes(mode) || file.append) throw new Refusal(EOPNOTSUPP);
  const from = erase ? offset : Math.max(offset, size);
  const to = keep ? Math.min(end, size) : end;
  if (!erase && offset < size && Number(stats.blocks) * 512 < size) throw new Refusal(EOPNOTSUPP);
  if (to - from > MOST_ZEROS) throw new Refusal(EOPNOTSUPP);
  const zeros = new Uint8Array(Math.max(0, Math.min(to - from, MAX_TRANSFER)));
  try {
    for (let at = from; at < to; ) {
      const piece = zeros.subarray(0, Math.min(zeros.length, to - at));
      const done = writeAt(file.fd, piece, at);
      if (done === 0) throw new Refusal(EIO);
      at += done;
    }
  } catch (error) {
    if (to > size) ftruncateSync(file.fd, size);
    throw error;
  }
  return NOTHING;
}

/** Copies from file to file without the guest's having to see it. */
function copyRange(folder: Folder, { body }: FileRequest): Uint8Array {
  const from = folder.handles.file(handleAt(body, 0));
  const to = folder.handles.file(handleAt(body, 24));
  const [source, target] = [offsetAt(body, 8), offsetAt(body, 32)];
  const length = Math.min(offsetAt(body, 40), MOST_COPIED);
  folder.checkWritable();
  if (to.append) throw new Refusal(EOPNOTSUPP);
  let done = 0;
  while (done < length) {
    const piece = readAt(from.fd, source + done, Math.min(MAX_TRANSFER, length - done));
    if (piece.length === 0) break;
    const count = writeAt(to.fd, piece, target + done);
    done += count;
    if (count < piece.length) break;
  }
  return written(done);
}

export const IO_OPERATIONS: Operations = new Map([
  [OP_OPEN, [8, (folder, { node, body }) => openNode(folder, folder.nodes.get(node), get32(body, 0))]],
  [OP_CREATE, [16, create]],
  [OP_READ, [40, read]],
  [OP_WRITE, [40, write]],
  [OP_FSYNC, [16, fsync]],
  [OP_FALLOCATE, [32, fallocate]],
  [OP_COPY_FILE_RANGE, [56, copyRange]],
  [
    OP_RELEASE,
    [
      24,
      ({ handles }, { body }) => {
        handles.close(handleAt(body, 0), "file");
        return NOTHING;
      },
    ],
  ],
]);
