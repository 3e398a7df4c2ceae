import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ImageError } from "./errors.ts";

/** A guest made from Debian's packages. */
export interface DebianRecipe {
  kind: "debian";
  description: string;
  /** The release's codename, such as trixie. */
  suite: string;
  /** Debian's name of the architecture. */
  architecture: string;
  packages: { kernel: string; busybox: string; firmware: string };
  /** The kernel's command line. */
  append: string;
  /** Guest RAM when nothing else is said, MiB. */
  memory: number;
  /** Kernel modules of the initramfs; what they need comes along. */
  modules: string[];
}

/** A Debian system on a disk, made from its packages. */
export interface DiskRecipe {
  kind: "disk";
  description: string;
  /** The release's codename, such as trixie. */
  suite: string;
  /** Debian's name of the architecture. */
  architecture: string;
  /** The kernel's package, and the BusyBox of the initramfs. */
  kernel: string;
  busybox: string;
  /** What is installed beside the kernel and what is essential; dependencies come along, recommendations don't. */
  packages: string[];
  /** Kernel modules of the initramfs; what they need comes along. */
  modules: string[];
  /** Our own files, a directory beside the manifest: `root/` is copied, `install` is the second stage. */
  files: string;
  /** The kernel's command line, without `root=`. */
  append: string;
  /** Guest RAM when nothing else is said, MiB. */
  memory: number;
  /** The disk's size, MiB; it takes no more of the host's than is written. */
  size: number;
}

/** Firmware for the machine's flash, from one of Debian's packages. */
export interface FirmwareRecipe {
  kind: "firmware";
  description: string;
  suite: string;
  architecture: string;
  package: string;
  /** The files' names in the package: what executes, and its variables at first. */
  code: string;
  variables: string;
  /** Guest RAM when nothing else is said, MiB. */
  memory: number;
}

/** Debian's installer, from one of its packages. */
export interface InstallerRecipe {
  kind: "installer";
  description: string;
  suite: string;
  architecture: string;
  package: string;
  /** Our own files for its root, a directory beside the manifest. */
  files: string;
  /** The kernel's command line. */
  append: string;
  /** Guest RAM when nothing else is said, MiB. */
  memory: number;
}

/** A bare-metal program that starts in M-mode without firmware. */
export interface ElfRecipe {
  kind: "elf";
  description: string;
  /** Its file, relative to the manifest. */
  file: string;
  /** Guest RAM when nothing else is said, MiB. */
  memory: number;
}

/** How one image is made. */
export type Recipe = DebianRecipe | DiskRecipe | FirmwareRecipe | InstallerRecipe | ElfRecipe;
/** All images by name. */
export type Manifest = ReadonlyMap<string, Recipe>;

/** A name may become part of a file's name: it has no dots and no slashes. */
const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
const PACKAGE = /^[a-z0-9][a-z0-9+.-]+$/;
const MODULE = /^[a-zA-Z0-9_-]+$/;
const WORD = /^[a-z0-9]+$/;
const FILE = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]*$/;
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const MAX_MEMORY = 4096; // MiB, of one WebAssembly memory
const MAX_DISK = 2 * 1024 * 1024; // MiB, of a partition table with sectors of 512 bytes and 32-bit ends in its MBR

/**
 * Checks a manifest's text.
 * @throws ImageError bad-manifest, naming the image and the field
 */
export function parseManifest(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad("is not JSON", error);
  }
  if (!isRecord(value)) throw bad("must be an object of images");
  return new Map(Object.entries(value).map(([name, recipe]) => [name, parseRecipe(name, recipe)]));
}

