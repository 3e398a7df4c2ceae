/** Programs of the host that talk to programs of a guest by ports, without any network. */

/** What a connection tells. Nothing comes after `closed`. */
export interface VsockHandler {
  /** The host's program has accepted; not of those that it asked for itself. */
  connected(): void;
  /** Bytes have come; they are only there during the call. */
  data(bytes: Uint8Array): void;
  /** The host's program sends no more. */
  ended(): void;
  /** It is over: both have ended it, or, if `failed`, it is gone; exactly once, unless `close` came first. */
  closed(failed: boolean): void;
}

export interface VsockStream {
  /** The guest has accepted what the host's program asked for; from this port, as the guest sees it. */
  accept(port: number): void;
  /** Sends bytes, which stay as they are until `done`. Callers wait for it before they send more. */
  write(bytes: Uint8Array, done: () => void): void;
  /** Says that no more is sent. */
  end(): void;
  /** Takes no more from the host's program until `resume`; little may still come. */
  pause(): void;
  resume(): void;
  /** Ends it both ways at once; the handler hears no more. */
  close(): void;
}

export interface Vsock {
  /** Connects to a port of the host; `closed` without `connected` says that nobody is there. */
  connect(port: number, handler: VsockHandler): VsockStream;
  /** A program of the host asks for a port of the guest; set by the machine. */
  onConnect: ((port: number, stream: VsockStream) => VsockHandler) | undefined;
  /** Takes no more connections, and ends those that there are. */
  close(): Promise<void>;
}

/** A guest's socket device: plain data, so that it can be sent to another thread. */
export interface VsockOptions {
  /**
   * A Unix socket. Who connects to it and sends "CONNECT PORT\n" is connected to that port of the guest, and reads
   * "OK PORT\n" first. What the guest connects to, port PORT of the host (context ID 2), is the Unix socket `path`_PORT.
   */
  readonly path: string;
  /** The guest's context ID, 3 (the default) to 4294967294. */
  readonly cid?: number;
}
