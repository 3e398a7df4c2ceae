/** A block device's storage. Offsets and lengths are in bytes, whole sectors, and inside the disk. */
export type DiskRequest =
  | { readonly kind: "read"; readonly offset: number; readonly length: number }
  | { readonly kind: "write"; readonly offset: number; readonly bytes: Uint8Array }
  /** What the range holds afterwards isn't defined. */
  | { readonly kind: "discard"; readonly offset: number; readonly length: number }
  /** With `unmap`, storage may be given back, as long as zeroes are read. */
  | { readonly kind: "write-zeroes"; readonly offset: number; readonly length: number; readonly unmap: boolean }
  /** Completes when every write completed before it is on stable storage. */
  | { readonly kind: "flush" };

/**
 * What was read, for "read", else no bytes; or one sentence saying what went
 * wrong. "no-space" is worth trying again once the host has room, "unreachable"
 * once it reaches the image's server: nothing of the request need have been done.
 */
export type DiskResult =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly reason: "io" | "no-space" | "unreachable" | "read-only"; readonly message: string };

export interface Disk {
  /** Capacity in bytes; changes by `resize` alone. */
  readonly size: number;
  readonly sectorSize: 512 | 4096;
  readonly readOnly: boolean;
  /** Starts a request; `complete` is called exactly once. Requests may complete in any order. */
  submit(request: DiskRequest, complete: (result: DiskResult) => void): void;
  /** Makes it larger, whole sectors; what is new is zero. @throws what can't be, as one sentence */
  resize(size: number): Promise<void>;
  /**
   * Writes what an overlay holds to its backing file, and empties it. Requests that are on their way are finished
   * before, and those that come meanwhile wait.
   * @param signal gives it up; nothing is lost by that
   * @throws what can't be, as one sentence; the signal's reason
   */
  commit(signal?: AbortSignal): Promise<void>;
  /** Puts everything on stable storage and gives up the lock; no request is in flight or comes after it. */
  close(): Promise<void>;
}

/** A disk by the name of its image, for whoever opens it: plain data, so that it can be sent to another thread. */
export interface DiskOptions {
  /** A path or, where the host has no files, a URL. */
  readonly path: string;
  /** Default: what the image says it is; an image that says nothing is raw. */
  readonly format?: "raw" | "qcow2";
  readonly readOnly?: boolean;
  /** Writes go to a temporary overlay that ends with the machine; the image is only read. */
  readonly temporary?: boolean;
  /**
   * Files that may be read as the image's backing files, and folders whose files
   * may. Always allowed are those in the image's own folder, and nothing else: an
   * image comes from somewhere, and what it names is its author's choice.
   */
  readonly allowBacking?: readonly string[];
}
