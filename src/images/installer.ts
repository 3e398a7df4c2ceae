/** Debian's installer for networks: its kernel and initrd from Debian's package of them, and where it gets packages. */

import { join } from "node:path";
import { type Apt, type Candidate, proxies } from "./apt.ts";
import { writeSynced } from "./cache.ts";
import { writeCpio } from "./cpio.ts";
import { type DebianOptions, fetchIndex, pick } from "./debian.ts";
import { ImageError } from "./errors.ts";
import type { InitFile } from "./initramfs.ts";
import type { InstallerRecipe } from "./manifest.ts";
import type { Source } from "./sources.ts";

/** The names of an image's files. */
export const INSTALLER_FILES = { kernel: "kernel", initrd: "initrd" } as const;

/** Raise it when the code makes another image of the same recipe. */
export const INSTALLER_FORMAT = 1;

export interface InstallerPlan {
  apt: Apt;
  candidate: Candidate;
}

/** Asks the mirror for the package's version; apt's state goes into `directory`. */
export async function planInstaller(
  recipe: InstallerRecipe,
  directory: string,
  options: DebianOptions,
): Promise<InstallerPlan> {
  const apt = await fetchIndex(recipe, directory, options);
  return { apt, candidate: await apt.candidate(recipe.package) };
}

/**
 * Downloads the package and puts kernel and initrd into `directory`. The initrd
 * gets more files at its end: the kernel takes several archives, one behind the other.
 * @throws ImageError
 */
export async function buildInstaller(
  { apt, candidate }: InstallerPlan,
  directory: string,
  files: readonly InitFile[],
  { signal, step }: DebianOptions,
): Promise<void> {
  const preseed = { path: "preseed.cfg", data: Buffer.from(mirrorAnswers(apt.source, await proxies(signal))) };
  const debs = await apt.download([candidate], step("Downloading Debian's packages"));
  const found = await pick(debs.get(candidate.name)!, signal, {
    kernel: /\/text\/debian-installer\/[^/]+\/linux$/,
    initrd: /\/text\/debian-installer\/[^/]+\/initrd\.gz$/,
  });
  const archive = writeCpio([...files, preseed].map((file) => ({ kind: "file", mode: 0o644, ...file })));
  // Archives begin at multiples of four bytes (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
  const padding = Buffer.alloc(-found.initrd.length & 3);
  await writeSynced(join(directory, INSTALLER_FILES.kernel), found.kernel);
  await writeSynced(join(directory, INSTALLER_FILES.initrd), Buffer.concat([found.initrd, padding, archive]));
}

/**
 * The installer's questions about its mirror, answered: it reads /preseed.cfg by itself.
 * @throws ImageError no-source for a mirror that it can't reach
 */
export function mirrorAnswers({ uri, suite }: Source, proxy: ReadonlyMap<string, string>): string {
  const match = /^(https?):\/\/([^/]+)(\/.*)?$/.exec(uri);
  if (match === null)
    throw new ImageError(
      "no-source",
      `Debian's installer needs a mirror that it reaches by http, and ${uri} is none; name another with --mirror.`,
    );
  const [, protocol = "", host = "", path = "/"] = match;
  const via = proxy.get(`Acquire::${protocol}::Proxy`);
  return [
    "d-i mirror/country string manual",
    `d-i mirror/protocol string ${protocol}`,
    `d-i mirror/${protocol}/hostname string ${host}`,
    `d-i mirror/${protocol}/directory string ${path}`,
    `d-i mirror/${protocol}/proxy string ${via === undefined || via === "DIRECT" ? "" : via}`,
    `d-i mirror/suite string ${suite}`,
    `d-i mirror/udeb/suite string ${suite}`,
  ]
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}
