/** Images that a server has: a folder of each, with an `image.json` and the files that it names. */

import { type ImageFile, type ImageRecord, readImageRecord } from "../../hypervisor/image-record.ts";
import { MachineError } from "../../hypervisor/machine.ts";
import { type FileSource, type LoadOptions, readSource } from "./sources.ts";

/** A part to be loaded. */
export interface ImagePart {
  readonly source: FileSource;
  /** Bytes, if it is known. */
  readonly size?: number;
}

export interface ImageSources {
  readonly kernel: ImagePart;
  readonly initrd?: ImagePart;
  readonly disks: readonly { readonly path: string; readonly format?: "raw" | "qcow2"; readonly readOnly?: boolean }[];
  readonly append?: string;
  readonly bios?: "builtin" | "none";
  readonly memory?: string;
}

const NAME = /^[a-z0-9][a-z0-9-]*$/;

/**
 * Reads what an image consists of.
 * @param image  a name: the folder of that name in `images`; or the URL of an image's folder
 * @param images the folder of images, relative to the page
 * @throws MachineError, FileError
 */
export async function imageSources(
  image: string,
  images: string | URL | undefined,
  options: LoadOptions,
): Promise<ImageSources> {
  const page = globalThis.location?.href;
  const root = new URL(folder(images ?? "images"), page);
  const base = NAME.test(image) ? new URL(`${image}/`, root) : new URL(folder(image), page);
  const bytes = await readSource(new URL("image.json", base), `image ${image}`, {
    ...(options.signal && { signal: options.signal }),
  });
  let record: ImageRecord;
  try {
    record = readImageRecord(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new MachineError(`The image ${image} can't be used: its image.json ${(error as Error).message}.`);
  }
  const part = ({ file, size }: ImageFile) => ({ source: new URL(file, base), ...(size !== undefined && { size }) });
  const { kernel, initrd, disks = [], append, bios, memory } = record;
  return {
    kernel: part(kernel),
    disks: disks.map(({ file, ...disk }) => ({ ...disk, path: new URL(file, base).href })),
    ...(initrd && { initrd: part(initrd) }),
    ...(append !== undefined && { append }),
    ...(bios !== undefined && { bios }),
    ...(memory !== undefined && { memory }),
  };
}

const folder = (url: string | URL): string => url.toString().replace(/\/?$/, "/");
