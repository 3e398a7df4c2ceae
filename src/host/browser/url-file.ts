/** A file on a server, read by ranges (RFC 9110, 14) as a guest asks for them. */

import type { BlockFile } from "../../backends/block-file.ts";
import { DiskError, quote } from "../../disk/errors.ts";

/** What is asked for at least, and kept or dropped as one. */
const BLOCK = 64 * 1024;
/** Blocks kept in memory: 64 MiB. */
const KEPT = 1024;
/** A request has no more blocks: 1 MiB. Readers in sequence come to that, from one block on, by doubling. */
const MOST_BLOCKS = 16;
/** Milliseconds before each further try of what did not succeed, and until an answer is too late. */
const DELAYS = [250, 1000];
const PATIENCE_MS = 20_000;

/** A server that will not answer otherwise if asked again. */
class Refusal extends Error {}

export class UrlFile implements BlockFile {
  readonly readOnly = true;
  readonly name: string;
  readonly size: number;
  /** What tells versions of the file apart, if the server says. */
  readonly #version: string | undefined;
  /** The least recently used first. */
  readonly #blocks = new Map<number, Uint8Array | Promise<Uint8Array>>();
  /** Where the last request ended, and how many blocks it had. */
  #last = { end: -1, blocks: 0 };
  readonly #ended = new AbortController();

  private constructor(name: string, size: number, version: string | undefined) {
    this.name = name;
    this.size = size;
    this.#version = version;
  }

  /** @throws DiskError when it can't be read, or only as a whole */
  static async open(url: string): Promise<UrlFile> {
    const cannot = (reason: string) =>
      new DiskError("unusable", `The disk image ${quote(url)} can't be read: ${reason}.`);
    let size: number;
    let version: string | undefined;
    try {
      // More than one byte: of some servers a range of one is a special case, and a wrong one.
      const response = await ask(url, 0, 511);
      void response.body?.cancel();
      if (response.status === 200)
        throw cannot("its server sends it only as a whole, and not by ranges; serve it from one that does");
      // Of another origin, only a HEAD's length can be seen.
      size = totalOf(response) ?? lengthOf(await fetch(url, { method: "HEAD", cache: "no-store" }));
      version = versionOf(response);
    } catch (error) {
      if (error instanceof DiskError) throw error;
      if (error instanceof Refusal) throw cannot(error.message);
      throw cannot("the server can't be reached, or doesn't allow this page to read it (CORS)");
    }
    if (!Number.isSafeInteger(size)) throw cannot("its server doesn't say how long it is");
    return new UrlFile(url, size, version);
  }

  read(offset: number, into: Uint8Array): void | Promise<void> {
    const end = Math.min(offset + into.length, this.size);
    const numbers: number[] = [];
    for (let n = Math.floor(offset / BLOCK); n * BLOCK < end; n++) numbers.push(n);
    const parts = numbers.map((n, i) => this.#block(n, numbers.length - i));
    const copy = (blocks: readonly Uint8Array[]) => {
      blocks.forEach((block, i) => {
        const at = numbers[i]! * BLOCK;
        const from = Math.max(0, offset - at);
        into.set(block.subarray(from, Math.min(block.length, end - at)), at + from - offset);
      });
      into.fill(0, Math.max(0, end - offset));
    };
    if (parts.every((part) => part instanceof Uint8Array)) copy(parts);
    else return Promise.all(parts).then(copy);
  }

  write(): never {
    throw new DiskError("read-only", `The disk image ${quote(this.name)} is only read.`);
  }

  truncate(): never {
    return this.write();
  }

  flush(): void {}

  punchHole(): boolean {
    return false;
  }

  /** Gives up what is on its way. */
  close(): void {
    this.#ended.abort();
    this.#blocks.clear();
  }

  /** A block, at once or later. @param wanted how many are, from this one on */
  #block(n: number, wanted: number): Uint8Array | Promise<Uint8Array> {
    const found = this.#blocks.get(n);
    if (!found) return this.#load(n, wanted);
    if (found instanceof Uint8Array) {
      this.#blocks.delete(n);
      this.#blocks.set(n, found);
    }
    return found;
  }

