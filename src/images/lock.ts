import { open, readFile, rename, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { interrupted } from "./errors.ts";

/** How often a lock that another process holds is tried, ms. */
const RETRY = 100;

/**
 * Takes a lock file, waiting for whoever has it, and gives what releases it. A
 * lock whose process is gone is taken over.
 *
 * Two takers of one stale lock may, very rarely, both get it. The lock saves
 * work and no more than that: images are published by one rename.
 *
 * @param waiting called once, if there is a wait
 * @throws ImageError interrupted; the errors of node:fs
 */
export async function acquireLock(
  file: string,
  signal?: AbortSignal,
  waiting?: () => void,
): Promise<() => Promise<void>> {
  let waited = false;
  for (;;) {
    if (signal?.aborted === true) throw interrupted(signal.reason);
    if (await create(file)) return () => rm(file, { force: true });
    if (await isStale(file)) {
      // Only one of several takers gets to rename a given file.
      const aside = `${file}.${process.pid}`;
      await rename(file, aside).catch(() => {});
      await rm(aside, { force: true });
      continue;
    }
    if (!waited) waiting?.();
    waited = true;
    await sleep(RETRY, undefined, { signal }).catch(() => {});
  }
}

async function create(file: string): Promise<boolean> {
  try {
    const handle = await open(file, "wx");
    try {
      await handle.writeFile(await identity(process.pid));
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function isStale(file: string): Promise<boolean> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return false; // released meanwhile
  const pid = Number.parseInt(text, 10);
  if (!(pid > 0)) {
    // Created and not written yet, or its writer died in between.
    await sleep(RETRY);
    return (await readFile(file, "utf8").catch(() => undefined)) === text;
  }
  return (await identity(pid)) !== text;
}

/**
 * A process, told from a later one with the same number by its start time
 * where /proc gives it (field 22 of /proc/<pid>/stat, proc(5)).
 */
async function identity(pid: number): Promise<string> {
  const fields = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  const started = fields?.slice(fields.lastIndexOf(")") + 2).split(" ")[19];
  if (started !== undefined) return `${pid} ${started}`;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return "gone";
  }
  return `${pid}`;
}
