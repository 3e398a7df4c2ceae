/** Networks for machines on this host, by the options that say which. */

import type { Forward, Link, NetworkOptions } from "../../backends/link.ts";
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
export async function openNetwork(options: NetworkOptions): Promise<Link> {
  const sockets = new NodeSockets();
  const network = new UserNetwork(options, sockets, nodeTiming);
  const open: { close(): void }[] = [network];
  try {
    for (const forward of options.forwards ?? []) open.push(await openForward(network, sockets, forward));
    const link: Link = {
      submit: (frame) => network.submit(frame),
      get onFrame() {
        return network.onFrame;
      },
      set onFrame(handler) {
        network.onFrame = handler;
      },
      close: () => {
        for (const each of open) each.close();
      },
    };
    return options.capture === undefined ? link : await captureLink(link, options.capture);
  } catch (error) {
    for (const each of open) each.close();
    throw error;
  }
}

function openForward(
  network: UserNetwork,
  sockets: NodeSockets,
  { protocol, hostAddress = LOOPBACK, hostPort, guestPort }: Forward,
): Promise<Listener> {
  const at = { address: hostAddress, port: hostPort };
  if (protocol === "tcp") return sockets.listen(at, (stream) => network.forwardStream(stream, guestPort));
  let socket: DatagramSocket | undefined;
  return sockets
    .bind(at, {
      data: (bytes, from) => socket && network.forwardDatagram(socket, bytes, from, guestPort),
      failed: () => {},
    })
    .then((bound) => {
      socket = bound;
      return bound;
    });
}
