/** A guest's side of FUSE, by the book (Linux's include/uapi/linux/fuse.h): requests as bytes, replies read back. */

import type { FileReply, FileRequest } from "../../src/backends/files.ts";
import { get32, get64, put32, put64 } from "../../src/devices/virtio/bytes.ts";

export const ROOT = 1;
const ROOM = 1 << 20;

export interface Attr {
  readonly ino: number;
  readonly size: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
}

export interface Entry {
  readonly node: number;
  readonly attr: Attr;
}

export interface Dirent {
  readonly name: string;
  readonly ino: number;
  readonly next: number;
  readonly type: number;
  /** Of READDIRPLUS; 0: none was given. */
  readonly node: number;
}

/** An operation failed with this number. */
export class Errno extends Error {
  readonly errno: number;
  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

const latin = (text: string) => Buffer.from(`${text}\0`, "latin1");

/** Fields of 4 or 8 bytes, then text with NUL at its end. */
export function body(
  fields: readonly (readonly [bytes: 4 | 8, value: number])[],
  ...texts: (string | Uint8Array)[]
): Uint8Array {
  const head = new Uint8Array(fields.reduce((sum, [bytes]) => sum + bytes, 0));
  let at = 0;
  for (const [bytes, value] of fields) {
    if (bytes === 4) put32(head, at, value);
    else put64(head, at, value);
    at += bytes;
  }
  return Uint8Array.from(
    Buffer.concat([head, ...texts.map((text) => (typeof text === "string" ? latin(text) : text))]),
  );
}

function attr(bytes: Uint8Array, at: number): Attr {
  return {
    ino: get64(bytes, at),
    size: get64(bytes, at + 8),
    mtime: get64(bytes, at + 32),
    mtimeNs: get32(bytes, at + 52),
    mode: get32(bytes, at + 60),
    nlink: get32(bytes, at + 64),
    uid: get32(bytes, at + 68),
    gid: get32(bytes, at + 72),
  };
}

const entry = (bytes: Uint8Array): Entry => ({ node: get64(bytes, 0), attr: attr(bytes, 40) });

export class FuseClient {
  uid = 0;
  gid = 0;
  readonly #send: (request: FileRequest) => FileReply;

  constructor(send: (request: FileRequest) => FileReply) {
    this.#send = send;
  }

  call(operation: number, node: number, bytes: Uint8Array, room = ROOM): Uint8Array {
    const { error, body: reply } = this.#send({ operation, node, uid: this.uid, gid: this.gid, body: bytes, room });
    if (error !== 0) throw new Errno(error);
    return reply;
  }

  init(minor = 31, flags = 0xffff_ffff): Uint8Array {
    return this.call(
      26,
      0,
      body([
        [4, 7],
        [4, minor],
        [4, 131072],
        [4, flags],
      ]),
    );
  }

  lookup(parent: number, name: string): Entry {
    return entry(this.call(1, parent, body([], name)));
  }

  /** Resolves names from the root on, as a guest's kernel does without symbolic links. */
  walk(path: string): Entry {
    let found: Entry = { node: ROOT, attr: this.getattr(ROOT) };
    for (const name of path.split("/").filter(Boolean)) found = this.lookup(found.node, name);
    return found;
  }

  forget(node: number, count = 1): void {
    this.call(2, node, body([[8, count]]), 0);
  }

  getattr(node: number, handle?: number): Attr {
    return attr(
      this.call(
        3,
        node,
        body([
          [4, handle === undefined ? 0 : 1],
          [4, 0],
          [8, handle ?? 0],
        ]),
      ),
      16,
    );
  }

  setattr(
    node: number,
    set: {
      mode?: number;
      uid?: number;
      gid?: number;
      size?: number;
      handle?: number;
      atime?: readonly [number, number];
      mtime?: readonly [number, number];
      now?: boolean;
    },
  ): Attr {
    const bytes = new Uint8Array(88);
    let valid = 0;
    const give = (bit: number, value: number | undefined, put: (value: number) => void) => {
      if (value === undefined) return;
      valid |= bit;
      put(value);
    };
    give(1, set.mode, (mode) => put32(bytes, 68, mode));
    give(2, set.uid, (uid) => put32(bytes, 76, uid));
    give(4, set.gid, (gid) => put32(bytes, 80, gid));
    give(8, set.size, (size) => put64(bytes, 16, size));
    give(64, set.handle, (handle) => put64(bytes, 8, handle));
    for (const [bit, time, at, nanosecondsAt] of [
      [16, set.atime, 32, 56],
      [32, set.mtime, 40, 60],
    ] as const) {
      give(bit, time?.[0], (whole) => put64(bytes, at, whole));
      give(bit, time?.[1], (nanoseconds) => put32(bytes, nanosecondsAt, nanoseconds));
    }
    if (set.now) valid |= 16 | 32 | 128 | 256;
    put32(bytes, 0, valid);
    return attr(this.call(4, node, bytes), 16);
  }

