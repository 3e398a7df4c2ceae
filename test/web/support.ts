/** Real pages: Debian's Chromium without a window, and servers of what is built. */

import type { Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll } from "vitest";
import { type ImageFiles, servedImages } from "../../src/web/server/images.ts";
import { folderAt, type Served, staticServer } from "../../src/web/server/static.ts";

export const MINUTES = 60_000;
/** How long a guest may take for anything; no measure of its speed. */
export const PATIENCE = 4 * MINUTES;

export const root = fileURLToPath(new URL("../../", import.meta.url));
const pages = fileURLToPath(new URL("pages/", import.meta.url));

export const EXECUTABLE = "/usr/bin/chromium";
/** Root has no sandbox, and the machine no GPU. */
export const ARGUMENTS: readonly string[] = [
  ..."--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split(" "),
  ..."--disable-component-update --disable-sync".split(" "),
];

const ends: (() => Promise<unknown>)[] = [];
/** Runs at the end of a test file, the latest first. */
export const atEnd = (end: () => Promise<unknown>): void => void ends.unshift(end);
afterAll(async () => {
  for (const end of ends.splice(0)) await end();
});

export interface BrowserOptions {
  /** More arguments for Chromium. */
  readonly args?: readonly string[];
}

/** A Chromium with a profile of its own; it ends with the test file. */
export async function browser({ args = [] }: BrowserOptions = {}): Promise<Browser> {
  const made = await chromium.launch({
    executablePath: EXECUTABLE,
    args: [...ARGUMENTS, ...args],
  });
  atEnd(() => made.close());
  return made;
}

/** A test's page script, bundled; embedded.js is beside it. */
export async function bundled(name: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [`${pages}${name}.ts`],
    bundle: true,
    format: "esm",
    write: false,
    platform: "browser",
    target: "es2022",
    external: ["./embedded.js"],
  });
  return outputFiles[0]!.text;
}

export interface Site {
  readonly url: string;
  /** Bytes that it has sent so far. */
  readonly sent: () => number;
  /** Takes over requests that it knows; others are served. */
  intercept: ((path: string, response: ServerResponse) => boolean) | undefined;
  /** Ends it with all its connections. */
  close(): Promise<void>;
}

export interface SiteOptions {
  readonly isolated?: boolean;
  /** More to serve, by path. */
  readonly files?: Readonly<Record<string, Served>>;
  /** What "/" is. Default: an empty page that has the module as `wardian`. */
  readonly index?: string;
  /** More images than there always are. */
  readonly more?: readonly string[];
}

const MODULE_PAGE = `<!doctype html><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">
<script type="module">globalThis.wardian = await import("/wardian/index.js");</script>`;

let images: Promise<ImageFiles> | undefined;
const ALWAYS = ["debian", "hello", "selftest"];

/** Serves the module at /wardian/, the page at /page/, images at /images/. */
export async function site(options: SiteOptions = {}): Promise<Site> {
  const { isolated = true, files = {}, index = MODULE_PAGE, more } = options;
  images ??= servedImages({}, ALWAYS);
  const found = more === undefined ? await images : await servedImages({}, [...ALWAYS, ...more]);
  const folders = [folderAt("/wardian/", `${root}dist/browser`), folderAt("/page/", `${root}dist/web`)];
  const find = (path: string): Served | undefined => {
    const own = files[path] ?? (path === "/" ? { content: index } : undefined);
    const image = /^(?:\/page)?\/images\/(.*)$/.exec(path)?.[1];
    return own ?? (image === undefined ? undefined : found.get(image)) ?? folders.map((f) => f(path)).find(Boolean);
  };
  const server = staticServer({ find, isolated });
  const [serve] = server.listeners("request") as ((...args: unknown[]) => void)[];
  server.removeAllListeners("request");
  const made: Site = { url: "", sent: () => 0, intercept: undefined, close: async () => {} };
  server.on("request", (request, response) => {
    const path = (request.url ?? "").replace(/\?.*/, "");
    if (!made.intercept?.(path, response)) serve!(request, response);
  });
  const sockets = socketsOf(server);
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  let closed = false;
  const close = async () => {
    if (closed) return;
    closed = true;
    const over = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await over;
  };
  atEnd(close);
  return Object.assign(made, {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    sent: () => sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
    close,
  });
}

function socketsOf(server: Server): Socket[] {
  const sockets: Socket[] = [];
  server.on("connection", (socket) => sockets.push(socket));
  return sockets;
}

/** A new page at an address, once the module is there; what it throws fails the test that awaits it. */
export async function visit(browser: Browser, url: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => {
    throw error;
  });
  await page.goto(url);
  await page.waitForFunction(() => "wardian" in globalThis);
  return page;
}

/** A promise that must settle: a hang is said as one. */
export function soon<T>(promise: Promise<T>, what: string, milliseconds = MINUTES): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
