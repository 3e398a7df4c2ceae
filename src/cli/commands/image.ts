/** `wardian image`: fetches, lists and removes images. */

import { type ImageInfo, listImages, pull, removeImage, tuneV8 } from "../../node.ts";
import { CliError, OK } from "../exit.ts";
import { StepProgress } from "../progress.ts";

/** Fetches images one after the other. */
export async function pullImages(
  names: readonly string[],
  options: { mirror?: string; suite?: string },
  signal: AbortSignal,
): Promise<number> {
  tuneV8(); // disks are finished in a machine
  for (const name of names.length > 0 ? names : ["debian"]) {
    const progress = new StepProgress();
    try {
      await pull(name, { ...options, signal, progress: (step) => progress.update(step) });
    } finally {
      progress.end();
    }
    const image = (await listImages()).find((found) => found.name === name);
    process.stdout.write(`${[name, image?.version, "is ready"].filter(Boolean).join(" ")}\n`);
  }
  return OK;
}

/** Shows a table, or JSON with every field. */
export async function showImages({ json = false }: { json?: boolean }): Promise<number> {
  const images = await listImages();
  process.stdout.write(json ? `${JSON.stringify(images, null, 2)}\n` : formatImages(images));
  return OK;
}

/** A table of images with a head; each line ends with a newline. */
export function formatImages(images: readonly ImageInfo[]): string {
  const rows = images.map(({ name, ready, version, size, description }) => [
    name,
    ready ? "ready" : "not fetched",
    version ?? "",
    size === undefined || !ready ? "" : formatSize(size),
    description,
  ]);
  const table = [["NAME", "STATE", "VERSION", "SIZE", "DESCRIPTION"], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function formatSize(bytes: number): string {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(1)} kB`;
}

/** Removes images from the cache; those that come with Wardian stay. */
export async function removeImages(names: readonly string[]): Promise<number> {
  const images = await listImages();
  for (const name of names) {
    if (images.find((image) => image.name === name)?.kind === "elf")
      throw new CliError(`The image ${name} comes with Wardian and is not in the cache.`);
    const versions = await removeImage(name);
    process.stdout.write(versions > 0 ? `${name} is removed\n` : `${name} was not there\n`);
  }
  return OK;
}
