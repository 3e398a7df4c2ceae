/**
 * Where VMs are: each a folder with a vm.json, in one directory of the user's or
 * anywhere else, by its path. A new one is made under another name and renamed,
 * so that nothing half-made is ever found.
 */

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import {
  describeHolder,
  findHolder,
  isProcess,
  type LockHolder,
  type ProcessLock,
  scope,
  startOf,
  takeLock,
} from "../host/node/process-lock.ts";
import { CONFIG } from "./config.ts";
import { fileFailure, quote, VmError } from "./errors.ts";

/** A VM, by its folder. */
export interface Vm {
  /** What the user called it. */
  readonly name: string;
  /** Absolute, without symbolic links. */
  readonly folder: string;
}

/** Names whose VMs are in the directory; everything else is a path. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

/** Folders in the making or being removed: their process, as process-lock.ts knows it. */
const ASIDE = /^\.wardian-(?:new|old)-(\d+)-(\d+)-([0-9a-f]{12})-[0-9a-f]{8}$/;

/** The directory of VMs: WARDIAN_VM_DIR, else in the user's data directory (XDG Base Directory Specification). */
export function vmDirectory(given?: string): string {
  const chosen = given ?? process.env.WARDIAN_VM_DIR;
  if (chosen !== undefined && chosen !== "") return resolve(chosen);
  const base = process.env.XDG_DATA_HOME;
  // The specification: a relative path is to be ignored.
  return join(base?.startsWith("/") === true ? base : join(homedir(), ".local/share"), "wardian/vms");
}

/** The folder that a name or a path stands for, whether there is one or not. @throws VmError bad-name */
export function folderOf(name: string, directory: string): string {
  if (name.includes("/") || name === "." || name === "..") return resolve(name);
  if (!NAME.test(name))
    throw new VmError(
      "bad-name",
      `${quote(name)} is no name of a VM: it has up to 63 letters, digits and any of "_.-", and begins with a letter or a digit; or give a path with a slash.`,
    );
  return join(directory, name);
}

/** A VM that is there. @throws VmError missing */
export function findVm(name: string, directory: string): Vm {
  const path = folderOf(name, directory);
  try {
    const folder = realpathSync(path);
    if (existsSync(join(folder, CONFIG))) return { name, folder };
    if (!statSync(folder).isDirectory()) throw new VmError("missing", `${quote(path)} is a file, not a VM's folder.`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw fileFailure(error, `look at ${quote(path)}`);
  }
  throw new VmError("missing", `There is no VM ${quote(name)} (no ${join(path, CONFIG)}); "wardian ls" lists them.`);
}

/** All VMs of a directory, by name. @throws VmError when it can't be read */
export function listVms(directory: string): Vm[] {
  try {
    return readdirSync(directory)
      .filter((name) => NAME.test(name) && existsSync(join(directory, name, CONFIG)))
      .sort()
      .map((name) => ({ name, folder: realpathSync(join(directory, name)) }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw fileFailure(error, `list the VMs in ${quote(directory)}`);
  }
}

/** The path of a folder to be, without symbolic links; what is above it is there then. @throws VmError exists */
export function newFolder(path: string): string {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const folder = join(realpathSync(dirname(path)), basename(path));
    refuseExisting(folder);
    return folder;
  } catch (error) {
    throw fileFailure(error, `make the folder ${quote(path)}`);
  }
}

/**
 * Makes a VM's folder: whole or not at all.
 * @param folder as newFolder gives it
 * @param fill   puts the files into a folder beside the one to be
 * @throws VmError exists; what `fill` throws
 */
export async function makeFolder(folder: string, fill: (work: string) => Promise<void>): Promise<void> {
  const work = aside(folder, "new");
  try {
    sweep(dirname(folder));
    mkdirSync(work, { mode: 0o700 });
    await fill(work);
    refuseExisting(folder);
    // Of two at once the second finds a folder that isn't empty.
    renameSync(work, folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTEMPTY" || code === "EEXIST") throw existing(folder);
    throw fileFailure(error, `make the folder ${quote(folder)}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function refuseExisting(folder: string): void {
  if (existsSync(folder)) throw existing(folder);
}

function existing(folder: string): VmError {
  return new VmError("exists", `There is ${quote(folder)} already; choose another name or remove that.`);
}

/** Removes a folder: at once it has no name any more. @throws VmError */
export function removeFolder(folder: string): void {
  const old = aside(folder, "old");
  try {
    renameSync(folder, old);
    rmSync(old, { recursive: true, force: true });
    sweep(dirname(folder));
  } catch (error) {
    throw fileFailure(error, `remove ${quote(folder)}`);
  }
}

function aside(folder: string, what: "new" | "old"): string {
  const parts = [what, process.pid, startOf(process.pid) ?? 0, scope(), randomBytes(4).toString("hex")];
  return join(dirname(folder), `.wardian-${parts.join("-")}`);
}

/** Removes what processes that have died left behind. */
function sweep(directory: string): void {
  for (const name of readdirSync(directory)) {
    const match = ASIDE.exec(name);
    if (!match || match[3] !== scope() || isProcess(Number(match[1]), match[2]!)) continue;
    rmSync(join(directory, name), { recursive: true, force: true });
  }
}

/**
 * Takes the lock that who runs a VM, or changes its disks, holds. It is on the
 * folder itself: a copy of the folder is another VM.
 * @throws VmError running, with who has it
 */
export async function lockVm(vm: Vm, remedy = "stop it first"): Promise<ProcessLock> {
  const lock = await vmLock(vm.folder, "run");
  if ("release" in lock) return lock;
  throw held(vm, lock, remedy);
}

/** @throws VmError running, if somebody runs it now */
export function refuseRunning(vm: Vm, remedy: string): void {
  const holder = vmHolder(vm);
  if (holder?.settled) throw held(vm, holder, remedy);
}

function held({ name }: Vm, holder: LockHolder, remedy: string): VmError {
  return new VmError("running", `The VM ${quote(name)} is running already, by ${describeHolder(holder)}; ${remedy}.`);
}

/** Who runs a VM, or changes its disks. */
export function vmHolder({ folder }: Vm): LockHolder | undefined {
  return findHolder(folder, lockKey(folder, "run"), "write");
}

/** Takes the lock of those that change vm.json, which they have for an instant. @throws VmError */
export async function lockConfig(vm: Vm): Promise<ProcessLock> {
  const until = Date.now() + 5000;
  for (;;) {
    const lock = await vmLock(vm.folder, "edit");
    if ("release" in lock) return lock;
    if (Date.now() > until)
      throw new VmError("running", `The configuration of ${quote(vm.name)} is in use by ${describeHolder(lock)}.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function vmLock(folder: string, what: "run" | "edit"): Promise<ProcessLock | LockHolder> {
  try {
    return await takeLock(folder, lockKey(folder, what), "write");
  } catch (error) {
    throw fileFailure(error, `lock the folder ${quote(folder)}`);
  }
}

function lockKey(folder: string, what: string): string {
  return `${what}${statSync(folder).ino}`;
}

/** The VM's name for messages: its folder's. */
export function nameOf(folder: string): string {
  return basename(folder);
}
