/**
 * The files of a shared folder that the guest knows, by number; and the way to
 * reach each of them that no renaming, and no symbolic link, can lead astray.
 *
 * Node has no openat. But on Linux the path /proc/self/fd/N is the very inode
 * that descriptor N has, whatever its name is now, and /proc/self/fd/N/NAME is
 * an entry of that very directory. So a directory is held by a descriptor, its
 * entries are opened by O_PATH | O_NOFOLLOW, which gives a symbolic link itself
 * and opens nothing, and all that is done to a file afterwards goes by the
 * descriptor. No path of more than one component is ever given to the host.
 *
 * Descriptors are limited. The ones used longest ago are closed, and opened
 * again by name from the parent's, when needed; what is there must then be the
 * same file, by device, number and time of birth, or the node is stale.
 */

import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, openSync } from "node:fs";
import { ROOT_NODE, S_IFDIR, S_IFMT } from "../../devices/virtio/fs/fuse.ts";
import {
  EINVAL,
  ELOOP,
  ENAMETOOLONG,
  ENFILE,
  ENOENT,
  ENOTDIR,
  ESTALE,
  errnoOf,
  outOfDescriptors,
  Refusal,
} from "./share-error.ts";

const O_PATH = 0o10000000;
/** Names of Linux have at most so many bytes. */
const NAME_MAX = 255;
/** Directories above a node whose descriptor is closed: as deep as it is looked for. */
const MOST_DEPTH = 2048;
/** Descriptors that stay open in any case: an operation uses paths by two of them. */
const LEAST_OPEN = 4;

/** A file that the guest knows. Names are strings of bytes, a character each ("latin1"). */
export class FileNode {
  readonly id: number;
  readonly key: string;
  readonly born: bigint;
  /** S_IFMT of its mode, which never changes. */
  readonly type: number;
  /** Where it was last found; none for the root, and once that name has been removed. */
  parent: FileNode | undefined;
  entry = "";
  /** Nodes whose parent this is. */
  children = 0;
  /** How often the guest has been told of it, less what it has forgotten. */
  lookups = 0;
  /** An O_PATH descriptor, or -1. */
  fd = -1;
  /** Time of the last change that the guest's cache of its contents has; 0: unknown. */
  seen = 0n;

  constructor(id: number, key: string, stats: BigIntStats) {
    this.id = id;
    this.key = key;
    this.born = stats.birthtimeNs;
    this.type = Number(stats.mode) & S_IFMT;
  }

  get isDirectory(): boolean {
    return this.type === S_IFDIR;
  }
}

