/** GDB's way to a machine: a TCP port of this host alone. */

import { createServer, type Server, type Socket } from "node:net";
import { type Machine, MachineError } from "../../hypervisor/machine.ts";

const HOST = "127.0.0.1";

export interface GdbListener {
  /** The port that was asked for, or that the system chose for 0. */
  readonly port: number;
  /** Ends the listening, and the session if there is one. */
  close(): Promise<void>;
}

/**
 * Waits for debuggers, one at a time, until the machine ends.
 * @param port 0: any that is free
 * @throws MachineError when it can't be had
 */
export async function listenGdb(machine: Machine, port: number): Promise<GdbListener> {
  let current: Socket | undefined;
  const server = createServer({ noDelay: true }, (socket) => {
    if (current) {
      socket.destroy();
      return;
    }
    current = socket;
    serve(machine, socket).finally(() => {
      current = undefined;
    });
  });
  await listening(server, port);
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      current?.destroySoon();
    });
  machine.exited.then(close);
  const address = server.address();
  return { port: typeof address === "object" && address ? address.port : port, close };
}

/** Joins a connection to the machine, to its end; never rejects. */
async function serve(machine: Machine, socket: Socket): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {}); // "close" follows
  try {
    const debug = await machine.attachDebugger((bytes) => socket.write(bytes));
    socket.on("data", (bytes) => debug.write(bytes));
    await closed;
    await debug.close();
  } catch {
    // The machine has ended meanwhile.
    socket.destroySoon();
  }
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "it is taken" : error.message;
      reject(new MachineError(`GDB can't be listened for at port ${port}: ${why}; choose another port, or 0 for any.`));
    });
    server.listen(port, HOST, () => resolve());
  });
}
