/** A disk's recipe, the packages that a mirror has for it, and what is made of them. */

import { join } from "node:path";
import { type Apt, type Planned, proxies } from "../apt.ts";
import { digest } from "../cache.ts";
import { actualKernel, type DebianOptions, fetchIndex } from "../debian.ts";
import { fileError, ImageError } from "../errors.ts";
import { type InitFile, readInitFiles } from "../initramfs.ts";
import type { DiskRecipe } from "../manifest.ts";
import { buildDisk } from "./build.ts";
import type { DiskBuilder } from "./builder.ts";

/** Raise it when the code makes another disk of the same recipe. */
const DISK_FORMAT = 1;
/** The guest's end of `--exec`, which the initramfs has too. */
const AGENT = { from: "etc/agent", to: "usr/lib/wardian/agent" };

/** What a recipe names, read. */
export interface DiskParts {
  initFiles: InitFile[];
  ownFiles: InitFile[];
  script: string;
}

/** Reads a recipe's files. @throws ImageError */
export async function readDiskParts(roms: string, recipe: DiskRecipe): Promise<DiskParts> {
  try {
    const initFiles = await readInitFiles(join(roms, "init"));
    const ownFiles = await readInitFiles(join(roms, recipe.files));
    const script = ownFiles.find(({ path }) => path === "install");
    const agent = initFiles.find(({ path }) => path === AGENT.from);
    if (script === undefined || agent === undefined) throw new Error("install, or init/etc/agent, is missing");
    const root = ownFiles
      .filter(({ path }) => path.startsWith("root/"))
      .map(({ path, data }) => ({ path: path.slice("root/".length), data }));
    return {
      initFiles,
      ownFiles: [...root, { path: AGENT.to, data: agent.data }],
      script: Buffer.from(script.data).toString("utf8"),
    };
  } catch (error) {
    throw fileError(error, "read the guest's files");
  }
}

/** Changes whenever the same packages would make another disk. */
export function diskDigest(recipe: DiskRecipe, { initFiles, ownFiles, script }: DiskParts): string {
  const { suite, architecture, kernel, busybox, packages, modules, size } = recipe;
  const made = JSON.stringify([DISK_FORMAT, suite, architecture, kernel, busybox, packages, modules, size]);
  return digest([made, script, ...[...initFiles, ...ownFiles].flatMap(({ path, data }) => [path, data])]);
}

/** What a disk will be made of. */
export interface DiskPlan {
  apt: Apt;
  /** Names asked for: the recipe's, the kernel's and BusyBox's. */
  wanted: string[];
  packages: Planned[];
  /** The package of the kernel itself. */
  kernel: Planned;
}

/** Asks the mirror; apt's state goes into `directory`. @throws ImageError */
export async function planDisk(recipe: DiskRecipe, directory: string, options: DebianOptions): Promise<DiskPlan> {
  const apt = await fetchIndex(recipe, directory, options);
  const wanted = [...recipe.packages, recipe.kernel, recipe.busybox];
  const packages = await apt.planInstall(wanted);
  const named = await apt.candidate(recipe.kernel);
  const name = actualKernel(named);
  const kernel = packages.find((planned) => planned.name === name);
  if (kernel === undefined)
    throw new ImageError("apt", `The mirror has no kernel ${name}; choose another with --mirror.`);
  return { apt, wanted, packages, kernel };
}

/** Ids of file systems and partitions come from this: the same packages give the same ids. */
export function diskIdentity(packages: Readonly<Record<string, string>>): string {
  return digest(Object.entries(packages).flat());
}

/** Downloads a plan's packages and makes a disk's files of them in `output`. @throws ImageError */
export async function makeDisk(
  recipe: DiskRecipe,
  parts: DiskParts,
  plan: DiskPlan,
  identity: string,
  output: string,
  work: string,
  builder: DiskBuilder,
  options: DebianOptions,
): Promise<void> {
  const { signal, step } = options;
  const proxy = await proxies(signal);
  const debs = await plan.apt.downloadInstall(plan.wanted, plan.packages, step("Downloading Debian's packages"));
  const build = {
    ...parts,
    debs,
    wanted: new Set(plan.wanted),
    kernel: plan.kernel.name,
    busybox: recipe.busybox,
    modules: recipe.modules,
    source: plan.apt.source,
    proxy,
    identity,
    size: recipe.size * 1024 * 1024,
    builder,
    step,
    signal,
  };
  await buildDisk(build, output, work);
}
