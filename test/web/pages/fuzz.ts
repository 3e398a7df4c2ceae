/** Random programs on the page's own engine. */

import { ENGINES } from "../../../src/fuzz/interpret.ts";
import { embeddedAssets } from "../../../src/host/browser/assets.ts";

/** Runs images from the server. @returns SHA-256 of the RAM that each leaves, in hexadecimal */
async function run(engine: "interpreter" | "jit", urls: readonly string[]): Promise<string[]> {
  const execute = ENGINES[engine](await embeddedAssets.core());
  const digests: string[] = [];
  for (const url of urls) {
    const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
    const { ram, stuck } = execute({ bytes });
    if (stuck !== undefined) throw new Error(`Program ${stuck} of the image ${url} does not end.`);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", ram.slice()));
    digests.push(Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""));
  }
  return digests;
}

Object.assign(globalThis, { wardian: { run } });
