/**
 * A file with random access that holds a disk image, or the part of one that
 * another file doesn't have. Offsets and lengths are bytes, any of them: nothing
 * is aligned.
 *
 * Each call either has done its work when it returns, or gives a promise: what
 * is in memory or in the host's cache then costs no turn of the event loop. What
 * can't be done is thrown, or rejects, as DiskError (src/disk/errors.ts).
 */
export interface BlockFile {
  /** For messages: a path, or a URL. */
  readonly name: string;
  /** Bytes; what is read beyond is zero. Grows by writes, as soon as they are called. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Fills `into`, which nobody else touches meanwhile. */
  read(offset: number, into: Uint8Array): void | Promise<void>;
  /** Writes, and makes the file longer where needed; what is left out in between is zero. `bytes` stays as it is until done. */
  write(offset: number, bytes: Uint8Array): void | Promise<void>;
  /** Sets the size; what is new is zero. */
  truncate(size: number): void | Promise<void>;
  /** Puts everything written before on stable storage, the size too. Once it has failed, it fails for ever. */
  flush(): void | Promise<void>;
  /** Makes a range zero by giving its storage back; false where the host can't, and then nothing has happened. */
  punchHole(offset: number, length: number): boolean | Promise<boolean>;
  close(): void | Promise<void>;
}
