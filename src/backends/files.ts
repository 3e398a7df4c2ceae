/**
 * A tree of files shared with the guest, spoken to in FUSE's operations. Names
 * are components, never paths: a backend refuses "", ".", ".." and anything with
 * "/" or NUL, so that nothing a guest writes becomes a host path.
 */
export interface FileRequest {
  /** The operation, by its FUSE opcode. */
  readonly operation: number;
  /** The node that it is about; 1 is the root. Inexact beyond 2^53, where no node is. */
  readonly node: number;
  /** Who asks, as the guest numbers its users and groups. */
  readonly uid: number;
  readonly gid: number;
  /** The operation's arguments, as FUSE lays them out: anything at all, of up to MAX_FILE_BODY bytes. */
  readonly body: Uint8Array;
  /** The most bytes that the reply's body may have. */
  readonly room: number;
}

export interface FileReply {
  /** 0, or a Linux errno. */
  readonly error: number;
  readonly body: Uint8Array;
}

export interface Files {
  /**
   * Starts an operation; the request's body belongs to it from then on.
   * `complete` is called exactly once, also for what FUSE has no reply to.
   * Operations are done in the order in which they are submitted. INIT and
   * DESTROY forget everything that was opened or looked up before.
   */
  submit(request: FileRequest, complete: (reply: FileReply) => void): void;
  /** Gives up everything that is open; no request is in flight or comes after it. */
  close(): Promise<void>;
}

/** The longest body of a request or a reply: a megabyte of data and its arguments. */
export const MAX_FILE_BODY = 2 ** 20 + 4096;

/** A directory of the host for a guest: plain data, so that it can be sent to another thread. */
export interface ShareOptions {
  /** The directory. */
  readonly path: string;
  /** The name by which the guest mounts it: 1 to 36 bytes of UTF-8. */
  readonly tag: string;
  readonly readOnly?: boolean;
}
