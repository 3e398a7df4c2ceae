import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Apt, type ByteProgress, type Candidate, hostMirror } from "./apt.ts";
import { writeSynced } from "./cache.ts";
import { decompressXz, type Packed, readPackage } from "./deb.ts";
import { ImageError } from "./errors.ts";
import { buildInitramfs, type InitFile } from "./initramfs.ts";
import type { DebianRecipe } from "./manifest.ts";
import { closure, type KernelModule, moduleName, readModuleInfo } from "./modules.ts";

/** The names of an image's files. */
export const FILES = {
  kernel: "kernel",
  initrd: "initrd",
  dynamic: "fw_dynamic.bin",
  jump: "fw_jump.bin",
} as const;

/** Raise it when the code makes another image of the same recipe. */
export const BUILD_FORMAT = 1;

/** Where packages come from and how to say what is going on. */
export interface DebianOptions {
  mirror?: string | undefined;
  suite?: string | undefined;
  signal?: AbortSignal | undefined;
  step: (name: string) => ByteProgress;
}

/** The packages that an image is made of, as the mirror has them now. */
export interface Plan {
  apt: Apt;
  kernel: Candidate;
  busybox: Candidate;
  firmware: Candidate;
}

/**
 * Another name of the current release, which a mirror may serve whole while the
 * codename's index is ahead of its files. The codename is checked all the same.
 */
const ALIAS = "stable";

/** Fetches the signed index; of a suite that the mirror is just updating, its alias's. @throws ImageError */
export async function fetchIndex(
  recipe: Pick<DebianRecipe, "suite" | "architecture">,
  directory: string,
  options: DebianOptions,
): Promise<Apt> {
  const progress = options.step("Reading the mirror's index");
  const suites = options.suite === undefined ? [recipe.suite, ALIAS] : [options.suite];
  let first: unknown;
  await mkdir(directory);
  for (const [i, suite] of suites.entries()) {
    const source = await hostMirror(suite, options.mirror, options.signal);
    const apt = await Apt.create(join(directory, String(i)), source, recipe.architecture, options.signal);
    try {
      await apt.update(recipe.suite, progress);
      return apt;
    } catch (error) {
      first ??= error;
      if (!(error instanceof ImageError) || error.code !== "inconsistent") break;
    }
  }
  throw first;
}

/** Asks the mirror for the versions of a recipe's packages; apt's state goes into `directory`. */
export async function planDebian(recipe: DebianRecipe, directory: string, options: DebianOptions): Promise<Plan> {
  const apt = await fetchIndex(recipe, directory, options);
  const named = await apt.candidate(recipe.packages.kernel);
  const actual = actualKernel(named);
  return {
    apt,
    kernel: actual === named.name ? named : await apt.candidate(actual),
    busybox: await apt.candidate(recipe.packages.busybox),
    firmware: await apt.candidate(recipe.packages.firmware),
  };
}

/** The package with a kernel in it: linux-image-riscv64 is empty and depends on that of the present version. */
export function actualKernel(named: Candidate): string {
  return /\blinux-image-[0-9][a-z0-9.+~-]*/.exec(named.depends)?.[0] ?? named.name;
}

/**
 * Downloads a plan's packages and makes an image's files of them in `directory`.
 * Takes memory for the package's modules, about 140 MiB.
 */
export async function buildDebian(
  recipe: DebianRecipe,
  plan: Plan,
  directory: string,
  initFiles: readonly InitFile[],
  options: DebianOptions,
): Promise<void> {
  const { signal } = options;
  const files = await plan.apt.download(
    [plan.kernel, plan.busybox, plan.firmware],
    options.step("Downloading Debian's packages"),
  );
  const archive = (candidate: Candidate): string => files.get(candidate.name)!;

  const progress = options.step("Making the image");
  const steps = recipe.modules.length + 3;
  progress(0, steps);
  const firmware = await pick(archive(plan.firmware), signal, {
    [FILES.dynamic]: /\/generic\/(firmware\/)?fw_dynamic\.bin$/,
    [FILES.jump]: /\/generic\/(firmware\/)?fw_jump\.bin$/,
  });
  for (const [name, data] of Object.entries(firmware)) await writeSynced(join(directory, name), data);
  const { busybox } = await pick(archive(plan.busybox), signal, { busybox: /(^|\/)bin\/busybox$/ });
  progress(1, steps);

  const kernel = await readKernel(archive(plan.kernel), signal);
  await writeSynced(join(directory, FILES.kernel), kernel.image);
  await rm(archive(plan.kernel), { force: true }); // room for what follows
  progress(2, steps);
  let loaded = 0;
  const modules = await closure(recipe.modules, async (name) => {
    const module = await kernel.module(name);
    progress(2 + Math.min(++loaded, recipe.modules.length), steps);
    return module;
  });
  const initrd = buildInitramfs({ busybox: busybox!, release: kernel.release, modules, files: initFiles });
  await writeSynced(join(directory, FILES.initrd), initrd);
  progress(steps, steps);
}

