#!/usr/bin/env node
/** The program `wardian`. */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { boot, load, save } from "./commands/boot.ts";
import {
  checkDiskImage,
  commitDiskImage,
  convertDiskImage,
  createDiskImage,
  resizeDiskImage,
  showDiskImage,
} from "./commands/disk.ts";
import { pullImages, removeImages, showImages } from "./commands/image.ts";
import { profile } from "./commands/profile.ts";
import {
  cloneFolder,
  commitOne,
  createNew,
  editFields,
  listAll,
  removeFolders,
  resizeOne,
  showOne,
} from "./commands/vm.ts";
import { attach, execute, logs, serveVm, start, stop } from "./commands/vm-run.ts";
import { CliError, describeError, type EndingSignal, FAILED, SIGNALS, signalStatus } from "./exit.ts";
import { runProgram } from "./program.ts";

const debug = (process.env.WARDIAN_DEBUG ?? "") !== "";
const abort = new AbortController();
let endedBy: EndingSignal | undefined;

for (const signal of Object.keys(SIGNALS) as EndingSignal[]) {
  process.on(signal, () => {
    // The second time, there is no waiting; the terminal is put back on exit.
    if (endedBy) process.exit(signalStatus(signal));
    endedBy = signal;
    abort.abort(new CliError(`Ended by ${signal}.`, signalStatus(signal)));
  });
}

for (const stream of [process.stdout, process.stderr]) {
  // Whoever read it has gone, and is not there to be told.
  stream.on("error", () => abort.abort(new CliError("The output was closed.")));
}

process.on("uncaughtException", (error) => {
  const { text } = describeError(error, debug);
  process.exitCode = FAILED;
  process.stderr.write(text, () => process.exit(FAILED));
});

await main();

async function main(): Promise<never> {
  const { signal } = abort;
  let status: number;
  try {
    status = await runProgram(
      process.argv.slice(2),
      {
        boot: (image, flags) => boot(image, flags, signal),
        save: (file, image, flags) => save(file, image, flags, signal),
        load: (file, flags) => load(file, flags, signal),
        profile: (image, flags) => profile(image, flags, signal),
        pull: (names, flags) => pullImages(names, flags, signal),
        list: showImages,
        remove: removeImages,
        createDisk: createDiskImage,
        convertDisk: (from, to, flags) => convertDiskImage(from, to, flags, signal),
        checkDisk: checkDiskImage,
        diskInfo: showDiskImage,
        resizeDisk: resizeDiskImage,
        commitDisk: (file, flags) => commitDiskImage(file, flags, signal),
        createVm: (name, flags) => createNew(name, flags, signal),
        startVm: (name, flags) => start(name, flags, signal),
        serveVm: (folder, name) => serveVm(folder, name, signal),
        stopVms: stop,
        attachVm: (name, flags) => attach(name, flags, signal),
        execVm: (name, words, flags) => execute(name, words, flags, signal),
        vmLogs: (name, flags) => logs(name, flags, signal),
        listVms: listAll,
        showVm: showOne,
        setVm: editFields,
        resizeVm: resizeOne,
        commitVm: (name, flags) => commitOne(name, flags, signal),
        cloneVm: (from, to, flags) => cloneFolder(from, to, flags, signal),
        removeVms: (names, flags) => removeFolders(names, flags, signal),
      },
      version(),
      (text) => process.stdout.write(text),
    );
  } catch (error) {
    const { text, status: failed } = describeError(error, debug);
    status = endedBy ? signalStatus(endedBy) : failed;
    process.stderr.write(text);
  }
  await Promise.all([process.stdout, process.stderr].map(written));
  process.exit(status);
}

/** Resolves when a stream has passed on everything, or can't. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) return resolve();
    stream.once("error", () => resolve());
    stream.write("", () => resolve());
  });
}

/** The package's version, from its package.json above this file. */
function version(): string {
  for (let directory = dirname(fileURLToPath(import.meta.url)); ; directory = dirname(directory)) {
    try {
      return JSON.parse(readFileSync(join(directory, "package.json"), "utf8")).version;
    } catch (error) {
      if (directory === dirname(directory)) throw error;
    }
  }
}
