/** Whether there is something, as far as that is known without reading, and how many bytes from there on are the same. */
export interface Extent {
  readonly kind: "data" | "zero";
  readonly length: number;
}

/**
 * A disk's content, by whatever format. Offsets and lengths are bytes inside
 * `size`. Calls may overlap in time. As with BlockFile, each has either done its
 * work when it returns or gives a promise, and fails as DiskError.
 */
export interface Image {
  /** Bytes; changes by `resize` alone. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Fills `into`. */
  read(offset: number, into: Uint8Array): void | Promise<void>;
  write(offset: number, bytes: Uint8Array): void | Promise<void>;
  /** Makes a range zero; with `unmap` its storage may be given up. */
  zero(offset: number, length: number, unmap: boolean): void | Promise<void>;
  /** Gives storage up; what the range reads afterwards isn't defined. */
  discard(offset: number, length: number): void | Promise<void>;
  /** Puts everything that has been done on stable storage. */
  flush(): void | Promise<void>;
  /**
   * Changes the size, whole sectors: what is new is zero, and what is cut off is lost. On stable storage when it is
   * done; a crash before that leaves the one size or the other.
   */
  resize(size: number): Promise<void>;
  /** What is at `offset`, in this image or under it, and how far the same goes, up to `length`. */
  extent(offset: number, length: number): Promise<Extent>;
  /** Flushes, and closes the files of this image and of those under it. */
  close(): Promise<void>;
}
