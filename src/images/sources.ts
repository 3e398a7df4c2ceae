import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** One place that apt takes packages from. */
export interface Source {
  uri: string;
  suite: string;
  components: string[];
  /** Keyring file(s), fingerprint(s) or an armoured key, as apt's Signed-By takes them. */
  signedBy?: string;
}

/** Debian's own suites: an entry for one of them names a mirror that has the others. */
const DEBIAN_SUITES = new Set(
  "buster bullseye bookworm trixie forky duke sid unstable testing stable oldstable oldoldstable".split(" "),
);

/**
 * Entries for binary packages in the one-line format: `deb [options] uri suite
 * component...` (sources.list(5), "One-Line-Style Format").
 */
export function parseOneLine(text: string): Source[] {
  const sources: Source[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (match === null) continue;
    const [, options = "", uri = "", suite = "", components = ""] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1];
    sources.push(source(uri, suite, components, signedBy));
  }
  return sources;
}

/**
 * Entries for binary packages in the deb822 format: paragraphs of fields, one
 * entry for each URI and suite (sources.list(5), "Deb822-Style Format").
 */
export function parseDeb822(text: string): Source[] {
  const sources: Source[] = [];
  const withoutComments = text.replace(/^#.*\n?/gm, "");
  for (const paragraph of withoutComments.split(/\n[ \t]*\n/)) {
    const fields = new Map<string, string>();
    for (const match of paragraph.matchAll(/^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)/gm)) {
      fields.set(match[1]!.toLowerCase(), match[2]!.trimEnd()); // a folded value keeps its line breaks
    }
    const field = (name: string): string => fields.get(name) ?? "";
    if (!words(field("types")).includes("deb") || /^(no|false|0|off)$/i.test(field("enabled"))) continue;
    for (const uri of words(field("uris"))) {
      for (const suite of words(field("suites"))) {
        sources.push(source(uri, suite, field("components"), fields.get("signed-by")));
      }
    }
  }
  return sources;
}

function source(uri: string, suite: string, components: string, signedBy: string | undefined): Source {
  return { uri, suite, components: words(components), ...(signedBy !== undefined && { signedBy }) };
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

/** Debian's archive among the host's sources: the first with a Debian suite and its main component. */
export function findDebian(sources: readonly Source[]): Source | undefined {
  const fit = sources.filter((entry) => DEBIAN_SUITES.has(entry.suite) && entry.components.includes("main"));
  return fit.find((entry) => entry.uri.includes("debian")) ?? fit[0];
}

/**
 * The sources that apt is configured with: its list, then the parts in their
 * order. Files that can't be read are passed over, as apt does.
 * @param list apt's Dir::Etc::sourcelist
 * @param parts apt's Dir::Etc::sourceparts
 */
export async function readSources(list: string, parts: string): Promise<Source[]> {
  const names = await readdir(parts).catch(() => []);
  const files = [list, ...names.sort().map((name) => join(parts, name))];
  const sources: Source[] = [];
  for (const file of files) {
    if (!/\.(list|sources)$/.test(file)) continue;
    const text = await readFile(file, "utf8").catch(() => "");
    sources.push(...(file.endsWith(".sources") ? parseDeb822(text) : parseOneLine(text)));
  }
  return sources;
}

/** A deb822 paragraph for one source, and one architecture or whatever the system has. */
export function writeDeb822(entry: Source, architecture: string | undefined): string {
  const lines = [
    "Types: deb",
    `URIs: ${entry.uri}`,
    `Suites: ${entry.suite}`,
    `Components: ${entry.components.join(" ")}`,
    ...(architecture === undefined ? [] : [`Architectures: ${architecture}`]),
  ];
  if (entry.signedBy !== undefined) {
    // A folded value keeps its continuation lines, which start with a space.
    lines.push(`Signed-By: ${entry.signedBy}`);
  }
  return `${lines.join("\n")}\n`;
}
