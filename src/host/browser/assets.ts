/** The built core and the executor's script: within the module, or files in a folder. */

import { MachineError } from "../../hypervisor/machine.ts";

export interface Assets {
  core(): Promise<WebAssembly.Module>;
  /** A URL to start a worker from. */
  executor(): Promise<string>;
}

/** What the build writes; a chunk of its own wherever bundlers split. */
interface Embedded {
  /** core.wasm, by gzip and base64. */
  readonly core: string;
  /** The executor's script. */
  readonly executor: string;
}

// The build puts this file beside the module's own. Every bundler follows a dynamic import, which none does with every
// other way of naming a file.
const embedded = (): Promise<Embedded> => import("./embedded.js" as string);

/** Kept for the page's life: both are small, and every machine of it has the same. */
let inside: { core: Promise<WebAssembly.Module>; executor: Promise<string> } | undefined;

export const embeddedAssets: Assets = {
  core: () => load().core,
  executor: () => load().executor,
};

function load(): NonNullable<typeof inside> {
  if (!inside) {
    const parts = embedded().catch((error: unknown) => {
      // Of a page that was offline for a moment; the next machine tries again.
      inside = undefined;
      throw new MachineError(`A part of Wardian can't be loaded: ${(error as Error).message}`);
    });
    inside = {
      core: parts.then(({ core }) => compileEmbedded(core)),
      executor: parts.then(({ executor }) => URL.createObjectURL(new Blob([executor], { type: "text/javascript" }))),
    };
    inside.executor.catch(() => {});
  }
  return inside;
}

async function compileEmbedded(base64: string): Promise<WebAssembly.Module> {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return compile(new Response(stream, { headers: { "Content-Type": "application/wasm" } }));
}

/** Of a page whose policy allows no worker from a blob: core.wasm and executor.js, in a folder that it serves. */
export function servedAssets(folder: string | URL): Assets {
  const base = new URL(folder.toString().replace(/\/?$/, "/"), globalThis.location?.href);
  return {
    executor: async () => new URL("executor.js", base).href,
    core: async () => {
      const url = new URL("core.wasm", base).href;
      const response = await fetch(url).catch((error: Error) => {
        throw new MachineError(`The core can't be loaded from ${url}: ${error.message}.`);
      });
      if (!response.ok)
        throw new MachineError(`The core can't be loaded from ${url}: the server says ${response.status}.`);
      // Servers that don't know the type of .wasm are common.
      const typed = new Response(response.body, { headers: { "Content-Type": "application/wasm" } });
      return compile(response.headers.get("Content-Type") === "application/wasm" ? response : typed);
    },
  };
}

async function compile(response: Response): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compileStreaming(response);
  } catch (error) {
    throw new MachineError(`This browser can't compile Wardian's core: ${(error as Error).message}`);
  }
}
