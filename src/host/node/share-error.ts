/** What goes wrong with a file, as the guest hears of it: Linux's error numbers. */

import { constants } from "node:os";

export const ENOENT = 2;
export const EIO = 5;
export const EACCES = 13;
export const EEXIST = 17;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const EFBIG = 27;
export const EROFS = 30;
export const ENAMETOOLONG = 36;
export const ENOSYS = 38;
export const EPERM = 1;
export const EBADF = 9;
export const ENOMEM = 12;
export const EXDEV = 18;
export const ELOOP = 40;
export const EPROTO = 71;
export const EOPNOTSUPP = 95;
export const ESTALE = 116;

/** An operation is refused, with an error number for the guest. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly errno: number;

  constructor(errno: number) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

/** The error number of whatever an operation threw. Hosts other than x86 and ARM may number some errors otherwise. */
export function errnoOf(error: unknown): number {
  if (error instanceof Refusal) return error.errno;
  const { errno } = error as NodeJS.ErrnoException;
  return typeof errno === "number" && errno < 0 && -errno < 4096 ? -errno : EIO;
}

/** Whether it was for want of file descriptors. */
export function outOfDescriptors(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === constants.errno.EMFILE || errno === constants.errno.ENFILE;
}
