/** Disks in files of this host. */

import { mkdtempSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { BlockFile } from "../../backends/block-file.ts";
import type { Disk, DiskOptions } from "../../backends/disk.ts";
import { checkOverlay } from "../../disk/commit.ts";
import { ImageDisk } from "../../disk/disk.ts";
import { DiskError, quote } from "../../disk/errors.ts";
import type { Image } from "../../disk/image.ts";
import { type ImageSource, openImage } from "../../disk/open.ts";
import { OpenOverlay, type WrittenFile } from "../../disk/open-overlay.ts";
import { createQcow2 } from "../../disk/qcow2/create.ts";
import { Qcow2Image } from "../../disk/qcow2/image.ts";
import { diskFileError, NodeBlockFile } from "./block-file.ts";
import { decompress } from "./decompress.ts";
import { type DiskLock, type LockMode, lockImage } from "./disk-lock.ts";

/** For how long a commit may go on before others of its thread, guests above all, have their turn, ms. */
const TURN = 1;

/** Opens a disk with its backing files and locks them. @throws DiskError */
export async function openDisk(options: DiskOptions): Promise<Disk> {
  const files = new DiskFiles(options.allowBacking);
  try {
    const readOnly = options.readOnly === true || options.temporary === true;
    const path = pathOf(options.path);
    const image = await files.open(path, readOnly, options.format);
    const closed = () => files.unlock();
    if (options.temporary === true) return new ImageDisk(await overlay(image), { closed });
    return new ImageDisk(image, { closed, commit: committer(path, image, files) });
  } catch (error) {
    files.unlock();
    throw error;
  }
}

/** What commits an image that stays open. */
function committer(path: string, image: Image, files: DiskFiles): (signal?: AbortSignal) => Promise<void> {
  const name = image instanceof Qcow2Image ? image.header.backing?.name : undefined;
  if (!(image instanceof Qcow2Image) || name === undefined)
    return async () => checkOverlay(path, { backing: false, snapshots: 0 });
  const backing = {
    openToWrite: () => files.openToWrite(name, path),
    openToRead: () => files.openAgain(name, path),
  };
  const open = new OpenOverlay(path, image, backing, decompress);
  return (signal) => open.commit({ pause: turns(), ...(signal && { signal }) });
}

/** Gives others their turn, but not more often than it is worth. */
function turns(): () => void | Promise<void> {
  let from = performance.now();
  return () => {
    if (performance.now() - from < TURN) return;
    return new Promise((resolve) =>
      setImmediate(() => {
        from = performance.now();
        resolve();
      }),
    );
  };
}

/** @throws DiskError for URLs that aren't files */
export function pathOf(path: string): string {
  if (path === "") throw new DiskError("unusable", "The disk image's path is empty.");
  if (/^file:/i.test(path)) {
    try {
      return fileURLToPath(path);
    } catch {
      throw new DiskError("unusable", `${quote(path)} names no file of this host.`);
    }
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path))
    throw new DiskError("unusable", `The disk image ${quote(path)} is not a file of this host; fetch it first.`);
  return path;
}

/** Files of images that are open together, and their locks. */
export class DiskFiles implements ImageSource {
  readonly decompress = decompress;
  readonly #allowed: readonly string[];
  readonly #locks: DiskLock[] = [];
  /** Files that are open, by their identity, with the locks on them that could be had. */
  readonly #chain = new Map<string, DiskLock | undefined>();
  #folder: string;
  /** Of which image the backing file is to be written too, by its file's name. */
  #committed: string | undefined;

  /**
   * @param allowed as DiskOptions.allowBacking
   * @param folder whose files may be backing files; that of what `open` is given, by default
   */
  constructor(allowed: readonly string[] = [], folder = "") {
    this.#folder = folder;
    this.#allowed = allowed.map((path) => tryRealpath(resolve(path)) ?? resolve(path));
  }

  /** Opens an image that the user has named. @throws DiskError */
  async open(path: string, readOnly: boolean, format: "raw" | "qcow2" | undefined): Promise<Image> {
    this.#folder = dirname(realpath(path));
    return openImage(await this.openFile(path, readOnly), format, this);
  }

  /** Opens an overlay and the image under it, both to be written; further ones are read. @throws DiskError */
  async openToCommit(path: string): Promise<Image> {
    this.#folder = dirname(realpath(path));
    this.#committed = path;
    return openImage(await this.openFile(path, false), "qcow2", this);
  }

