/** How a server describes an image to pages: an `image.json` beside its files. */

/** A file of an image, beside its `image.json`. */
export interface ImageFile {
  readonly file: string;
  /** Bytes, so that progress is known where transfers are compressed. */
  readonly size?: number;
}

/** What an `image.json` says. */
export interface ImageRecord {
  readonly kernel: ImageFile;
  readonly initrd?: ImageFile;
  /** Disks, in the guest's order; they are read as the guest needs them. */
  readonly disks?: readonly { readonly file: string; readonly format?: "raw" | "qcow2"; readonly readOnly?: boolean }[];
  /** The kernel's command line. */
  readonly append?: string;
  /** "none": a bare-metal program. */
  readonly bios?: "builtin" | "none";
  /** Guest RAM when nothing else is said, such as "512M". */
  readonly memory?: string;
}

/** Reads one. @throws Error whose message ends a sentence that begins with the file's name */
export function readImageRecord(json: string): ImageRecord {
  let record: ImageRecord;
  try {
    record = JSON.parse(json);
  } catch {
    throw new Error("is not JSON");
  }
  const text = (part: unknown) => part === undefined || typeof part === "string";
  const file = (part: ImageFile | undefined) =>
    typeof part?.file === "string" && (part.size === undefined || Number.isSafeInteger(part.size));
  if (typeof record !== "object" || record === null) throw new Error("is no object");
  if (!file(record.kernel)) throw new Error("names no kernel");
  if (record.initrd !== undefined && !file(record.initrd)) throw new Error("names no file for the initrd");
  if (record.disks !== undefined && !(Array.isArray(record.disks) && record.disks.every((disk) => file(disk))))
    throw new Error("has disks that name no files");
  if (!text(record.append)) throw new Error("has an append that is no text");
  if (!text(record.memory)) throw new Error("has a memory that is no text");
  if (record.bios !== undefined && record.bios !== "builtin" && record.bios !== "none")
    throw new Error('has a bios that is neither "builtin" nor "none"');
  return record;
}
