import { copyFile, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ImageError } from "./errors.ts";
import { run } from "./process.ts";
import { findDebian, readSources, type Source, writeDeb822 } from "./sources.ts";

const NO_APT =
  "apt was not found, and Debian's guest is made from its packages; on a system without apt, bring your own guest with --kernel and --initrd.";
/** Where Debian's keys are when apt's sources don't say. */
const DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
/** How often a download's progress is looked at, ms. */
const POLL = 200;

/** A package in the mirror's signed index. */
export interface Candidate {
  name: string;
  version: string;
  /** Its Depends field, as it is. */
  depends: string;
}

/** A package that is to be installed: the version that the index offers. */
export interface Planned {
  name: string;
  version: string;
  uri: string;
  /** Its file's name in a download, and its size in bytes. */
  file: string;
  size: number;
}

/** Packages downloaded and checked: their files by the package's name. */
export type Downloaded = ReadonlyMap<string, string>;

/**
 * Of an installation that is only worked out, or downloaded. What is essential, and
 * what is required without being so (login, say), as apt-patterns(7) selects them.
 */
const INSTALL = ["--yes", "--no-install-recommends", "?essential", "?priority(required)"];

/** Says how far a step is, in bytes; `total` is 0 when it isn't known. */
export type ByteProgress = (done: number, total: number) => void;

/**
 * The Debian mirror of this host's apt, for another suite.
 * @param mirror a URI that takes the place of the host's mirror
 * @throws ImageError no-source, no-tool or interrupted
 */
export async function hostMirror(suite: string, mirror?: string, signal?: AbortSignal): Promise<Source> {
  if (mirror !== undefined && !/^[a-z][a-z+]*:\S+$/.test(mirror)) {
    throw new ImageError(
      "no-source",
      `${JSON.stringify(mirror)} is no mirror; give a URI such as https://HOST/debian.`,
    );
  }
  const args = ["shell", "list", "Dir::Etc::sourcelist/f", "parts", "Dir::Etc::sourceparts/d"];
  const { stdout } = await run("apt-config", args, NO_APT, { signal });
  const path = (name: string): string => new RegExp(`^${name}='(.*)'$`, "m").exec(stdout.toString("utf8"))?.[1] ?? "";
  const found = findDebian(await readSources(path("list"), path("parts")));
  const uri = mirror ?? found?.uri;
  if (uri === undefined) {
    throw new ImageError("no-source", "apt's sources name no Debian mirror; name one with --mirror.");
  }
  const keyring = (await stat(DEBIAN_KEYRING).catch(() => undefined)) === undefined ? undefined : DEBIAN_KEYRING;
  const signedBy = found?.signedBy ?? keyring;
  return { uri, suite, components: ["main"], ...(signedBy !== undefined && { signedBy }) };
}

/**
 * The proxies that this host's apt uses, for the apt of a guest: settings by
 * their names (apt-transport-http(1)). One on the host itself is out of its reach.
 * @throws ImageError no-tool or interrupted
 */
export async function proxies(signal?: AbortSignal): Promise<Map<string, string>> {
  const { stdout } = await run("apt-config", ["dump", "--format", "%f %v%n", "Acquire"], NO_APT, { signal });
  const found = new Map<string, string>();
  for (const [, name, value] of stdout.toString("utf8").matchAll(/^(Acquire::https?::Proxy(?:::\S+)?) (\S+)$/gm)) {
    if (!/\/\/(localhost|127\.|\[::1\])/.test(value!)) found.set(name!, value!);
  }
  return found;
}

/**
 * apt with a state of its own: it needs no root, knows one source and one
 * architecture, and neither reads nor changes what the host has installed. The
 * host's other configuration (proxies, say) holds. See apt.conf(5).
 */
export class Apt {
  readonly #options: string[];