function parseRecipe(name: string, value: unknown): Recipe {
  if (!NAME.test(name)) throw bad(`has the name ${JSON.stringify(name)}, which must match ${NAME.source}`);
  if (!isRecord(value)) throw bad(`must have an object for ${name}`);
  const fields = new Fields(name, value);
  const description = fields.text("description", /^[^\n]+$/);
  const memory = fields.mebibytes("memory", MAX_MEMORY);
  const kind = fields.text("kind", /^(debian|disk|firmware|installer|elf)$/);
  let recipe: Recipe;
  if (kind === "elf") {
    recipe = { kind, description, memory, file: fields.text("file", FILE) };
  } else if (kind === "firmware") {
    recipe = {
      kind,
      description,
      memory,
      suite: fields.text("suite", WORD),
      architecture: fields.text("architecture", WORD),
      package: fields.text("package", PACKAGE),
      code: fields.text("code", PLAIN),
      variables: fields.text("variables", PLAIN),
    };
  } else if (kind === "installer") {
    recipe = {
      kind,
      description,
      memory,
      suite: fields.text("suite", WORD),
      architecture: fields.text("architecture", WORD),
      package: fields.text("package", PACKAGE),
      files: fields.text("files", FILE),
      append: fields.text("append", /^[\x20-\x7e]*$/),
    };
  } else if (kind === "disk") {
    recipe = {
      kind,
      description,
      memory,
      suite: fields.text("suite", WORD),
      architecture: fields.text("architecture", WORD),
      kernel: fields.text("kernel", PACKAGE),
      busybox: fields.text("busybox", PACKAGE),
      packages: fields.list("packages", PACKAGE),
      modules: fields.list("modules", MODULE),
      files: fields.text("files", FILE),
      append: fields.text("append", /^[\x20-\x7e]*$/),
      size: fields.mebibytes("size", MAX_DISK),
    };
  } else {
    const packages = fields.record("packages");
    recipe = {
      kind: "debian",
      description,
      memory,
      suite: fields.text("suite", WORD),
      architecture: fields.text("architecture", WORD),
      packages: {
        kernel: packages.text("kernel", PACKAGE),
        busybox: packages.text("busybox", PACKAGE),
        firmware: packages.text("firmware", PACKAGE),
      },
      append: fields.text("append", /^[\x20-\x7e]*$/),
      modules: fields.list("modules", MODULE),
    };
    packages.end();
  }
  fields.end();
  return recipe;
}

/** Takes checked fields out of an object; a field that nobody took is an error. */
class Fields {
  readonly #left: Set<string>;

  constructor(
    readonly where: string,
    readonly value: Record<string, unknown>,
  ) {
    this.#left = new Set(Object.keys(value));
  }

  text(key: string, pattern: RegExp): string {
    const value = this.#take(key);
    if (typeof value !== "string" || !pattern.test(value)) throw this.#bad(key, `a string like ${pattern.source}`);
    return value;
  }

  list(key: string, pattern: RegExp): string[] {
    const value = this.#take(key);
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string" && pattern.test(item))) {
      throw this.#bad(key, `a list of strings like ${pattern.source}`);
    }
    return value as string[];
  }

  mebibytes(key: string, most: number): number {
    const value = this.#take(key);
    if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > most) {
      throw this.#bad(key, `a whole number of MiB, at most ${most}`);
    }
    return value as number;
  }

  record(key: string): Fields {
    const value = this.#take(key);
    if (!isRecord(value)) throw this.#bad(key, "an object");
    return new Fields(`${this.where}.${key}`, value);
  }

  end(): void {
    for (const key of this.#left) throw bad(`has an unknown field ${this.where}.${key}`);
  }

  #take(key: string): unknown {
    this.#left.delete(key);
    return this.value[key];
  }

  #bad(key: string, expected: string): ImageError {
    return bad(`needs ${this.where}.${key} to be ${expected}`);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(what: string, cause?: unknown): ImageError {
  return new ImageError("bad-manifest", `The image manifest ${what}; correct roms/manifest.json.`, { cause });
}

/** Where `roms/` is: beside the bundle's folder, or at the top of the sources. */
export async function romsDirectory(): Promise<string> {
  let directory = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const roms = join(directory, "roms");
    const found = await stat(join(roms, "manifest.json")).catch(() => undefined);
    if (found?.isFile() === true) return roms;
    const parent = dirname(directory);
    if (parent === directory) throw bad("was not found beside the program");
    directory = parent;
  }
}

/** Reads `manifest.json` of a `roms` directory. */
export async function readManifest(roms: string): Promise<Manifest> {
  let text: string;
  try {
    text = await readFile(join(roms, "manifest.json"), "utf8");
  } catch (error) {
    throw bad("can't be read", error);
  }
  return parseManifest(text);
}

/**
 * The recipe of that name.
 * @throws ImageError unknown-image, listing the names there are
 */
export function findRecipe(manifest: Manifest, name: string): Recipe {
  const recipe = manifest.get(name);
  if (recipe === undefined) {
    const names = [...manifest.keys()].join(", ");
    throw new ImageError("unknown-image", `There is no image named ${JSON.stringify(name)}; choose one of: ${names}.`);
  }
  return recipe;
}
