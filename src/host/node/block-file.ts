/** Files of this host as disk images are kept in. */

import * as fs from "node:fs";
import type { BlockFile } from "../../backends/block-file.ts";
import { DiskError, quote } from "../../disk/errors.ts";

/**
 * Up to this many bytes are read and written at once: what is in the host's
 * cache takes 2 to 20 µs, where Node's threads would take 30 to 100 µs, and a
 * disk that has to be asked keeps other guests waiting for no longer than that.
 */
const AT_ONCE = 262_144;

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission is denied",
  EDQUOT: "the quota is used up",
  EFBIG: "its file system takes no file that long",
  EISDIR: "it is a directory",
  ELOOP: "its path has a loop of links",
  EMFILE: "too many files are open",
  ENAMETOOLONG: "its name is too long",
  ENOENT: "it does not exist",
  ENOSPC: "the host's disk is full",
  ENOTDIR: "a part of its path is not a directory",
  EPERM: "permission is denied",
  EROFS: "the file system is read-only",
  ETXTBSY: "it is a program that runs",
};
const NO_SPACE = new Set(["ENOSPC", "EDQUOT"]);

/** A DiskError for what a file operation threw. @param verb as in "can't be opened" */
export function diskFileError(error: unknown, name: string, verb: string, use: "open" | "transfer"): DiskError {
  if (error instanceof DiskError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  const sentence = `The disk image ${quote(name)} can't be ${verb}: ${REASONS[code] ?? (code || message)}.`;
  const reason = NO_SPACE.has(code) ? "no-space" : use === "open" ? "unusable" : "io";
  return new DiskError(reason, sentence, { cause: error });
}

export interface OpenFlags {
  readonly readOnly: boolean;
  /** Make the file; it must not be there yet. */
  readonly create?: boolean;
  /** Nobody can see the file any more: what becomes of it doesn't matter. */
  readonly temporary?: boolean;
}

export class NodeBlockFile implements BlockFile {
  readonly name: string;
  readonly readOnly: boolean;
  readonly #fd: number;
  readonly #temporary: boolean;
  #size: number;
  #failed: DiskError | undefined;
  #isOpen = true;

  private constructor(fd: number, name: string, size: number, { readOnly, temporary = false }: OpenFlags) {
    this.#fd = fd;
    this.name = name;
    this.#size = size;
    this.readOnly = readOnly;
    this.#temporary = temporary;
  }

  /** @throws DiskError */
  static open(path: string, flags: OpenFlags): NodeBlockFile {
    const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK } = fs.constants;
    // A FIFO that nobody writes would be waited for otherwise.
    const access = (flags.readOnly ? O_RDONLY : O_RDWR) | (O_NONBLOCK ?? 0);
    let fd: number | undefined;
    try {
      fd = fs.openSync(path, flags.create ? access | O_CREAT | O_EXCL : access, 0o644);
      return new NodeBlockFile(fd, path, sizeOf(fd, path), flags);
    } catch (error) {
      if (fd !== undefined) fs.closeSync(fd);
      throw diskFileError(error, path, flags.create ? "made" : "opened", "open");
    }
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes that it takes on the host's disk. */
  get allocated(): number {
    return fs.fstatSync(this.#fd).blocks * 512;
  }

  /** Which file it is, however it is called. */
  get identity(): string {
    const { dev, ino } = fs.fstatSync(this.#fd, { bigint: true });
    return `${dev}:${ino}`;
  }

  read(offset: number, into: Uint8Array): void | Promise<void> {
    if (into.length > AT_ONCE) return this.#readLater(offset, into);
    try {
      let done = 0;
      while (done < into.length) {
        const count = fs.readSync(this.#fd, into, done, into.length - done, offset + done);
        if (count === 0) break;
        done += count;
      }
      if (done < into.length) into.fill(0, done);
    } catch (error) {
      throw diskFileError(error, this.name, "read", "transfer");
    }
  }

  async #readLater(offset: number, into: Uint8Array): Promise<void> {
    let done = 0;
    while (done < into.length) {
      const count = await this.#call<number>("read", (callback) =>
        fs.read(this.#fd, into, done, into.length - done, offset + done, callback),
      );
      if (count === 0) break;
      done += count;
    }
    if (done < into.length) into.fill(0, done);
  }

  write(offset: number, bytes: Uint8Array): void | Promise<void> {
    this.#size = Math.max(this.#size, offset + bytes.length);
    if (bytes.length > AT_ONCE) return this.#writeLater(offset, bytes);
    try {
      for (let done = 0; done < bytes.length; )
        done += fs.writeSync(this.#fd, bytes, done, bytes.length - done, offset + done);
    } catch (error) {
      throw diskFileError(error, this.name, "written", "transfer");
    }
  }

  async #writeLater(offset: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; )
      done += await this.#call<number>("written", (callback) =>
        fs.write(this.#fd, bytes, done, bytes.length - done, offset + done, callback),
      );
  }

  async truncate(size: number): Promise<void> {
    await this.#call("resized", (callback) => fs.ftruncate(this.#fd, size, callback));
    this.#size = size;
  }

  /**
   * Once the host has failed to write something back it may have forgotten it, and
   * the next time says that all is well; so a failure lasts.
   */
  async flush(): Promise<void> {
    if (this.#failed) throw this.#failed;
    if (this.#temporary || this.readOnly) return;
    try {
      await this.#call("put on stable storage", (callback) => fs.fdatasync(this.#fd, callback));
    } catch (error) {
      this.#failed = new DiskError("io", (error as DiskError).message, { cause: error });
      throw this.#failed;
    }
  }

  /** Node has no call for it. */
  punchHole(): boolean {
    return false;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    fs.closeSync(this.#fd);
  }

  #call<T = void>(
    verb: string,
    start: (callback: (error: NodeJS.ErrnoException | null, result?: T) => void) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      start((error, result) => {
        if (error) reject(diskFileError(error, this.name, verb, "transfer"));
        else resolve(result as T);
      });
    });
  }
}

/** Bytes of a file or of a block device. @throws DiskError for anything else */
function sizeOf(fd: number, path: string): number {
  const stat = fs.fstatSync(fd);
  if (stat.isFile()) return stat.size;
  if (stat.isDirectory()) throw new DiskError("unusable", `The disk image ${quote(path)} is a directory.`);
  if (!stat.isBlockDevice()) throw new DiskError("unusable", `${quote(path)} is neither a file nor a block device.`);
  return deviceSize(fd);
}

/** The length of a block device, found by reading: stat doesn't have it. */
function deviceSize(fd: number): number {
  const byte = new Uint8Array(512);
  const isThere = (sector: number) => {
    try {
      return fs.readSync(fd, byte, 0, 512, sector * 512) === 512;
    } catch {
      return false;
    }
  };
  let [low, high] = [0, 1];
  while (isThere(high) && high < 2 ** 43) [low, high] = [high, high * 2];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isThere(middle)) low = middle;
    else high = middle;
  }
  return isThere(low) ? (low + 1) * 512 : 0;
}
