/**
 * Whose files are whose. Run by root, the host's numbers are the guest's, and a
 * new file belongs to who made it ("passthrough", as QEMU's 9p has it). Run by
 * anybody else, all that is made belongs to the host's user, whom the guest sees
 * as root, and a change of owner is taken without effect ("none").
 */

import type { BigIntStats } from "node:fs";
import { type Attributes, S_ISGID } from "../../devices/virtio/fs/fuse.ts";

/** Who the guest sees in the place of the host's root, if that isn't us. */
const NOBODY = 65534;

export interface Owners {
  /** Whether owners are kept. */
  readonly kept: boolean;
  uid(host: number): number;
  gid(host: number): number;
}

/** @param uid and gid of this process */
export function owners(uid: number, gid: number): Owners {
  if (uid === 0) return { kept: true, uid: (host) => host, gid: (host) => host };
  const mapped = (own: number) => (host: number) => (host === own ? 0 : host === 0 ? NOBODY : host);
  return { kept: false, uid: mapped(uid), gid: mapped(gid) };
}

/** The group of what is made in a directory by somebody of group `gid`. */
export function groupIn(directory: BigIntStats, gid: number): number {
  return Number(directory.mode) & S_ISGID ? Number(directory.gid) : gid;
}

/** Attributes as the guest sees them. @param ino the number that is unique over the tree */
export function attributes(stats: BigIntStats, ino: bigint, owner: Owners): Attributes {
  return {
    ino,
    size: stats.size,
    blocks: stats.blocks,
    atimeNs: stats.atimeNs,
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    mode: Number(stats.mode),
    nlink: Number(stats.nlink),
    uid: owner.uid(Number(stats.uid)),
    gid: owner.gid(Number(stats.gid)),
    // Linux's 32-bit form is the lower half of the C library's.
    rdev: Number(BigInt.asUintN(32, stats.rdev)),
    blksize: Number(stats.blksize),
  };
}