  private constructor(
    readonly directory: string,
    readonly source: Source,
    architecture: string,
    readonly signal: AbortSignal | undefined,
  ) {
    const settings = {
      "Dir::State": join(directory, "state"),
      "Dir::State::status": join(directory, "status"),
      "Dir::Cache": join(directory, "cache"),
      "Dir::Etc::sourcelist": join(directory, "mirror.sources"),
      "Dir::Etc::sourceparts": "/dev/null",
      "Dir::Etc::preferences": "/dev/null",
      "Dir::Etc::preferencesparts": "/dev/null",
      "APT::Architecture": architecture,
      "APT::Architectures": architecture,
      "APT::Update::Error-Mode": "any",
      // Signatures count, whatever the host's configuration allows.
      "APT::Get::AllowUnauthenticated": "false",
      "Acquire::AllowInsecureRepositories": "false",
      "Acquire::AllowWeakRepositories": "false",
      "Acquire::AllowDowngradeToInsecureRepositories": "false",
      // Packages is all that is needed of the index.
      "Acquire::Languages": "none",
      "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
      "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
      "Acquire::Retries": "1",
      "Acquire::http::Timeout": "20",
      "Acquire::https::Timeout": "20",
    };
    this.#options = ["-q", ...Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`])];
  }

  /** Prepares the state in a directory that is ours. */
  static async create(directory: string, source: Source, architecture: string, signal?: AbortSignal): Promise<Apt> {
    await mkdir(join(directory, "state", "lists", "partial"), { recursive: true });
    await mkdir(join(directory, "cache", "archives", "partial"), { recursive: true });
    await writeFile(join(directory, "status"), "");
    await writeFile(join(directory, "mirror.sources"), writeDeb822(source, architecture));
    return new Apt(directory, source, architecture, signal);
  }

  /**
   * Fetches the suite's signed index.
   * @param codename what the index must say it is: a suite may be an alias, such as stable
   * @throws ImageError unreachable, signature, inconsistent, disk-full, apt, no-tool or interrupted
   */
  async update(codename: string, progress: ByteProgress): Promise<void> {
    const lists = join(this.directory, "state", "lists");
    await this.#watched(lists, 0, progress, this.#run("apt-get", ["update"]));
    for (const name of await readdir(lists)) {
      if (!/Release$/.test(name)) continue;
      const found = /^Codename: *(\S+)/m.exec(await readFile(join(lists, name), "utf8"))?.[1];
      if (found !== codename) {
        const what = `The mirror's suite ${this.source.suite} is ${found ?? "unnamed"} and not ${codename}`;
        throw new ImageError("inconsistent", `${what}; choose another with --mirror.`);
      }
    }
  }

  /** The version of a package that the index offers. */
  async candidate(name: string): Promise<Candidate> {
    const text = await this.#run("apt-cache", ["show", "--no-all-versions", name]);
    const field = (key: string): string | undefined => new RegExp(`^${key}: (.*)$`, "m").exec(text)?.[1];
    const version = field("Version");
    if (version === undefined) throw this.#lacks(name);
    return { name: field("Package") ?? name, version, depends: field("Depends") ?? "" };
  }

