/**
 * The file behind a machine's flash bank of variables. It is replaced whole, by a
 * rename, so that whatever kills the process or the host leaves it as it was
 * before a change or after it.
 */

import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { fileError } from "./files.ts";

const WHAT = "NVRAM file";
/** Zeros in pieces of this size become holes. */
const PIECE = 0x1_0000;

/**
 * What an NVRAM file holds; of a file that isn't there, undefined.
 * @throws FileError
 */
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

export class NvramFile {
  readonly #path: string;
  #next: Uint8Array | undefined;
  #writing: Promise<void> | undefined;
  #error: Error | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Keeps these contents, which are copied; of several that come while the disk is busy, the last. */
  save(contents: Uint8Array): void {
    this.#next = contents.slice();
    this.#writing ??= this.#drain();
  }

  /** Everything is on the disk. @throws FileError when it could not be put there */
  async close(): Promise<void> {
    await this.#writing;
    if (this.#error) throw this.#error;
  }

  async #drain(): Promise<void> {
    try {
      for (let contents = this.#next; contents; contents = this.#next) {
        this.#next = undefined;
        await replace(this.#path, contents);
        this.#error = undefined;
      }
    } catch (error) {
      this.#error = fileError(error, "written", this.#path, WHAT);
    }
    this.#writing = undefined;
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
