/** Folders of this host for guests, each served by a thread of its own: a slow disk stops no guest but those that use it. */

import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { Worker } from "node:worker_threads";
import type { FileReply, FileRequest, Files, ShareOptions } from "../../backends/files.ts";
import { asset } from "./assets.ts";
import { FileError, fileError } from "./files.ts";
import { EIO } from "./share-error.ts";

/** To the folder's thread; without a request: it is to end. */
export type ShareCall = { readonly id: number; readonly request: FileRequest } | { readonly id: undefined };

/** From it; the first says that it is ready, or why it can't be. */
export type ShareAnswer =
  | { readonly id: number; readonly reply: FileReply }
  | { readonly id: undefined; readonly failure: string | undefined };

/** What a folder's thread may hold, in MiB: all that its limits allow a guest to make it hold, and some room. */
const MEMORY_MB = 512;
const LOST: FileReply = { error: EIO, body: new Uint8Array(0) };

/** @throws FileError if it can't be shared */
export async function openShare({ path, readOnly = false }: ShareOptions): Promise<Files> {
  if (process.platform !== "linux")
    throw new FileError(
      `The folder ${JSON.stringify(path)} can't be shared: on this host Wardian shares none, on Linux it does.`,
    );
  const found = await stat(path).catch((error: unknown) => {
    throw fileError(error, "shared", path, "folder");
  });
  if (!found.isDirectory())
    throw new FileError(`The folder ${JSON.stringify(path)} can't be shared: it is not a directory.`);
  const worker = new Worker(asset("share.js"), {
    name: "wardian share",
    execArgv: [],
    workerData: { path: resolve(path), readOnly },
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
  });
  const failure = await new Promise<string | undefined>((done) => {
    worker.once("message", (answer: ShareAnswer) => done(answer.id === undefined ? answer.failure : undefined));
    worker.once("error", (error) => done(String(error)));
  });
  if (failure === undefined) return new SharedFolder(worker);
  await worker.terminate();
  throw new FileError(`The folder ${JSON.stringify(path)} can't be shared: ${failure}.`);
}

class SharedFolder implements Files {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (reply: FileReply) => void>();
  #next = 0;
  #dead = false;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (answer: ShareAnswer) => {
      if (answer.id === undefined) return;
      const complete = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      complete?.(answer.reply);
    });
    worker.on("error", () => {}); // its exit follows
    worker.on("exit", () => this.#died());
  }

  submit(request: FileRequest, complete: (reply: FileReply) => void): void {
    if (this.#dead) {
      complete(LOST);
      return;
    }
    const id = this.#next++;
    this.#waiting.set(id, complete);
    const call: ShareCall = { id, request };
    const { buffer, byteLength } = request.body;
    const whole = byteLength > 0 && byteLength === buffer.byteLength;
    this.#worker.postMessage(call, whole ? [buffer as ArrayBuffer] : []);
  }

  async close(): Promise<void> {
    if (this.#dead) return;
    const ended = new Promise<void>((done) => this.#worker.once("exit", () => done()));
    this.#worker.postMessage({ id: undefined } satisfies ShareCall);
    await ended;
  }

  #died(): void {
    this.#dead = true;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const complete of waiting) complete(LOST);
  }
}
