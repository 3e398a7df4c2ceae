/**
 * A file that grows up to a size and then begins anew; older ones are kept as
 * FILE.1, FILE.2 … up to a number. Whatever writes to it, the disk space is
 * bounded by (files + 1) × size.
 *
 * Data is written before `write` returns, so that nothing is lost when the
 * process is killed.
 */

import { closeSync, fstatSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { fileFailure, quote } from "./errors.ts";

export interface RotationOptions {
  /** Bytes that a file has at most. */
  readonly size: number;
  /** How many older files are kept. */
  readonly files: number;
}

export class RotatingLog {
  readonly #path: string;
  readonly #size: number;
  readonly #files: number;
  #fd: number;
  #length: number;
  /** Bytes that the disk had no room for. */
  #lost = 0;

  /** Opens the file, or goes on with it. @throws VmError */
  constructor(path: string, { size, files }: RotationOptions) {
    this.#path = path;
    this.#size = size;
    this.#files = files;
    try {
      this.#fd = openSync(path, "a", 0o600);
      this.#length = fstatSync(this.#fd).size;
    } catch (error) {
      throw fileFailure(error, `write the log ${quote(path)}`);
    }
  }

  /** Adds data. What can't be written, as on a full disk, is left out, and counted where there is room again. */
  write(data: string | Uint8Array): void {
    let bytes: Uint8Array = typeof data === "string" ? Buffer.from(data) : data;
    try {
      if (this.#lost > 0) {
        const note = Buffer.from(`\n[${this.#lost} bytes could not be written here]\n`);
        this.#append(note);
        this.#lost = 0;
      }
      while (bytes.length > 0) {
        if (this.#length >= this.#size) this.#rotate();
        bytes = bytes.subarray(this.#append(bytes.subarray(0, this.#size - this.#length)));
      }
    } catch {
      this.#lost += bytes.length;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #append(bytes: Uint8Array): number {
    const written = writeSync(this.#fd, bytes);
    this.#length += written;
    return written;
  }

  #rotate(): void {
    if (this.#files === 0) rmSync(this.#path, { force: true });
    else {
      for (let n = this.#files - 1; n >= 1; n--) move(`${this.#path}.${n}`, `${this.#path}.${n + 1}`);
      renameSync(this.#path, `${this.#path}.1`);
    }
    const fd = openSync(this.#path, "a", 0o600);
    closeSync(this.#fd);
    this.#fd = fd;
    this.#length = fstatSync(fd).size;
  }
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Bytes of a size such as "512K"; a plain number is bytes. */
export function parseLogSize(text: string): number {
  const units: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
  const [, digits, unit] = /^(\d+)([KMG]?)$/i.exec(text)!;
  return Number(digits) * units[unit!.toUpperCase()]!;
}
