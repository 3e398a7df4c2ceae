/** An image behind the interface that block devices use. */

import type { Disk, DiskRequest, DiskResult } from "../backends/disk.ts";
import { DiskError } from "./errors.ts";
import type { Image } from "./image.ts";

const NOTHING = new Uint8Array(0);
const DONE: DiskResult = { ok: true, bytes: NOTHING };

export class ImageDisk implements Disk {
  readonly sectorSize = 512;
  readonly readOnly: boolean;
  readonly #image: Image;
  readonly #closed: (() => void) | undefined;
  #resizing: Promise<void> = Promise.resolve();

  /** @param closed called when the image is closed, such as to give up locks */
  constructor(image: Image, closed?: () => void) {
    this.#image = image;
    this.#closed = closed;
    this.readOnly = image.readOnly;
  }

  get size(): number {
    return this.#image.size;
  }

  /** Completes before it returns where nothing must be waited for. */
  submit(request: DiskRequest, complete: (result: DiskResult) => void): void {
    let result = DONE;
    let wait: void | Promise<void>;
    try {
      if (request.kind === "read") {
        this.#checkRange(request.offset, request.length);
        const bytes = new Uint8Array(request.length);
        result = { ok: true, bytes };
        wait = this.#image.read(request.offset, bytes);
      } else wait = this.#start(request);
    } catch (error) {
      complete(failure(error));
      return;
    }
    if (!wait) complete(result);
    else
      wait.then(
        () => complete(result),
        (error) => complete(failure(error)),
      );
  }

  #start(request: Exclude<DiskRequest, { kind: "read" }>): void | Promise<void> {
    if (request.kind === "flush") return this.#image.flush();
    if (this.readOnly) throw new DiskError("read-only", "The disk is read-only.");
    const { offset } = request;
    const length = request.kind === "write" ? request.bytes.length : request.length;
    this.#checkRange(offset, length);
    switch (request.kind) {
      case "write":
        return this.#image.write(offset, request.bytes);
      case "discard":
        return this.#image.discard(offset, length);
      case "write-zeroes":
        return this.#image.zero(offset, length, request.unmap);
    }
  }

  #checkRange(offset: number, length: number): void {
    const isThere = offset >= 0 && length >= 0 && offset + length <= this.size;
    if (!isThere || !Number.isSafeInteger(offset) || !Number.isSafeInteger(length))
      throw new DiskError("io", `There are no ${length} bytes at ${offset} of the disk.`);
  }

  /** One after the other, so that what is asked is compared with what the disk then has. */
  resize(size: number): Promise<void> {
    const result = this.#resizing.then(() => this.#grow(size));
    this.#resizing = result.catch(() => {});
    return result;
  }

  async #grow(size: number): Promise<void> {
    if (!Number.isSafeInteger(size) || size % this.sectorSize !== 0)
      throw new DiskError("unusable", `A disk's size must be a multiple of ${this.sectorSize} bytes.`);
    if (size < this.size)
      throw new DiskError("unusable", `The disk has ${this.size} bytes; while a machine has it, it can only grow.`);
    if (this.readOnly) throw new DiskError("read-only", "The disk is read-only, and stays as large as it is.");
    if (size > this.size) await this.#image.resize(size);
  }

  async close(): Promise<void> {
    try {
      await this.#image.close();
    } finally {
      this.#closed?.();
    }
  }
}

/** Whatever went wrong is the request's failure, and never the machine's. */
function failure(error: unknown): DiskResult {
  if (!(error instanceof DiskError)) return { ok: false, reason: "io", message: `The disk has failed: ${error}.` };
  const { reason, message } = error;
  const known = reason === "no-space" || reason === "unreachable" || reason === "read-only";
  return { ok: false, reason: known ? reason : "io", message };
}
