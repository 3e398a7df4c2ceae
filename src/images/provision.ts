import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type CachedImage, defaultCacheDirectory, digest, ImageCache } from "./cache.ts";
import { BUILD_FORMAT, buildDebian, type DebianOptions, FILES, planDebian } from "./debian.ts";
import { DISK_FILES, identify } from "./disk/build.ts";
import type { DiskBuilder } from "./disk/builder.ts";
import { diskDigest, diskIdentity, makeDisk, planDisk, readDiskParts } from "./disk/plan.ts";
import { fileError, ImageError } from "./errors.ts";
import { buildFirmware, FIRMWARE_FILES, FIRMWARE_FORMAT, planFirmware } from "./firmware.ts";
import { type InitFile, readInitFiles } from "./initramfs.ts";
import { buildInstaller, INSTALLER_FILES, INSTALLER_FORMAT, planInstaller } from "./installer.ts";
import {
  type DebianRecipe,
  type DiskRecipe,
  type ElfRecipe,
  type FirmwareRecipe,
  findRecipe,
  type InstallerRecipe,
  type Recipe,
  readManifest,
  romsDirectory,
} from "./manifest.ts";

/** How far provisioning is: `done` of `total` in the step's unit (bytes for downloads); `total` 0 is unknown. */
export interface ImageProgress {
  step: string;
  done: number;
  total: number;
}

/** Options of `provision` and `pull`. */
export interface ProvisionOptions {
  /** A Debian mirror's URI, in place of the one that the host's apt uses. */
  mirror?: string;
  /** Another name that the mirror has for the same release, such as `stable`; its codename is checked. */
  suite?: string;
  /** In place of `$XDG_CACHE_HOME/wardian`. */
  cacheDir?: string;
  /** In place of the `roms` that come with Wardian. */
  roms?: string;
  progress?: (progress: ImageProgress) => void;
  signal?: AbortSignal;
  /** Provides the machine in which a disk is finished; without it, none can be made. */
  builder?: DiskBuilder;
}

/** A Linux guest, ready to boot. */
export interface ProvisionedLinux {
  kind: "linux";
  name: string;
  /** Path of the uncompressed kernel Image. */
  kernel: string;
  /** Path of the initramfs. */
  initrd: string;
  /** The kernel's command line. */
  append: string;
  /** Paths of OpenSBI's images, raw: fw_dynamic takes its next stage from a2, fw_jump has a fixed one. */
  firmware: { dynamic: string; jump: string };
  /** Of the kernel's package. */
  version: string;
  /** Guest RAM when nothing else is said, MiB. */
  memory: number;
}

/** A Linux system on a disk, with the kernel and the initramfs that are on it. */
export interface ProvisionedDisk extends Omit<ProvisionedLinux, "kind" | "firmware"> {
  kind: "disk";
  /** Path of the disk, a qcow2 image that is only to be read: machines write to overlays. */
  disk: string;
  /** The disk's size, bytes. */
  size: number;
}

/** Firmware for the machine's flash. */
export interface ProvisionedFirmware {
  kind: "firmware";
  name: string;
  version: string;
  memory: number;
  /** Path of what goes into the first bank, and of what the second holds at first. */
  code: string;
  variables: string;
}

/** Debian's installer: a kernel and an initrd that make a system on a disk, from a network. */
export interface ProvisionedInstaller extends Omit<ProvisionedLinux, "kind" | "firmware"> {
  kind: "installer";
}

/** A bare-metal program that starts in M-mode. */
export interface ProvisionedElf {
  kind: "elf";
  name: string;
  path: string;
  memory: number;
}

/** What `provision` gives: paths on this host and how to boot them. */
export type Provisioned =
  | ProvisionedLinux
  | ProvisionedDisk
  | ProvisionedFirmware
  | ProvisionedInstaller
  | ProvisionedElf;

/** One image that there is a recipe for. */
export interface ImageInfo {
  name: string;
  description: string;
  kind: Recipe["kind"];
  /** Is it here, so that it boots without a network? */
  ready: boolean;
  version?: string;
  /** Bytes on disk. */
  size?: number;
}

/**
 * Finds an image in the cache or makes it. Once made, it needs no network.
 * @throws ImageError
 */
export function provision(name: string, options: ProvisionOptions = {}): Promise<Provisioned> {
  return prepare(name, options, false);
}

/**
 * Looks for newer packages and makes the image anew if there are any.
 * @throws ImageError
 */
export function pull(name: string, options: ProvisionOptions = {}): Promise<Provisioned> {
  return prepare(name, options, true);
}

