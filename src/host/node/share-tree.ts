/** Operations on names and attributes. */

import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from "node:fs";
import type { FileRequest } from "../../backends/files.ts";
import { get32 } from "../../devices/virtio/bytes.ts";
import {
  attributesReply,
  FATTR_ATIME,
  FATTR_ATIME_NOW,
  FATTR_FH,
  FATTR_GID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
  GETATTR_FH,
  OP_FSYNCDIR,
  OP_GETATTR,
  OP_LINK,
  OP_LOOKUP,
  OP_MKDIR,
  OP_MKNOD,
  OP_READLINK,
  OP_RENAME,
  OP_RENAME2,
  OP_RMDIR,
  OP_SETATTR,
  OP_STATFS,
  OP_SYMLINK,
  OP_UNLINK,
  readSeconds,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
} from "../../devices/virtio/fs/fuse.ts";
import { EEXIST, EINVAL, ENAMETOOLONG, ENOENT, EPERM, ESTALE, errnoOf, Refusal } from "./share-error.ts";
import {
  checkRegular,
  type Folder,
  handleAt,
  NOTHING,
  nameAt,
  type Operations,
  offsetAt,
  textAt,
  VALID,
} from "./share-folder.ts";
import { makeFile } from "./share-io.ts";
import type { FileNode } from "./share-nodes.ts";
import { groupIn } from "./share-owner.ts";

const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;
/** Linux's limit of a symbolic link's text, its NUL not counted. */
const MOST_TARGET = 4095;
const NAME_MAX = 255;

function lookup(folder: Folder, request: FileRequest): Uint8Array {
  return folder.entry(folder.nodes.directory(request.node), nameAt(request, 0));
}

function getattr(folder: Folder, { node, body }: FileRequest): Uint8Array {
  // Of an open file the handle tells, also when nothing else leads to it any more.
  const file = get32(body, 0) & GETATTR_FH ? folder.handles.find(handleAt(body, 8)) : undefined;
  const stats = file ? folder.handles.stat(file) : folder.stat(folder.nodes.get(node));
  return attributesReply(folder.attributes(stats), VALID);
}

function setattr(folder: Folder, { node: id, body }: FileRequest): Uint8Array {
  const valid = get32(body, 0);
  const node = folder.nodes.get(id);
  const { nodes, owners } = folder;
  folder.checkWritable();
  // In this order: a change of owner or size takes away set-user-ID.
  if (valid & (FATTR_UID | FATTR_GID) && owners.kept) {
    const stats = nodes.stat(node);
    const uid = valid & FATTR_UID ? get32(body, 76) : Number(stats.uid);
    const gid = valid & FATTR_GID ? get32(body, 80) : Number(stats.gid);
    chownSync(nodes.path(node), uid, gid);
  }
  if (valid & FATTR_SIZE) truncate(folder, node, offsetAt(body, 16), valid & FATTR_FH ? handleAt(body, 8) : undefined);
  if (valid & FATTR_MODE) chmodSync(nodes.path(node), get32(body, 68) & 0o7777);
  if (valid & (FATTR_ATIME | FATTR_MTIME)) setTimes(folder, node, valid, body);
  return attributesReply(folder.attributes(folder.stat(node)), VALID);
}

function truncate({ nodes, handles }: Folder, node: FileNode, size: number, handle: number | undefined): void {
  checkRegular(node);
  const given = handle === undefined ? undefined : handles.find(handle);
  // Its owner may have no right to open it for writing again.
  for (const file of given ? [given] : handles.files(node)) {
    if (!file.writable || file.node !== node) continue;
    ftruncateSync(file.fd, size);
    return;
  }
  const fd = nodes.open(nodes.path(node), constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    ftruncateSync(fd, size);
  } finally {
    closeSync(fd);
  }
}

function setTimes({ nodes }: Folder, node: FileNode, valid: number, body: Uint8Array): void {
  const stats = nodes.stat(node);
  const now = Date.now() / 1000;
  const time = (given: number, isNow: number, at: number, nanosecondsAt: number, before: bigint) => {
    if (valid & given) return valid & isNow ? now : seconds(readSeconds(body, at), get32(body, nanosecondsAt));
    return seconds(Number(before / 1_000_000_000n), Number(before % 1_000_000_000n));
  };
  const atime = time(FATTR_ATIME, FATTR_ATIME_NOW, 32, 56, stats.atimeNs);
  utimesSync(nodes.path(node), atime, time(FATTR_MTIME, FATTR_MTIME_NOW, 40, 60, stats.mtimeNs));
}

