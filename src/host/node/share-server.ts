/**
 * A FUSE server of one directory of this host, for one guest. Its operations are
 * synchronous and done one after another: between a look at a name and what is
 * done about it the guest can change nothing. It runs in a thread of its own.
 */

import { spawnSync } from "node:child_process";
import { closeSync, constants, lstatSync } from "node:fs";
import type { FileReply, FileRequest } from "../../backends/files.ts";
import { get32, get64, put16, put32 } from "../../devices/virtio/bytes.ts";
import {
  ASYNC_DIO,
  ASYNC_READ,
  ATOMIC_O_TRUNC,
  AUTO_INVAL_DATA,
  BIG_WRITES,
  CACHE_SYMLINKS,
  DO_READDIRPLUS,
  ENTRY_OUT,
  entrySize,
  LEAST_MINOR,
  MAJOR,
  MAX_PAGES,
  MINOR,
  OP_BATCH_FORGET,
  OP_DESTROY,
  OP_FORGET,
  OP_INIT,
  OP_IOCTL,
  OP_OPENDIR,
  OP_READDIR,
  OP_READDIRPLUS,
  OP_RELEASEDIR,
  OP_SYNCFS,
  PARALLEL_DIROPS,
  putDirent,
  putEntry,
  READDIRPLUS_AUTO,
} from "../../devices/virtio/fs/fuse.ts";
import { EINVAL, EIO, EMFILE, ENFILE, ENOENT, ENOSYS, ENOTTY, EPROTO, errnoOf, Refusal } from "./share-error.ts";
import { Folder, type FolderOptions, handleAt, NOTHING, type Operations, VALID } from "./share-folder.ts";
import type { OpenDirectory } from "./share-handles.ts";
import { IO_OPERATIONS, MAX_TRANSFER } from "./share-io.ts";
import { TREE_OPERATIONS } from "./share-tree.ts";

/**
 * What is spoken of what a guest offers. Not among it: locks, which the guest's
 * kernel then keeps itself; the write-back cache, under which a guest doesn't
 * see that the host has changed a file; extended attributes, which Node hasn't.
 */
const FLAGS =
  ASYNC_READ |
  ATOMIC_O_TRUNC |
  BIG_WRITES |
  AUTO_INVAL_DATA |
  DO_READDIRPLUS |
  READDIRPLUS_AUTO |
  ASYNC_DIO |
  PARALLEL_DIROPS |
  MAX_PAGES |
  CACHE_SYMLINKS;
const PAGE = 4096;
/** Reads ahead and other requests that a guest has under way in the background. */
const BACKGROUND = 64;
/** A number and a kind for an entry that can't be looked at. */
const UNKNOWN = { ino: 0xffff_ffffn, mode: 0 };

export class ShareServer {
  readonly #folder: Folder;
  /** Whether the guest has begun a session. */
  #begun = false;

  /** @throws what the host says when the directory can't be opened */
  constructor(options: FolderOptions) {
    this.#folder = new Folder(options);
  }

  /** For tests: how much is held for the guest. */
  get held(): { nodes: number; descriptors: number; handles: number } {
    const { nodes, handles } = this.#folder;
    return { nodes: nodes.size, descriptors: nodes.descriptors, handles: handles.size };
  }

  /** Leads to the directory, as every operation does. */
  get rootPath(): string {
    return this.#folder.nodes.path(this.#folder.nodes.root);
  }

