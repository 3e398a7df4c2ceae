/**
 * dpkg's database for a system whose packages have been unpacked by us and wait
 * to be configured (dpkg(1), "package states"; dpkg-query(1); deb-triggers(5)).
 */

import { createHash } from "node:crypto";
import { ImageError } from "../errors.ts";
import type { TarEntry } from "../tar.ts";
import type { TarItem } from "../tar-writer.ts";

/** A package whose files are in the tree. */
export interface UnpackedPackage {
  name: string;
  version: string;
  architecture: string;
  /** Of packages that may be installed for several architectures, dpkg's files bear the architecture in their names. */
  multiArchSame: boolean;
  /** The control file's paragraph, without an end of line at its end. */
  control: string;
  /** Of the control archive, all but the control file, by name. */
  scripts: ReadonlyMap<string, TarEntry>;
  /** Paths of all it has, in its order, as they are in the archive. */
  paths: string[];
  /** MD5 of its configuration files, by path. */
  conffiles: Map<string, string>;
}

/** Where the database is, relative to the root. */
const DATABASE = "var/lib/dpkg";
const INFO = `${DATABASE}/info`;

/** Begins a package from its control archive. @throws ImageError bad-package */
export function packageOf(archive: readonly TarEntry[]): UnpackedPackage {
  const scripts = new Map(archive.filter(({ kind }) => kind === "file").map((entry) => [entry.path, entry]));
  const control = textOf(scripts.get("control")).trimEnd();
  scripts.delete("control");
  const field = (name: string): string => new RegExp(`^${name}:[ \\t]*(\\S+)`, "m").exec(control)?.[1] ?? "";
  const name = field("Package");
  if (name === "" || /\n[ \t]*\n/.test(control)) {
    throw new ImageError("bad-package", "A downloaded package has no control file that could be read; try again.");
  }
  // A flag may stand before a path (deb-conffiles(5)): those files are not in the archive.
  const conffiles = textOf(scripts.get("conffiles"))
    .split("\n")
    .filter((line) => line.startsWith("/"))
    .map((line) => [line.slice(1), ""] as const);
  return {
    name,
    version: field("Version"),
    architecture: field("Architecture"),
    multiArchSame: field("Multi-Arch") === "same",
    control,
    scripts,
    paths: [],
    conffiles: new Map(conffiles),
  };
}

/** Takes note of something that was unpacked. */
export function note(unpacked: UnpackedPackage, entry: TarEntry): void {
  unpacked.paths.push(entry.path);
  if (entry.kind === "file" && unpacked.conffiles.has(entry.path)) {
    unpacked.conffiles.set(entry.path, createHash("md5").update(entry.data).digest("hex"));
  }
}

/** How dpkg names a package where the architecture may matter. */
const nameOf = ({ name, architecture, multiArchSame }: UnpackedPackage): string =>
  multiArchSame ? `${name}:${architecture}` : name;

/** The database's directories and files. */
export function databaseOf(packages: readonly UnpackedPackage[], mtime: number): TarItem[] {
  const directory = (path: string): TarItem => ({ kind: "directory", path, mtime });
  const file = (path: string, text: string): TarItem => ({ kind: "file", path, data: Buffer.from(text), mtime });
  const info = packages.flatMap((unpacked): TarItem[] => {
    const base = `${INFO}/${nameOf(unpacked)}`;
    const list = unpacked.paths.map((path) => `/${path === "" ? "." : path}\n`).join("");
    const scripts = [...unpacked.scripts.values()].map((entry) => ({ ...entry, path: `${base}.${entry.path}` }));
    return [file(`${base}.list`, list), ...scripts];
  });
  const triggers = [...interests(packages)].map(([name, lines]) =>
    file(`${DATABASE}/triggers/${name}`, lines.join("")),
  );
  return [
    ...[DATABASE, INFO, ...["alternatives", "parts", "triggers", "updates"].map((name) => `${DATABASE}/${name}`)].map(
      directory,
    ),
    file(`${INFO}/format`, "1\n"),
    ...info,
    file(`${DATABASE}/status`, packages.map(stanza).join("")),
    file(`${DATABASE}/available`, ""),
    file(`${DATABASE}/diversions`, ""),
    file(`${DATABASE}/statoverride`, ""),
    file(`${DATABASE}/triggers/Unincorp`, ""),
    file(`${DATABASE}/triggers/Lock`, ""),
    ...triggers,
  ];
}

function stanza({ control, conffiles }: UnpackedPackage): string {
  const lines = control.split("\n");
  const at = lines.findIndex((line) => line.startsWith("Package:")) + 1;
  lines.splice(at, 0, "Status: install ok unpacked");
  // Of a file that the package lists and doesn't have, dpkg itself finds out.
  const known = [...conffiles].filter(([, sum]) => sum !== "");
  if (known.length > 0) lines.push("Conffiles:", ...known.map(([path, sum]) => ` /${path} ${sum}`));
  return `${lines.join("\n")}\n\n`;
}

/**
 * Who wants to hear of what: lines of the files in triggers/, by the file's
 * name, which is File for paths and else the trigger's (dpkg's doc/triggers.txt).
 */
function interests(packages: readonly UnpackedPackage[]): Map<string, string[]> {
  const found = new Map<string, string[]>([["File", []]]);
  for (const unpacked of packages) {
    for (const line of textOf(unpacked.scripts.get("triggers")).split("\n")) {
      const match = /^\s*interest(-noawait|-await)?\s+(\S+)/.exec(line);
      if (match === null) continue;
      const [, wait, name = ""] = match;
      const who = `${nameOf(unpacked)}${wait === "-noawait" ? "/noawait" : ""}`;
      const isPath = name.startsWith("/");
      const key = isPath ? "File" : name;
      found.set(key, [...(found.get(key) ?? []), isPath ? `${name} ${who}\n` : `${who}\n`]);
    }
  }
  return found;
}

function textOf(entry: TarEntry | undefined): string {
  return Buffer.from(entry?.data ?? []).toString("utf8");
}
