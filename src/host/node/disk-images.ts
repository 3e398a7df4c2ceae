/** Makes, converts, checks and describes disk images in files: what `wardian disk` does. */

import { linkSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { type CommitOptions, checkOverlay, commitOverlay } from "../../disk/commit.ts";
import { copyImage } from "../../disk/copy.ts";
import { DiskError, quote } from "../../disk/errors.ts";
import type { Image } from "../../disk/image.ts";
import { type Format, formatOf } from "../../disk/open.ts";
import { type CheckResult, checkQcow2 } from "../../disk/qcow2/check.ts";
import { type CreateOptions, createQcow2 } from "../../disk/qcow2/create.ts";
import { readHeader } from "../../disk/qcow2/header.ts";
import { Qcow2Image } from "../../disk/qcow2/image.ts";
import { readSnapshots } from "../../disk/qcow2/snapshots.ts";
import { RawImage } from "../../disk/raw.ts";
import { diskFileError, NodeBlockFile } from "./block-file.ts";
import { compress } from "./decompress.ts";
import { DiskFiles, pathOf, realpath } from "./disk.ts";
import { lockImage } from "./disk-lock.ts";

/** What zeroes are left out by in a raw image: a block of most file systems. */
const RAW_UNIT = 4096;

export interface NewDiskOptions {
  /** Default: "qcow2", unless the file's name ends in .raw or .img. */
  readonly format?: Format;
  /** Bytes; default: the backing file's. */
  readonly size?: number;
  readonly clusterSize?: number;
  readonly refcountBits?: number;
  readonly lazyRefcounts?: boolean;
  /** The path of an image that shines through wherever the new one has not been written. */
  readonly backing?: string;
  /** Default: what it says it is. */
  readonly backingFormat?: Format;
  /** As of DiskOptions, for the backing file's own backing files. */
  readonly allowBacking?: readonly string[];
  /** Replace a file that is there. */
  readonly force?: boolean;
}

/**
 * Makes an image without data.
 * @returns the path of a backing file that is in another folder, which whoever opens the image must allow
 * @throws DiskError
 */
export async function createDisk(path: string, options: NewDiskOptions): Promise<string | undefined> {
  const file = pathOf(path);
  const { backing, format = backing === undefined ? formatByName(file) : "qcow2" } = options;
  if (format === "raw") checkRaw(options);
  const under = backing === undefined ? undefined : await lookUnder(file, backing, options);
  const size = options.size ?? under?.size;
  if (size === undefined)
    throw new DiskError("unusable", "A disk needs a size, such as 10G, unless it has a backing file.");
  checkSize(size);
  await makeImage(file, options.force === true, async (made) => {
    if (format === "raw") await made.truncate(size);
    else await createQcow2(made, qcow2Options(size, options, under));
    await made.flush();
  });
  return under?.foreign;
}

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0 || size % 512 !== 0)
    throw new DiskError("unusable", "A disk's size must be a multiple of 512 bytes.");
}

function checkRaw({ backing, clusterSize, refcountBits, lazyRefcounts }: NewDiskOptions): void {
  if ([backing, clusterSize, refcountBits].some((option) => option !== undefined) || lazyRefcounts)
    throw new DiskError("unusable", "A raw disk has no backing file and no clusters; choose the format qcow2.");
}

function formatByName(path: string): Format {
  return /\.(raw|img)$/i.test(path) ? "raw" : "qcow2";
}

function qcow2Options(size: number, options: NewDiskOptions, under?: { name: string; format: Format }): CreateOptions {
  const { clusterSize, refcountBits, lazyRefcounts } = options;
  return {
    size,
    ...(clusterSize !== undefined && { clusterSize }),
    ...(refcountBits !== undefined && { refcountBits }),
    ...(lazyRefcounts !== undefined && { lazyRefcounts }),
    ...(under && { backing: { name: under.name, format: under.format } }),
  };
}

/** What an image says about the one under it, whose whole chain must be there. */
async function lookUnder(path: string, backing: string, { backingFormat, allowBacking }: NewDiskOptions) {
  const files = new DiskFiles(allowBacking);
  try {
    const real = realpath(pathOf(backing), `The backing file ${quote(backing)}`);
    const folder = realpath(dirname(path), `The folder of ${quote(path)}`);
    const probe = NodeBlockFile.open(real, { readOnly: true });
    const format = backingFormat ?? (await formatOf(probe));
    probe.close();
    const image = await files.open(real, true, format);
    const { size } = image;
    await image.close();
    const name = relative(folder, real);
    return { size, format, name, foreign: name.startsWith("..") ? real : undefined };
  } finally {
    files.unlock();
  }
}

