/** `npm run web`: the page, and the guests that the cache has or gets. */

import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { StepProgress } from "../../cli/progress.ts";
import { ImageError } from "../../images/index.ts";
import { diskBuilder } from "../../node/builder.ts";
import { Machine } from "../../node.ts";
import { servedImages } from "./images.ts";
import { folderAt, staticServer } from "./static.ts";

interface Options {
  port: number;
  host: string;
  isolation: boolean;
  cacheDir?: string;
  mirror?: string;
}

function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65535) throw new InvalidArgumentError("It is a number from 0 to 65535.");
  return value;
}

async function serve(names: string[], options: Options): Promise<void> {
  const { cacheDir, mirror } = options;
  const progress = new StepProgress();
  const provisioning = {
    ...(cacheDir !== undefined && { cacheDir }),
    ...(mirror !== undefined && { mirror }),
    builder: diskBuilder((options) => Machine.create(options)),
    progress: progress.update.bind(progress),
  };
  const images = await servedImages(provisioning, names.length > 0 ? names : undefined).finally(() => progress.end());
  const page = folderAt("/", fileURLToPath(new URL("web", import.meta.url)));
  const server = staticServer({
    isolated: options.isolation,
    find: (path) => (path.startsWith("/images/") ? images.get(path.slice("/images/".length)) : page(path)),
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(options.port, options.host, resolve);
  });
  const { port: listening } = server.address() as AddressInfo;
  process.stdout.write(`The page is at http://${options.host}:${listening}/ (Ctrl-C ends it)\n`);
}

const program = new Command("web")
  .description("Serve Wardian's page and its guests")
  .argument("[images...]", "which guests; all unless told")
  .option("--port <n>", "port of this host; 0: any that is free", port, 8086)
  .option("--host <address>", "address to listen at", "localhost")
  .option("--no-isolation", "leave out the headers that isolate the page from other origins")
  .option("--cache-dir <directory>", "where images are kept")
  .option("--mirror <uri>", "a Debian mirror to provision from")
  .action(async (names: string[], options: Options) => {
    try {
      await serve(names, options);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "EADDRINUSE")
        process.stderr.write(`Port ${options.port} is in use already; choose another by --port.\n`);
      else if (error instanceof ImageError || code !== undefined) process.stderr.write(`${message}\n`);
      else throw error;
      process.exitCode = 1;
    }
  });
await program.parseAsync();
