/**
 * Copies of a VM. By default they share what is on the original's disk: that
 * becomes a base which nobody writes to any more, and the original and the clone
 * each get an overlay of their own.
 *
 *     before          after
 *     web/disk.qcow2  web/disk.qcow2 ──┐ (overlays)
 *                     web2/disk.qcow2 ─┴─→ web/base-1a2b3c4d.qcow2
 *
 * Who stands on a VM's base is entered in its clones.json before it is there, so
 * that a base is never removed under one.
 */

import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, linkSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { cp, realpath } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { convertDisk, createDisk, diskInfo } from "../host/node/disk-images.ts";
import type { MachineDisk } from "../hypervisor/protocol.ts";
import { CONFIG, readConfig, type VmConfig, writeConfig, writeSchema, writeWhole } from "./config.ts";
import { copy, randomMac, syncFolder } from "./create.ts";
import { fileFailure, quote, VmError } from "./errors.ts";
import { renewSeed } from "./seed.ts";
import { lockVm, makeFolder, nameOf, newFolder, type Vm } from "./store.ts";

export interface CloneOptions {
  /** The clone shares nothing with the original. */
  readonly full: boolean;
  readonly progress?: (progress: { step: string; done: number; total: number }) => void;
  readonly signal?: AbortSignal;
}

const CLONES = "clones.json";
const BASE = /^base-[0-9a-f]{8}\.qcow2$/;

/** @throws VmError; then there is no clone, and the original is as it was */
export async function cloneVm(vm: Vm, to: string, options: CloneOptions): Promise<void> {
  const folder = newFolder(to);
  const lock = await lockVm(vm);
  try {
    const config = await readConfig(vm.folder);
    removeStrayBases(vm.folder, config);
    checkDisks(vm, config);
    await makeFolder(folder, async (work) => {
      const disks: MachineDisk[] = [];
      for (const disk of config.disks ?? []) disks.push(await cloneDisk(vm, folder, work, disk, options));
      options.signal?.throwIfAborted();
      await copyFiles(vm, folder, work, config);
      const { network, seed } = config;
      const moved = moveOutside(vm.folder, folder, config);
      writeConfig(work, { ...moved, disks, ...(network && { network: { ...network, mac: randomMac() } }) });
      writeSchema(work);
      if (seed !== undefined && isInside(seed)) renewSeed(join(work, seed), nameOf(vm.folder), nameOf(folder));
      await syncFolder(work);
      // The original's own base may be in another's folder.
      const bases = disks.flatMap(({ allowBacking = [] }) => allowBacking.map((path) => resolve(folder, path)));
      for (const base of new Set(bases)) if (existsSync(join(base, CONFIG))) enterClone(base, folder);
    });
  } finally {
    lock.release();
  }
}

/** Whose disks can't be shared or copied is told before anything is done. */
function checkDisks({ name, folder }: Vm, { disks = [] }: VmConfig): void {
  for (const { path, readOnly = false, temporary = false } of disks) {
    if (isInside(path) || readOnly || temporary) continue;
    throw new VmError(
      "files",
      `The VM ${quote(name)} writes to the disk ${quote(resolve(folder, path))}, which isn't in its folder; a clone would write to the same.`,
    );
  }
}

async function cloneDisk(
  vm: Vm,
  folder: string,
  work: string,
  disk: MachineDisk,
  { full, progress, signal }: CloneOptions,
): Promise<MachineDisk> {
  if (!isInside(disk.path)) return { ...disk, path: movedPath(vm.folder, folder, disk.path) };
  const from = join(vm.folder, disk.path);
  const to = join(work, disk.path);
  const { format: known } = disk;
  const allowed = (disk.allowBacking ?? []).map((path) => resolve(vm.folder, path));
  const info = await diskInfo(from, { ...(known && { format: known }), allowBacking: allowed });
  const { allowBacking: _, ...plain } = disk;
  // A raw disk can't be a base and stay what it is; copies of blocks are cheap where the file system has them.
  if (info.format === "raw") {
    await copy(from, to, "disk");
    return plain;
  }
  if (full) {
    await convertDisk(from, to, {
      format: "qcow2",
      to: "qcow2",
      allowBacking: allowed,
      ...(signal && { signal }),
      ...(progress && { progress: (done, total) => progress({ step: `Copying ${disk.path}`, done, total }) }),
    });
    return plain;
  }
  const base = await freeze(from, allowed, info);
  // Bases may have bases, in the folders of others.
  const backing = [...new Set([...allowed, dirname(base)])];
  // By the path that it will have from the folder to be, which is beside this one.
  await createDisk(to, { format: "qcow2", backing: base, backingFormat: "qcow2", allowBacking: backing });
  return { ...plain, allowBacking: backing.map((path) => relative(folder, path)) };
}

/**
 * Makes an image a base, and puts an overlay in its place: by a second name, so
 * that the image is there under its own at every instant.
 * @returns the base's path
 */
