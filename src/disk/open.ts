/** Opens an image with all that is under it. */

import type { BlockFile } from "../backends/block-file.ts";
import { DiskError, quote } from "./errors.ts";
import type { Image } from "./image.ts";
import { isQcow2, readHeader } from "./qcow2/header.ts";
import { type Decompress, Qcow2Image } from "./qcow2/image.ts";
import { RawImage } from "./raw.ts";

export type Format = "raw" | "qcow2";

/** Images on top of each other; more are a mistake, or malice. */
const MAX_DEPTH = 100;

/** Which files there are to open, and by whom a name is allowed, is the host's to say. */
export interface ImageSource {
  /**
   * Opens, for reading, the file that an image names as its backing file.
   * @param name as the image has it
   * @param by the name of the image's own file
   * @throws DiskError forbidden, unusable…
   */
  openBacking(name: string, by: string): Promise<BlockFile>;
  readonly decompress?: Decompress;
}

/** What the first bytes of a file say that it is. */
export async function formatOf(file: BlockFile): Promise<Format> {
  const magic = new Uint8Array(4);
  await file.read(0, magic);
  return isQcow2(magic) ? "qcow2" : "raw";
}

/**
 * Opens an image and its backing files. All files are closed by the image, or
 * here when this fails.
 * @param format what it is; undefined to look
 * @throws DiskError
 */
export async function openImage(file: BlockFile, format: Format | undefined, source: ImageSource): Promise<Image> {
  return openLayer(file, format, source, 0);
}

async function openLayer(
  file: BlockFile,
  given: Format | undefined,
  source: ImageSource,
  depth: number,
): Promise<Image> {
  let backing: Image | undefined;
  try {
    const format = given ?? (await formatOf(file));
    if (format === "raw") return new RawImage(file, { guessed: given === undefined });
    const header = await readHeader(file);
    if (header.backing) {
      if (depth >= MAX_DEPTH)
        throw new DiskError(
          "unusable",
          `The image ${quote(file.name)} has more than ${MAX_DEPTH} backing files under it.`,
        );
      const under = await source.openBacking(header.backing.name, file.name);
      backing = await openLayer(under, backingFormat(header.backing.format, file.name), source, depth + 1);
    }
    const { decompress } = source;
    return await Qcow2Image.open(file, { ...(backing && { backing }), ...(decompress && { decompress }) });
  } catch (error) {
    await backing?.close();
    await file.close();
    throw error;
  }
}

function backingFormat(format: string | undefined, by: string): Format | undefined {
  if (format === undefined || format === "raw" || format === "qcow2") return format;
  const sentence = `The image ${quote(by)} has a backing file of the format ${quote(format)}, which is not supported`;
  throw new DiskError("unsupported", `${sentence}; convert it by qemu-img.`);
}
