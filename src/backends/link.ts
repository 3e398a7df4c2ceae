/** Bytes of an Ethernet frame, without its checksum. */
export const LARGEST_FRAME = 1514;

/**
 * One end of an Ethernet link. Frames are whole, from the destination address on,
 * without Ethernet's checksum and with all others.
 *
 * Between ends that take them, frames may be longer than on any wire: TCP over
 * IPv4, up to IPv4's 64 KiB, which stand for as many segments as whoever goes on
 * with them needs (what network cards call segmentation offload). All else never is.
 */
export interface Link {
  /** Bytes of the largest frame that may be submitted. */
  readonly largestFrame?: number;
  /** Bytes of the largest frame that may arrive; set by the machine as its guest's driver has it. Undefined: LARGEST_FRAME. */
  largestArrival?: number | undefined;
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

/** A link that leads to a network of its own. */
export interface Network extends Link {
  /** As they were asked for, with the ports that the system chose. */
  readonly forwards: readonly Forward[];
}

/** What a machine is connected to: plain data, so that it can be sent to another thread. */
export interface NetworkOptions {
  /** "user": a private network behind the host's own sockets, without root. */
  readonly kind: "user";
  /** What DHCP calls a guest that doesn't say its own name. */
  readonly hostName?: string;
  readonly forwards?: readonly Forward[];
  /**
   * Destinations, as CIDR with an optional port ("10.0.0.0/8", "127.0.0.1:8080").
   * The most specific match decides, of equals the one that denies. Denied by
   * default are the host's loopback and its own addresses, link-local ones (with
   * them clouds' metadata) and multicast. Guests see the host's loopback at
   * 10.0.2.2, and a rule for one is a rule for the other. DNS is the destination 10.0.2.3.
   */
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  /** Writes every frame to a pcapng file of that path. */
  readonly capture?: string;
}

/** A link whose other end is in another thread, by the platform's channel between threads. */
export interface PortOptions {
  readonly kind: "port";
  readonly port: unknown;
}
