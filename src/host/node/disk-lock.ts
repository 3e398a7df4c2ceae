/**
 * Locks on disk images: one process writes, or any number read.
 *
 * Node has no locks of the kernel's, so a lock is a file beside the image, whose
 * name says all: which image (by inode, so that links are no way around it), read
 * or write, and which process. Each holder has a file of its own: it makes it,
 * then looks for others', and gives way if there is one that is against it. Of
 * two that come at once at least one sees the other, so never do both hold it;
 * and since a name is never used twice, files of dead processes can be removed
 * by anyone at any time. Nothing has to be taken over.
 *
 * A process is known by its number and its start time. Where that can't be told,
 * as in another container or on another host, a file counts for as long as its
 * holder keeps touching it.
 *
 * QEMU's locks on the image itself are seen (/proc/locks), not taken.
 */

import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DiskError, quote } from "../../disk/errors.ts";
import { diskFileError } from "./block-file.ts";

export type LockMode = "read" | "write";

export interface DiskLock {
  release(): void;
}

/** How often a holder touches its file, and when it counts as gone if it can't be looked at otherwise, ms. */
const HEARTBEAT = 15_000;
const SILENCE = 60_000;
/** Tries, when two have given way to each other, and the longest wait before the next, ms. */
const TRIES = 5;
const PAUSE = 50;

const PREFIX = ".wardian-lock";
const NAME = /^\.wardian-lock-(\d+)-(read|write)-(\d+)-(\d+)-([0-9a-f]{12})-([0-9a-f]{8})$/;

/** Bytes of an image that QEMU locks: what it does, and what it lets nobody else do (block/file-posix.c). */
const QEMU_WRITES = 101;
const QEMU_LETS_NOBODY_WRITE = 201;

interface Holder {
  readonly path: string;
  readonly mode: LockMode;
  readonly pid: number;
  readonly start: string;
  readonly scope: string;
}

/**
 * Takes a lock on an image.
 * @returns undefined for a reader that can't leave a file in the image's folder
 * @throws DiskError locked, with who has it; unusable when the folder can't be written
 */
export async function lockImage(path: string, mode: LockMode): Promise<DiskLock | undefined> {
  for (let attempt = 1; ; attempt++) {
    const result = tryLock(path, mode);
    if (!(result instanceof DiskError)) return result;
    if (attempt === TRIES) throw result;
    await sleep(1 + Math.random() * PAUSE);
  }
}

function tryLock(path: string, mode: LockMode): DiskLock | DiskError | undefined {
  let own: string;
  let real: string;
  let stat: fs.BigIntStats;
  try {
    real = fs.realpathSync(path);
    stat = fs.statSync(real, { bigint: true });
  } catch (error) {
    throw diskFileError(error, path, "opened", "open");
  }
  const folder = dirname(real);
  own = join(folder, [PREFIX, stat.ino, mode, process.pid, startOf(process.pid) ?? 0, scope(), random()].join("-"));
  let fd: number | undefined;
  try {
    fd = fs.openSync(own, "wx", 0o644);
  } catch (error) {
    // Who can't write here can read; what others do is still looked at.
    if (mode === "write") throw diskFileError(error, folder, "locked in its folder", "open");
  }
  const other = findOther(folder, stat, mode, own) ?? findQemu(stat, mode);
  if (other !== undefined) {
    if (fd !== undefined) remove(own, fd);
    return new DiskError("locked", `The disk image ${quote(path)} is in use by ${other}; end that first.`);
  }
  if (fd === undefined) return undefined;
  const file = fd;
  const timer = setInterval(() => beat(file), HEARTBEAT);
  timer.unref();
  return {
    release: () => {
      clearInterval(timer);
      remove(own, file);
    },
  };
}

function remove(path: string, fd: number): void {
  fs.rmSync(path, { force: true });
  fs.closeSync(fd);
}

function beat(fd: number): void {
  const now = Date.now() / 1000;
  try {
    fs.futimesSync(fd, now, now);
  } catch {
    // The disk may be full or gone; the next time will tell.
  }
}

/** Whoever holds the image in a way that is against ours, in words. Files of the dead are removed. */
function findOther(folder: string, image: fs.BigIntStats, mode: LockMode, own: string): string | undefined {
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch {
    return undefined; // a folder that can be passed and not read
  }
  const now = modified(own) ?? Date.now();
  for (const name of names) {
    const match = NAME.exec(name);
    if (!match || BigInt(match[1]!) !== image.ino || join(folder, name) === own) continue;
    const holder: Holder = {
      path: join(folder, name),
      mode: match[2] as LockMode,
      pid: Number(match[3]),
      start: match[4]!,
      scope: match[5]!,
    };
    if (!isAlive(holder, now)) {
      fs.rmSync(holder.path, { force: true });
      continue;
    }
    if (mode === "write" || holder.mode === "write") return describe(holder);
  }
  return undefined;
}

function describe({ pid, mode, scope: theirs, path }: Holder): string {
  const doing = mode === "write" ? "which writes it" : "which reads it";
  if (theirs !== scope())
    return `a process of another host or container, ${doing} (it keeps ${quote(path)} up to date)`;
  if (pid === process.pid) return `this program itself, ${doing}`;
  return `process ${pid}${commandOf(pid)}, ${doing}`;
}

function isAlive(holder: Holder, now: number): boolean {
  if (holder.scope !== scope()) return now - (modified(holder.path) ?? 0) < SILENCE;
  const start = startOf(holder.pid);
  if (start === undefined || start !== holder.start) return false;
  // A thread that was ended leaves its file behind, but not open.
  return holder.pid !== process.pid || isOpenHere(holder.path);
}

function isOpenHere(path: string): boolean {
  try {
    return fs.readdirSync("/proc/self/fd").some((fd) => {
      try {
        return fs.readlinkSync(`/proc/self/fd/${fd}`) === path;
      } catch {
        return false; // the listing's own
      }
    });
  } catch {
    return true; // no such thing here
  }
}

function modified(path: string): number | undefined {
  try {
    return fs.statSync(path).mtimeMs;
  } catch {
    return undefined;
  }
}

/**
 * When a process started: clock ticks since the boot, field 22 of
 * /proc/<pid>/stat (proc(5)); "0" where there is no /proc.
 * @returns undefined if there is no such process, or only its remains
 */
function startOf(pid: number): string | undefined {
  try {
    const text = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    if (fs.existsSync("/proc/self/stat")) return undefined;
  }
  try {
    process.kill(pid, 0);
    return "0";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH" ? undefined : "0";
  }
}

function commandOf(pid: number): string {
  try {
    return ` (${fs.readFileSync(`/proc/${pid}/comm`, "utf8").trim()})`;
  } catch {
    return "";
  }
}

let ownScope: string | undefined;

/** Where process numbers mean the same: one boot of a host, and one namespace of them. */
function scope(): string {
  if (ownScope !== undefined) return ownScope;
  const parts = [hostname()];
  try {
    parts.push(fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8"), fs.readlinkSync("/proc/self/ns/pid"));
  } catch {
    // Not Linux: the host's name has to do.
  }
  ownScope = createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 12);
  return ownScope;
}

function random(): string {
  return randomBytes(4).toString("hex");
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