/** All images that can be provisioned, and which of them are here. */
export async function listImages(options: ProvisionOptions = {}): Promise<ImageInfo[]> {
  const roms = options.roms ?? (await romsDirectory());
  const cached = await cacheOf(options).list();
  const images: ImageInfo[] = [];
  for (const [name, recipe] of await readManifest(roms)) {
    const info = { name, description: recipe.description, kind: recipe.kind };
    if (recipe.kind === "elf") {
      const size = (await stat(join(roms, recipe.file)).catch(() => undefined))?.size;
      images.push({ ...info, ready: size !== undefined, ...(size !== undefined && { size }) });
    } else {
      const found = cached.find((image) => image.name === name);
      const size = Object.values(found?.files ?? {}).reduce((sum, bytes) => sum + bytes, 0);
      images.push({ ...info, ready: found !== undefined, ...(found && { version: found.version, size }) });
    }
  }
  return images;
}

/**
 * Removes an image from the cache; how many versions there were.
 * @throws ImageError unknown-image or cache
 */
export async function removeImage(name: string, options: ProvisionOptions = {}): Promise<number> {
  findRecipe(await readManifest(options.roms ?? (await romsDirectory())), name);
  return cacheOf(options).remove(name);
}

function cacheOf(options: ProvisionOptions): ImageCache {
  return new ImageCache(options.cacheDir ?? defaultCacheDirectory());
}

async function prepare(name: string, options: ProvisionOptions, renew: boolean): Promise<Provisioned> {
  const roms = options.roms ?? (await romsDirectory());
  const recipe = findRecipe(await readManifest(roms), name);
  if (recipe.kind === "elf") {
    const path = join(roms, recipe.file);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() !== true) {
      throw new ImageError("not-built", `The guest ${name} is not built: ${recipe.file} is missing; run the build.`);
    }
    return { kind: "elf", name, path, memory: recipe.memory };
  }
  const { signal, mirror, suite } = options;
  const step = (text: string) => (done: number, total: number) => options.progress?.({ step: text, done, total });
  const debian: DebianOptions = { signal, mirror, suite, step };
  const maker = await makerOf(roms, recipe, options, debian);
  const image = await cachedImage(name, maker, options, renew, step);
  const file = (path: string): string => join(image.directory, path);
  if (recipe.kind === "disk") return provisionedDisk(recipe, image);
  if (recipe.kind === "firmware") {
    const { code, variables } = FIRMWARE_FILES;
    const paths = { code: file(code), variables: file(variables) };
    return { kind: "firmware", name, version: image.version, memory: recipe.memory, ...paths };
  }
  const { version } = image;
  const { memory, append } = recipe;
  const linux = { name, version, memory, append };
  if (recipe.kind === "installer") {
    const { kernel, initrd } = INSTALLER_FILES;
    return { kind: "installer", ...linux, kernel: file(kernel), initrd: file(initrd) };
  }
  return {
    kind: "linux",
    ...linux,
    kernel: file(FILES.kernel),
    initrd: file(FILES.initrd),
    firmware: { dynamic: file(FILES.dynamic), jump: file(FILES.jump) },
  };
}

function provisionedDisk(recipe: DiskRecipe, image: CachedImage): ProvisionedDisk {
  const file = (key: keyof typeof DISK_FILES): string => join(image.directory, DISK_FILES[key]);
  return {
    kind: "disk",
    name: image.name,
    version: image.version,
    memory: recipe.memory,
    kernel: file("kernel"),
    initrd: file("initrd"),
    append: `root=UUID=${identify(diskIdentity(image.packages)).root} ${recipe.append}`,
    disk: file("disk"),
    size: recipe.size * 1024 * 1024,
  };
}

/**
 * The image of a disk's recipe that is in a directory of the cache.
 * @returns undefined when it isn't there any more, or is none of this recipe's
 * @throws ImageError
 */
export async function provisionedAt(
  directory: string,
  name: string,
  options: ProvisionOptions = {},
): Promise<ProvisionedDisk | undefined> {
  const recipe = findRecipe(await readManifest(options.roms ?? (await romsDirectory())), name);
  const image = (await cacheOf(options).list()).find((found) => found.directory === directory && found.name === name);
  return image && recipe.kind === "disk" ? provisionedDisk(recipe, image) : undefined;
}

/** What makes images of one recipe. */
interface Maker {
  /** Changes whenever the same packages would make another image. Memory and command line are not in the files. */
  key: string;
  /** Asks the mirror; apt's state goes into `directory`. */
  plan(directory: string): Promise<Plan>;
}

interface Plan {
  /** Of the kernel's package. */
  version: string;
  packages: Record<string, string>;
  /** Makes the files in `output`. @param work empty, and ours */
  build(output: string, work: string): Promise<void>;
}

