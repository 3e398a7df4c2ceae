/** What page and worker agree on beside the executors' protocol. */

import type { Report, Request } from "../../hypervisor/protocol.ts";

/** The worker's message that it holds the lock of its own name, which it gives up when it ends. */
export const HOLDING = "holding";

/** A worker's global scope, as far as it is used; the library of types for it can't be had beside the page's. */
export interface WorkerScope {
  readonly name: string;
  readonly navigator: { readonly locks?: LockManager };
  postMessage(message: Report | typeof HOLDING, transfer?: ArrayBuffer[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent<Request>) => void): void;
}
