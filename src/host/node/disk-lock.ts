/**
 * Locks on disk images: one process writes, or any number read. They are files
 * beside the image (process-lock.ts), named by its inode, so that links are no way
 * around them. QEMU's locks on the image itself are seen (/proc/locks), not taken.
 */

import * as fs from "node:fs";
import { dirname } from "node:path";
import { DiskError, quote } from "../../disk/errors.ts";
import { diskFileError } from "./block-file.ts";
import {
  describeHolder,
  findHolder,
  type LockHolder,
  type LockMode,
  type ProcessLock,
  takeLock,
} from "./process-lock.ts";

export type { LockMode } from "./process-lock.ts";
export type DiskLock = ProcessLock;

/** Bytes of an image that QEMU locks: what it does, and what it lets nobody else do (block/file-posix.c). */
const QEMU_WRITES = 101;
const QEMU_LETS_NOBODY_WRITE = 201;

/**
 * Takes a lock on an image.
 * @param held as of takeLock
 * @returns undefined for a reader that can't leave a file in the image's folder
 * @throws DiskError locked, with who has it; unusable when the folder can't be written
 */
export async function lockImage(path: string, mode: LockMode, held?: DiskLock): Promise<DiskLock | undefined> {
  let real: string;
  let stat: fs.BigIntStats;
  try {
    real = fs.realpathSync(path);
    stat = fs.statSync(real, { bigint: true });
  } catch (error) {
    throw diskFileError(error, path, "opened", "open");
  }
  const folder = dirname(real);
  const key = String(stat.ino);
  let lock: ProcessLock | LockHolder | undefined;
  try {
    lock = await takeLock(folder, key, mode, held);
  } catch (error) {
    // Who can't write here can read; what others do is still looked at.
    if (mode === "write") throw diskFileError(error, folder, "locked in its folder", "open");
    lock = findHolder(folder, key, mode);
  }
  if (lock && "pid" in lock)
    throw inUse(path, `${describeHolder(lock)}, ${lock.mode === "write" ? "which writes it" : "which reads it"}`);
  const qemu = findQemu(stat, mode);
  if (qemu === undefined) return lock;
  lock?.release();
  throw inUse(path, qemu);
}

function inUse(path: string, by: string): DiskError {
  return new DiskError("locked", `The disk image ${quote(path)} is in use by ${by}; end that first.`);
}

/** Whether QEMU, or one of its tools, has the image in a way that is against ours. */
function findQemu({ dev, ino }: fs.BigIntStats, mode: LockMode): string | undefined {
  let text: string;
  try {
    text = fs.readFileSync("/proc/locks", "utf8");
  } catch {
    return undefined;
  }
  // makedev(3): 12 bits of the major number above 8 of the minor's 20.
  const major = (dev >> 8n) & 0xfffn;
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xfff00n);
  const hex = (value: bigint) => value.toString(16).padStart(2, "0");
  const file = `${hex(major)}:${hex(minor)}:${ino}`;
  const locked = new Set<number>();
  for (const line of text.split("\n")) {
    const match = /^\d+: OFDLCK\s+ADVISORY\s+\S+\s+-?\d+\s+(\S+)\s+(\d+)\s+(\d+)/.exec(line);
    if (!match || match[1] !== file) continue;
    for (const byte of [QEMU_WRITES, QEMU_LETS_NOBODY_WRITE])
      if (Number(match[2]) <= byte && byte <= Number(match[3])) locked.add(byte);
  }
  if (locked.has(QEMU_WRITES)) return "QEMU, which writes it";
  return mode === "write" && locked.has(QEMU_LETS_NOBODY_WRITE) ? "QEMU, which reads it" : undefined;
}
