import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileError } from "./errors.ts";
import { acquireLock } from "./lock.ts";

/** What an image's `image.json` says. */
export interface ImageRecord {
  name: string;
  /** Digest of all that it was made by, packages' versions aside. */
  recipe: string;
  /** Of the kernel's package. */
  version: string;
  /** Versions of all packages in it. */
  packages: Record<string, string>;
  /** Its files and their sizes in bytes. */
  files: Record<string, number>;
  /** When it was made, ms since 1970. */
  created: number;
}

/** An image in the cache. */
export interface CachedImage extends ImageRecord {
  directory: string;
}

const RECORD = "image.json";
const TEMPORARY = ".tmp-";
const LOCK = ".lock";

/** The user's cache directory for Wardian (XDG Base Directory Specification). */
export function defaultCacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME;
  // The specification: a relative path is to be ignored.
  return join(base?.startsWith("/") === true ? base : join(homedir(), ".cache"), "wardian");
}

/**
 * Images on disk, one directory each. A directory is built aside and renamed
 * into place, so an image is there whole or not at all.
 */
export class ImageCache {
  readonly #root: string;

  /** @param directory the cache's; nothing is written until something is built */
  constructor(directory: string) {
    this.#root = join(directory, "images");
  }

  /** All whole images, the newest first. */
  async list(): Promise<CachedImage[]> {
    const names = await readdir(this.#root).catch(() => []);
    const images: CachedImage[] = [];
    for (const name of names.filter((entry) => !entry.startsWith("."))) {
      const image = await readImage(join(this.#root, name));
      if (image !== undefined) images.push(image);
    }
    return images.sort((a, b) => b.created - a.created);
  }

  /** The newest image of that name and recipe. */
  async find(name: string, recipe: string): Promise<CachedImage | undefined> {
    return (await this.list()).find((image) => image.name === name && image.recipe === recipe);
  }

  /**
   * Runs a builder with a directory of its own, while no other process builds.
   * What earlier builders left behind is swept first, and the directory is
   * gone when the builder ends, unless it was published.
   * @throws ImageError
   */
  async build<T>(work: (directory: string) => Promise<T>, signal?: AbortSignal, waiting?: () => void): Promise<T> {
    const doing = `write the image cache ${this.#root}`;
    let release: (() => Promise<void>) | undefined;
    try {
      await mkdir(this.#root, { recursive: true });
      release = await acquireLock(join(this.#root, LOCK), signal, waiting);
      await this.#sweep();
      const directory = this.#temporary();
      await mkdir(directory);
      return await work(directory);
    } catch (error) {
      throw fileError(error, doing);
    } finally {
      if (release !== undefined) {
        await this.#sweep().catch(() => {});
        await release().catch(() => {});
      }
    }
  }

  /**
   * Makes a built directory an image: all of it reaches the disk, then its name
   * appears. An image of the same name, packages and recipe is replaced.
   */
  async publish(directory: string, record: Omit<ImageRecord, "files" | "created">): Promise<CachedImage> {
    const files: Record<string, number> = {};
    for (const name of (await readdir(directory)).sort()) {
      files[name] = (await stat(join(directory, name))).size;
      await syncPath(join(directory, name));
    }
    const full: ImageRecord = { ...record, files, created: Date.now() };
    await writeSynced(join(directory, RECORD), Buffer.from(`${JSON.stringify(full, null, 2)}\n`));
    await syncPath(directory);
    const id = digest([record.recipe, JSON.stringify(record.packages)]).slice(0, 8);
    const version = record.version.replace(/[^A-Za-z0-9.+~-]/g, "_");
    const target = join(this.#root, `${record.name}-${version}-${id}`);
    await rename(target, this.#temporary()).catch(() => {}); // only a damaged one can be there
    await rename(directory, target);
    await syncPath(this.#root);
    return { ...full, directory: target };
  }

  /** Removes all images of that name; how many there were. */
  async remove(name: string): Promise<number> {
    const doomed = (await this.list()).filter((image) => image.name === name);
    try {
      for (const image of doomed) {
        const aside = this.#temporary(); // its name goes first: nobody sees half an image
        await rename(image.directory, aside);
        await rm(aside, { recursive: true, force: true });
      }
    } catch (error) {
      throw fileError(error, `remove from the image cache ${this.#root}`);
    }
    return doomed.length;
  }

  #temporary(): string {
    return join(this.#root, `${TEMPORARY}${process.pid}-${randomBytes(6).toString("hex")}`);
  }

  async #sweep(): Promise<void> {
    for (const name of await readdir(this.#root)) {
      if (name.startsWith(TEMPORARY)) await rm(join(this.#root, name), { recursive: true, force: true });
    }
  }
}

/** SHA-256 of byte strings, each with its length, in hexadecimal. */
export function digest(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) {
    hash.update(`${Buffer.byteLength(part)}:`);
    hash.update(part);
  }
  return hash.digest("hex");
}

/** Writes a file and waits until the disk has it. */
export async function writeSynced(file: string, data: Uint8Array): Promise<void> {
  const handle = await open(file, "w");
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** An image, if the directory holds one and all its files have their size. */
async function readImage(directory: string): Promise<CachedImage | undefined> {
  try {
    const record = JSON.parse(await readFile(join(directory, RECORD), "utf8")) as ImageRecord;
    for (const [name, size] of Object.entries(record.files)) {
      if ((await stat(join(directory, name))).size !== size) return undefined;
    }
    return { ...record, directory };
  } catch {
    return undefined;
  }
}
