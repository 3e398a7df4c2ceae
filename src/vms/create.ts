/** Makes a VM's folder. */

import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { chmod, copyFile, open } from "node:fs/promises";
import { join } from "node:path";
import type { ShareOptions } from "../backends/files.ts";
import type { EngineName } from "../core/engine.ts";
import { createDisk, diskInfo, resizeDisk } from "../host/node/disk-images.ts";
import type { MachineDisk, MachineNetwork, MachineVsock } from "../hypervisor/protocol.ts";
import { formatForward } from "../net/forward.ts";
import { SCHEMA, VERSION, type VmConfig, type VmConsole, type VmNetwork, writeConfig, writeSchema } from "./config.ts";
import { fileFailure, quote, VmError } from "./errors.ts";
import { pathInFolder } from "./machine-options.ts";
import { SEED, type SeedOptions, seedFiles, writeSeed } from "./seed.ts";
import { makeFolder, nameOf, newFolder } from "./store.ts";

export const DISK = "disk.qcow2";
export const NVRAM = "nvram.fd";
const DEFAULT_DISK_SIZE = 10 * 2 ** 30;

/** An image that a VM can be a copy of, by its files. */
export interface SourceImage {
  readonly name: string;
  /** MiB. */
  readonly memory: number;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  /** It is a bare-metal program. */
  readonly bios?: "none";
  /** It is firmware, with what its NVRAM holds at first. */
  readonly flash?: string;
  readonly nvramTemplate?: string;
  /** Path of a qcow2 image that stands on no other. */
  readonly disk?: string;
  /** It is of no use without a network; a disk has one anyway. */
  readonly networked?: boolean;
}

/** Paths are the user's, seen from the working directory. */
export interface CreateOptions {
  /** Files to boot from, which are copied into the folder. */
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly bios?: string;
  readonly dtb?: string;
  readonly flash?: string;
  readonly nvramTemplate?: string;
  /** Such as "1G". */
  readonly memory?: string;
  readonly harts?: number;
  readonly engine?: EngineName;
  /** Bytes of the disk; of an image that is one, at least what that has. */
  readonly diskSize?: number;
  readonly console?: VmConsole;
  /** More disks, which stay where they are. */
  readonly disks?: readonly MachineDisk[];
  /** Default: one with an image that is a disk or needs one, else none. */
  readonly network?: MachineNetwork | "none";
  readonly shares?: readonly ShareOptions[];
  readonly vsock?: MachineVsock;
  /** Such as "256M". */
  readonly balloon?: string;
  readonly seed: SeedOptions;
  readonly progress?: (progress: { step: string; done: number; total: number }) => void;
  readonly signal?: AbortSignal;
}

/**
 * Makes a VM.
 * @param image what it is to be a copy of, if anything
 * @throws VmError, and what images and disks throw; then there is nothing
 */
export async function createVm(at: string, image: SourceImage | undefined, options: CreateOptions): Promise<void> {
  const folder = newFolder(at);
  const seed = seedFiles(options.seed, nameOf(folder));
  await makeFolder(folder, async (work) => {
    const config = await fill(work, folder, image, options);
    if (seed) writeSeed(work, seed);
    writeConfig(work, { ...config, ...(seed && { seed: SEED }) });
    writeSchema(work);
    await syncFolder(work);
  });
}

async function fill(
  work: string,
  folder: string,
  image: SourceImage | undefined,
  options: CreateOptions,
): Promise<VmConfig> {
  const { harts, engine, console, disks = [], network, shares = [], vsock, balloon, signal } = options;
  const memory = options.memory ?? (image && `${image.memory}M`);
  const boot = await bootFiles(work, image, options);
  const disk = await makeDisk(join(work, DISK), image, options);
  signal?.throwIfAborted();
  const { nvramTemplate = image?.nvramTemplate } = options;
  if (nvramTemplate !== undefined) await copy(nvramTemplate, join(work, NVRAM), "NVRAM template");
  const networked = image?.disk !== undefined || image?.networked === true;
  const joined = network ?? (networked ? ({ kind: "user" } as const) : "none");
  return {
    $schema: `./${SCHEMA}`,
    version: VERSION,
    ...(image && { image: image.name }),
    ...boot,
    ...(boot.flash !== undefined && { nvram: NVRAM }),
    ...(memory !== undefined && { memory }),
    ...(harts !== undefined && { harts }),
    ...(engine !== undefined && { engine }),
    ...(console !== undefined && { console }),
    disks: [disk, ...disks.map((more) => ({ ...more, path: pathInFolder(folder, more.path) }))],
    ...(joined !== "none" && { network: networkOf(folder, joined) }),
    ...(shares.length > 0 && {
      shares: shares.map((share) => ({ ...share, path: pathInFolder(folder, share.path) })),
    }),
    ...(vsock && { vsock: { ...vsock, path: pathInFolder(folder, vsock.path) } }),
    ...(balloon !== undefined && { balloon }),
  };
}