  /** Asks for a block, and in the same request for those behind it that are wanted or likely to be. */
  #load(first: number, wanted: number): Promise<Uint8Array> {
    const ahead = first === this.#last.end ? this.#last.blocks * 2 : 1;
    const most = Math.min(Math.max(wanted, ahead), MOST_BLOCKS, Math.ceil(this.size / BLOCK) - first);
    let count = 1;
    while (count < most && !this.#blocks.has(first + count)) count++;
    this.#last = { end: first + count, blocks: count };
    const all = this.#fetch(first * BLOCK, Math.min((first + count) * BLOCK, this.size));
    const blocks = Array.from({ length: count }, (_, i) => {
      const block = all.then(
        (bytes) => {
          const part = bytes.slice(i * BLOCK, (i + 1) * BLOCK);
          this.#keep(first + i, part);
          return part;
        },
        (error) => {
          this.#blocks.delete(first + i);
          throw error;
        },
      );
      // Nobody may have asked for it.
      block.catch(() => {});
      this.#blocks.set(first + i, block);
      return block;
    });
    return blocks[0]!;
  }

  #keep(n: number, block: Uint8Array): void {
    this.#blocks.delete(n);
    this.#blocks.set(n, block);
    for (const [old, kept] of this.#blocks) {
      if (this.#blocks.size <= KEPT) break;
      if (kept instanceof Uint8Array) this.#blocks.delete(old);
    }
  }

  /** Bytes from `start` to before `end`. @throws DiskError: "unreachable" when it is worth trying again */
  async #fetch(start: number, end: number): Promise<Uint8Array> {
    const cannot = (reason: "io" | "unreachable", why: string) =>
      new DiskError(reason, `The disk image ${quote(this.name)} can't be read: ${why}.`);
    for (let attempt = 0; ; attempt++) {
      try {
        const response = await ask(this.name, start, end - 1, this.#ended.signal);
        const changed = response.status === 200 || versionOf(response) !== this.#version;
        if (changed) {
          void response.body?.cancel();
          throw new Refusal("it has changed on the server; start anew");
        }
        const bytes = new Uint8Array(await response.arrayBuffer());
        if (bytes.length === end - start) return bytes;
      } catch (error) {
        if (error instanceof Refusal) throw cannot("io", error.message);
        if (this.#ended.signal.aborted) throw cannot("io", "it has been closed");
      }
      const delay = DELAYS[attempt];
      if (delay === undefined) throw cannot("unreachable", "its server doesn't answer");
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
}

/** Asks for bytes `first` to `last`. @throws Refusal; anything else when it may be worth trying again */
async function ask(url: string, first: number, last: number, signal?: AbortSignal): Promise<Response> {
  const late = AbortSignal.timeout(PATIENCE_MS);
  const response = await fetch(url, {
    headers: { Range: `bytes=${first}-${last}` },
    // Browsers' caches handle the ranges of a file one after another.
    cache: "no-store",
    signal: signal ? AbortSignal.any([signal, late]) : late,
  });
  if (response.ok) return response;
  void response.body?.cancel();
  if (response.status === 404) throw new Refusal("the server has no such file (404)");
  if (response.status === 416) throw new Refusal("it has changed on the server; start anew");
  // Of servers that are in trouble something better may come.
  if (response.status >= 500 || response.status === 429) throw new Error(`${response.status}`);
  throw new Refusal(`the server says ${response.status}`);
}

function totalOf({ headers }: Response): number | undefined {
  const total = /\/(\d+)$/.exec(headers.get("Content-Range") ?? "")?.[1];
  return total === undefined ? undefined : Number(total);
}

function lengthOf({ ok, headers }: Response): number {
  return ok && headers.get("Content-Encoding") === null ? Number(headers.get("Content-Length") ?? "none") : Number.NaN;
}

function versionOf({ headers }: Response): string | undefined {
  return headers.get("ETag") ?? headers.get("Last-Modified") ?? undefined;
}
