/** Debian's Chromium without a window, and a server of what is measured in it. */

import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { servedImages } from "../src/web/server/images.ts";
import { folderAt, type Served, staticServer } from "../src/web/server/static.ts";
import { BenchError } from "./errors.ts";
import { type Processor, processorMeter } from "./lines.ts";
import { packageRoot } from "./paths.ts";

const EXECUTABLE = "/usr/bin/chromium";
const ARGUMENTS =
  "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

export interface Bench {
  /** A new page that has the module as `wardian`, in a browser of its own. */
  page(path?: string): Promise<Page>;
  /** Bytes that the server has sent so far. */
  sent(): number;
  close(): Promise<void>;
}

/**
 * @param files served too, by their paths
 * @throws BenchError when there is no Chromium
 */
export async function openBench(files: ReadonlyMap<string, Served>): Promise<Bench> {
  const images = await servedImages({}, ["debian"]);
  const module = folderAt("/wardian/", join(packageRoot(), "dist/browser"));
  const index = '<!doctype html><script type="module">globalThis.wardian = await import("/wardian/index.js");</script>';
  const find = (path: string): Served | undefined =>
    path === "/"
      ? { content: index }
      : (files.get(path) ?? images.get(path.replace(/^\/images\//, "")) ?? module(path));
  const server = staticServer({ find });
  const sockets: { readonly bytesWritten: number }[] = [];
  server.on("connection", (socket) => sockets.push(socket));
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;
  let browser: Browser | undefined;
  return {
    page: async (path = "/") => {
      await browser?.close();
      browser = await chromium
        .launch({ executablePath: EXECUTABLE, args: ARGUMENTS.split(" ") })
        .catch((error: Error) => {
          throw new BenchError(
            `Chromium can't be started; install the package chromium (${error.message.split("\n")[0]})`,
          );
        });
      const page = await browser.newPage();
      await page.goto(url + path);
      await page.waitForFunction(() => "wardian" in globalThis);
      return page;
    },
    sent: () => sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
    close: async () => {
      await browser?.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a page's browser's renderers take, all of them. */
export interface Meter {
  /** Memory that they have for themselves, MB. */
  megabytes(): number;
  seconds(): Processor;
}

export async function rendererMeter(page: Page): Promise<Meter> {
  const session = await page.context().browser()!.newBrowserCDPSession();
  const { processInfo } = (await session.send("SystemInfo.getProcessInfo")) as unknown as {
    processInfo: { type: string; id: number }[];
  };
  const renderers = processInfo.flatMap(({ type, id }) => (type === "renderer" ? [id] : []));
  return {
    megabytes: () => {
      let kilobytes = 0;
      for (const id of renderers) {
        const rollup = readFileSync(`/proc/${id}/smaps_rollup`, "utf8");
        for (const match of rollup.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm)) kilobytes += Number(match[1]);
      }
      return kilobytes / 1000;
    },
    seconds: processorMeter(renderers),
  };
}
