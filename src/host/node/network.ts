/** Networks for machines on this host, by the options that say which. */

import { type Forward, LARGEST_FRAME, type Link, type Network, type NetworkOptions } from "../../backends/link.ts";
import type { DatagramSocket, Listener } from "../../backends/sockets.ts";
import type { Timing } from "../../backends/timing.ts";
import { UserNetwork } from "../../net/user-network.ts";
import { captureLink } from "./capture.ts";
import { NodeSockets } from "./sockets.ts";

const LOOPBACK = "127.0.0.1";

export const nodeTiming: Timing = {
  now: () => performance.now(),
  later: (milliseconds, callback) => {
    // Timers can't wait longer than that; whoever asked looks at the clock again.
    const timer = setTimeout(callback, Math.min(milliseconds, 2 ** 31 - 1));
    timer.unref();
    return () => clearTimeout(timer);
  },
  soon: (callback) => setImmediate(callback),
};

/**
 * Opens a network, with its forwards and its capture.
 * @throws PolicyError, ListenError or FileError, each with one sentence
 */
export async function openNetwork(options: NetworkOptions): Promise<Network> {
  const sockets = new NodeSockets();
  const network = new UserNetwork(options, sockets, nodeTiming);
  const listeners: Listener[] = [];
  const close = () => {
    for (const listener of listeners) listener.close();
  };
  try {
    const forwards: Forward[] = [];
    for (const forward of options.forwards ?? []) {
      const listener = await openForward(network, sockets, forward);
      listeners.push(listener);
      forwards.push({ ...forward, hostPort: listener.port });
    }
    const link = options.capture === undefined ? network : await captureLink(network, options.capture);
    return new OpenNetwork(link, forwards, close);
  } catch (error) {
    close();
    network.close();
    throw error;
  }
}

/** A link, and what listens for it. */
class OpenNetwork implements Network {
  readonly forwards: readonly Forward[];
  readonly #link: Link;
  readonly #close: () => void;

  constructor(link: Link, forwards: readonly Forward[], close: () => void) {
    this.#link = link;
    this.forwards = forwards;
    this.#close = close;
  }

  get largestFrame(): number {
    return this.#link.largestFrame ?? LARGEST_FRAME;
  }

  get largestArrival(): number | undefined {
    return this.#link.largestArrival;
  }

  set largestArrival(bytes: number | undefined) {
    this.#link.largestArrival = bytes;
  }

  get onFrame(): Link["onFrame"] {
    return this.#link.onFrame;
  }

  set onFrame(handler: Link["onFrame"]) {
    this.#link.onFrame = handler;
  }

  submit(frame: Uint8Array): void {
    this.#link.submit(frame);
  }

  close(): void {
    this.#close();
    this.#link.close();
  }
}

async function openForward(
  network: UserNetwork,
  sockets: NodeSockets,
  { protocol, hostAddress = LOOPBACK, hostPort, guestPort }: Forward,
): Promise<Listener> {
  const at = { address: hostAddress, port: hostPort };
  if (protocol === "tcp") return sockets.listen(at, (stream) => network.forwardStream(stream, guestPort));
  const socket: DatagramSocket = await sockets.bind(at, {
    data: (bytes, from) => network.forwardDatagram(socket, bytes, from, guestPort),
    failed: () => {}, // its sender notices
  });
  return socket;
}
