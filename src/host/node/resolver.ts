/** How this host resolves names: its servers, and its table. */

import { getServers } from "node:dns";
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import type { ResolverConfiguration, SocketAddress } from "../../backends/sockets.ts";

const RESOLV_CONF = "/etc/resolv.conf";
const HOSTS = process.platform === "win32" ? "C:\\Windows\\System32\\drivers\\etc\\hosts" : "/etc/hosts";
/** How long files are believed to be the same. */
const FRESH_MS = 2000;
/** What is longer was not written for people. */
const MAX_FILE = 1024 * 1024;
const DNS_PORT = 53;

let cached: ResolverConfiguration | undefined;
let checkedAt = 0;
let stamp = "";

/** The configuration now; files are read again when they have changed. */
export function resolverConfiguration(): ResolverConfiguration {
  const now = performance.now();
  if (cached && now - checkedAt < FRESH_MS) return cached;
  checkedAt = now;
  const its = `${stampOf(RESOLV_CONF)} ${stampOf(HOSTS)}`;
  if (cached && its === stamp) return cached;
  stamp = its;
  const { servers, search } = parseResolvConf(read(RESOLV_CONF));
  cached = {
    servers: servers.length > 0 ? servers : getServers().map(parseServer),
    search,
    names: parseHosts(read(HOSTS)),
  };
  return cached;
}

function stampOf(path: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(path);
    return `${mtimeMs},${size},${ino}`;
  } catch {
    return "";
  }
}

function read(path: string): string {
  try {
    return statSync(path).size > MAX_FILE ? "" : readFileSync(path, "utf8");
  } catch {
    return ""; // this host has none
  }
}

/** resolv.conf(5) */
export function parseResolvConf(text: string): { servers: SocketAddress[]; search: string[] } {
  const servers: SocketAddress[] = [];
  let search: string[] = [];
  for (const line of text.split("\n")) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    if (keyword === "nameserver" && words[0] && isIP(words[0]) && servers.length < 3)
      servers.push({ address: words[0], port: DNS_PORT });
    // The last of the lines counts.
    else if (keyword === "search" || keyword === "domain")
      search = words.map((word) => word.replace(/\.$/, "").toLowerCase()).filter((word) => word !== "");
  }
  return { servers, search };
}

/** hosts(5). Loopback addresses are left out: to a guest they would be its own. */
export function parseHosts(text: string): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [address, ...words] = line.replace(/#.*$/, "").trim().split(/\s+/);
    if (!address || !isIP(address) || /^(127\.|::1$|0\.0\.0\.0$|::$|fe80:|ff)/i.test(address)) continue;
    for (const word of words) {
      const name = word.replace(/\.$/, "").toLowerCase();
      const addresses = names.get(name);
      if (!addresses) names.set(name, [address]);
      else if (!addresses.includes(address)) addresses.push(address);
    }
  }
  return names;
}

/** As Node writes them: an address, with its port unless that is 53. */
function parseServer(text: string): SocketAddress {
  const [, six, four, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  return { address: six ?? four ?? text, port: Number(port ?? DNS_PORT) };
}
