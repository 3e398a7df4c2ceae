/** A disk in memory, with faults on request. */

import type { Disk, DiskRequest, DiskResult } from "../../src/backends/disk.ts";

export interface MemoryDiskOptions {
  /** Bytes. */
  readonly size?: number;
  readonly sectorSize?: 512 | 4096;
  readonly readOnly?: boolean;
  /** Calls what completes a request, later; at once if it isn't given. */
  readonly later?: (complete: () => void) => void;
}

const NOTHING = new Uint8Array(0);

export class MemoryDisk implements Disk {
  size: number;
  readonly sectorSize: 512 | 4096;
  readonly readOnly: boolean;
  bytes: Uint8Array;
  /** What was asked, in order. */
  readonly requests: DiskRequest[] = [];
  /** Given a request, what goes wrong with it. */
  fault: ((request: DiskRequest) => Exclude<DiskResult, { ok: true }> | undefined) | undefined;
  /** What a commit does. */
  committing: (signal?: AbortSignal) => Promise<void> = async () => {};
  closed = false;
  inFlight = 0;
  readonly #later: ((complete: () => void) => void) | undefined;

  constructor({ size = 1 << 20, sectorSize = 512, readOnly = false, later }: MemoryDiskOptions = {}) {
    this.size = size;
    this.sectorSize = sectorSize;
    this.readOnly = readOnly;
    this.bytes = new Uint8Array(size);
    this.#later = later;
  }

  submit(request: DiskRequest, complete: (result: DiskResult) => void): void {
    if (this.closed) throw new Error("a request for a disk that is closed");
    if (request.kind !== "flush")
      this.#check(request.offset, "bytes" in request ? request.bytes.length : request.length);
    if (this.readOnly && request.kind !== "read" && request.kind !== "flush")
      throw new Error("a write to a read-only disk");
    this.requests.push(request);
    this.inFlight++;
    const act = () => {
      this.inFlight--;
      complete(this.fault?.(request) ?? { ok: true, bytes: this.#perform(request) });
    };
    if (this.#later) this.#later(act);
    else act();
  }

  async resize(size: number): Promise<void> {
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes);
    this.bytes = bytes;
    this.size = size;
  }

  commit(signal?: AbortSignal): Promise<void> {
    return this.committing(signal);
  }

  async close(): Promise<void> {
    if (this.inFlight > 0) throw new Error("closed with requests in flight");
    this.closed = true;
  }

  /** The contract of the interface: whole sectors inside the disk. */
  #check(offset: number, length: number): void {
    const whole = offset % this.sectorSize === 0 && length % this.sectorSize === 0;
    if (!whole || offset < 0 || length <= 0 || offset + length > this.size)
      throw new Error(`a request for ${length} bytes at ${offset}`);
  }

  #perform(request: DiskRequest): Uint8Array {
    switch (request.kind) {
      case "read":
        return this.bytes.slice(request.offset, request.offset + request.length);
      case "write":
        this.bytes.set(request.bytes, request.offset);
        return NOTHING;
      case "write-zeroes":
        this.bytes.fill(0, request.offset, request.offset + request.length);
        return NOTHING;
      default:
        return NOTHING;
    }
  }
}
