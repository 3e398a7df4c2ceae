/** What went wrong while an image was read, made or removed. */
export type ImageErrorCode =
  | "unknown-image"
  | "bad-manifest"
  | "not-built"
  | "no-tool"
  | "no-source"
  | "unreachable"
  | "signature"
  | "inconsistent"
  | "apt"
  | "bad-package"
  | "configure"
  | "cache"
  | "disk-full"
  | "interrupted";

/** The one error of this module: `message` is a sentence that says what and what to do. */
export class ImageError extends Error {
  override readonly name = "ImageError";

  constructor(
    readonly code: ImageErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * An ImageError for whatever a file operation threw.
 * @param doing what was being done, as in "write the image cache /x"
 */
export function fileError(error: unknown, doing: string): ImageError {
  if (error instanceof ImageError) return error;
  const { code, name, message } = error as NodeJS.ErrnoException;
  if (name === "AbortError" || code === "ABORT_ERR") return interrupted(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new ImageError("disk-full", `The disk is full: could not ${doing}; free some space and try again.`, {
      cause: error,
    });
  }
  return new ImageError("cache", `Could not ${doing} (${code ?? message}); choose another place with XDG_CACHE_HOME.`, {
    cause: error,
  });
}

/** The error of an aborted signal. */
export function interrupted(cause?: unknown): ImageError {
  return new ImageError("interrupted", "Provisioning was interrupted; nothing half-made was kept.", { cause });
}