  readlink(node: number): string {
    return Buffer.from(this.call(5, node, new Uint8Array(0))).toString("latin1");
  }

  symlink(parent: number, name: string, target: string): Entry {
    return entry(this.call(6, parent, body([], name, target)));
  }

  mknod(parent: number, name: string, mode: number): Entry {
    return entry(
      this.call(
        8,
        parent,
        body(
          [
            [4, mode],
            [4, 0],
            [4, 0o22],
            [4, 0],
          ],
          name,
        ),
      ),
    );
  }

  mkdir(parent: number, name: string, mode = 0o755): Entry {
    return entry(
      this.call(
        9,
        parent,
        body(
          [
            [4, mode],
            [4, 0o22],
          ],
          name,
        ),
      ),
    );
  }

  unlink(parent: number, name: string): void {
    this.call(10, parent, body([], name));
  }

  rmdir(parent: number, name: string): void {
    this.call(11, parent, body([], name));
  }

  rename(parent: number, name: string, to: number, newName: string, flags?: number): void {
    if (flags === undefined) this.call(12, parent, body([[8, to]], name, newName));
    else
      this.call(
        45,
        parent,
        body(
          [
            [8, to],
            [4, flags],
            [4, 0],
          ],
          name,
          newName,
        ),
      );
  }

  link(node: number, parent: number, name: string): Entry {
    return entry(this.call(13, parent, body([[8, node]], name)));
  }

  open(node: number, flags = 0): { handle: number; flags: number } {
    const reply = this.call(
      14,
      node,
      body([
        [4, flags],
        [4, 0],
      ]),
    );
    return { handle: get64(reply, 0), flags: get32(reply, 8) };
  }

  create(parent: number, name: string, flags = 0o102, mode = 0o644): Entry & { handle: number } {
    const reply = this.call(
      35,
      parent,
      body(
        [
          [4, flags],
          [4, mode],
          [4, 0o22],
          [4, 0],
        ],
        name,
      ),
    );
    return { ...entry(reply), handle: get64(reply, 128) };
  }

  read(node: number, handle: number, offset: number, size: number): Uint8Array {
    return this.call(
      15,
      node,
      body([
        [8, handle],
        [8, offset],
        [4, size],
        [4, 0],
        [8, 0],
        [4, 0],
        [4, 0],
      ]),
    );
  }

  write(node: number, handle: number, offset: number, data: string | Uint8Array, flags = 0): number {
    const bytes = typeof data === "string" ? Buffer.from(data, "latin1") : data;
    const head: (readonly [4 | 8, number])[] = [
      [8, handle],
      [8, offset],
      [4, bytes.length],
      [4, flags],
      [8, 0],
      [4, 0],
      [4, 0],
    ];
    return get32(this.call(16, node, body(head, bytes)), 0);
  }

  release(node: number, handle: number, directory = false): void {
    this.call(
      directory ? 29 : 18,
      node,
      body([
        [8, handle],
        [4, 0],
        [4, 0],
        [8, 0],
      ]),
    );
  }

  opendir(node: number): number {
    return get64(
      this.call(
        27,
        node,
        body([
          [4, 0],
          [4, 0],
        ]),
      ),
      0,
    );
  }

  readdir(node: number, handle: number, offset: number, { size = 4096, plus = false } = {}): Dirent[] {
    const reply = this.call(
      plus ? 44 : 28,
      node,
      body([
        [8, handle],
        [8, offset],
        [4, size],
        [4, 0],
        [8, 0],
        [4, 0],
        [4, 0],
      ]),
    );
    const found: Dirent[] = [];
    for (let at = 0; at < reply.length; ) {
      const from = plus ? at + 128 : at;
      const length = get32(reply, from + 16);
      found.push({
        name: Buffer.from(reply.subarray(from + 24, from + 24 + length)).toString("latin1"),
        ino: get64(reply, from),
        next: get64(reply, from + 8),
        type: get32(reply, from + 20),
        node: plus ? get64(reply, at) : 0,
      });
      at = from + ((24 + length + 7) & ~7);
    }
    return found;
  }

  /** All names of a directory. */
  list(node: number, plus = false): Dirent[] {
    const handle = this.opendir(node);
    const all: Dirent[] = [];
    for (let offset = 0; ; ) {
      const some = this.readdir(node, handle, offset, { plus });
      if (some.length === 0) break;
      all.push(...some);
      offset = some.at(-1)!.next;
    }
    this.release(node, handle, true);
    return all;
  }

  /** A file's contents. */
  contents(path: string): string {
    const { node } = this.walk(path);
    const { handle } = this.open(node);
    const bytes = this.read(node, handle, 0, ROOM);
    this.release(node, handle);
    return Buffer.from(bytes).toString("latin1");
  }
}

/** The error number of what `act` does; 0: none. */
export function errno(act: () => unknown): number {
  try {
    act();
    return 0;
  } catch (error) {
    if (error instanceof Errno) return error.errno;
    throw error;
  }
}
