/** Servers on this host that a guest is to reach. */

import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";

export const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export interface TestServer {
  readonly port: number;
  readonly sockets: Set<Socket>;
  close(): Promise<void>;
}

/** @param serve is given each connection; ends are half-closed until it ends its own */
export async function serveTcp(serve: (socket: Socket) => void, host = "127.0.0.1"): Promise<TestServer> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}); // what a test wants to know of it, it looks at itself
    socket.once("close", () => sockets.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen({ host, port: 0, backlog: 2000 }, () => resolve()));
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    sockets,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Answers, once the peer has ended, with the hash of what it sent. */
export function hashing(socket: Socket): void {
  const hash = createHash("sha256");
  socket.on("data", (bytes) => hash.update(bytes));
  socket.on("end", () => socket.end(hash.digest("hex")));
}
