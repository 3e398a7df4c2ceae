/** One end of an Ethernet link. Frames are whole, from the destination address on, without checksum. */
export interface Link {
  /** Sends a frame; the array belongs to the link from then on. Frames may be dropped. */
  submit(frame: Uint8Array): void;
  /** Called for each frame that arrives; set by the machine. */
  onFrame: ((frame: Uint8Array) => void) | undefined;
  /** Ends it, with every connection that goes through it. */
  close(): void;
}

/** A port of the host whose connections, or datagrams, go to a port of the guest. */
export interface Forward {
  readonly protocol: "tcp" | "udp";
  /** Default: the host's loopback address. */
  readonly hostAddress?: string;
  /** 0: any that is free. */
  readonly hostPort: number;
  readonly guestPort: number;
}

/** What a machine is connected to: plain data, so that it can be sent to another thread. */
export interface NetworkOptions {
  /** "user": a private network behind the host's own sockets, without root. */
  readonly kind: "user";
  readonly forwards?: readonly Forward[];
  /**
   * Destinations, as CIDR with an optional port ("10.0.0.0/8", "127.0.0.1:8080").
   * The most specific match decides; denied by default are the host's loopback
   * and link-local addresses, and nothing else.
   */
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  /** Writes every frame to a pcapng file of that path. */
  readonly capture?: string;
}
