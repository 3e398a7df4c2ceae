/** A machine's memory balloon, as its owner sees it. */

import type { TransportName } from "../machine/virtio.ts";
import { MachineError } from "./errors.ts";

export interface BalloonOptions {
  /** What the balloon is to take from the guest at first: bytes, or text such as "256M"; default 0. */
  readonly target?: number | string;
  /** Default: "pci". */
  readonly transport?: TransportName;
}

/** What the guest says of its memory; bytes, of events counts. Guests leave out what they don't know. */
export interface GuestMemoryStats {
  readonly free?: number;
  /** What a new program could have without swapping. */
  readonly available?: number;
  readonly total?: number;
  /** Caches of files, which can be dropped. */
  readonly caches?: number;
  readonly swappedIn?: number;
  readonly swappedOut?: number;
  readonly majorFaults?: number;
  readonly minorFaults?: number;
  readonly hugePages?: number;
  readonly hugePagesFailed?: number;
  readonly oomKills?: number;
  readonly allocationStalls?: number;
}

export interface BalloonStats {
  /** What the balloon is to have, and what it has; bytes. */
  readonly target: number;
  readonly actual: number;
  /** Bytes of pages with contents that were emptied so far, because they were in the balloon or free. */
  readonly emptied: number;
  readonly memory: GuestMemoryStats;
}

export interface MachineBalloon {
  /**
   * Bytes that the guest is to give up; a multiple of 4096. It does so as well as it can, and takes some back by
   * itself before it would have to end programs for want of memory.
   */
  target: number;
  /** Bytes that the balloon has now, as the guest last said. */
  size(): Promise<number>;
  /**
   * Asks the guest how its memory is used.
   * @param options timeout in milliseconds
   * @throws MachineError when the guest has no driver for its balloon, ends first or the time is over
   */
  stats(options?: { timeout?: number }): Promise<BalloonStats>;
}

/** What an executor tells: pages of 4 KiB, and VIRTIO_BALLOON_S_* with their values. */
export interface BalloonReport {
  readonly target: number;
  readonly actual: number;
  readonly emptied: number;
  readonly tags: readonly (readonly [number, number])[];
}

export const BALLOON_PAGE = 4096;

/** By tag (VIRTIO 1.2 §5.5.6.4, and what Linux has since). */
const TAGS: readonly (keyof GuestMemoryStats)[] = [
  "swappedIn",
  "swappedOut",
  "majorFaults",
  "minorFaults",
  "free",
  "total",
  "available",
  "caches",
  "hugePages",
  "hugePagesFailed",
  "oomKills",
  "allocationStalls",
];

export function balloonStats({ target, actual, emptied, tags }: BalloonReport): BalloonStats {
  const known = tags.flatMap(([tag, value]) => (TAGS[tag] === undefined ? [] : [[TAGS[tag], value]]));
  return {
    target: target * BALLOON_PAGE,
    actual: actual * BALLOON_PAGE,
    emptied: emptied * BALLOON_PAGE,
    memory: Object.fromEntries(known) as GuestMemoryStats,
  };
}

/**
 * Pages of a balloon.
 * @param memory the guest's, bytes
 * @throws MachineError
 */
export function balloonPages(bytes: number, memory: number): number {
  if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes % BALLOON_PAGE !== 0)
    throw new MachineError(`A balloon can't have ${bytes} bytes; choose a multiple of ${BALLOON_PAGE}, such as 256M.`);
  if (bytes > memory)
    throw new MachineError(
      `A balloon of ${bytes / 2 ** 20} MiB is larger than the guest's memory of ${memory / 2 ** 20} MiB; make it smaller.`,
    );
  return bytes / BALLOON_PAGE;
}
