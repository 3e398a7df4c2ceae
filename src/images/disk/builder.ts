/** The machine that finishes a disk from inside: packages are configured by their own scripts, on the guest's own processor. */

/** What the machine is made of; it has the built-in SBI. */
export interface BuilderSpec {
  /** Paths. */
  kernel: string;
  initrd: string;
  append: string;
  /** MiB. */
  memory: number;
  /** In the order in which the guest is to find them. */
  disks: readonly { path: string; format: "raw" | "qcow2"; readOnly: boolean }[];
}

/** A machine that runs. */
export interface Builder {
  /**
   * Runs a shell command in it.
   * @returns its exit status
   */
  exec(command: string, output: (bytes: Uint8Array) => void, errors: (bytes: Uint8Array) => void): Promise<number>;
  /** Ends it; whatever was written to its disks is in their files then. */
  stop(): Promise<void>;
}

/** Bytes that belong at an offset of a disk. */
export interface Piece {
  offset: number;
  bytes: Uint8Array;
}

/** Provides disks and machines, which are above this room. */
export interface DiskBuilder {
  /** Makes a qcow2 image that is all zeroes but for these pieces. @param size bytes */
  createDisk(path: string, size: number, pieces: readonly Piece[]): Promise<void>;
  start(spec: BuilderSpec): Promise<Builder>;
}
