/** Whatever is loaded whole: from URLs, files that the user chose, or bytes. */

/** Something can't be read; `message` is one sentence. */
export class FileError extends Error {
  override readonly name = "FileError";
}

/** Something to load: a URL (relative to the page's), a file that the user chose, or the bytes themselves. */
export type FileSource = string | URL | Blob | Uint8Array;

/** How far loading is: `done` of `total` bytes; `total` 0 is unknown. */
export interface ImageProgress {
  step: string;
  done: number;
  total: number;
}

export interface LoadOptions {
  readonly progress?: (progress: ImageProgress) => void;
  readonly signal?: AbortSignal;
  /** Bytes, where the server might not say. */
  readonly size?: number;
}

/** As much as Node takes; hardly any guest could hold it. */
const MAX_SOURCE = 2 ** 31 - 1;
/** Milliseconds between two reports of progress. */
const PROGRESS_MS = 50;

/**
 * The bytes of something to load.
 * @param what it is, for messages: "kernel", "initrd"…
 * @throws FileError; what the signal says when it is aborted
 */
export async function readSource(source: FileSource, what: string, options: LoadOptions = {}): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (source instanceof Blob) return readBlob(source, what);
  return readUrl(source.toString(), what, options);
}

async function readBlob(blob: Blob, what: string): Promise<Uint8Array> {
  const name = blob instanceof File ? ` ${JSON.stringify(blob.name)}` : "";
  if (blob.size > MAX_SOURCE) throw new FileError(`The ${what}${name} can't be read: it has 2 GiB or more.`);
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (error) {
    throw new FileError(`The ${what}${name} can't be read; choose it again (${(error as Error).message}).`);
  }
}

async function readUrl(url: string, what: string, options: LoadOptions): Promise<Uint8Array> {
  try {
    return await download(url, what, options, "default");
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    // Also of Chromium when two load the same that has no room in its cache: without the cache it's all right.
    return download(url, what, options, "no-store").catch((again: unknown) => {
      throw again instanceof FileError ? error : again;
    });
  }
}

/** A transfer that began and didn't end. */
class Broken extends FileError {}

async function download(url: string, what: string, options: LoadOptions, cache: RequestCache): Promise<Uint8Array> {
  const { progress, signal } = options;
  const sentence = (reason: string) => `The ${what} can't be loaded from ${url}: ${reason}.`;
  const wrong = (reason: string) => new FileError(sentence(reason));
  const report = throttled(`Loading the ${what}`, progress);
  let done = 0;
  try {
    const response = await fetch(url, { cache, ...(signal && { signal }) });
    if (!response.ok) throw wrong(answer(response));
    const total = sizeOf(response) ?? options.size ?? 0;
    if (total > MAX_SOURCE) throw wrong("it has 2 GiB or more");
    const chunks: Uint8Array[] = [];
    for (const reader = response.body!.getReader(); ; ) {
      const { done: end, value } = await reader.read();
      if (end) break;
      done += value.length;
      if (done > MAX_SOURCE) throw wrong("it has 2 GiB or more");
      chunks.push(value);
      report(done, total);
    }
    report(done, done, true);
    return concatenated(chunks, done);
  } catch (error) {
    if (error instanceof FileError) throw error;
    signal?.throwIfAborted();
    if (done === 0) throw new FileError(sentence(UNREACHABLE), { cause: error });
    throw new Broken(sentence(`the connection broke after ${done} bytes`), { cause: error });
  }
}

/** Browsers tell pages no more than that. */
const UNREACHABLE = "the server can't be reached, or doesn't allow this page to read it (CORS)";

function answer(response: Response): string {
  if (response.status === 404) return "the server has no such file (404)";
  return `the server says ${response.status}${response.statusText ? ` ${response.statusText}` : ""}`;
}

/** Bytes that will come; a compressed transfer's length is another. */
function sizeOf({ headers }: Response): number | undefined {
  const length = headers.get("Content-Length");
  return length === null || headers.get("Content-Encoding") !== null ? undefined : Number(length);
}

function throttled(step: string, progress: LoadOptions["progress"]) {
  let last = 0;
  return (done: number, total: number, now = false) => {
    if (!progress || (!now && performance.now() - last < PROGRESS_MS)) return;
    last = performance.now();
    progress({ step, done, total });
  };
}

function concatenated(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/**
 * Inflates gzip data.
 * @param limit bytes that may come out
 * @throws Error when the data is damaged or holds more
 */
export async function gunzip(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (const reader = stream.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return concatenated(chunks, length);
    length += value.length;
    if (length > limit) {
      void reader.cancel();
      throw new Error(`more than ${limit} bytes`);
    }
    chunks.push(value);
  }
}