  /** Locks and opens a file. @throws DiskError */
  async openFile(path: string, readOnly: boolean): Promise<NodeBlockFile> {
    // Before the lock, for the better message.
    const file = NodeBlockFile.open(path, { readOnly });
    try {
      const lock = await this.#lock(path, readOnly ? "read" : "write");
      // Somebody may have replaced it, or written to it, in between.
      file.close();
      const locked = NodeBlockFile.open(path, { readOnly });
      this.#chain.set(locked.identity, lock);
      return locked;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  async #lock(path: string, mode: LockMode, held?: DiskLock): Promise<DiskLock | undefined> {
    const lock = await lockImage(path, mode, held);
    if (lock) this.#locks.push(lock);
    return lock;
  }

  /**
   * Opens a backing file, which is open to be read, to be written too, while nobody else has it.
   * @throws DiskError with who has it, or why it may not be written
   */
  async openToWrite(name: string, by: string): Promise<WrittenFile> {
    const path = this.resolveBacking(name, by);
    checkMode(path, by);
    // Nobody has written to it since it was opened: this machine reads it.
    const file = NodeBlockFile.open(path, { readOnly: false });
    try {
      const held = this.#checkSame(file, by);
      const lock = await this.#lock(path, "write", held);
      return { file, release: () => lock?.release() };
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Opens a backing file, which is open, once more to be read. @throws DiskError */
  openAgain(name: string, by: string): NodeBlockFile {
    const file = NodeBlockFile.open(this.resolveBacking(name, by), { readOnly: true });
    try {
      this.#checkSame(file, by);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Whether a file is one of those that were opened; @returns the lock on it */
  #checkSame({ identity, name }: NodeBlockFile, by: string): DiskLock | undefined {
    if (this.#chain.has(identity)) return this.#chain.get(identity);
    const sentence = `The backing file ${quote(name)} of ${quote(by)} is another than when the machine began`;
    throw new DiskError("unusable", `${sentence}; put that one back, or end the machine first.`);
  }

  async openBacking(name: string, by: string): Promise<BlockFile> {
    const path = this.resolveBacking(name, by);
    const probe = NodeBlockFile.open(path, { readOnly: true });
    const { identity } = probe;
    probe.close();
    if (this.#chain.has(identity))
      throw new DiskError("damaged", `The backing files under ${quote(by)} form a loop at ${quote(path)}.`);
    if (by !== this.#committed) return this.openFile(path, true);
    checkMode(path, by);
    return this.openFile(path, false);
  }

  /**
   * The path of a backing file, if an image may have it: images come from
   * somewhere, and whoever made one could name any file of this host.
   * @throws DiskError forbidden
   */
  resolveBacking(name: string, by: string): string {
    const plain = /^file:/i.test(name) ? name.slice("file:".length) : name;
    if (name.includes("\0") || (plain === name && /^[a-z][a-z0-9+.-]*:/i.test(name))) {
      const sentence = `The image ${quote(by)} has ${quote(name)} for its backing file, and only files can be that`;
      throw new DiskError("forbidden", `${sentence}; convert it by qemu-img.`);
    }
    const path = isAbsolute(plain) ? plain : join(dirname(realpath(by)), plain);
    const real = realpath(path, `The backing file ${quote(name)} of ${quote(by)}`);
    const isAllowed = [this.#folder, ...this.#allowed].some((allowed) => isWithin(real, allowed));
    if (!isAllowed) {
      const sentence = `The image ${quote(by)} wants ${quote(real)} for its backing file, which is in another folder`;
      throw new DiskError(
        "forbidden",
        `${sentence}; if you trust the image, allow that (--allow-backing PATH, or allow-backing=PATH with --disk).`,
      );
    }
    if (!statSync(real).isFile())
      throw new DiskError("forbidden", `The backing file ${quote(real)} is not a plain file.`);
    return real;
  }

  unlock(): void {
    for (const lock of this.#locks.splice(0)) lock.release();
  }
}

/** Whether a backing file may be written: whoever runs as root could do it all the same. @throws DiskError */
function checkMode(path: string, by: string): void {
  if ((statSync(path).mode & 0o222) !== 0) return;
  const sentence = `The backing file ${quote(path)} of ${quote(by)} may not be written, since others may stand on it`;
  throw new DiskError("read-only", `${sentence}; if none do, make it writable (chmod u+w).`);
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

function tryRealpath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** @param what it is, for when it isn't there @throws DiskError */
export function realpath(path: string, what?: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (what !== undefined && code === "ENOENT") throw new DiskError("unusable", `${what} does not exist.`);
    throw diskFileError(error, path, "opened", "open");
  }
}

/** An image in front of another that takes all writes and ends with this process, whatever ends it. */
async function overlay(under: Image): Promise<Image> {
  try {
    const file = temporaryFile();
    await createQcow2(file, { size: under.size });
    return await Qcow2Image.open(file, { backing: under });
  } catch (error) {
    await under.close();
    throw error;
  }
}

/** A file that has lost its name already. @throws DiskError */
function temporaryFile(): NodeBlockFile {
  let folder: string;
  try {
    folder = mkdtempSync(join(tmpdir(), "wardian-disk-"));
  } catch (error) {
    throw diskFileError(error, tmpdir(), "made in the folder of temporary files", "open");
  }
  try {
    return NodeBlockFile.open(join(folder, "overlay.qcow2"), { readOnly: false, create: true, temporary: true });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
