/** The thread that serves one shared folder. */

import { readFileSync, statSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import type { ShareAnswer, ShareCall } from "./share.ts";
import { owners } from "./share-owner.ts";
import { ShareServer } from "./share-server.ts";

/** Nodes that a guest may know; each takes some 300 bytes here. */
const MOST_NODES = 2 ** 19;
/** The most descriptors for nodes, and as many for what is open; a process has few if its limit is low. */
const MOST_DESCRIPTORS = 4096;
/** So much of the process's limit is a folder's, for each of the two. */
const PART = 8;
const LEAST_DESCRIPTORS = 32;

/** Files that this process may have open: Node has made use of all that it may. */
function descriptorLimit(): number {
  const match = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"));
  return match ? Number(match[1]) : 1024;
}

/** @returns why it can't be, as the end of a sentence */
function open(): ShareServer | string {
  // Nobody reads where an error came from, and to find that out takes longer than the operation.
  Error.stackTraceLimit = 0;
  const { path, readOnly } = workerData as { path: string; readOnly: boolean };
  try {
    const most = Math.min(MOST_DESCRIPTORS, Math.max(LEAST_DESCRIPTORS, Math.floor(descriptorLimit() / PART)));
    const owner = owners(process.geteuid!(), process.getegid!());
    const limits = { nodes: MOST_NODES, descriptors: most, handles: most };
    const server = new ShareServer({ path, readOnly, owners: owner, limits });
    if (statSync(server.rootPath).ino === statSync(path).ino) return server;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!/\/proc\//.test(message)) return code ?? message;
  }
  return "/proc is not mounted";
}

const port = parentPort;
if (port) {
  const server = open();
  const post = (answer: ShareAnswer, transfer: ArrayBuffer[] = []) => port.postMessage(answer, transfer);
  if (typeof server === "string") {
    post({ id: undefined, failure: server });
  } else {
    post({ id: undefined, failure: undefined });
    port.on("message", (call: ShareCall) => {
      if (call.id === undefined) {
        server.close();
        port.close();
        return;
      }
      const reply = server.handle(call.request);
      const { buffer } = reply.body;
      post({ id: call.id, reply }, buffer.byteLength > 0 ? [buffer as ArrayBuffer] : []);
    });
  }
}