  /** Downloads packages and checks them against the index. */
  async download(packages: readonly Candidate[], progress: ByteProgress): Promise<Downloaded> {
    const names = packages.map(({ name, version }) => `${name}=${version}`);
    const plan = await this.#run("apt-get", ["download", "--print-uris", ...names]);
    // 'URI' file size hash
    const files = [...plan.matchAll(/^'[^']*' (\S+) (\d+)/gm)].map((match) => ({ file: match[1]!, size: +match[2]! }));
    const directory = join(this.directory, "packages");
    await mkdir(directory);
    const total = files.reduce((sum, { size }) => sum + size, 0);
    await this.#watched(directory, total, progress, this.#run("apt-get", ["download", ...names], directory));
    const byName = new Map<string, string>();
    for (const { name } of packages) {
      const found = files.find(({ file }) => file.startsWith(`${name}_`));
      if (found === undefined) throw this.#lacks(name);
      byName.set(name, join(directory, found.file));
    }
    return byName;
  }

  /**
   * The packages that an empty system needs for these: they, what they depend on
   * and what every system has, without what is merely recommended; by name.
   */
  async planInstall(packages: readonly string[]): Promise<Planned[]> {
    const text = await this.#run("apt-get", ["install", "--print-uris", ...INSTALL, ...packages]);
    // 'URI' name_version_architecture.deb size hash; a version's colon is written %3a
    const planned = [...text.matchAll(/^'([^']*)' (([^_\s]+)_([^_\s]+)_[^_\s]+\.deb) (\d+)/gm)].map((match) => ({
      uri: match[1]!,
      name: match[3]!,
      version: match[4]!.replaceAll("%3a", ":"),
      file: match[2]!,
      size: Number(match[5]),
    }));
    return planned.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Downloads what `planInstall` gave for these packages, and checks it against the index. */
  async downloadInstall(
    packages: readonly string[],
    planned: readonly Planned[],
    progress: ByteProgress,
  ): Promise<Downloaded> {
    const archives = join(this.directory, "cache", "archives");
    const total = planned.reduce((sum, { size }) => sum + size, 0);
    const args = ["install", "--download-only", ...INSTALL, ...packages];
    await this.#watched(archives, total, progress, this.#run("apt-get", args));
    // Of a mirror on this host apt checks the files where they are; whoever gets these may remove them.
    for (const { uri, file } of planned) {
      if (uri.startsWith("file:")) await copyFile(decodeURI(uri.slice("file:".length)), join(archives, file));
    }
    return new Map(planned.map(({ name, file }) => [name, join(archives, file)]));
  }

  async #run(command: string, args: readonly string[], cwd = this.directory): Promise<string> {
    const result = await run(command, [...this.#options, ...args], NO_APT, { signal: this.signal, cwd });
    if (result.status !== 0) throw aptError(result.stderr, this.source);
    return result.stdout.toString("utf8");
  }

  async #watched<T>(directory: string, total: number, progress: ByteProgress, job: Promise<T>): Promise<T> {
    const look = async (): Promise<void> => {
      const done = await sizeOf(directory);
      progress(total === 0 ? done : Math.min(done, total), total);
    };
    progress(0, total);
    const timer = setInterval(() => void look(), POLL);
    try {
      return await job.then(async (result) => {
        await look();
        return result;
      });
    } finally {
      clearInterval(timer);
    }
  }

  #lacks(name: string): ImageError {
    const { uri, suite } = this.source;
    return new ImageError("apt", `The mirror ${uri} has no package ${name} in ${suite}; choose another with --mirror.`);
  }
}

/** Bytes in the files under a directory that changes meanwhile. */
async function sizeOf(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true }).catch(() => []);
  let total = 0;
  for (const name of names) {
    const found = await stat(join(directory, name)).catch(() => undefined);
    if (found?.isFile() === true) total += found.size;
  }
  return total;
}

/** Puts what apt wrote on its standard error into one sentence. */
export function aptError(stderr: string, source: Source): ImageError {
  const cause = new Error(stderr.trim());
  const { uri, suite } = source;
  const error = (code: ImageError["code"], message: string): ImageError => new ImageError(code, message, { cause });
  if (/No space left on device|enough free space|Disk quota exceeded/i.test(stderr)) {
    return error(
      "disk-full",
      "The disk is full: apt could not store Debian's packages; free some space and try again.",
    );
  }
  if (
    /NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|is not signed|signatures? (?:couldn't|were|was)|GPG error|OpenPGP/.test(
      stderr,
    )
  ) {
    return error(
      "signature",
      `The signature of ${uri} (${suite}) could not be verified; install debian-archive-keyring, or choose another mirror with --mirror.`,
    );
  }
  if (/Hash Sum mismatch|unexpected size|Mirror sync in progress|File has changed/i.test(stderr)) {
    return error(
      "inconsistent",
      `The mirror ${uri} served files of ${suite} that don't match its signed index; it may be updating, so try again later, or choose another with --mirror.`,
    );
  }
  if (/no longer valid|Release file .* expired|not valid yet/i.test(stderr)) {
    return error(
      "signature",
      `The index of ${uri} (${suite}) is out of date; check the clock, or choose another --mirror.`,
    );
  }
  if (/does not have a Release file/.test(stderr) && !/Could not (?:resolve|connect)|Connection/.test(stderr)) {
    return error("unreachable", `There is no Debian ${suite} at ${uri}; name another mirror with --mirror.`);
  }
  if (/Could not|Failed to fetch|Unable to connect|Connection|timed out|does not have a Release file/i.test(stderr)) {
    return error(
      "unreachable",
      `The mirror ${uri} can't be reached; check the network, or name another with --mirror.`,
    );
  }
  const line = stderr
    .split("\n")
    .filter((text) => text.startsWith("E:"))
    .pop()
    ?.slice(2)
    .trim();
  return error("apt", `apt failed (${line ?? "it said nothing"}); try again, or name another mirror with --mirror.`);
}
