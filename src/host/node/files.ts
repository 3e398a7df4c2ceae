/** Files of this host: whole ones in, streams out, and a sentence for what goes wrong. */

import { createWriteStream, type WriteStream } from "node:fs";
import { open, readFile, writeFile } from "node:fs/promises";

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

/** A FileError for what a file operation threw. @param verb such as "read" */
export function fileError(error: unknown, verb: string, path: string): FileError {
  if (error instanceof FileError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  let reason = REASONS[code] ?? (code || message);
  if (code === "ENOENT" && verb === "write") reason = "its directory does not exist";
  return new FileError(
    `The file ${JSON.stringify(path)} can't be ${verb === "read" ? "read" : "written"}: ${reason}.`,
    {
      cause: error,
    },
  );
}

/** The whole file. @throws FileError */
export async function readWhole(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

/** The first bytes of a file, fewer if it is shorter. @throws FileError */
export async function readStart(path: string, length: number): Promise<Uint8Array> {
  try {
    const file = await open(path, "r");
    try {
      const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

/** Writes a file in one go. @throws FileError */
export async function writeWhole(path: string, data: string | Uint8Array): Promise<void> {
  try {
    await writeFile(path, data);
  } catch (error) {
    throw fileError(error, "write", path);
  }
}

/** A file that is written as things happen. */
export class OutputFile {
  readonly #stream: WriteStream;
  readonly #path: string;
  #error: FileError | undefined;

  private constructor(path: string, stream: WriteStream) {
    this.#path = path;
    this.#stream = stream;
    stream.on("error", (error) => {
      this.#error ??= fileError(error, "write", path);
    });
  }

  /** Creates the file or empties it. @throws FileError */
  static async create(path: string): Promise<OutputFile> {
    const stream = createWriteStream(path);
    await new Promise<void>((resolve, reject) => {
      stream.once("open", () => resolve());
      stream.once("error", (error) => reject(fileError(error, "write", path)));
    });
    return new OutputFile(path, stream);
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
    if (this.#error) throw fileError(this.#error, "write", this.#path);
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