async function makerOf(
  roms: string,
  recipe: Exclude<Recipe, ElfRecipe>,
  options: ProvisionOptions,
  debian: DebianOptions,
): Promise<Maker> {
  switch (recipe.kind) {
    case "disk":
      return diskMaker(roms, recipe, options, debian);
    case "firmware":
      return firmwareMaker(recipe, debian);
    case "installer":
      return installerMaker(roms, recipe, debian);
    default:
      return debianMaker(roms, recipe, debian);
  }
}

function firmwareMaker(recipe: FirmwareRecipe, debian: DebianOptions): Maker {
  const { suite, architecture, package: name, code, variables } = recipe;
  return {
    key: digest([JSON.stringify([FIRMWARE_FORMAT, suite, architecture, name, code, variables])]),
    async plan(directory) {
      const plan = await planFirmware(recipe, directory, debian);
      return {
        version: plan.candidate.version,
        packages: versions([plan.candidate]),
        build: (output) => buildFirmware(recipe, plan, output, debian),
      };
    },
  };
}

async function installerMaker(roms: string, recipe: InstallerRecipe, debian: DebianOptions): Promise<Maker> {
  const files = await readInitFiles(join(roms, recipe.files)).catch((error: unknown) => {
    throw fileError(error, "read the installer's files");
  });
  const { suite, architecture, package: name } = recipe;
  const made = JSON.stringify([INSTALLER_FORMAT, suite, architecture, name]);
  return {
    key: digest([made, ...files.flatMap(({ path, data }) => [path, data])]),
    async plan(directory) {
      const plan = await planInstaller(recipe, directory, debian);
      return {
        version: plan.candidate.version,
        packages: versions([plan.candidate]),
        build: (output) => buildInstaller(plan, output, files, debian),
      };
    },
  };
}

async function debianMaker(roms: string, recipe: DebianRecipe, debian: DebianOptions): Promise<Maker> {
  const initFiles = await readInitFiles(join(roms, "init")).catch((error: unknown) => {
    throw fileError(error, "read the guest's init files");
  });
  return {
    key: recipeDigest(recipe, initFiles),
    async plan(directory) {
      const plan = await planDebian(recipe, directory, debian);
      return {
        version: plan.kernel.version,
        packages: versions([plan.kernel, plan.busybox, plan.firmware]),
        build: (output) => buildDebian(recipe, plan, output, initFiles, debian),
      };
    },
  };
}

async function diskMaker(
  roms: string,
  recipe: DiskRecipe,
  { builder }: ProvisionOptions,
  debian: DebianOptions,
): Promise<Maker> {
  const parts = await readDiskParts(roms, recipe);
  return {
    key: diskDigest(recipe, parts),
    async plan(directory) {
      if (builder === undefined)
        throw new ImageError("no-tool", "A disk is made in a machine, and there is none here.");
      const plan = await planDisk(recipe, directory, debian);
      const packages = versions(plan.packages);
      return {
        version: plan.kernel.version,
        packages,
        build: (output, work) => makeDisk(recipe, parts, plan, diskIdentity(packages), output, work, builder, debian),
      };
    },
  };
}

const versions = (packages: readonly { name: string; version: string }[]): Record<string, string> =>
  Object.fromEntries(packages.map(({ name, version }) => [name, version]));

async function cachedImage(
  name: string,
  maker: Maker,
  options: ProvisionOptions,
  renew: boolean,
  step: DebianOptions["step"],
): Promise<CachedImage> {
  const cache = cacheOf(options);
  const { key } = maker;
  const found = renew ? undefined : await cache.find(name, key);
  if (found !== undefined) return found;

  const work = async (directory: string): Promise<CachedImage> => {
    // Another process may have made it while this one waited.
    const made = renew ? undefined : await cache.find(name, key);
    if (made !== undefined) return made;
    const { version, packages, build } = await maker.plan(join(directory, "apt"));
    const same = (await cache.list()).find(
      (image) =>
        image.name === name && image.recipe === key && JSON.stringify(image.packages) === JSON.stringify(packages),
    );
    if (same !== undefined) return same;
    const output = join(directory, "image");
    const scratch = join(directory, "work");
    await mkdir(output);
    await mkdir(scratch);
    await build(output, scratch);
    return cache.publish(output, { name, recipe: key, version, packages });
  };
  return cache.build(work, options.signal, () => step("Waiting for another process that makes images")(0, 0));
}

/** Changes whenever the same packages would make another image. */
function recipeDigest(recipe: DebianRecipe, initFiles: readonly InitFile[]): string {
  const { suite, architecture, packages, modules } = recipe;
  const made = JSON.stringify([BUILD_FORMAT, suite, architecture, packages, modules]);
  return digest([made, ...initFiles.flatMap(({ path, data }) => [path, data])]);
}
