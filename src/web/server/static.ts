/** Files over HTTP, whole or by ranges (RFC 9110), with the headers that isolate a page from other origins. */

import { createReadStream, type Stats } from "node:fs";
import { stat } from "node:fs/promises";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { pipeline } from "node:stream";
import { createGzip } from "node:zlib";

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};
const BINARY = "application/octet-stream";
/** Worth the time even on a fast network: kernels shrink to a third. */
const COMPRESSED = /^(?:text\/|application\/(?:json|octet-stream|wasm))/;

/** Something to serve at a path: a file, or bytes made for it. */
export type Served = { readonly file: string } | { readonly content: string | Uint8Array };

export interface ServerOptions {
  /** What a path's address shows; paths begin with "/" and have no "." or ".." parts. Undefined: nothing. */
  find(path: string): Served | undefined;
  /** Sends Cross-Origin-Opener-Policy and -Embedder-Policy. Default: true. */
  readonly isolated?: boolean;
}

/** A server that isn't listening yet. It answers GET and HEAD. */
export function staticServer(options: ServerOptions): Server {
  return createServer((request, response) => {
    answer(options, request, response).catch((error: Error) => {
      if (response.headersSent) response.destroy();
      else refuse(response, 500, error.message);
    });
  });
}

async function answer(options: ServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (options.isolated ?? true) {
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
  }
  response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.setHeader("Cache-Control", "no-cache");
  if (request.method !== "GET" && request.method !== "HEAD") return refuse(response, 405, "Only GET and HEAD.");
  const path = pathOf(request.url ?? "");
  const found = path === undefined ? undefined : options.find(path);
  if (path === undefined || !found) return refuse(response, 404, "There is no such file.");
  if ("content" in found) {
    response.writeHead(200, { "Content-Type": typeOf(path) });
    response.end(request.method === "HEAD" ? undefined : found.content);
    return;
  }
  const info = await stat(found.file).catch(() => undefined);
  if (!info?.isFile()) return refuse(response, 404, "There is no such file.");
  sendFile(request, response, found.file, info, typeOf(found.file));
}

function sendFile(request: IncomingMessage, response: ServerResponse, file: string, info: Stats, type: string): void {
  const etag = `"${info.size.toString(16)}-${Math.floor(info.mtimeMs).toString(16)}"`;
  response.setHeader("Content-Type", type);
  response.setHeader("ETag", etag);
  response.setHeader("Accept-Ranges", "bytes");
  if (request.headers["if-none-match"] === etag) {
    response.writeHead(304).end();
    return;
  }
  const range = request.method === "GET" ? rangeOf(request, info.size, etag) : undefined;
  if (range === "unsatisfiable") {
    response.setHeader("Content-Range", `bytes */${info.size}`);
    refuse(response, 416, "The file has no such range.");
    return;
  }
  const done = () => {};
  if (range) {
    response.writeHead(206, {
      "Content-Range": `bytes ${range.start}-${range.end}/${info.size}`,
      "Content-Length": range.end - range.start + 1,
    });
    pipeline(createReadStream(file, range), response, done);
    return;
  }
  const compressed = COMPRESSED.test(type) && /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
  response.setHeader("Vary", "Accept-Encoding");
  if (compressed) response.setHeader("Content-Encoding", "gzip");
  else response.setHeader("Content-Length", info.size);
  response.writeHead(200);
  if (request.method === "HEAD") response.end();
  else if (compressed) pipeline(createReadStream(file), createGzip({ level: 4 }), response, done);
  else pipeline(createReadStream(file), response, done);
}

/** One range as asked for; what is not understood, several ranges too, means the whole file (RFC 9110 14.2). */
function rangeOf(
  request: IncomingMessage,
  size: number,
  etag: string,
): { start: number; end: number } | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? "");
  const condition = request.headers["if-range"];
  if (!match || (match[1] === "" && match[2] === "") || (condition !== undefined && condition !== etag))
    return undefined;
  const [first, last] = [match[1]!, match[2]!];
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  return start >= size || end < start ? "unsatisfiable" : { start, end };
}

/** The decoded path of a request, without query; undefined for what could lead anywhere else. */
function pathOf(url: string): string | undefined {
  try {
    const path = decodeURIComponent(url.replace(/[?#].*$/s, ""));
    return /^\/(?!.*(?:^|\/)\.)[^\\\0]*$/.test(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

function typeOf(path: string): string {
  return TYPES[path.endsWith("/") ? ".html" : extname(path)] ?? BINARY;
}

/** Files of a folder, at a path that ends with "/"; the folder itself is its index.html. */
export function folderAt(prefix: string, folder: string): ServerOptions["find"] {
  return (path) => {
    if (!path.startsWith(prefix)) return undefined;
    const name = path.slice(prefix.length);
    return { file: join(folder, name === "" || name.endsWith("/") ? `${name}index.html` : name) };
  };
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(`${message}\n`);
}
