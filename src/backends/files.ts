/**
 * A tree of files shared with the guest. Names are components, never paths: a
 * backend refuses "", ".", ".." and anything with "/" or NUL, so that nothing a
 * guest writes becomes a host path.
 */
export interface FileRequest {
  /** The operation, by its FUSE opcode. */
  readonly operation: number;
  /** The node that it is about; 1 is the root. */
  readonly node: number;
  /** The operation's arguments, as FUSE lays them out. */
  readonly body: Uint8Array;
}

export interface FileReply {
  /** 0, or a Linux errno. */
  readonly error: number;
  readonly body: Uint8Array;
}

export interface Files {
  /** Starts an operation; `complete` is called exactly once. */
  submit(request: FileRequest, complete: (reply: FileReply) => void): void;
}
