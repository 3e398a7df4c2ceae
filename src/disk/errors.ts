/** What kind of failure: the first four are a request's, as DiskResult has them; the others are an image's. */
export type DiskErrorReason =
  | "io"
  | "no-space"
  | "unreachable"
  | "read-only"
  /** The image contradicts itself, or is cut off. */
  | "damaged"
  /** A feature that isn't there. */
  | "unsupported"
  /** The image wants a file that it may not have. */
  | "forbidden"
  /** Somebody else has it open. */
  | "locked"
  /** No such file, no permission, a wrong option. */
  | "unusable";

/** The one error of this room and of the files under it; `message` is one sentence. */
export class DiskError extends Error {
  override readonly name = "DiskError";

  constructor(
    readonly reason: DiskErrorReason,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A DiskError about an image that is wrong in itself. */
export function damaged(name: string, what: string): DiskError {
  return new DiskError("damaged", `The image ${quote(name)} is damaged: ${what}.`);
}

export function quote(name: string): string {
  return JSON.stringify(name);
}
