/**
 * Locks that processes of this host hold: one writes, or any number read.
 *
 * Node has no locks of the kernel's, so a lock is a file in a folder, whose name
 * says all: what it is for, read or write, and which process. Each holder has a
 * file of its own: it makes it, then looks for others', and gives way if there is
 * one that is against it. Of two that come at once at least one sees the other,
 * so never do both hold it; and since a name is never used twice, files of dead
 * processes can be removed by anyone at any time. Nothing has to be taken over.
 *
 * Who has it writes so into its file; who meets only others that are still looking
 * tries again a little later, so that of many that come at once one gets it.
 *
 * A process is known by its number and its start time. Where that can't be told,
 * as in another container or on another host, a file counts for as long as its
 * holder keeps touching it.
 */

import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export type LockMode = "read" | "write";

export interface ProcessLock {
  /** Its file. */
  readonly path: string;
  release(): void;
}

/** Somebody who has a lock, or is about to have it. */
export interface LockHolder {
  /** Its file. */
  readonly path: string;
  readonly mode: LockMode;
  readonly pid: number;
  /** Is it of this host and this container, so that `pid` means something here? */
  readonly here: boolean;
  /** It has it, and is not just looking. */
  readonly settled: boolean;
}

/** How often a holder touches its file, and when it counts as gone if it can't be looked at otherwise, ms. */
const HEARTBEAT = 15_000;
const SILENCE = 60_000;
/** For how long those that look at the same time get out of each other's way, and their longest pause, ms. */
const PATIENCE = 10_000;
const LONGEST_PAUSE = 200;

const PREFIX = ".wardian-lock";
const NAME = /^\.wardian-lock-([a-z0-9]+)-(read|write)-(\d+)-(\d+)-([0-9a-f]{12})-([0-9a-f]{8})$/;

/**
 * Takes a lock, or says who has it.
 * @param folder where the locks' files are
 * @param key    what is locked, of a-z and 0-9, such as an inode's number
 * @param held   a reader's lock of the caller's, which is kept and isn't against this one: who becomes a writer by it
 *   has never let go, so that nobody else can have written in between
 * @throws what node:fs throws when the folder can't be written
 */
export async function takeLock(
  folder: string,
  key: string,
  mode: LockMode,
  held?: ProcessLock,
): Promise<ProcessLock | LockHolder> {
  const until = Date.now() + PATIENCE;
  for (let pause = 10; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    const own = join(folder, [PREFIX, key, mode, process.pid, startOf(process.pid) ?? 0, scope(), random()].join("-"));
    const fd = fs.openSync(own, "wx", 0o644);
    const other = findHolder(folder, key, mode, own, held?.path);
    if (other === undefined) return hold(own, fd);
    remove(own, fd);
    if (other.settled || Date.now() > until) return other;
    await sleep(1 + Math.random() * pause);
  }
}

function hold(path: string, fd: number): ProcessLock {
  // Nobody has to read it: it isn't empty, and that says it.
  fs.writeSync(fd, "held\n");
  const timer = setInterval(() => beat(fd), HEARTBEAT);
  timer.unref();
  let held = true;
  return {
    path,
    release: () => {
      if (!held) return;
      held = false;
      clearInterval(timer);
      remove(path, fd);
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

/**
 * Whoever holds a lock in a way that is against `mode`; of several one that has
 * it for certain. Files of the dead are removed.
 * @param own  a file that doesn't count, and by whose time others' are judged
 * @param held another that doesn't count
 */
export function findHolder(
  folder: string,
  key: string,
  mode: LockMode,
  own?: string,
  held?: string,
): LockHolder | undefined {
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch {
    return undefined; // a folder that can be passed and not read
  }
  let found: LockHolder | undefined;
  const now = (own === undefined ? undefined : fs.statSync(own, { throwIfNoEntry: false })?.mtimeMs) ?? Date.now();
  for (const name of names) {
    const path = join(folder, name);
    const match = NAME.exec(name);
    if (!match || match[1] !== key || path === own || path === held) continue;
    const stat = fs.statSync(path, { throwIfNoEntry: false });
    if (!stat) continue;
    const pid = Number(match[3]);
    const here = match[5] === scope();
    if (here ? !isAlive(pid, match[4]!, path) : now - stat.mtimeMs >= SILENCE) {
      tryRemove(path);
      continue;
    }
    if (mode === "read" && match[2] === "read") continue;
    const holder = { path, mode: match[2] as LockMode, pid, here, settled: stat.size > 0 };
    if (holder.settled) return holder;
    found ??= holder;
  }
  return found;
}

function tryRemove(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch {
    // Another user's, perhaps; it counts for nothing all the same.
  }
}

/** Names a holder: "process 123 (node)". */
export function describeHolder({ pid, here, path }: LockHolder): string {
  if (!here) return `a process of another host or container (it keeps ${JSON.stringify(path)} up to date)`;
  if (pid === process.pid) return "this program itself";
  return `process ${pid}${commandOf(pid)}`;
}

function isAlive(pid: number, start: string, path: string): boolean {
  if (!isProcess(pid, start)) return false;
  // A thread that was ended leaves its file behind, but not open.
  return pid !== process.pid || isOpenHere(path);
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

/** Is there a process of that number that started then? */
export function isProcess(pid: number, start: string): boolean {
  return startOf(pid) === start;
}

/**
 * When a process started: clock ticks since the boot, field 22 of
 * /proc/<pid>/stat (proc(5)); "0" where there is no /proc.
 * @returns undefined if there is no such process, or only its remains
 */
export function startOf(pid: number): string | undefined {
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

/** Where process numbers mean the same: one boot of a host, and one namespace of them; 12 hexadecimal digits. */
export function scope(): string {
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
