/**
 * The tasks behind package.json's scripts: `node src/build/task.mjs TASK [ARGUMENT…]`.
 * Plain JavaScript without dependencies, since it is what installs them.
 */

import { argv, exit, exitCode, stderr, versions } from "node:process";

const OLDEST_NODE = 20;

const TASKS = {
  /** Boots Debian's Linux, having made all that this needs. */
  start: async (args) => {
    await ready("run");
    // In this process: the terminal and its signals then belong to the program itself.
    const cli = new URL("../../dist/cli.js", import.meta.url);
    argv.splice(1, argv.length, cli.pathname, "boot", ...bootArguments(args));
    await import(cli.href);
  },
  test: async (args) => {
    await ready("test");
    const { test } = await import("./test.mjs");
    process.exitCode = await test(args);
  },
  build: async () => ready("release"),
  check: async () => {
    await ready("install");
    const { check } = await import("./check.mjs");
    await check();
  },
  /** Writes the files that are generated from the instruction table. */
  generate: async () => {
    await ready("install");
    const { generate } = await import("./generate.mjs");
    await generate();
  },
  /** Serves the page, with the guests that the cache has or gets. */
  web: async (args) => {
    await ready("web");
    const { run } = await import("./run.mjs");
    process.exitCode = await run("node", ["dist/web-server.js", ...args], { show: true });
  },
  bench: async (args) => {
    await ready("test");
    const { run } = await import("./run.mjs");
    process.exitCode = await run("node", ["dist/bench.js", ...args], { show: true });
  },
  /** Compares Wardian with independent oracles: QEMU and GNU binutils. */
  fuzz: async (args) => {
    await ready("test");
    const { run } = await import("./run.mjs");
    process.exitCode = await run("node", ["dist/fuzz.js", ...args], { show: true });
  },
};

/** Debian unless the arguments name another guest; `npm start -- hello --stats -`. */
function bootArguments(args) {
  const named = args[0] !== undefined && !args[0].startsWith("-");
  const kernel = args.some((arg) => arg === "--kernel" || arg.startsWith("--kernel="));
  return named || kernel ? args : ["debian", ...args];
}

/** What each level of readiness has built. */
const PRODUCTS = {
  run: ["core", "bundles"],
  web: ["core", "bundles", "browser", "web"],
  test: ["core", "bundles", "browser", "web"],
  release: ["core", "bundles", "browser", "web", "types"],
};

/** Makes what a task stands on, as far as it isn't there: "install" or a level of PRODUCTS. */
async function ready(level) {
  const { install } = await import("./install.mjs");
  await install();
  if (level === "install") return;
  const { build } = await import("./build.mjs");
  await build(PRODUCTS[level]);
}

async function main() {
  const [name, ...args] = argv.slice(2);
  const { Failure } = await import("./run.mjs");
  try {
    if (Number.parseInt(versions.node, 10) < OLDEST_NODE)
      throw new Failure(
        `Wardian needs Node ${OLDEST_NODE} or newer and this is ${versions.node}; install a newer one.`,
      );
    const task = Object.hasOwn(TASKS, name ?? "") ? TASKS[name] : undefined;
    if (!task) throw new Failure(`There is no task ${name ?? ""}; choose one of: ${Object.keys(TASKS).join(", ")}.`);
    await task(args);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.output) stderr.write(`${error.output.trimEnd()}\n`);
    stderr.write(`${error.message}\n`);
    exit(exitCode || 1);
  }
}

await main();
