/** The control socket of a running VM. Whoever may use the folder's owner's files may use it. */

import { chmodSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { fileFailure, quote, VmError } from "../errors.ts";
import type { RunningVm } from "../running.ts";
import { socketPath } from "./path.ts";
import {
  CONSOLE,
  decodeRequest,
  decodeResize,
  encodeFrame,
  encodeMessage,
  FrameReader,
  MESSAGES,
  type Report,
  type Request,
  SOCKET,
  STDERR,
  STDOUT,
} from "./protocol.ts";

/** Who connects must say what it wants within this time, ms. */
const FIRST_WORD = 10_000;
const MAX_CONNECTIONS = 64;
/** Console output that waits for one that shows it, bytes; of more it gets a note. */
const BACKLOG = 1 << 20;

/**
 * Listens in the folder, whose lock the caller holds: a socket that is there is of
 * a process that was killed.
 * @throws VmError
 */
export async function listenControl(folder: string, vm: RunningVm): Promise<{ close(): void }> {
  const file = join(folder, SOCKET);
  const at = socketPath(folder);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, vm);
  });
  server.maxConnections = MAX_CONNECTIONS;
  try {
    rmSync(file, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      // Nobody else may connect in the instant before its mode is set.
      const mask = process.umask(0o177);
      try {
        server.listen(at.path, resolve);
      } finally {
        process.umask(mask);
      }
    });
    chmodSync(file, 0o600);
  } catch (error) {
    server.close();
    at.close();
    throw fileFailure(error, `listen at the control socket ${quote(file)}`);
  }
  return {
    close: () => {
      // It removes the socket's file.
      server.close();
      for (const socket of sockets) socket.end();
      at.close();
      rmSync(file, { force: true });
    },
  };
}

function serve(socket: Socket, vm: RunningVm): void {
  const reader = new FrameReader();
  let handle: ((frame: { channel: number; payload: Uint8Array }) => void) | undefined;
  const send = (report: Report) => void socket.write(encodeMessage(report));
  const fail = (error: unknown) => {
    send({ type: "error", message: error instanceof Error ? error.message : String(error) });
    socket.end();
  };
  const first = setTimeout(() => socket.destroy(), FIRST_WORD);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => clearTimeout(first));
  socket.on("data", (bytes) => {
    try {
      for (const frame of reader.take(bytes)) {
        if (handle) handle(frame);
        else {
          handle = () => {};
          clearTimeout(first);
          const request = decodeRequest(frame);
          if (request.type === "console") handle = showConsole(socket, vm, request);
          else answer(socket, vm, request, send).then(() => socket.end(), fail);
        }
      }
    } catch (error) {
      fail(error);
    }
  });
}

async function answer(
  socket: Socket,
  vm: RunningVm,
  request: Exclude<Request, { type: "console" }>,
  send: (report: Report) => void,
): Promise<void> {
  switch (request.type) {
    case "status":
      send({ type: "status", status: await vm.status() });
      break;
    case "exec": {
      const sink = (channel: number) => (bytes: Uint8Array) => {
        if (socket.destroyed) throw new VmError("control", "Nobody reads the command's output any more.");
        return written(socket, encodeFrame(channel, bytes));
      };
      send({ type: "exit", status: await vm.exec(request.command, { stdout: sink(STDOUT), stderr: sink(STDERR) }) });
      break;
    }
    case "resize-disk":
      await vm.resizeDisk(request.disk, request.size);
      send({ type: "resized" });
      break;
    case "commit-disk":
      await vm.commitDisk(request.disk);
      send({ type: "committed" });
      break;
    case "balloon":
      send({ type: "balloon", there: vm.setBalloon(request.bytes) });
      break;
    case "stop": {
      const before = request.force ? undefined : () => send({ type: "asked" });
      const ending = await vm.stop(request, before);
      send({ type: "ended", how: ending.how, forced: ending.how.includes("by force") });
      break;
    }
  }
}

/** A promise while the other end is behind. */
function written(socket: Socket, bytes: Uint8Array): Promise<void> | undefined {
  if (socket.write(bytes)) return undefined;
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}

/** Shows the console; @returns what takes the frames that follow. */
function showConsole(
  socket: Socket,
  vm: RunningVm,
  { size }: Extract<Request, { type: "console" }>,
): (frame: { channel: number; payload: Uint8Array }) => void {
  let skipped = 0;
  // Who has stopped reading must not make the guest wait, nor fill this process's memory.
  const show = (bytes: Uint8Array) => {
    if (socket.writableLength > BACKLOG) {
      skipped += bytes.length;
      return;
    }
    if (skipped > 0) {
      const note = `\r\n[${skipped} bytes were left out here; console.log has them]\r\n`;
      socket.write(encodeFrame(CONSOLE, new TextEncoder().encode(note)));
      skipped = 0;
    }
    socket.write(encodeFrame(CONSOLE, bytes));
  };
  const watcher = vm.watch(show, size);
  socket.on("close", () => watcher.close());
  vm.ended.then((ending) => {
    watcher.close();
    if (!socket.destroyed) socket.end(encodeMessage({ type: "ended", how: ending.how, forced: false }));
  });
  return (frame) => {
    if (frame.channel === CONSOLE) watcher.write(frame.payload);
    else if (frame.channel === MESSAGES) watcher.resize(decodeResize(frame).size);
  };
}