/** The identity of an inode, as long as it exists. */
function keyOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`;
}

/** @throws Refusal if it is no name of a directory's entry */
export function checkName(name: string): string {
  if (name.length > NAME_MAX) throw new Refusal(ENAMETOOLONG);
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0"))
    throw new Refusal(EINVAL);
  return name;
}

export interface NodeLimits {
  /** Nodes that the guest may know at a time. */
  readonly nodes: number;
  /** Descriptors that are kept for them. */
  readonly descriptors: number;
}

export class NodeTable {
  readonly root: FileNode;
  readonly #limits: NodeLimits;
  readonly #byId = new Map<number, FileNode>();
  readonly #byKey = new Map<string, FileNode>();
  /** Nodes with a descriptor that may be closed, the one used longest ago first. */
  readonly #open = new Set<FileNode>();
  /** Nodes without a name: a descriptor that is closed couldn't be had again. The oldest first. */
  readonly #pinned = new Set<FileNode>();
  /** Nodes that have been made for an operation, and that the guest may not have been told of. */
  #fresh: FileNode[] = [];
  #nextId = ROOT_NODE + 1;

  /** @throws what the host says when `path` can't be opened as a directory */
  constructor(path: string, limits: NodeLimits) {
    this.#limits = limits;
    const fd = openSync(path, O_PATH | constants.O_DIRECTORY);
    const stats = fstatSync(fd, { bigint: true });
    this.root = new FileNode(ROOT_NODE, keyOf(stats), stats);
    this.root.fd = fd;
    this.root.lookups = 1;
    this.#byId.set(ROOT_NODE, this.root);
    this.#byKey.set(this.root.key, this.root);
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Descriptors that are open. */
  get descriptors(): number {
    return this.#open.size + this.#pinned.size + 1;
  }

  /** @throws Refusal if the guest doesn't know such a node */
  get(id: number): FileNode {
    const node = this.#byId.get(id);
    if (!node) throw new Refusal(ESTALE);
    return node;
  }

  /** @throws Refusal if there is none, or it is no directory */
  directory(id: number): FileNode {
    const node = this.get(id);
    if (!node.isDirectory) throw new Refusal(ENOTDIR);
    return node;
  }

  /** A path that leads to this very file, as long as no other node is used. @throws Refusal if it can't be found again */
  path(node: FileNode): string {
    return `/proc/self/fd/${this.#descriptor(node)}`;
  }

  /** A path of an entry of this very directory. Whoever uses it must not follow a symbolic link at its end. */
  entryPath(directory: FileNode, name: string): Buffer {
    return Buffer.from(`${this.path(directory)}/${name}`, "latin1");
  }

  stat(node: FileNode): BigIntStats {
    return fstatSync(this.#descriptor(node), { bigint: true });
  }

  /** Whether an entry is this very file. */
  isAt(node: FileNode, directory: FileNode, name: string): boolean {
    const stats = lstatSync(this.entryPath(directory, name), { bigint: true, throwIfNoEntry: false });
    return stats !== undefined && keyOf(stats) === node.key && stats.birthtimeNs === node.born;
  }

  /** Finds an entry. The node isn't counted as known to the guest: see `told`. */
  lookup(directory: FileNode, name: string): { readonly node: FileNode; readonly stats: BigIntStats } {
    const fd = this.open(this.entryPath(directory, name), O_PATH | constants.O_NOFOLLOW);
    try {
      const stats = fstatSync(fd, { bigint: true });
      const node = this.#intern(stats);
      if (node.fd < 0) {
        node.fd = fd;
        this.#keep(node);
      } else {
        closeSync(fd);
      }
      this.#place(node, directory, name);
      return { node, stats };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** The guest is told of a node once more. */
  told(node: FileNode): void {
    node.lookups++;
  }

  /** An operation is over: drops what it looked up and the guest wasn't told of. */
  settle(): void {
    if (this.#fresh.length === 0) return;
    for (const node of this.#fresh) this.release(node);
    this.#fresh = [];
  }

  /** The guest forgets so many times that it was told. */
  forget(id: number, count: number): void {
    const node = this.#byId.get(id);
    if (!node || node === this.root) return;
    node.lookups = Math.max(0, node.lookups - count);
    this.release(node);
  }

  /** Drops a node that nobody knows, and what only it needed. */
  release(from: FileNode): void {
    for (let node: FileNode | undefined = from; node && node.lookups === 0 && node.children === 0; ) {
      const parent: FileNode | undefined = node.parent;
      this.#byId.delete(node.id);
      if (this.#byKey.get(node.key) === node) this.#byKey.delete(node.key);
      this.#close(node);
      node.parent = undefined;
      if (parent) parent.children--;
      node = parent;
    }
  }

  /**
   * An entry is about to be removed or replaced: the node of what is there, if
   * the guest knows it, with a descriptor that outlives its name.
   */
  leaving(directory: FileNode, name: string): FileNode | undefined {
    const stats = lstatSync(this.entryPath(directory, name), { bigint: true, throwIfNoEntry: false });
    const node = stats && this.#byKey.get(keyOf(stats));
    if (node?.parent !== directory || node.entry !== name || node.born !== stats?.birthtimeNs) return undefined;
    this.#descriptor(node);
    return node;
  }

  /** The entry that `leaving` was asked about has gone. */
  left(node: FileNode): void {
    this.#detach(node);
    this.release(node);
    if (node.fd < 0) return;
    this.#open.delete(node);
    this.#pinned.add(node);
    if (this.#pinned.size <= this.#limits.descriptors) return;
    const [oldest] = this.#pinned;
    this.#close(oldest!);
  }

  /** An entry has moved to another name. */
  moved(node: FileNode, directory: FileNode, name: string): void {
    this.#place(node, directory, name);
  }

  /** Opens a file, closing what can be closed if there are too many. */
  open(path: Buffer | string, flags: number, mode?: number): number {
    try {
      return openSync(path, flags, mode);
    } catch (error) {
      if (!outOfDescriptors(error) || this.#open.size <= LEAST_OPEN) throw error;
      this.#trim(Math.max(LEAST_OPEN, this.#open.size >> 1));
      return openSync(path, flags, mode);
    }
  }

  /** Forgets everything but the root. */
  clear(): void {
    for (const node of this.#byId.values()) if (node !== this.root) this.#close(node);
    this.#byId.clear();
    this.#byKey.clear();
    this.#fresh = [];
    this.root.children = 0;
    this.root.seen = 0n;
    this.#byId.set(ROOT_NODE, this.root);
    this.#byKey.set(this.root.key, this.root);
  }

  close(): void {
    this.clear();
    closeSync(this.root.fd);
  }

  /** The node of an inode. */
  #intern(stats: BigIntStats): FileNode {
    const key = keyOf(stats);
    const known = this.#byKey.get(key);
    // A number may have been given to another file after the descriptor was closed.
    if (known && (known.fd >= 0 || known.born === stats.birthtimeNs)) return known;
    if (this.#byId.size >= this.#limits.nodes) throw new Refusal(ENFILE);
    const node = new FileNode(this.#nextId++, key, stats);
    this.#byId.set(node.id, node);
    this.#byKey.set(key, node);
    this.#fresh.push(node);
    return node;
  }

  /** Notes where a node was found. */
  #place(node: FileNode, directory: FileNode, name: string): void {
    if (node === this.root) return;
    if (this.#pinned.delete(node)) this.#open.add(node);
    node.entry = name;
    if (node.parent === directory) return;
    // Somebody may have moved a directory below one that was below it: then what is noted of the latter is old.
    for (let above: FileNode | undefined = node.children > 0 ? directory : undefined; above; above = above.parent)
      if (above.parent === node) this.#detach(above);
    this.#detach(node);
    node.parent = directory;
    directory.children++;
  }

  #detach(node: FileNode): void {
    const { parent } = node;
    if (!parent) return;
    node.parent = undefined;
    parent.children--;
    this.release(parent);
  }

  /** The node's descriptor, opened again if need be. */
  #descriptor(node: FileNode): number {
    if (node === this.root || this.#pinned.has(node)) return node.fd;
    if (node.fd < 0) this.#reopen(node);
    this.#open.delete(node);
    this.#open.add(node);
    return node.fd;
  }

  #reopen(node: FileNode): void {
    const chain: FileNode[] = [];
    for (let at = node; at.fd < 0; at = at.parent) {
      if (!at.parent || chain.length === MOST_DEPTH) throw new Refusal(ESTALE);
      chain.push(at);
    }
    for (const at of chain.reverse()) {
      const fd = this.#find(at.parent!, at.entry);
      const stats = fstatSync(fd, { bigint: true });
      if (keyOf(stats) !== at.key || stats.birthtimeNs !== at.born) {
        closeSync(fd);
        throw new Refusal(ESTALE);
      }
      at.fd = fd;
      this.#keep(at);
    }
  }

  /** A descriptor of what should be at a name. @throws Refusal if nothing is */
  #find(directory: FileNode, name: string): number {
    try {
      return this.open(this.entryPath(directory, name), O_PATH | constants.O_NOFOLLOW);
    } catch (error) {
      const gone = [ENOENT, ENOTDIR, ELOOP].includes(errnoOf(error));
      throw gone ? new Refusal(ESTALE) : error;
    }
  }

  /** A descriptor has been opened; others may have to be closed for it. */
  #keep(node: FileNode): void {
    this.#open.add(node);
    if (this.#open.size > this.#limits.descriptors) this.#trim(this.#limits.descriptors);
  }

  /** Closes the descriptors used longest ago, down to so many. */
  #trim(to: number): void {
    for (const node of this.#open) {
      if (this.#open.size <= to) break;
      this.#close(node);
    }
  }

  #close(node: FileNode): void {
    this.#open.delete(node);
    this.#pinned.delete(node);
    if (node.fd < 0) return;
    closeSync(node.fd);
    node.fd = -1;
  }
}
