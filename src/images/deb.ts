import { ImageError } from "./errors.ts";
import { run, start } from "./process.ts";
import { Reader, readEntries, type TarEntry, type TarFile, type TarKind } from "./tar.ts";

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

/** A file by its name, perhaps an .xz file. */
export interface Packed {
  path: string;
  xz: boolean;
  data: Uint8Array;
}

/**
 * What files hold, in their order: of .xz files what they hold uncompressed, all
 * by one process.
 * @throws ImageError bad-package, no-tool or interrupted
 */
export async function* unpackAll(files: readonly Packed[], signal?: AbortSignal): AsyncGenerator<Packed> {
  const compressed = files.filter(({ xz }) => xz);
  const job = start("xz", ["-dc"], NO_XZ, { signal, input: Buffer.concat(compressed.map(({ data }) => data)) });
  const output = new Reader(job.stdout);
  try {
    for (const file of files) {
      yield file.xz ? { ...file, data: await output.need(uncompressedSize(file)) } : file;
    }
    await output.drain();
  } catch (error) {
    job.kill();
    throw error;
  }
  const { status } = await job.ended;
  if (status !== 0) throw new ImageError("bad-package", "A file in a downloaded package is damaged; try again.");
}

/**
 * The size of what an .xz file of one stream holds, from its index (The .xz File
 * Format 1.2, 2.1.2 "Stream Footer" and 4 "Index").
 */
function uncompressedSize({ path, data }: Packed): number {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
  const end = bytes.length - 12;
  const damaged = new ImageError("bad-package", `${path} in a downloaded package is damaged; try again.`);
  if (end < 0 || bytes.toString("latin1", bytes.length - 2) !== "YZ") throw damaged;
  let at = end - (bytes.readUInt32LE(end + 4) + 1) * 4 + 1;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || at > end) throw damaged;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw damaged;
  };
  if (at < 1) throw damaged;
  let size = 0;
  for (let records = number(); records > 0; records--) {
    number();
    size += number();
  }
  return size;
}
