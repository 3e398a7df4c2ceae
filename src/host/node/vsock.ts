/** Ports of a guest as Unix sockets of this host, by Firecracker's convention: see VsockOptions. */

import { chmodSync, lstatSync, rmSync, statSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname, resolve } from "node:path";
import type { Vsock, VsockHandler, VsockOptions, VsockStream } from "../../backends/vsock.ts";

/** There can be no socket where it was asked for; `message` is one sentence. */
export class VsockError extends Error {
  override readonly name = "VsockError";
}

/** What fits into sun_path on Linux and macOS, with the zero at its end and the longest "_PORT". */
const MAX_PATH = 103 - "_4294967295".length;
/** The longest line that asks for a port. */
const MAX_LINE = 32;
/** Who connects must say where to within this time, ms. */
const FIRST_WORD = 10_000;
const MAX_SOCKETS = 1024;
const REFUSED = "ECONNREFUSED";

/** Listens at the path. @throws VsockError */
export async function openVsock({ path }: VsockOptions): Promise<Vsock> {
  const length = Buffer.byteLength(path);
  if (length > MAX_PATH)
    throw fail(path, `its path has ${length} bytes, and ${MAX_PATH} are possible; choose a shorter one`);
  if (path.includes("\0")) throw fail(path, "its path has a zero in it");
  await makeRoom(path);
  const vsock = new NodeVsock(path);
  await vsock.listen();
  return vsock;
}

/** Removes a socket whose process is gone. @throws VsockError when anything else is there */
async function makeRoom(path: string): Promise<void> {
  // Listening would call it a lack of permission.
  if (!statSync(dirname(resolve(path)), { throwIfNoEntry: false })?.isDirectory())
    throw fail(path, "its directory does not exist");
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw fail(path, "something else is there; choose another path, or remove it");
  const code = await new Promise<string | undefined>((answer) => {
    const socket = connect(path);
    socket.once("error", (error) => answer(codeOf(error)));
    socket.once("connect", () => {
      socket.destroy();
      answer(undefined);
    });
  });
  if (code !== REFUSED)
    throw fail(path, code === undefined ? "another process listens there; choose another path" : reason(code));
  try {
    rmSync(path, { force: true });
  } catch (error) {
    throw fail(path, reason(codeOf(error)));
  }
}

class NodeVsock implements Vsock {
  onConnect: Vsock["onConnect"];
  readonly #path: string;
  readonly #server: Server;
  /** Those that haven't said where to, and all others. */
  readonly #sockets = new Set<Socket>();

  constructor(path: string) {
    this.#path = path;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#greet(socket));
    this.#server.maxConnections = MAX_SOCKETS;
  }

  /** @throws VsockError */
  listen(): Promise<void> {
    return new Promise((done, reject) => {
      this.#server.once("error", (error) => reject(fail(this.#path, reason(codeOf(error)))));
      this.#server.listen(this.#path, () => {
        this.#server.on("error", () => {}); // of a connection that was gone before it was accepted
        try {
          chmodSync(this.#path, 0o600);
          done();
        } catch (error) {
          this.#server.close();
          reject(fail(this.#path, reason(codeOf(error))));
        }
      });
    });
  }

  connect(port: number, handler: VsockHandler): VsockStream {
    const socket = connect({ path: `${this.#path}_${port}`, allowHalfOpen: true });
    socket.once("connect", () => handler.connected());
    return this.#stream(socket, handler);
  }

  async close(): Promise<void> {
    this.onConnect = undefined;
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  /** Reads the line that says where to. */
  #greet(socket: Socket): void {
    this.#keep(socket);
    let line = "";
    const timer = setTimeout(() => socket.destroy(), FIRST_WORD);
    const gone = () => socket.destroy();
    const read = (bytes: Buffer) => {
      const end = bytes.indexOf("\n");
      line += bytes.toString("latin1", 0, end < 0 ? bytes.length : end);
      if (end < 0 && line.length <= MAX_LINE) return;
      clearTimeout(timer);
      socket.off("data", read).off("end", gone).off("error", gone);
      const port = Number(/^connect (\d{1,10})\r?$/i.exec(line)?.[1] ?? -1);
      if (end < 0 || port < 0 || port > 0xffff_ffff || !this.onConnect) {
        socket.on("error", () => {});
        socket.destroy();
        return;
      }
      this.#request(socket, port, bytes.subarray(end + 1));
    };
    socket.on("data", read).on("end", gone).on("error", gone);
    socket.once("close", () => clearTimeout(timer));
  }

  /** @param early what came with the line */
  #request(socket: Socket, port: number, early: Uint8Array): void {
    let handler: VsockHandler | undefined;
    const stream = this.#stream(socket, {
      connected: () => {},
      data: (bytes) => handler?.data(bytes),
      ended: () => handler?.ended(),
      closed: (failed) => handler?.closed(failed),
    });
    handler = this.onConnect?.(port, stream);
    if (!socket.destroyed && early.length > 0) handler?.data(early);
  }

  #stream(socket: Socket, handler: VsockHandler): VsockStream {
    this.#keep(socket);
    let silent = false;
    let failed = false;
    socket.on("data", (bytes) => {
      if (!silent) handler.data(bytes);
    });
    socket.on("end", () => {
      if (!silent) handler.ended();
    });
    socket.on("error", () => {
      failed = true;
    });
    socket.on("close", () => {
      if (!silent) handler.closed(failed);
    });
    return {
      accept: (port) => void socket.write(`OK ${port}\n`),
      write: (bytes, done) => {
        socket.write(bytes, (error) => {
          if (!silent && !error) done();
        });
      },
      end: () => void socket.end(),
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
      close: () => {
        silent = true;
        socket.destroy();
      },
    };
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission is denied",
  EADDRINUSE: "something is there already; choose another path",
  EPERM: "permission is denied",
  EROFS: "the file system is read-only",
};

function reason(code: string): string {
  return REASONS[code] ?? code;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
}

function fail(path: string, why: string): VsockError {
  return new VsockError(`The vsock ${JSON.stringify(path)} can't be made: ${why}.`);
}
