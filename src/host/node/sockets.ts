/** Node's sockets, for networks that have none of their own. */

import { randomFillSync } from "node:crypto";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect, createServer, type Server, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import type {
  DatagramHandler,
  DatagramSocket,
  Listener,
  SocketAddress,
  SocketFailure,
  Sockets,
  Stream,
  StreamHandler,
} from "../../backends/sockets.ts";
import { echo } from "./echo.ts";
import { resolverConfiguration } from "./resolver.ts";

/** The host can't listen where it was asked to; `message` is one sentence. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

const FAILURES: Readonly<Record<string, SocketFailure>> = {
  EACCES: "forbidden",
  EADDRNOTAVAIL: "network-unreachable",
  ECONNABORTED: "reset",
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EHOSTDOWN: "host-unreachable",
  EHOSTUNREACH: "host-unreachable",
  EMFILE: "exhausted",
  EMSGSIZE: "too-large",
  ENETDOWN: "network-unreachable",
  ENETUNREACH: "network-unreachable",
  ENFILE: "exhausted",
  ENOBUFS: "exhausted",
  ENOMEM: "exhausted",
  EPERM: "forbidden",
  EPIPE: "reset",
  ETIMEDOUT: "timed-out",
};

export function failureOf(error: Error): SocketFailure {
  return FAILURES[(error as NodeJS.ErrnoException).code ?? ""] ?? "failed";
}

/** What is read from any connection lies here while its handler looks at it. */
const READ_BUFFER = new Uint8Array(256 * 1024);
/** Datagrams of one socket that the system hasn't taken; more are lost. */
const MAX_SENDING = 64;

export class NodeSockets implements Sockets {
  readonly #randoms = new Uint32Array(256);
  #randomAt = 256;
  #own: readonly string[] = [];

  connect(to: SocketAddress, handler: StreamHandler): Stream {
    const socket = connect({
      host: to.address,
      port: to.port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (length: number, bytes: Uint8Array) => {
          handler.data(bytes.subarray(0, length));
          return true;
        },
      },
    });
    socket.once("connect", () => handler.connected());
    return new NodeStream(socket, to, handler);
  }

  listen(at: SocketAddress, accept: (stream: Stream) => StreamHandler | undefined): Promise<Listener> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
      const { remoteAddress, remotePort } = socket;
      if (remoteAddress === undefined || remotePort === undefined) {
        socket.destroy();
        return;
      }
      const stream = new NodeStream(socket, { address: remoteAddress, port: remotePort });
      const handler = accept(stream);
      if (!handler) {
        stream.reset();
        return;
      }
      socket.on("data", (bytes) => handler.data(bytes));
      stream.handle(handler);
    });
    return new Promise((resolve, reject) => {
      server.once("error", (error) => reject(listenError(error, "TCP", at)));
      server.listen({ host: at.address, port: at.port, exclusive: true }, () => resolve(listenerOf(server)));
    });
  }

  datagrams(version: 4 | 6, handler: DatagramHandler): DatagramSocket {
    const socket = new NodeDatagrams(handler, `udp${version}`);
    socket.bind(undefined, (error) => {
      socket.close();
      handler.failed(failureOf(error), { address: "", port: 0 });
    });
    return socket;
  }

  bind(at: SocketAddress, handler: DatagramHandler): Promise<DatagramSocket> {
    return new Promise((resolve, reject) => {
      const socket = new NodeDatagrams(handler, at.address.includes(":") ? "udp6" : "udp4");
      const failed = (error: Error) => {
        socket.close();
        reject(listenError(error, "UDP", at));
      };
      socket.bind(at, failed, () => resolve(socket));
    });
  }

  readonly echo = echo;
  readonly resolver = resolverConfiguration;

  ownAddresses(): readonly string[] {
    try {
      this.#own = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
    } catch {
      // Where the system doesn't say, it is what it was.
    }
    return this.#own;
  }

  random(): number {
    if (this.#randomAt === this.#randoms.length) {
      randomFillSync(this.#randoms);
      this.#randomAt = 0;
    }
    return this.#randoms[this.#randomAt++]!;
  }
}