async function freeze(
  image: string,
  allowBacking: readonly string[],
  { qcow2, length }: Awaited<ReturnType<typeof diskInfo>>,
): Promise<string> {
  // Nothing has been written since it was last made a base.
  const { path: under } = qcow2?.backing ?? {};
  if (under !== undefined && BASE.test(basename(under)) && length <= (await blankLength(image, under, allowBacking)))
    return realpath(under);
  const base = join(dirname(image), `base-${randomBytes(4).toString("hex")}.qcow2`);
  try {
    linkSync(image, base);
  } catch (error) {
    throw fileFailure(error, `make ${quote(base)} of ${quote(image)}, which --full doesn't need`);
  }
  await createDisk(image, { format: "qcow2", backing: base, backingFormat: "qcow2", allowBacking, force: true });
  chmodSync(base, 0o444);
  return base;
}

/** How long an overlay is that nothing has been written to, bytes. */
async function blankLength(image: string, backing: string, allowBacking: readonly string[]): Promise<number> {
  const blank = join(dirname(image), `.blank-${randomBytes(4).toString("hex")}.qcow2`);
  try {
    await createDisk(blank, { format: "qcow2", backing, backingFormat: "qcow2", allowBacking });
    return statSync(blank).size;
  } finally {
    rmSync(blank, { force: true });
  }
}

/** Bases that a killed clone has not got round to use: they are the very file of one of the VM's disks. */
function removeStrayBases(folder: string, { disks = [] }: VmConfig): void {
  const inode = (path: string) => statSync(resolve(folder, path), { throwIfNoEntry: false })?.ino;
  const inUse = new Set(disks.map(({ path }) => inode(path)));
  for (const name of readdirSync(folder).filter((file) => BASE.test(file)))
    if (inUse.has(inode(name))) rmSync(join(folder, name), { force: true });
}

/** Copies everything else that the configuration names in the folder. */
async function copyFiles(vm: Vm, folder: string, work: string, config: VmConfig): Promise<void> {
  const { kernel, initrd, bios, dtb, flash, nvram, seed, shares = [] } = config;
  const names = [kernel, initrd, bios, dtb, flash, nvram].filter((path) => path !== undefined && isInside(path));
  for (const name of new Set(names as string[])) {
    const from = join(vm.folder, name);
    // "builtin" is no file, and NVRAM is made when it is first written.
    if (existsSync(from)) await copy(from, join(work, name), "file");
  }
  const folders = [seed, ...shares.map(({ path }) => path)].filter((path) => path !== undefined && isInside(path));
  for (const path of new Set(folders as string[])) {
    const options = { recursive: true, errorOnExist: true, verbatimSymlinks: true };
    try {
      if (existsSync(join(vm.folder, path))) await cp(join(vm.folder, path), join(work, path), options);
    } catch (error) {
      throw fileFailure(error, `copy the folder ${quote(path)} of ${quote(vm.name)} to ${quote(folder)}`);
    }
  }
}

/** Paths out of the folder lead to the same from the clone's. */
function moveOutside(from: string, to: string, config: VmConfig): VmConfig {
  const keys = ["kernel", "initrd", "bios", "dtb", "flash", "seed"] as const;
  const moved = keys.flatMap((key) => {
    const path = config[key];
    return path === undefined || isInside(path) ? [] : [[key, movedPath(from, to, path)]];
  });
  const shares = config.shares?.map((share) =>
    isInside(share.path) ? share : { ...share, path: movedPath(from, to, share.path) },
  );
  return { ...config, ...Object.fromEntries(moved), ...(shares && { shares }) };
}

function movedPath(from: string, to: string, path: string): string {
  return isAbsolute(path) ? path : relative(to, resolve(from, path));
}

/** Is a path of a configuration in the VM's folder? */
export function isInside(path: string): boolean {
  if (isAbsolute(path)) return false;
  const way = relative(".", path);
  return way !== ".." && !way.startsWith(`..${sep}`);
}

function enterClone(folder: string, clone: string): void {
  const clones = new Set([...readClones(folder), relative(folder, clone)]);
  writeWhole(join(folder, CLONES), `${JSON.stringify([...clones], null, 2)}\n`);
}

function readClones(folder: string): string[] {
  try {
    const value: unknown = JSON.parse(readFileSync(join(folder, CLONES), "utf8"));
    return Array.isArray(value) ? value.filter((path) => typeof path === "string") : [];
  } catch {
    return [];
  }
}

/** Folders of VMs whose disks need this one's bases. */
export async function clonesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const path of readClones(folder)) {
    const at = resolve(folder, path);
    if (!existsSync(join(at, CONFIG))) continue;
    const clone = await realpath(at);
    const { disks = [] } = await readConfig(clone).catch(() => ({ disks: undefined }));
    const needs = disks.some(({ allowBacking = [] }) => allowBacking.some((base) => resolve(clone, base) === folder));
    // What can't be read counts as one that does.
    if (needs || disks.length === 0) found.push(clone);
  }
  return found;
}
