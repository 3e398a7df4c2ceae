/** What the guest has open in a shared folder. */

import { type BigIntStats, closeSync, fstatSync, opendirSync } from "node:fs";
import { EBADF, EMFILE, ENOMEM, Refusal } from "./share-error.ts";
import type { FileNode } from "./share-nodes.ts";

/** Names that are kept of directories being read, in all; a directory with more can't be read. */
const MOST_NAMES = 2 ** 20;
/** Names that are read from the host at a time. */
const READ_AHEAD = 512;

/** An open file. */
export interface OpenFile {
  readonly kind: "file";
  readonly node: FileNode;
  readonly fd: number;
  readonly writable: boolean;
  /** Whether the host puts whatever is written at the end. */
  readonly append: boolean;
}

/** A directory that is being read, and its names as of when it was begun. */
export interface OpenDirectory {
  readonly kind: "directory";
  readonly node: FileNode;
  names: readonly string[] | undefined;
}

type Handle = OpenFile | OpenDirectory;

export class HandleTable {
  readonly #most: number;
  readonly #handles = new Map<number, Handle>();
  /** Directories with names, the one listed longest ago first. */
  readonly #listed = new Set<OpenDirectory>();
  #names = 0;
  #next = 1;

  /** @param most handles at a time */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#handles.size;
  }

  /** To be asked before anything is opened. @throws Refusal */
  checkRoom(): void {
    if (this.#handles.size >= this.#most) throw new Refusal(EMFILE);
  }

  add(handle: Handle): number {
    const id = this.#next++;
    this.#handles.set(id, handle);
    return id;
  }

  /** @throws Refusal */
  file(id: number): OpenFile {
    const handle = this.#handles.get(id);
    if (handle?.kind !== "file") throw new Refusal(EBADF);
    return handle;
  }

  /** @throws Refusal */
  directory(id: number): OpenDirectory {
    const handle = this.#handles.get(id);
    if (handle?.kind !== "directory") throw new Refusal(EBADF);
    return handle;
  }

  /** The file of a handle, if it is one. */
  find(id: number): OpenFile | undefined {
    const handle = this.#handles.get(id);
    return handle?.kind === "file" ? handle : undefined;
  }

  stat({ fd }: OpenFile): BigIntStats {
    return fstatSync(fd, { bigint: true });
  }

  /** Files of this node that are open, or of all. */
  *files(node?: FileNode): Iterable<OpenFile> {
    for (const handle of this.#handles.values())
      if (handle.kind === "file" && (!node || handle.node === node)) yield handle;
  }

  /** The guest is done with it. @throws Refusal */
  close(id: number, kind: Handle["kind"]): void {
    const handle = kind === "file" ? this.file(id) : this.directory(id);
    this.#handles.delete(id);
    this.#end(handle);
  }

  clear(): void {
    for (const handle of this.#handles.values()) this.#end(handle);
    this.#handles.clear();
  }

  /**
   * The names of a directory, "." and ".." not among them.
   * @param path gives a path to it
   * @param again reads them anew, as at the beginning
   * @throws Refusal, and what the host says
   */
  names(directory: OpenDirectory, path: () => string, again: boolean): readonly string[] {
    if (directory.names && !again) return directory.names;
    this.#unlist(directory);
    const names = readNames(path());
    for (const old of this.#listed) {
      if (this.#names + names.length <= MOST_NAMES) break;
      this.#unlist(old); // read again, should it be gone on with
    }
    directory.names = names;
    this.#names += names.length;
    this.#listed.add(directory);
    return names;
  }

  #unlist(directory: OpenDirectory): void {
    this.#names -= directory.names?.length ?? 0;
    directory.names = undefined;
    this.#listed.delete(directory);
  }

  #end(handle: Handle): void {
    if (handle.kind === "file") closeSync(handle.fd);
    else this.#unlist(handle);
  }
}

function readNames(path: string): string[] {
  const names: string[] = [];
  const directory = opendirSync(path, { encoding: "latin1" as BufferEncoding, bufferSize: READ_AHEAD });
  try {
    for (let entry = directory.readSync(); entry; entry = directory.readSync()) {
      if (names.length === MOST_NAMES) throw new Refusal(ENOMEM);
      names.push(entry.name);
    }
  } finally {
    directory.closeSync();
  }
  return names;
}
