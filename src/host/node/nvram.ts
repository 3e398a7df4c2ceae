/**
 * The file behind a machine's flash bank of variables. It is replaced whole, by a
 * rename, so that whatever kills the process or the host leaves it as it was
 * before a change or after it.
 */

import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Nvram } from "../../backends/nvram.ts";
import { FLASH } from "../../machine/memory-map.ts";
import { type DiskLock, lockImage } from "./disk-lock.ts";
import { fileError } from "./files.ts";

const WHAT = "NVRAM file";
/** Zeros in pieces of this size become holes. */
const PIECE = 0x1_0000;

/**
 * Opens the NVRAM file of a machine, for this machine alone; a file that isn't
 * there is made at the first change.
 * @throws FileError, DiskError when another machine has it
 */
export async function openNvram(path: string): Promise<Nvram> {
  const lock = await lockBeside(path);
  try {
    return new NvramFile(path, await readNvram(path, FLASH.size / 2), lock);
  } catch (error) {
    lock?.release();
    throw error;
  }
}

/** Locks go by files, and the file itself is another after each change: so there is one beside it, which stays. */
async function lockBeside(path: string): Promise<DiskLock | undefined> {
  const beside = `${path}.lock`;
  try {
    await (await open(beside, "a", 0o600)).close();
  } catch (error) {
    throw fileError(error, "written", path, WHAT);
  }
  return lockImage(beside, "write");
}

/** What an NVRAM file holds; of a file that isn't there, undefined. @throws FileError */
export async function readNvram(path: string, most: number): Promise<Uint8Array | undefined> {
  try {
    const { size } = await stat(path);
    if (size > most)
      throw new RangeError(`it has ${size} bytes and the flash bank ${most}; give the file of another machine`);
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fileError(error, "read", path, WHAT);
  }
}

/** How long changes are gathered before they are written, ms: firmware makes hundreds in a row. */
const GATHER = 100;

/** Keeps a file up to date with what a machine's flash holds. */
export class NvramFile implements Nvram {
  readonly #path: string;
  /** Gives what is to be written; set while that isn't on the disk. */
  #contents: (() => Uint8Array) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #error: Error | undefined;
  readonly #lock: DiskLock | undefined;

  constructor(
    path: string,
    readonly contents: Uint8Array | undefined = undefined,
    lock?: DiskLock,
  ) {
    this.#path = path;
    this.#lock = lock;
  }

  changed(contents: () => Uint8Array): void {
    this.#contents = contents;
    this.#timer ??= setTimeout(() => void this.#write(), GATHER);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#write();
    this.#lock?.release();
    if (this.#error) throw this.#error;
  }

  async #write(): Promise<void> {
    await this.#writing;
    this.#timer = undefined;
    const contents = this.#contents?.().slice();
    if (!contents) return;
    this.#contents = undefined;
    this.#writing = replace(this.#path, contents).then(
      () => {
        this.#error = undefined;
      },
      (error) => {
        this.#error = fileError(error, "written", this.#path, WHAT);
      },
    );
    await this.#writing;
  }
}

async function replace(path: string, contents: Uint8Array): Promise<void> {
  // One writer at a time, so the name needs no more; a leftover of a killed one is written over.
  const temporary = `${path}.new`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.truncate(contents.length);
    for (let at = 0; at < contents.length; at += PIECE) {
      const piece = contents.subarray(at, at + PIECE);
      if (piece.some((byte) => byte !== 0)) await file.write(piece, 0, piece.length, at);
    }
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(temporary, { force: true });
    throw error;
  }
  await file.close();
  await rename(temporary, path);
  // The name is on the disk too.
  const directory = await open(dirname(path), "r");
  await directory.sync().finally(() => directory.close());
}
