/** Firmware for the machine's flash, taken out of Debian's package of it. */

import { join } from "node:path";
import type { Apt, Candidate } from "./apt.ts";
import { writeSynced } from "./cache.ts";
import { type DebianOptions, fetchIndex, pick } from "./debian.ts";
import type { FirmwareRecipe } from "./manifest.ts";

/** The names of an image's files. */
export const FIRMWARE_FILES = { code: "code.fd", variables: "variables.fd" } as const;

/** Raise it when the code makes another image of the same recipe. */
export const FIRMWARE_FORMAT = 1;

export interface FirmwarePlan {
  apt: Apt;
  candidate: Candidate;
}

/** Asks the mirror for the package's version; apt's state goes into `directory`. */
export async function planFirmware(
  recipe: FirmwareRecipe,
  directory: string,
  options: DebianOptions,
): Promise<FirmwarePlan> {
  const apt = await fetchIndex(recipe, directory, options);
  return { apt, candidate: await apt.candidate(recipe.package) };
}

/** Downloads the package and puts its two files into `directory`. @throws ImageError bad-package */
export async function buildFirmware(
  recipe: FirmwareRecipe,
  { apt, candidate }: FirmwarePlan,
  directory: string,
  { signal, step }: DebianOptions,
): Promise<void> {
  const files = await apt.download([candidate], step("Downloading Debian's packages"));
  const found = await pick(files.get(candidate.name)!, signal, {
    [FIRMWARE_FILES.code]: named(recipe.code),
    [FIRMWARE_FILES.variables]: named(recipe.variables),
  });
  for (const [name, data] of Object.entries(found)) await writeSynced(join(directory, name), data);
}

const named = (name: string): RegExp => new RegExp(`/${name.replaceAll(".", "\\.")}$`);
