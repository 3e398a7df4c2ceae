/** Builds dist/: the core, the bundles and the types, each when its inputs have changed. */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Failure, ROOT, step } from "./run.mjs";

/** Bundles by their file in dist/. */
const BUNDLES = {
  "cli.js": "src/cli/main.ts",
  "node.js": "src/node.ts",
  "executor.js": "src/host/node/executor.ts",
  "share.js": "src/host/node/share-worker.ts",
  "bench.js": "bench/main.ts",
  "fuzz.js": "src/fuzz/main.ts",
  "web-server.js": "src/web/server/main.ts",
};
const STAMPS = "dist/build.json";
const TOOLS = ["package.json", "package-lock.json", "tsconfig.json", "src/build/build.mjs"];
const BROWSER_TOOLS = [...TOOLS, "tsconfig.browser.json", "src/build/browser.mjs"];

/** Products: what they are made from, what is made, and how. */
const PRODUCTS = {
  core: {
    inputs: ["assembly", "asconfig.json", ...TOOLS],
    outputs: ["dist/core.wasm"],
    make: makeCore,
  },
  bundles: {
    inputs: ["src", "bench", ...TOOLS],
    outputs: Object.keys(BUNDLES).map((name) => `dist/${name}`),
    make: makeBundles,
  },
  /** The core is in it. */
  browser: {
    inputs: ["assembly", "asconfig.json", "src", ...BROWSER_TOOLS],
    outputs: ["index.js", "embedded.js", "executor.js", "core.wasm"].map((name) => `dist/browser/${name}`),
    make: (work) => makeFolder("browser", work, ({ bundleModule }) => bundleModule),
  },
  web: {
    inputs: ["assembly", "asconfig.json", "src", ...BROWSER_TOOLS],
    outputs: ["index.html", "page.js", "style.css", "embedded.js"].map((name) => `dist/web/${name}`),
    make: (work) => makeFolder("web", work, ({ bundlePage }) => bundlePage),
  },
  types: {
    inputs: ["src", ...BROWSER_TOOLS],
    outputs: ["node", "browser"].map((entry) => `dist/types/src/${entry}.d.ts`),
    make: makeTypes,
  },
};

/**
 * Builds what is wanted of "core", "bundles", "browser", "web" and "types", in
 * that order: later ones stand on the earlier.
 * @param {readonly string[]} names
 */
export async function build(names) {
  mkdirSync(join(ROOT, "dist"), { recursive: true });
  for (const name of names) {
    const { inputs, outputs, make } = PRODUCTS[name];
    const digest = digestOf(inputs);
    if (readStamps()[name] === digest && outputs.every((path) => existsSync(join(ROOT, path)))) continue;
    // What is half made never gets a name that anybody reads.
    const work = `dist/.build-${name}-${process.pid}`;
    mkdirSync(join(ROOT, work), { recursive: true });
    try {
      await make(work);
    } finally {
      rmSync(join(ROOT, work), { recursive: true, force: true });
    }
    replace(STAMPS, `${JSON.stringify({ ...readStamps(), [name]: digest }, null, 2)}\n`);
  }
}

async function makeCore(work) {
  const asc = ["node_modules/assemblyscript/bin/asc.js", "--config", "asconfig.json", "--target", "release"];
  const outputs = ["--outFile", `${work}/core.wasm`, "--textFile", `${work}/core.wat`];
  const remedy = "correct the AssemblyScript sources";
  await step("Compiling the core", 30, remedy, "node", [...asc, ...outputs]);
  for (const name of ["core.wat", "core.wasm"]) move(`${work}/${name}`, `dist/${name}`);
}

async function makeBundles(work) {
  const missing = Object.values(BUNDLES).filter((entry) => !existsSync(join(ROOT, entry)));
  if (missing.length > 0) throw new Failure(`Sources are missing (${missing.join(", ")}); restore them with git.`);
  const entryPoints = Object.entries(BUNDLES).map(([name, entry]) => ({ in: entry, out: name.replace(/\.js$/, "") }));
  await bundling((bundle) =>
    bundle({
      entryPoints,
      outdir: work,
      absWorkingDir: ROOT,
      bundle: true,
      // Dependencies are installed with the package: a bundled copy would be a second one.
      packages: "external",
      platform: "node",
      target: "node20",
      format: "esm",
      logLevel: "silent",
    }),
  );
  for (const name of readdirSync(join(ROOT, work)).sort()) move(`${work}/${name}`, `dist/${name}`);
}

/** Bundles into a folder of dist/, which appears as a whole. */
async function makeFolder(name, work, choose) {
  const make = choose(await import("./browser.mjs"));
  await bundling((bundle) => make(bundle, `${work}/${name}`));
  rmSync(join(ROOT, `dist/${name}`), { recursive: true, force: true });
  move(`${work}/${name}`, `dist/${name}`);
}

/** Works with esbuild's build; what it finds wrong is shown. */
async function bundling(work) {
  const { build: bundle, formatMessages } = await import("esbuild");
  try {
    await work(bundle);
  } catch (error) {
    const said = await formatMessages(error.errors ?? [], { kind: "error" });
    throw new Failure("Bundling failed; correct the TypeScript sources.", said.join("") || String(error));
  }
}

async function makeTypes(work) {
  const types = `${work}/types`;
  for (const [entry, expected] of [
    ["node", 15],
    ["browser", 8],
  ]) {
    const tsc = ["node_modules/typescript/bin/tsc", "-p", `src/build/tsconfig.types-${entry}.json`, "--outDir", types];
    await step(`Writing the types for ${entry}`, expected, "correct the TypeScript sources", "node", tsc);
  }
  rmSync(join(ROOT, "dist/types"), { recursive: true, force: true });
  move(types, "dist/types");
}

/** A digest of all files at these paths and below, by name and content. */
function digestOf(paths) {
  const hash = createHash("sha256").update(process.version.split(".")[0]);
  const add = (path) => {
    const entries = readdirSync(join(ROOT, path), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.isDirectory()) add(`${path}/${entry.name}`);
      else addFile(`${path}/${entry.name}`);
    }
  };
  const addFile = (path) => {
    const bytes = readFileSync(join(ROOT, path));
    hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  };
  for (const path of paths) {
    if (/\.\w+$/.test(path)) addFile(path);
    else add(path);
  }
  return hash.digest("hex");
}

function readStamps() {
  try {
    return JSON.parse(readFileSync(join(ROOT, STAMPS), "utf8"));
  } catch {
    return {};
  }
}

function move(from, to) {
  renameSync(join(ROOT, from), join(ROOT, to));
}

function replace(path, text) {
  const next = join(ROOT, `${path}.${process.pid}`);
  writeFileSync(next, text);
  renameSync(next, join(ROOT, path));
}