/**
 * A time as Node takes it, in seconds: exact to the microsecond, which is what
 * its older versions hand to the host, and never in the next second. A double
 * has steps of 238 ns, and of 477 ns from 2038 on.
 */
export function seconds(whole: number, nanoseconds: number): number {
  const grain = Math.abs(whole) < 2 ** 31 ? 2 ** 22 : 2 ** 21;
  const fraction = Math.min(nanoseconds, 999_999_999);
  const steps = Math.floor((fraction / 1e9) * grain);
  const short = (steps / grain) * 1e6 < Math.floor(fraction / 1000);
  return whole + (short ? steps + 1 : steps) / grain;
}

function readlink({ nodes }: Folder, { node: id }: FileRequest): Uint8Array {
  const node = nodes.get(id);
  if (node.type !== S_IFLNK) throw new Refusal(EINVAL);
  if (!node.parent) throw new Refusal(ESTALE);
  // Text for the guest; it resolves it among its own files.
  const text = readlinkSync(nodes.entryPath(node.parent, node.entry), "buffer") as unknown as Uint8Array;
  if (!nodes.isAt(node, node.parent, node.entry)) throw new Refusal(ESTALE);
  return Uint8Array.from(text);
}

function mknod(folder: Folder, request: FileRequest): Uint8Array {
  const mode = get32(request.body, 0);
  const name = nameAt(request, 16);
  const directory = folder.nodes.directory(request.node);
  folder.checkWritable();
  // Node makes no pipes, sockets or devices; EPERM says that this file system has none.
  if ((mode & S_IFMT) !== S_IFREG && (mode & S_IFMT) !== 0) throw new Refusal(EPERM);
  const fd = makeFile(folder, request, name, mode, constants.O_WRONLY);
  if (fd === undefined) throw new Refusal(EEXIST);
  closeSync(fd);
  return folder.entry(directory, name);
}

function mkdir(folder: Folder, request: FileRequest): Uint8Array {
  const { nodes, owners } = folder;
  const mode = get32(request.body, 0) & 0o7777;
  const name = nameAt(request, 8);
  const directory = nodes.directory(request.node);
  folder.checkWritable();
  mkdirSync(nodes.entryPath(directory, name), mode & 0o777);
  const { node, stats } = nodes.lookup(directory, name);
  if (!node.isDirectory) throw new Refusal(ESTALE);
  if (owners.kept) chownSync(nodes.path(node), request.uid, groupIn(nodes.stat(directory), request.gid));
  // What the host's umask took, and what the parent's set-group-ID gave.
  const wanted = mode | (Number(stats.mode) & S_ISGID);
  if ((Number(nodes.stat(node).mode) & 0o7777) !== wanted) chmodSync(nodes.path(node), wanted);
  return folder.tell(node, nodes.stat(node));
}

function symlink(folder: Folder, request: FileRequest): Uint8Array {
  const { nodes, owners } = folder;
  const name = nameAt(request, 0);
  const target = textAt(request.body, name.length + 1);
  const directory = nodes.directory(request.node);
  folder.checkWritable();
  if (target === "") throw new Refusal(ENOENT);
  if (target.length > MOST_TARGET) throw new Refusal(ENAMETOOLONG);
  symlinkSync(Buffer.from(target, "latin1"), nodes.entryPath(directory, name));
  const { node } = nodes.lookup(directory, name);
  if (node.type !== S_IFLNK) throw new Refusal(ESTALE);
  if (owners.kept) chownSync(nodes.path(node), request.uid, groupIn(nodes.stat(directory), request.gid));
  return folder.tell(node, nodes.stat(node));
}

function remove(folder: Folder, request: FileRequest, how: (path: Buffer) => void): Uint8Array {
  const { nodes } = folder;
  const directory = nodes.directory(request.node);
  const name = nameAt(request, 0);
  folder.checkWritable();
  const node = nodes.leaving(directory, name);
  how(nodes.entryPath(directory, name));
  if (node) nodes.left(node);
  return NOTHING;
}

function link(folder: Folder, request: FileRequest): Uint8Array {
  const { nodes } = folder;
  const source = nodes.get(handleAt(request.body, 0));
  const directory = nodes.directory(request.node);
  const name = nameAt(request, 8);
  folder.checkWritable();
  if (!source.parent) throw new Refusal(ENOENT);
  linkSync(nodes.entryPath(source.parent, source.entry), nodes.entryPath(directory, name));
  const { node, stats } = nodes.lookup(directory, name);
  if (node === source) return folder.tell(node, stats);
  // Somebody on the host has put another file there meanwhile, and it isn't what was asked for.
  unlinkSync(nodes.entryPath(directory, name));
  throw new Refusal(ESTALE);
}