/** Makes a file under another name first, so that nothing half-made is ever found under its own. */
async function makeImage(path: string, force: boolean, make: (file: NodeBlockFile) => Promise<void>): Promise<void> {
  realpath(dirname(path), `The folder of ${quote(path)}`);
  const part = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  rmSync(part, { force: true });
  const file = NodeBlockFile.open(part, { readOnly: false, create: true });
  try {
    await make(file);
    file.close();
    if (force) await replace(part, path);
    else publish(part, path);
  } finally {
    file.close();
    rmSync(part, { force: true });
  }
}

/** Gives a file its name, unless there is one of that name. */
function publish(part: string, path: string): void {
  try {
    linkSync(part, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw existing(path);
    // Some file systems have no links.
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw diskFileError(error, path, "made", "open");
    renameSync(part, path);
  }
}

export function existing(path: string): DiskError {
  return new DiskError("unusable", `There is a file ${quote(path)} already; use --force to replace it.`);
}

/** Puts a file in another's place, which nobody may be using. */
async function replace(part: string, path: string): Promise<void> {
  let lock: Awaited<ReturnType<typeof lockImage>>;
  try {
    lock = await lockImage(path, "write");
  } catch (error) {
    if ((error as { cause?: NodeJS.ErrnoException }).cause?.code !== "ENOENT") throw error;
  }
  try {
    renameSync(part, path);
  } catch (error) {
    throw diskFileError(error, path, "replaced", "open");
  } finally {
    lock?.release();
  }
}

export interface ConvertDiskOptions {
  /** Of the source; default: what it says it is. */
  readonly format?: Format;
  /** Of the result; default: "qcow2", unless its name ends in .raw or .img. */
  readonly to?: Format;
  readonly compress?: boolean;
  readonly clusterSize?: number;
  readonly allowBacking?: readonly string[];
  readonly force?: boolean;
  /** How many bytes of the disk are done. */
  readonly progress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Copies a disk, with all that is under it, into a new image of its own. @throws DiskError; the signal's reason */
export async function convertDisk(from: string, path: string, options: ConvertDiskOptions = {}): Promise<void> {
  const file = pathOf(path);
  const { to = formatByName(file), clusterSize } = options;
  if (to === "raw" && (options.compress || clusterSize !== undefined))
    throw new DiskError("unusable", "A raw disk has no clusters and is never compressed; convert to qcow2.");
  const files = new DiskFiles(options.allowBacking);
  let source: Image | undefined;
  try {
    source = await files.open(pathOf(from), true, options.format);
    const { size } = source;
    const readFrom = source;
    await makeImage(file, options.force === true, async (made) => {
      if (to === "raw") await made.truncate(size);
      else await createQcow2(made, { size, ...(clusterSize !== undefined && { clusterSize }) });
      const target = to === "raw" ? new RawImage(made) : await Qcow2Image.open(made);
      await copyImage(readFrom, target, {
        unit: target instanceof Qcow2Image ? target.header.clusterSize : RAW_UNIT,
        ...(options.progress && { progress: options.progress }),
        ...(options.signal && { signal: options.signal }),
        ...(options.compress && { compress }),
      });
      await target.close();
    });
  } finally {
    await source?.close();
    files.unlock();
  }
}

export interface ResizeDiskOptions {
  /** Default: what the image says it is. */
  readonly format?: Format;
  /** Let it become smaller: what is beyond its new end is lost. */
  readonly shrink?: boolean;
  readonly allowBacking?: readonly string[];
}

/**
 * Changes a disk's size; what is new is zero.
 * @param sizeOf gives the new size in bytes, whole sectors, from the present one
 * @returns the new size
 * @throws DiskError
 */
export async function resizeDisk(
  path: string,
  sizeOf: number | ((present: number) => number),
  options: ResizeDiskOptions = {},
): Promise<number> {
  const files = new DiskFiles(options.allowBacking);
  let image: Image | undefined;
  try {
    image = await files.open(pathOf(path), false, options.format);
    const size = typeof sizeOf === "number" ? sizeOf : sizeOf(image.size);
    checkSize(size);
    if (size < image.size && !options.shrink)
      throw new DiskError(
        "unusable",
        `The disk ${quote(path)} has ${image.size} bytes; to cut it down to ${size}, and lose what is beyond, use --shrink.`,
      );
    if (size !== image.size) await image.resize(size);
    return size;
  } finally {
    await image?.close();
    files.unlock();
  }
}

export interface CommitDiskOptions extends CommitOptions {
  /** Default: what the image says it is. */
  readonly format?: Format;
  readonly allowBacking?: readonly string[];
}

/**
 * Writes what an overlay holds to its backing file, and empties it. Whatever
 * else stands on that file changes with it.
 * @returns the backing file's path
 * @throws DiskError; the signal's reason
 */
export async function commitDisk(path: string, options: CommitDiskOptions = {}): Promise<string> {
  const file = pathOf(path);
  const { qcow2 } = await diskInfo(file, options);
  checkOverlay(path, { backing: qcow2?.backing !== undefined, snapshots: qcow2?.snapshots.length ?? 0 });
  const files = new DiskFiles(options.allowBacking);
  let overlay: Qcow2Image | undefined;
  try {
    overlay = (await files.openToCommit(file)) as Qcow2Image;
    await commitOverlay(overlay, overlay.backing!, options);
    return files.resolveBacking(overlay.header.backing!.name, file);
  } finally {
    await overlay?.close();
    files.unlock();
  }
}

export interface CheckDiskOptions {
  /** "leaks": space that nothing uses; "all": whatever can be. */
  readonly repair?: "leaks" | "all";
  readonly progress?: (done: number, total: number) => void;
}

/** Checks a qcow2 image, and repairs it if told so. @throws DiskError */
export async function checkDisk(path: string, options: CheckDiskOptions = {}): Promise<CheckResult> {
  const files = new DiskFiles();
  try {
    const file = await files.openFile(pathOf(path), options.repair === undefined);
    try {
      if ((await formatOf(file)) === "raw")
        throw new DiskError("unusable", `The disk image ${quote(path)} is raw, and has nothing that could be checked.`);
      return await checkQcow2(file, options);
    } finally {
      file.close();
    }
  } finally {
    files.unlock();
  }
}

export interface DiskInfo {
  readonly path: string;
  readonly format: Format;
  /** What a guest sees, bytes. */
  readonly size: number;
  /** What the file takes on the host's disk, and how long it is, bytes. */
  readonly allocated: number;
  readonly length: number;
  readonly qcow2?: Qcow2Info;
}

export interface Qcow2Info {
  readonly version: 2 | 3;
  readonly clusterSize: number;
  readonly refcountBits: number;
  readonly lazyRefcounts: boolean;
  readonly compression: "zlib" | "zstd";
  /** It was not closed in order, or is known to be corrupt. */
  readonly dirty: boolean;
  readonly corrupt: boolean;
  readonly backing?: {
    /** As the image has it. */
    readonly name: string;
    readonly format?: string;
    /** Where that is, or why it may not be read. */
    readonly path?: string;
    readonly refused?: string;
  };
  readonly snapshots: readonly {
    readonly id: string;
    readonly name: string;
    readonly date: string;
    readonly stateSize: number;
  }[];
}

/** Describes an image, also while it is in use. Files that it names are not opened. @throws DiskError */
export async function diskInfo(
  path: string,
  options: { format?: Format; allowBacking?: readonly string[] } = {},
): Promise<DiskInfo> {
  const name = pathOf(path);
  const file = NodeBlockFile.open(name, { readOnly: true });
  try {
    const format = options.format ?? (await formatOf(file));
    const common = { path: name, format, allocated: file.allocated, length: file.size };
    if (format === "raw") return { ...common, size: new RawImage(file).size };
    const header = await readHeader(file);
    const { snapshots } = await readSnapshots(file, header);
    const qcow2: Qcow2Info = {
      version: header.version,
      clusterSize: header.clusterSize,
      refcountBits: 1 << header.refcountOrder,
      lazyRefcounts: header.lazyRefcounts,
      compression: header.compression,
      dirty: header.dirty,
      corrupt: header.corrupt,
      ...(header.backing && { backing: describeBacking(name, header.backing, options.allowBacking) }),
      snapshots: snapshots.map(({ id, name, date, stateSize }) => ({
        id,
        name,
        date: new Date(date * 1000).toISOString(),
        stateSize,
      })),
    };
    return { ...common, size: header.size, qcow2 };
  } finally {
    file.close();
  }
}

function describeBacking(
  path: string,
  { name, format }: { name: string; format: string | undefined },
  allowed: readonly string[] = [],
): NonNullable<Qcow2Info["backing"]> {
  const said = { name, ...(format !== undefined && { format }) };
  try {
    return { ...said, path: new DiskFiles(allowed, dirname(realpath(path))).resolveBacking(name, path) };
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    return { ...said, refused: error.message };
  }
}
