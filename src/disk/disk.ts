/** An image behind the interface that block devices use. */

import type { Disk, DiskRequest, DiskResult } from "../backends/disk.ts";
import { DiskError } from "./errors.ts";
import type { Image } from "./image.ts";

const NOTHING = new Uint8Array(0);
const DONE: DiskResult = { ok: true, bytes: NOTHING };

export interface ImageDiskOptions {
  /** Writes what the image holds to its backing file, while nothing else is asked of it; without, it has none. */
  readonly commit?: (signal?: AbortSignal) => Promise<void>;
  /** Called when the image is closed, such as to give up locks. */
  readonly closed?: () => void;
}

export class ImageDisk implements Disk {
  readonly sectorSize = 512;
  readonly readOnly: boolean;
  readonly #image: Image;
  readonly #options: ImageDiskOptions;
  /** The last of the changes of the image as a whole, which wait for each other. */
  #changing: Promise<void> = Promise.resolve();
  /** Requests that the image is busy with. */
  #busy = 0;
  /** Called when there are none. */
  #quiet: (() => void) | undefined;
  /** Requests that have come while there may be none. */
  #held: (() => void)[] | undefined;

  constructor(image: Image, options: ImageDiskOptions = {}) {
    this.#image = image;
    this.#options = options;
    this.readOnly = image.readOnly;
  }

  get size(): number {
    return this.#image.size;
  }

  /** Completes before it returns where nothing must be waited for. */
  submit(request: DiskRequest, complete: (result: DiskResult) => void): void {
    if (this.#held) {
      this.#held.push(() => this.submit(request, complete));
      return;
    }
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
    if (!wait) {
      complete(result);
      return;
    }
    this.#busy++;
    const end = (ended: DiskResult) => {
      this.#busy--;
      complete(ended);
      if (this.#busy === 0) this.#quiet?.();
    };
    wait.then(
      () => end(result),
      (error) => end(failure(error)),
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

  resize(size: number): Promise<void> {
    return this.#change(() => this.#grow(size));
  }

  commit(signal?: AbortSignal): Promise<void> {
    return this.#change(() => this.#alone(() => this.#commit(signal)));
  }

  /** One after the other, so that what is asked is compared with what the disk then has. */
  #change(change: () => Promise<void>): Promise<void> {
    const result = this.#changing.then(change);
    this.#changing = result.catch(() => {});
    return result;
  }

  /** Does something while the image has no requests: when those that it has are done, and before those that come. */
  async #alone(act: () => Promise<void>): Promise<void> {
    const held: (() => void)[] = [];
    this.#held = held;
    try {
      if (this.#busy > 0)
        await new Promise<void>((resolve) => {
          this.#quiet = resolve;
        });
      this.#quiet = undefined;
      await act();
    } finally {
      this.#held = undefined;
      for (const submit of held) submit();
    }
  }

  async #commit(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.readOnly) throw new DiskError("read-only", "The disk is read-only, and holds nothing to commit.");
    const { commit } = this.#options;
    if (!commit)
      throw new DiskError(
        "unusable",
        "The disk is temporary: what it holds ends with the machine and isn't committed.",
      );
    await commit(signal);
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
      this.#options.closed?.();
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
