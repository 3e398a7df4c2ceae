/** Where this user's compiled regions are kept, and by what build of the core. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { probeFeatures } from "../../core/features.ts";
import { defaultCacheDirectory } from "../../images/cache.ts";
import { asset } from "./assets.ts";
import { FileCodeCache } from "./code-cache.ts";

/** Names another directory, or says "none". */
const VARIABLE = "WARDIAN_CODE_CACHE";

/** What a caller may ask for: a directory, the user's (true), none (false); default: as the environment says, else the user's. */
export function codeCacheDirectory(asked?: boolean | string, cacheDirectory?: string): string | undefined {
  if (asked === false) return undefined;
  if (typeof asked === "string") return asked;
  const named = process.env[VARIABLE];
  if (named === "none") return undefined;
  return named || join(cacheDirectory ?? defaultCacheDirectory(), "code");
}

/** The user's state directory for Wardian (XDG Base Directory Specification). */
function stateDirectory(): string {
  const base = process.env.XDG_STATE_HOME;
  return join(base?.startsWith("/") === true ? base : join(homedir(), ".local", "state"), "wardian");
}

const caches = new Map<string, FileCodeCache>();

/** The cache in a directory, one for all machines of this thread. */
export function codeCacheIn(directory: string): FileCodeCache {
  let cache = caches.get(directory);
  if (!cache) {
    cache = new FileCodeCache({ directory, keyFile: join(stateDirectory(), "code.key"), build: build() });
    caches.set(directory, cache);
  }
  return cache;
}

/** The core is the translator, so its bytes are its version; relaxed SIMD is the one mode. */
function build(): string {
  const hash = createHash("sha256")
    .update(readFileSync(asset("core.wasm")))
    .digest("hex");
  return `${hash.slice(0, 32)}-${probeFeatures().relaxedMadd ? "fma" : "plain"}`;
}
