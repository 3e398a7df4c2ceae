/** Files of this host: whole ones in, streams out, and a sentence for what goes wrong. */

import { createWriteStream, type WriteStream } from "node:fs";
import { type FileHandle, open, writeFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";

/** A file can't be read or written; `message` is one sentence. */
export class FileError extends Error {
  override readonly name = "FileError";
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission is denied",
  EDQUOT: "the disk is full",
  EISDIR: "it is a directory",
  EMFILE: "too many files are open",
  ENAMETOOLONG: "its name is too long",
  ENOENT: "it does not exist",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of its path is not a directory",
  EPERM: "permission is denied",
  EROFS: "the file system is read-only",
};

/** A FileError for what a file operation threw. @param what such as "kernel", the file's purpose */
export function fileError(error: unknown, verb: "read" | "written" | "shared", path: string, what: string): FileError {
  if (error instanceof FileError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  const reason = code === "ENOENT" && verb === "written" ? "its directory does not exist" : REASONS[code];
  const sentence = `The ${what} ${JSON.stringify(path)} can't be ${verb}: ${reason ?? (code || message)}.`;
  return new FileError(sentence, { cause: error });
}

/** Something to load: a path, a file: URL or the bytes themselves. */
export type FileSource = string | URL | Uint8Array;

/** Node reads no larger file in one piece, and hardly any guest could hold it. */
const MAX_SOURCE = 2 ** 31 - 1;

/**
 * The bytes of something to load; pipes and devices are read to their end, as far as 2 GiB.
 * @param what it is, for messages: "kernel", "initrd"…
 * @throws FileError
 */
export async function readSource(source: FileSource, what: string): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  const path = typeof source === "string" ? source : source.href;
  try {
    const file = await open(source, "r");
    try {
      const stat = await file.stat();
      if (stat.size > MAX_SOURCE) throw tooLarge(path, what);
      if (stat.isFile() && stat.size > 0) return await readWhole(file, stat.size);
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: 1 << 20 })) {
        length += chunk.length;
        if (length > MAX_SOURCE) throw tooLarge(path, what);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks, length);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(error, "read", path, what);
  }
}

/** In memory that threads share, so that handing it to an executor copies nothing. */
async function readWhole(file: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(new SharedArrayBuffer(size));
  let length = 0;
  while (length < size) {
    const { bytesRead } = await file.read(bytes, length, size - length, length);
    if (bytesRead === 0) break; // it has become shorter meanwhile
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

function tooLarge(path: string, what: string): FileError {
  return new FileError(`The ${what} ${JSON.stringify(path)} can't be read: it has 2 GiB or more.`);
}

/**
 * Inflates gzip data.
 * @param limit bytes that may come out
 * @throws when the data is damaged or holds more
 */
export function gunzip(bytes: Uint8Array, limit: number): Uint8Array {
  return gunzipSync(bytes, { maxOutputLength: Math.min(limit, MAX_SOURCE) });
}

/** Writes a file in one go. @param what it is, for messages @throws FileError */
export async function writeWhole(path: string, data: string | Uint8Array, what: string): Promise<void> {
  try {
    await writeFile(path, data);
  } catch (error) {
    throw fileError(error, "written", path, what);
  }
}

/** A file that is written as things happen. */
export class OutputFile {
  readonly #stream: WriteStream;
  #error: FileError | undefined;

  private constructor(stream: WriteStream, path: string, what: string) {
    this.#stream = stream;
    stream.on("error", (error) => {
      this.#error ??= fileError(error, "written", path, what);
    });
  }

  /** Creates the file or empties it. @param what it is, for messages @throws FileError */
  static async create(path: string, what: string): Promise<OutputFile> {
    const stream = createWriteStream(path);
    await new Promise<void>((resolve, reject) => {
      stream.once("open", () => resolve());
      stream.once("error", (error) => reject(fileError(error, "written", path, what)));
    });
    return new OutputFile(stream, path, what);
  }

  /** Adds data; a failure is told by `close`. */
  write(data: string | Uint8Array): void {
    if (!this.#error) this.#stream.write(data);
  }

  /** A promise if the disk is behind; it resolves when there is room for more. */
  room(): Promise<void> | undefined {
    return this.#error ? undefined : room(this.#stream);
  }

  /** Writes what is left. @throws FileError when anything could not be written */
  async close(): Promise<void> {
    if (!this.#error) {
      await new Promise<void>((resolve) => {
        this.#stream.once("error", () => resolve());
        this.#stream.end(() => resolve());
      });
    }
    if (this.#error) throw this.#error;
  }
}

/** A promise if more is waiting in a stream than it wants to hold; it resolves when that is gone, or the stream is. */
export function room(stream: NodeJS.WriteStream | WriteStream): Promise<void> | undefined {
  if (!stream.writableNeedDrain || stream.destroyed) return undefined;
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done).off("close", done).off("error", done);
      resolve();
    };
    stream.on("drain", done).on("close", done).on("error", done);
  });
}
