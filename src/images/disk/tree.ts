/** A system's files as one tar archive: its packages unpacked, dpkg's database, and files of ours. */

import { type FileHandle, open } from "node:fs/promises";
import type { Downloaded } from "../apt.ts";
import { readArchive } from "../deb.ts";
import { ImageError } from "../errors.ts";
import type { TarEntry } from "../tar.ts";
import { TAR_END, type TarItem, tarBlocks } from "../tar-writer.ts";
import { databaseOf, note, packageOf, type UnpackedPackage } from "./dpkg.ts";

/** The package whose links (/bin, /lib…) others' paths go through. */
const FIRST = "base-files";
/** Written at a time, bytes. */
const CHUNK = 4 * 1024 * 1024;

export interface TreeOptions {
  /** Sees what is unpacked, as it goes by. */
  visit?: (entry: TarEntry) => void;
  /** Files of ours, when all packages are known. */
  own: (packages: readonly UnpackedPackage[]) => Promise<readonly TarItem[]>;
  signal?: AbortSignal | undefined;
  progress: (done: number, total: number) => void;
}

/** What went into the archive. */
export interface Tree {
  packages: UnpackedPackage[];
  /** The latest time of a file in the packages, seconds since 1970: the time of what has none of its own. */
  mtime: number;
}

/**
 * Writes the archive. Each path is in it once; a directory is as the first
 * package has it, as dpkg leaves it.
 * @throws ImageError bad-package, no-tool or interrupted; the errors of node:fs
 */
export async function writeTree(file: string, debs: Downloaded, options: TreeOptions): Promise<Tree> {
  const handle = await open(file, "w");
  try {
    const output = new Output(handle);
    const seen = new Map<string, TarEntry["kind"]>();
    const packages: UnpackedPackage[] = [];
    let mtime = 0;
    const put = async (entry: TarItem): Promise<void> => {
      const before = seen.get(entry.path);
      if (before === "directory" && entry.kind === "directory") return;
      if (before !== undefined || entry.path.split("/").includes("..")) {
        throw new ImageError("bad-package", `Two packages have ${entry.path}, or none should; report this.`);
      }
      seen.set(entry.path, entry.kind);
      await output.write(tarBlocks(entry));
    };
    const names = [...debs.keys()].sort((a, b) => Number(b === FIRST) - Number(a === FIRST) || (a < b ? -1 : 1));
    for (const [index, name] of names.entries()) {
      options.progress(index, names.length);
      const deb = debs.get(name)!;
      const unpacked = packageOf(await collect(readArchive(deb, "control", undefined, options.signal)));
      for await (const entry of readArchive(deb, "data", undefined, options.signal)) {
        note(unpacked, entry);
        mtime = Math.max(mtime, entry.mtime);
        options.visit?.(entry);
        await put(entry);
      }
      packages.push(unpacked);
    }
    for (const entry of databaseOf(packages, mtime)) await put(entry);
    for (const entry of await options.own(packages)) {
      for (const path of parents(entry.path)) {
        if (!seen.has(path)) await put({ kind: "directory", path, mtime });
      }
      await put({ mtime, ...entry });
    }
    await output.write(TAR_END);
    await output.end();
    options.progress(names.length, names.length);
    return { packages, mtime };
  } finally {
    await handle.close();
  }
}

/** The directories on the way to a path, the outermost first. */
export function parents(path: string): string[] {
  const names = path.split("/").slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Gathers small writes. */
class Output {
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(readonly handle: FileHandle) {}

  async write(bytes: Uint8Array): Promise<void> {
    this.#parts.push(bytes);
    this.#length += bytes.length;
    if (this.#length >= CHUNK) await this.end();
  }

  async end(): Promise<void> {
    if (this.#length > 0) await this.handle.writeFile(Buffer.concat(this.#parts, this.#length));
    this.#parts = [];
    this.#length = 0;
  }
}
