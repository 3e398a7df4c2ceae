import { ImageError } from "./errors.ts";
import { run, start } from "./process.ts";
import { readEntries, type TarEntry, type TarFile, type TarKind } from "./tar.ts";

const NO_DPKG =
  "dpkg-deb was not found, and Debian's packages can't be opened without it; install dpkg, or bring your own guest with --kernel and --initrd.";
const NO_XZ =
  "xz was not found, and Debian's kernel modules are compressed with it; install xz-utils, or bring your own guest with --kernel and --initrd.";

/**
 * The regular files of a Debian package that `wanted` picks (deb(5): its data
 * archive, which dpkg-deb uncompresses).
 * @throws ImageError bad-package, no-tool or interrupted
 */
export async function* readPackage(
  file: string,
  wanted: (path: string) => boolean,
  signal?: AbortSignal,
): AsyncGenerator<TarFile> {
  yield* readArchive(file, "data", (path, kind) => kind === "file" && wanted(path), signal);
}

/** Options of dpkg-deb that write a package's archives (deb(5)), uncompressed. */
const ARCHIVES = { control: "--ctrl-tarfile", data: "--fsys-tarfile" } as const;

/**
 * What `wanted` picks of one of a Debian package's archives.
 * @throws ImageError bad-package, no-tool or interrupted
 */
export async function* readArchive(
  file: string,
  archive: keyof typeof ARCHIVES,
  wanted: (path: string, kind: TarKind) => boolean = () => true,
  signal?: AbortSignal,
): AsyncGenerator<TarEntry> {
  const job = start("dpkg-deb", [ARCHIVES[archive], file], NO_DPKG, { signal });
  let failure: unknown;
  let finished = false;
  try {
    yield* readEntries(job.stdout, wanted);
    finished = true;
  } catch (error) {
    failure = error;
  } finally {
    if (!finished) job.kill();
  }
  const { status, stderr } = await job.ended;
  // A status of its own says more than how the archive ended; -1 is our kill.
  if (failure !== undefined && status <= 0) throw failure;
  if (status !== 0) {
    const reason = stderr.trim().split("\n").pop() ?? "";
    throw new ImageError("bad-package", `A downloaded package can't be opened (${reason}); try again.`);
  }
}

/**
 * What an .xz file holds.
 * @throws ImageError bad-package, no-tool or interrupted
 */
export async function decompressXz(name: string, data: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
  const { status, stdout } = await run("xz", ["-dc"], NO_XZ, { input: data, signal });
  if (status !== 0) throw new ImageError("bad-package", `${name} in a downloaded package is damaged; try again.`);
  return stdout;
}