/** What a kernel's package has. */
export interface Kernel {
  release: string;
  /** The Image, as the RISC-V boot protocol has it. */
  image: Uint8Array;
  /** A module, uncompressed; nothing when it is built in. */
  module(name: string): Promise<KernelModule | undefined>;
  /** All modules, as the package has them. */
  packed: readonly Packed[];
  /** Its own lists, which the package has beside the modules: modules.order and the like, by name. */
  lists: ReadonlyMap<string, string>;
}

const IMAGE = /^boot\/vmlinu[xz]-(.+)$/;
const MODULE = /(?:^|\/)lib\/modules\/[^/]+\/(kernel\/.+\.ko)(\.xz)?$/;
const LIST = /(?:^|\/)lib\/modules\/[^/]+\/(modules\.[a-z.]+)$/;
const BUILT_IN = "modules.builtin";
/** The Image's magic number, "RSC\x05" at 0x38 (Linux, Documentation/arch/riscv/boot-image-header.rst). */
const IMAGE_MAGIC = 0x05435352;
const IMAGE_MAGIC_AT = 0x38;

/** Reads a kernel's package; takes memory for all its modules. @throws ImageError bad-package */
export async function readKernel(file: string, signal?: AbortSignal): Promise<Kernel> {
  const packed = new Map<string, Packed>();
  const lists = new Map<string, string>();
  let found: { release: string; image: Uint8Array } | undefined;
  const wanted = (path: string): boolean => IMAGE.test(path) || MODULE.test(path) || LIST.test(path);
  for await (const { path, data } of readPackage(file, wanted, signal)) {
    const image = IMAGE.exec(path);
    const module = MODULE.exec(path);
    if (image !== null) found = { release: image[1]!, image: data };
    else if (module !== null) packed.set(moduleName(path), { path: module[1]!, xz: module[2] !== undefined, data });
    else lists.set(LIST.exec(path)![1]!, Buffer.from(data).toString("latin1"));
  }
  const builtIn = new Set((lists.get(BUILT_IN) ?? "").split("\n").map(moduleName));
  if (found === undefined) throw bad("has no kernel under boot/");
  const view = new DataView(found.image.buffer, found.image.byteOffset, found.image.byteLength);
  if (view.byteLength < 64 || view.getUint32(IMAGE_MAGIC_AT, true) !== IMAGE_MAGIC) {
    throw bad("holds a kernel that is not an uncompressed RISC-V Image");
  }
  return {
    ...found,
    packed: [...packed.values()],
    lists,
    async module(name) {
      const entry = packed.get(name);
      if (entry === undefined) {
        if (builtIn.has(name)) return undefined;
        throw bad(`has no module ${name}`);
      }
      const data = entry.xz ? await decompressXz(entry.path, entry.data, signal) : entry.data;
      return { name, path: entry.path, data, info: readModuleInfo(name, data) };
    },
  };
}

/** The one file of a package for each pattern. @throws ImageError bad-package */
export async function pick<K extends string>(
  file: string,
  signal: AbortSignal | undefined,
  patterns: Record<K, RegExp>,
): Promise<Record<K, Uint8Array>> {
  const keys = Object.keys(patterns) as K[];
  const keyOf = (path: string): K | undefined => keys.find((key) => patterns[key].test(path));
  const found: Partial<Record<K, Uint8Array>> = {};
  for await (const { path, data } of readPackage(file, (name) => keyOf(name) !== undefined, signal)) {
    found[keyOf(path)!] = data;
  }
  for (const key of keys) if (found[key] === undefined) throw bad(`lacks ${key}`);
  return found as Record<K, Uint8Array>;
}

function bad(what: string): ImageError {
  return new ImageError("bad-package", `A downloaded package ${what}; report this, or use --kernel and --initrd.`);
}
