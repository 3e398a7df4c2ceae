/** The machine that finishes a disk from inside: packages are configured by their own scripts, on the guest's own processor. */

/** What the machine is made of; it has the built-in SBI. */
export interface BuilderSpec {
  /** Paths. */
  kernel: string;
  initrd: string;
  append: string;
  /** MiB. */
  memory: number;
  /** Raw images, in the order in which the guest is to find them. */
  disks: readonly { path: string; readOnly: boolean }[];
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

/** Starts such a machine: what provides machines is above this room. */
export type StartBuilder = (spec: BuilderSpec) => Promise<Builder>;