class NodeStream implements Stream {
  readonly remote: SocketAddress;
  readonly #socket: Socket;
  #silent = false;

  constructor(socket: Socket, remote: SocketAddress, handler?: StreamHandler) {
    this.#socket = socket;
    this.remote = remote;
    if (handler) this.handle(handler);
  }

  handle(handler: StreamHandler): void {
    const socket = this.#socket;
    let failure: SocketFailure | undefined;
    socket.on("end", () => {
      if (!this.#silent) handler.ended();
    });
    socket.on("error", (error) => {
      failure = failureOf(error);
    });
    socket.on("close", () => {
      if (this.#silent) return;
      this.#silent = true;
      handler.closed(failure);
    });
  }

  write(bytes: Uint8Array, done: () => void): void {
    this.#socket.write(bytes, () => {
      if (!this.#silent) done();
    });
  }

  end(): void {
    this.#socket.end();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  reset(): void {
    this.#silent = true;
    this.#socket.on("error", () => {});
    // Of one that isn't connected yet there is nothing to reset.
    if (this.#socket.connecting) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }
}

class NodeDatagrams implements DatagramSocket {
  readonly #socket: UdpSocket;
  readonly #handler: DatagramHandler;
  #sending = 0;
  #bound = false;
  #waiting: [Uint8Array, SocketAddress][] = [];
  #closed = false;

  constructor(handler: DatagramHandler, type: "udp4" | "udp6") {
    this.#handler = handler;
    this.#socket = createSocket({ type, recvBufferSize: 256 * 1024 });
    this.#socket.on("message", (bytes, { address, port }) => {
      if (!this.#closed) handler.data(bytes, { address, port });
    });
  }

  get port(): number {
    return this.#bound ? this.#socket.address().port : 0;
  }

  /** @param at undefined: any port of any address */
  bind(at: SocketAddress | undefined, failed: (error: Error) => void, done?: () => void): void {
    this.#socket.once("error", failed);
    this.#socket.bind({ ...(at ?? { port: 0 }), exclusive: true }, () => {
      if (this.#closed) return;
      this.#bound = true;
      this.#socket.off("error", failed);
      this.#socket.on("error", () => {}); // of what was sent: its callback is told
      for (const [bytes, to] of this.#waiting.splice(0)) this.send(bytes, to);
      done?.();
    });
  }

  send(bytes: Uint8Array, to: SocketAddress): void {
    if (this.#closed || this.#sending >= MAX_SENDING) return;
    if (!this.#bound) {
      if (this.#waiting.length < MAX_SENDING) this.#waiting.push([bytes, to]);
      return;
    }
    this.#sending++;
    this.#socket.send(bytes, to.port, to.address, (error) => {
      this.#sending--;
      if (error && !this.#closed) this.#handler.failed(failureOf(error), to);
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting = [];
    this.#socket.on("error", () => {});
    this.#socket.close();
  }
}

function listenerOf(server: Server): Listener {
  server.on("error", () => {}); // of a connection that was gone before it was accepted
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    close: () => server.close(),
  };
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "ports below 1024 need root here; choose a higher one",
  EADDRINUSE: "something else has it; choose another port, or 0 for any",
  EADDRNOTAVAIL: "this host has no such address; choose one of its own, or 0.0.0.0 for all",
  EINVAL: "this host has no such address; choose one of its own, or 0.0.0.0 for all",
  ENOTFOUND: "that is no address; write it in numbers",
};

function listenError(error: Error, protocol: string, { address, port }: SocketAddress): ListenError {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const where = `${address.includes(":") ? `[${address}]` : address}:${port}`;
  return new ListenError(
    `${protocol} port ${port} can't be listened on at ${where}: ${REASONS[code] ?? error.message}.`,
    {
      cause: error,
    },
  );
}
