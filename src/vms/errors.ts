/** What is wrong with a VM's folder, or can't be done with it; `message` is one sentence for the user. */
export class VmError extends Error {
  override readonly name = "VmError";

  constructor(
    readonly code:
      | "bad-config"
      | "bad-name"
      | "missing"
      | "exists"
      | "running"
      | "stopped"
      | "files"
      | "control"
      | "seed",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission is denied",
  EDQUOT: "the disk is full",
  EISDIR: "it is a directory",
  ELOOP: "it is a loop of symbolic links",
  EMFILE: "too many files are open",
  ENAMETOOLONG: "the name is too long",
  ENOENT: "it does not exist",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of the path is not a directory",
  EPERM: "permission is denied",
  EROFS: "the file system is read-only",
};

/** A VmError for what a file operation threw. @param doing as in "write the folder /x" */
export function fileFailure(error: unknown, doing: string): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  // Sentences of our own stay what they are.
  if (error instanceof VmError || code === undefined) return error as Error;
  return new VmError("files", `Could not ${doing}: ${REASONS[code] ?? message}.`, { cause: error });
}

export function quote(text: string): string {
  return JSON.stringify(text);
}
