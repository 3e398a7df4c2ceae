/**
 * QEMU, oracle and peer: the host's own, and on Debian 12 also the one of its
 * backports, fetched once and unpacked beside our cache, not installed.
 */

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { Apt, type Candidate, hostMirror } from "../images/apt.ts";
import { ImageError } from "../images/errors.ts";
import { type CommandOptions, run, runTool, type Usage } from "./command.ts";
import { OracleError } from "./errors.ts";

const PROGRAM = "qemu-system-riscv64";
const INSTALL = "install the package qemu-system-misc (Debian 12) or qemu-system-riscv (newer)";
const CODENAME = "bookworm";
const PACKAGES = ["qemu-system-riscv", "qemu-system-common", "qemu-system-data"];

export interface Qemu {
  /** "qemu-7.2", the program and its version. */
  readonly label: string;
  /** The major version. */
  readonly version: number;
  /** What starts it, and the environment that it needs. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  run(args: readonly string[], options?: CommandOptions): Promise<Usage>;
}

/** "qemu-10.0" of what --version prints. */
export function labelOf(version: string): string {
  const found = /version (\d+\.\d+)/.exec(version)?.[1];
  if (!found) throw new OracleError(`${PROGRAM} doesn't say its version: ${INSTALL}`);
  return `qemu-${found}`;
}

const versionOf = (text: string): number => Number.parseInt(labelOf(text).slice("qemu-".length), 10);

/** What is fetched once and kept: the XDG cache directory, in a folder of ours. */
export function cacheDirectory(): string {
  const { XDG_CACHE_HOME } = process.env;
  return join(XDG_CACHE_HOME || join(homedir(), ".cache"), "wardian", "oracle");
}

/** The QEMU on the path. @throws OracleError when there is none */
export async function hostQemu(): Promise<Qemu> {
  const { stdout } = await runTool([PROGRAM, "--version"], INSTALL);
  return {
    label: labelOf(stdout),
    version: versionOf(stdout),
    command: [PROGRAM],
    env: {},
    run: (args, options) => runTool([PROGRAM, ...args], INSTALL, options),
  };
}

/** All there are to compare with. @param say hears what takes long */
export async function findQemus(say: (what: string) => void): Promise<Qemu[]> {
  const host = await hostQemu();
  if (!(await isBookworm())) return [host];
  const other = await backportsQemu(say);
  return other.label === host.label ? [host] : [host, other];
}

/**
 * The newest there is: what programs are compared with.
 * @param say hears what takes long, and why an older one has to do
 * @throws OracleError when there is none at all
 */
export async function newestQemu(say: (what: string) => void): Promise<Qemu> {
  try {
    return (await findQemus(say)).reduce((a, b) => (b.version > a.version ? b : a));
  } catch (error) {
    if (!(error instanceof OracleError)) throw error;
    const host = await hostQemu();
    say(`${host.label} has to do: ${error.message}`);
    return host;
  }
}

async function isBookworm(): Promise<boolean> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  return new RegExp(`^VERSION_CODENAME=${CODENAME}$`, "m").test(release);
}

async function backportsQemu(say: (what: string) => void): Promise<Qemu> {
  const suite = `${CODENAME}-backports`;
  const directory = join(cacheDirectory(), suite);
  if (!existsSync(join(directory, "usr/bin", PROGRAM))) {
    say(`fetching QEMU from Debian's ${suite}`);
    await fetchQemu(suite, directory);
  }
  return unpackedQemu(directory);
}

/**
 * A QEMU below a directory of unpacked packages. It looks for modules in its own
 * folder and then, whatever it is told, in that of the QEMU installed, and aborts
 * on finding one of another build there. Unless told which audio driver to use it
 * tries all of them, most of which are modules that aren't among our packages.
 */
export async function unpackedQemu(root: string): Promise<Qemu> {
  const lib = join(root, "usr/lib");
  const triplets = (await readdir(lib)).filter((name) => name.endsWith("-linux-gnu"));
  const libraries = triplets.map((name) => join(lib, name));
  const modules = libraries.map((name) => join(name, "qemu")).find((name) => existsSync(name));
  const env = {
    LD_LIBRARY_PATH: libraries.join(":"),
    // Its own modules before those of the QEMU installed.
    ...(modules !== undefined && { QEMU_MODULE_DIR: modules }),
  };
  const command = [join(root, "usr/bin", PROGRAM), "-L", join(root, "usr/share/qemu"), "-audio", "none"];
  const { stdout } = await runTool([command[0]!, "--version"], INSTALL, { env });
  return {
    label: labelOf(stdout),
    version: versionOf(stdout),
    command,
    env,
    run: (args, options) => runTool([...command, ...args], INSTALL, { ...options, env: { ...options?.env, ...env } }),
  };
}

/** Downloads and unpacks; the directory appears only when all of it is there. */
async function fetchQemu(suite: string, directory: string): Promise<void> {
  await mkdir(cacheDirectory(), { recursive: true });
  const work = await mkdtemp(join(cacheDirectory(), "fetch-"));
  try {
    const architecture = (await runTool(["dpkg", "--print-architecture"], "install the package dpkg")).stdout.trim();
    const root = join(work, "root");
    await mkdir(root);
    const packages = await unpack(suite, join(work, "apt"), architecture, root, async () => PACKAGES);
    if (!(await starts(root))) {
      // Libraries that the host lacks come from the release itself.
      const missing = async () => {
        const names = packages.flatMap(({ depends }) =>
          depends.split(/[,|]\s*/).map((d) => d.trim().split(/[\s:]/)[0]!),
        );
        const libraries = [...new Set(names)].filter((name) => name.startsWith("lib"));
        const absent = await Promise.all(libraries.map(isAbsent));
        return libraries.filter((_, i) => absent[i]);
      };
      await unpack(CODENAME, join(work, "apt-libraries"), architecture, root, missing);
      if (!(await starts(root))) {
        throw new OracleError(`QEMU of ${suite} lacks libraries here: ${INSTALL}, which has the same ones`);
      }
    }
    await rename(root, directory);
  } catch (error) {
    if (error instanceof ImageError) throw new OracleError(`QEMU of ${suite} can't be fetched: ${error.message}`);
    throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function unpack(
  suite: string,
  state: string,
  architecture: string,
  root: string,
  choose: () => Promise<string[]>,
): Promise<Candidate[]> {
  await mkdir(state);
  const apt = await Apt.create(state, await hostMirror(suite), architecture);
  await apt.update(suite, () => {});
  const packages: Candidate[] = [];
  for (const name of await choose()) packages.push(await apt.candidate(name));
  for (const file of (await apt.download(packages, () => {})).values())
    await runTool(["dpkg-deb", "-x", file, root], "install the package dpkg");
  return packages;
}

/** dpkg-query's own placeholder. */
const STATUS = "$".concat("{db:Status-Status}");

async function isAbsent(name: string): Promise<boolean> {
  const { code, stdout } = await run(["dpkg-query", "--show", "--showformat", STATUS, name]);
  return code !== 0 || stdout !== "installed";
}

async function starts(root: string): Promise<boolean> {
  return unpackedQemu(root).then(
    () => true,
    () => false,
  );
}