type BootFields = Pick<VmConfig, "kernel" | "initrd" | "append" | "bios" | "dtb" | "flash">;

/** Copies what the VM boots from, so that the folder has all of it. */
async function bootFiles(work: string, image: SourceImage | undefined, options: CreateOptions): Promise<BootFields> {
  const given = imageBoot(image, options);
  const { kernel = given.kernel, initrd = given.initrd, bios = given.bios, dtb, flash = given.flash } = options;
  const append = [given.append, options.append].filter((text) => text !== undefined).join(" ");
  const fields: { -readonly [K in keyof BootFields]: BootFields[K] } = {};
  const take = async (key: "kernel" | "initrd" | "bios" | "dtb" | "flash", path: string | undefined, name: string) => {
    if (path === undefined) return;
    await copy(path, join(work, name), key);
    fields[key] = name;
  };
  await take("kernel", kernel, "kernel");
  await take("initrd", initrd, "initrd");
  if (bios === "builtin" || bios === "none") fields.bios = bios;
  else await take("bios", bios, "firmware.bin");
  await take("dtb", dtb, "board.dtb");
  await take("flash", flash, "flash.fd");
  if (append !== "") fields.append = append;
  return fields;
}

function imageBoot(image: SourceImage | undefined, { flash, bios }: CreateOptions): BootFields {
  // Firmware of its own finds by itself what is on a disk.
  if (!image || (image.disk !== undefined && (flash !== undefined || bios !== undefined))) return {};
  const { kernel, initrd, append } = image;
  return {
    ...(kernel !== undefined && { kernel }),
    ...(image.flash !== undefined && { flash: image.flash }),
    ...(initrd !== undefined && { initrd }),
    ...(append !== undefined && { append }),
    ...(image.bios && { bios: image.bios }),
  };
}

async function makeDisk(path: string, image: SourceImage | undefined, options: CreateOptions): Promise<MachineDisk> {
  const { diskSize } = options;
  if (image?.disk !== undefined) {
    await copy(image.disk, path, "image's disk");
    await chmod(path, 0o644);
    if (diskSize !== undefined) await enlarge(path, image.name, diskSize);
  } else await createDisk(path, { format: "qcow2", size: diskSize ?? DEFAULT_DISK_SIZE });
  return { path: DISK, format: "qcow2" };
}

/** What is on the disk stays as it is: its guest makes use of what is new. */
async function enlarge(path: string, image: string, size: number): Promise<void> {
  const { size: least } = await diskInfo(path, { format: "qcow2" });
  if (size < least)
    throw new VmError(
      "files",
      `The disk of the image ${quote(image)} has ${least / 2 ** 20} MiB; give --disk-size as much or more, or leave it out.`,
    );
  await resizeDisk(path, size, { format: "qcow2" });
}

function networkOf(folder: string, { forwards, mac, capture, ...rest }: MachineNetwork): VmNetwork {
  return {
    ...rest,
    mac: mac ?? randomMac(),
    ...(forwards && { forwards: forwards.map(formatForward) }),
    ...(capture !== undefined && { capture: pathInFolder(folder, capture) }),
  };
}

/** QEMU's range, whose other half is anyone's. */
export function randomMac(): string {
  return ["52", "54", "00", ...[...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}

/** Copies a file, as a reference to the same blocks where the file system can, and puts it on the disk. @throws VmError */
export async function copy(from: string, to: string, what: string): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    await sync(to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EISDIR" || (error as NodeJS.ErrnoException).code === "ERR_FS_EISDIR")
      throw new VmError("files", `Could not copy the ${what} ${quote(from)}: it is a directory.`);
    throw fileFailure(error, `copy the ${what} ${quote(from)}`);
  }
}

/** Puts a folder's entries on the disk. */
export async function syncFolder(folder: string): Promise<void> {
  await sync(folder);
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
