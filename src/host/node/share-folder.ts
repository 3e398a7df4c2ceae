/** A shared folder, as its operations see it. */

import { type BigIntStats, fstatSync } from "node:fs";
import type { FileRequest } from "../../backends/files.ts";
import { get64 } from "../../devices/virtio/bytes.ts";
import { type Attributes, ENTRY_OUT, putEntry, readString, S_IFLNK, S_IFREG } from "../../devices/virtio/fs/fuse.ts";
import { EACCES, EINVAL, EISDIR, ELOOP, EROFS, ESTALE, Refusal } from "./share-error.ts";
import { HandleTable } from "./share-handles.ts";
import { checkName, type FileNode, type NodeLimits, NodeTable } from "./share-nodes.ts";
import { attributes, type Owners } from "./share-owner.ts";

/**
 * An operation: the body of its reply. Its request's body has at least as many
 * bytes as its arguments, names apart. @throws Refusal, and what the host says
 */
export type Operation = (folder: Folder, request: FileRequest) => Uint8Array;

/** Operations by opcode, and the bytes of their arguments. */
export type Operations = ReadonlyMap<number, readonly [size: number, operation: Operation]>;

export const NOTHING = new Uint8Array(0);
/** Seconds for which the guest may believe what it was told: what others change is seen after that. */
export const VALID = 1;
/** Above this bit of a file's number stands which of several file systems of the host it is on. */
const DEVICE_SHIFT = 48n;

export interface FolderLimits extends NodeLimits {
  /** Files and directories that may be open at a time. */
  readonly handles: number;
}

export interface FolderOptions {
  readonly path: string;
  readonly readOnly: boolean;
  readonly owners: Owners;
  readonly limits: FolderLimits;
}

export class Folder {
  readonly nodes: NodeTable;
  readonly handles: HandleTable;
  readonly owners: Owners;
  readonly readOnly: boolean;
  /** The host's file systems below it, numbered as they are met; the root's own is 0. */
  readonly #devices = new Map<bigint, bigint>();

  /** @throws what the host says when it can't be opened */
  constructor({ path, readOnly, owners, limits }: FolderOptions) {
    this.nodes = new NodeTable(path, limits);
    this.handles = new HandleTable(limits.handles);
    this.owners = owners;
    this.readOnly = readOnly;
    this.#devices.set(this.nodes.stat(this.nodes.root).dev, 0n);
  }

  /** Forgets what the guest knows and has open. */
  clear(): void {
    this.handles.clear();
    this.nodes.clear();
  }

  close(): void {
    this.handles.clear();
    this.nodes.close();
  }

  /** @throws Refusal in a read-only folder */
  checkWritable(): void {
    if (this.readOnly) throw new Refusal(EROFS);
  }

  /** What the guest is told of a file. */
  attributes(stats: BigIntStats): Attributes {
    return attributes(stats, this.number(stats), this.owners);
  }

  /** A file's number, unique over the tree and the same for as long as the folder is shared. */
  number({ dev, ino }: BigIntStats): bigint {
    let device = this.#devices.get(dev);
    if (device === undefined) {
      device = BigInt(this.#devices.size);
      this.#devices.set(dev, device);
    }
    return BigInt.asUintN(64, ino ^ (device << DEVICE_SHIFT));
  }

  /** A file's state, also when it has no name left and is only open. */
  stat(node: FileNode): BigIntStats {
    try {
      return this.nodes.stat(node);
    } catch (error) {
      if (error instanceof Refusal && error.errno === ESTALE)
        for (const { fd } of this.handles.files(node)) return fstatSync(fd, { bigint: true });
      throw error;
    }
  }

  /** The reply that tells of an entry, which the guest then knows. */
  entry(directory: FileNode, name: string): Uint8Array {
    const { node, stats } = this.nodes.lookup(directory, name);
    return this.tell(node, stats);
  }

  tell(node: FileNode, stats: BigIntStats): Uint8Array {
    const out = new Uint8Array(ENTRY_OUT);
    putEntry(out, node.id, this.attributes(stats), VALID);
    this.nodes.told(node);
    return out;
  }
}

/** A name in a request, checked. @throws Refusal */
export function nameAt({ body }: FileRequest, at: number): string {
  return checkName(textAt(body, at));
}

/** Text that ends with NUL. @throws Refusal if it doesn't */
export function textAt(body: Uint8Array, at: number): string {
  const text = readString(body, at);
  if (text === undefined) throw new Refusal(EINVAL);
  return text;
}

/** A size or an offset in a file. @throws Refusal if it is beyond any file's */
export function offsetAt(body: Uint8Array, at: number): number {
  const offset = get64(body, at);
  if (offset > Number.MAX_SAFE_INTEGER) throw new Refusal(EINVAL);
  return offset;
}

export function handleAt(body: Uint8Array, at: number): number {
  return get64(body, at);
}

/** @throws Refusal, as the host would for an open, if it isn't a file with contents */
export function checkRegular(node: FileNode): void {
  if (node.type === S_IFREG) return;
  if (node.isDirectory) throw new Refusal(EISDIR);
  // Pipes, sockets and devices are the guest's kernel's; the host's are never opened.
  throw new Refusal(node.type === S_IFLNK ? ELOOP : EACCES);
}