  /** Does an operation. Never throws for what a guest asked. */
  handle(request: FileRequest): FileReply {
    try {
      return { error: 0, body: this.#perform(request) };
    } catch (error) {
      return { error: errnoOf(error), body: NOTHING };
    } finally {
      this.#folder.nodes.settle();
    }
  }

  close(): void {
    this.#folder.close();
  }

  #perform(request: FileRequest): Uint8Array {
    const [size, operation] = OPERATIONS.get(request.operation) ?? [];
    if (size !== undefined && request.body.length < size) throw new Refusal(EINVAL);
    if (request.operation === OP_INIT) return this.#init(request);
    if (!this.#begun) throw new Refusal(EIO);
    if (request.operation === OP_DESTROY) {
      this.#begun = false;
      this.#folder.clear();
      return NOTHING;
    }
    if (!operation) throw new Refusal(ENOSYS);
    return operation(this.#folder, request);
  }

  /** Begins a session: struct fuse_init_out. */
  #init({ body }: FileRequest): Uint8Array {
    this.#begun = false;
    this.#folder.clear();
    const major = get32(body, 0);
    const out = new Uint8Array(64);
    put32(out, 0, MAJOR);
    put32(out, 4, MINOR);
    // A newer guest asks again, as it is told to.
    if (major > MAJOR) return out;
    if (major < MAJOR || get32(body, 4) < LEAST_MINOR) throw new Refusal(EPROTO);
    put32(out, 8, Math.min(get32(body, 8), MAX_TRANSFER));
    put32(out, 12, get32(body, 12) & FLAGS);
    put16(out, 16, BACKGROUND);
    put16(out, 18, (BACKGROUND * 3) / 4);
    put32(out, 20, MAX_TRANSFER);
    put32(out, 24, 1); // times are exact to the nanosecond
    put16(out, 28, MAX_TRANSFER / PAGE);
    this.#begun = true;
    return out;
  }
}

function openDirectory({ nodes, handles }: Folder, { node: id }: FileRequest): Uint8Array {
  const node = nodes.directory(id);
  handles.checkRoom();
  const out = new Uint8Array(16);
  put32(out, 0, handles.add({ kind: "directory", node, names: undefined }));
  return out;
}

/** Entries from an offset on: the place of an entry in the list of names that was made at the beginning. */
function readDirectory(folder: Folder, { body, room }: FileRequest, plus: boolean): Uint8Array {
  const directory = folder.handles.directory(handleAt(body, 0));
  const start = get64(body, 8);
  const names = folder.handles.names(directory, () => folder.nodes.path(directory.node), start === 0);
  const out = new Uint8Array(Math.min(get32(body, 16), room, MAX_TRANSFER));
  let length = 0;
  for (let at = start; at < names.length + 2; at++) {
    const name = at === 0 ? "." : at === 1 ? ".." : names[at - 2]!;
    const size = entrySize(name.length, plus);
    if (length + size > out.length) break;
    const entry = out.subarray(length, length + size);
    const found = at < 2 ? dot(folder, directory, at) : look(folder, directory, name, plus ? entry : undefined);
    if (!found) continue;
    putDirent(plus ? entry.subarray(ENTRY_OUT) : entry, found.ino, at + 1, found.mode, Buffer.from(name, "latin1"));
    length += size;
  }
  return out.subarray(0, length);
}

interface Found {
  readonly ino: bigint;
  readonly mode: number;
}

/** "." or "..", above which the guest is told of nothing. */
function dot(folder: Folder, { node }: OpenDirectory, at: number): Found {
  try {
    const stats = folder.stat(at === 0 ? node : (node.parent ?? node));
    return { ino: folder.number(stats), mode: Number(stats.mode) };
  } catch {
    return { ...UNKNOWN, mode: 0o040000 };
  }
}

/** Looks at an entry. @param plus where the guest is to be told of its node @returns nothing if it is gone */
function look(folder: Folder, { node }: OpenDirectory, name: string, plus: Uint8Array | undefined): Found | undefined {
  try {
    if (plus) {
      try {
        const found = folder.nodes.lookup(node, name);
        putEntry(plus, found.node.id, folder.attributes(found.stats), VALID);
        folder.nodes.told(found.node);
        return { ino: folder.number(found.stats), mode: Number(found.stats.mode) };
      } catch (error) {
        // Without room for its node it is told of by name alone.
        if (errnoOf(error) !== ENFILE && errnoOf(error) !== EMFILE) throw error;
      }
    }
    const stats = lstatSync(folder.nodes.entryPath(node, name), { bigint: true });
    return { ino: folder.number(stats), mode: Number(stats.mode) };
  } catch (error) {
    return errnoOf(error) === ENOENT ? undefined : UNKNOWN;
  }
}

/** Puts the whole file system of the folder on stable storage, by the program that can: Node has no syncfs. */
function syncFileSystem({ nodes }: Folder): Uint8Array {
  const fd = nodes.open(nodes.path(nodes.root), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const { status, error } = spawnSync("sync", ["-f", "/proc/self/fd/0"], { stdio: [fd, "ignore", "ignore"] });
    if (error) throw new Refusal(ENOSYS);
    if (status !== 0) throw new Refusal(EIO);
    return NOTHING;
  } finally {
    closeSync(fd);
  }
}

function batchForget({ nodes }: Folder, { body }: FileRequest): Uint8Array {
  const count = Math.min(get32(body, 0), (body.length - 8) >> 4);
  for (let i = 0; i < count; i++) nodes.forget(get64(body, 8 + 16 * i), get64(body, 16 + 16 * i));
  return NOTHING;
}

const SESSION_OPERATIONS: Operations = new Map([
  [OP_INIT, [16, () => NOTHING]],
  [OP_OPENDIR, [8, openDirectory]],
  [OP_READDIR, [40, (folder, request) => readDirectory(folder, request, false)]],
  [OP_READDIRPLUS, [40, (folder, request) => readDirectory(folder, request, true)]],
  [
    OP_RELEASEDIR,
    [
      24,
      ({ handles }, { body }) => {
        handles.close(handleAt(body, 0), "directory");
        return NOTHING;
      },
    ],
  ],
  [OP_SYNCFS, [0, syncFileSystem]],
  [
    OP_IOCTL,
    [
      0,
      () => {
        throw new Refusal(ENOTTY);
      },
    ],
  ],
  [
    OP_FORGET,
    [
      8,
      ({ nodes }, { node, body }) => {
        nodes.forget(node, get64(body, 0));
        return NOTHING;
      },
    ],
  ],
  [OP_BATCH_FORGET, [8, batchForget]],
]);

const OPERATIONS: Operations = new Map([...TREE_OPERATIONS, ...IO_OPERATIONS, ...SESSION_OPERATIONS]);
