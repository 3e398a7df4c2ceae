import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type CpioEntry, writeCpio } from "./cpio.ts";
import { ImageError } from "./errors.ts";
import { aliasTable, dependencyTable, type KernelModule } from "./modules.ts";

/** What goes into an initramfs. */
export interface InitramfsParts {
  /** A static BusyBox for riscv64. */
  busybox: Uint8Array;
  /** The kernel's release, as `uname -r` gives it. */
  release: string;
  /** Modules, each after what it needs. */
  modules: readonly KernelModule[];
  /** Our own files. */
  files: readonly InitFile[];
}

/** A file of `roms/init`, whose tree is the guest's. */
export interface InitFile {
  path: string;
  data: Uint8Array;
}

/** Directories that are mounted over or expected to be there. */
const DIRECTORIES = ["bin", "dev", "etc", "lib", "mnt", "proc", "root", "run", "sys", "tmp", "usr", "var"];
/** Everything is in /bin; these are names for it that programs and the kernel know. */
const BIN_NAMES: readonly (readonly [string, string])[] = [
  ["sbin", "bin"],
  ["usr/bin", "../bin"],
  ["usr/sbin", "../bin"],
];
/** Applets that the init can't do without: a build that lacks one is not usable. */
const NEEDED = [
  "sh",
  "init",
  "mount",
  "mkdir",
  "modprobe",
  "ifconfig",
  "poweroff",
  "reboot",
  "halt",
  "cttyhack",
].concat(["base64", "sleep", "usleep", "umount"]);

/** The initramfs, an uncompressed cpio archive; the same parts give the same bytes. */
export function buildInitramfs(parts: InitramfsParts): Uint8Array {
  const base = `lib/modules/${parts.release}`;
  const entries: CpioEntry[] = [];
  for (const path of DIRECTORIES) entries.push({ kind: "directory", path });
  for (const [path, target] of BIN_NAMES) entries.push({ kind: "link", path, target });
  // init's first output, before devtmpfs is mounted (character devices 5:1 and 1:3).
  entries.push({ kind: "character", path: "dev/console", major: 5, minor: 1 });
  entries.push({ kind: "character", path: "dev/null", major: 1, minor: 3, mode: 0o666 });

  entries.push({ kind: "file", path: "bin/busybox", data: parts.busybox, mode: 0o755 });
  for (const applet of applets(parts.busybox)) entries.push({ kind: "link", path: `bin/${applet}`, target: "busybox" });

  if (!parts.files.some(({ path }) => path === "init"))
    entries.push({ kind: "link", path: "init", target: "bin/init" });

  const tables = [
    { path: `${base}/modules.dep`, data: Buffer.from(dependencyTable(parts.modules)) },
    { path: `${base}/modules.alias`, data: Buffer.from(aliasTable(parts.modules)) },
  ];
  const modules = parts.modules.map((module) => ({ path: `${base}/${module.path}`, data: module.data }));
  const made = new Set(DIRECTORIES);
  for (const file of [...parts.files, ...tables, ...modules]) {
    for (const path of parents(file.path)) {
      if (made.has(path)) continue;
      made.add(path);
      entries.push({ kind: "directory", path });
    }
    entries.push({ kind: "file", mode: isScript(file.data) ? 0o755 : 0o644, ...file });
  }
  return writeCpio(entries);
}

/**
 * The names that a BusyBox answers to, from the table inside it: names in
 * alphabetical order, each ended by a NUL, the last by two. It starts with "["
 * and "[[" (applet_names of BusyBox's generated include/applet_tables.h).
 * @throws ImageError bad-package, if the table is not there or lacks what the init needs
 */
export function applets(busybox: Uint8Array): string[] {
  const bytes = Buffer.from(busybox.buffer, busybox.byteOffset, busybox.byteLength);
  const from = bytes.indexOf("[\0[[\0", 0, "latin1");
  const to = bytes.indexOf("\0\0", from, "latin1");
  const names = from < 0 || to < 0 ? [] : bytes.toString("latin1", from, to).split("\0");
  const usable = names.filter((name) => /^[\w.[+-]+$/.test(name) && name !== "busybox" && name !== "linuxrc");
  const missing = NEEDED.find((name) => !usable.includes(name));
  if (missing !== undefined) {
    throw new ImageError("bad-package", `This BusyBox has no ${missing}; use Debian's busybox-static.`);
  }
  return usable;
}

/** The files under `roms/init`, by path. */
export async function readInitFiles(directory: string): Promise<InitFile[]> {
  const names = (await readdir(directory, { recursive: true })).sort();
  const files: InitFile[] = [];
  for (const name of names) {
    const path = join(directory, name);
    if ((await stat(path)).isFile()) files.push({ path: name.replaceAll("\\", "/"), data: await readFile(path) });
  }
  return files;
}

function isScript(data: Uint8Array): boolean {
  return data[0] === 0x23 && data[1] === 0x21; // #!
}

function parents(path: string): string[] {
  const names = path.split("/").slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
}