function rename(folder: Folder, request: FileRequest, flags: number, at: number): Uint8Array {
  const { nodes } = folder;
  const { body } = request;
  const from = nodes.directory(request.node);
  const to = nodes.directory(handleAt(body, 0));
  const name = nameAt(request, at);
  const newName = nameAt(request, at + name.length + 1);
  folder.checkWritable();
  const moving = nodes.leaving(from, name);
  const target = nodes.leaving(to, newName);
  if (flags === RENAME_EXCHANGE) exchange(folder, from, name, to, newName);
  else if (flags === RENAME_NOREPLACE) renameNoReplace(folder, from, name, to, newName);
  else if (flags !== 0) throw new Refusal(EINVAL);
  else renameSync(nodes.entryPath(from, name), nodes.entryPath(to, newName));
  if (moving) nodes.moved(moving, to, newName);
  if (!target || target === moving) return NOTHING;
  if (flags === RENAME_EXCHANGE) nodes.moved(target, from, name);
  else nodes.left(target);
  return NOTHING;
}

/**
 * Node has no renameat2. A link fails if there is something already, and so does
 * making a directory, which a rename then replaces while it is empty: neither
 * ever replaces what somebody else has made.
 */
function renameNoReplace({ nodes }: Folder, from: FileNode, name: string, to: FileNode, newName: string): void {
  const source = () => nodes.entryPath(from, name);
  const target = () => nodes.entryPath(to, newName);
  if (lstatSync(source()).isDirectory()) {
    mkdirSync(target());
    try {
      renameSync(source(), target());
    } catch (error) {
      try {
        rmdirSync(target());
      } catch {
        // It is somebody else's by now.
      }
      throw error;
    }
    return;
  }
  try {
    linkSync(source(), target());
  } catch (error) {
    // A file system without hard links: the flag is one that it doesn't have.
    throw errnoOf(error) === EPERM ? new Refusal(EINVAL) : error;
  }
  unlinkSync(source());
}

/**
 * By way of a third name. The guest never sees what is between, since its
 * requests are done one after another; somebody on the host may.
 */
function exchange({ nodes }: Folder, from: FileNode, name: string, to: FileNode, newName: string): void {
  const first = () => nodes.entryPath(from, name);
  const second = () => nodes.entryPath(to, newName);
  lstatSync(second());
  const suffix = `.${process.pid}-${Date.now().toString(36)}~`;
  const aside = () => nodes.entryPath(from, name.slice(0, NAME_MAX - suffix.length) + suffix);
  renameSync(first(), aside());
  try {
    renameSync(second(), first());
  } catch (error) {
    renameSync(aside(), first());
    throw error;
  }
  try {
    renameSync(aside(), second());
  } catch (error) {
    renameSync(first(), second());
    renameSync(aside(), first());
    throw error;
  }
}

function statfs({ nodes }: Folder, { node }: FileRequest): Uint8Array {
  const found = statfsSync(nodes.path(nodes.get(node)), { bigint: true });
  const out = new Uint8Array(80);
  const view = new DataView(out.buffer);
  for (const [i, field] of [found.blocks, found.bfree, found.bavail, found.files, found.ffree].entries())
    view.setBigUint64(8 * i, BigInt.asUintN(64, field), true);
  view.setUint32(40, Number(found.bsize), true);
  view.setUint32(44, NAME_MAX, true);
  view.setUint32(48, Number(found.bsize), true);
  return out;
}

function fsyncDirectory({ nodes, handles }: Folder, { body }: FileRequest): Uint8Array {
  const { node } = handles.directory(handleAt(body, 0));
  const fd = nodes.open(nodes.path(node), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return NOTHING;
}

export const TREE_OPERATIONS: Operations = new Map([
  [OP_LOOKUP, [1, lookup]],
  [OP_GETATTR, [16, getattr]],
  [OP_SETATTR, [88, setattr]],
  [OP_READLINK, [0, readlink]],
  [OP_MKNOD, [16, mknod]],
  [OP_MKDIR, [8, mkdir]],
  [OP_SYMLINK, [1, symlink]],
  [OP_UNLINK, [1, (folder, request) => remove(folder, request, unlinkSync)]],
  [OP_RMDIR, [1, (folder, request) => remove(folder, request, rmdirSync)]],
  [OP_LINK, [8, link]],
  [OP_RENAME, [8, (folder, request) => rename(folder, request, 0, 8)]],
  [OP_RENAME2, [16, (folder, request) => rename(folder, request, get32(request.body, 8), 16)]],
  [OP_STATFS, [0, statfs]],
  [OP_FSYNCDIR, [16, fsyncDirectory]],
]);
