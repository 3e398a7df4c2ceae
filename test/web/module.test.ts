/** The module as its users get it: from a static folder, through a bundler, without a document, typed, and small. */

import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { browser, MINUTES, root, type SiteOptions, site } from "./support.ts";

const dir = join(root, `dist/test/module-${process.pid}`);
// A project that has installed the package.
beforeAll(() => {
  mkdirSync(join(dir, "node_modules"), { recursive: true });
  symlinkSync(root, join(dir, "node_modules/wardian"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const chromium = await browser();

/** Opens a page and waits until it says something by `globalThis.said`. */
async function said(options: SiteOptions): Promise<unknown> {
  const { url } = await site(options);
  const page = await chromium.newPage();
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  await page.goto(url);
  await page.waitForFunction(() => "said" in globalThis, undefined, { timeout: 2 * MINUTES });
  const result = await page.evaluate(() => (globalThis as { said?: unknown }).said);
  await page.close();
  expect(errors).toEqual([]);
  return result;
}

const hello = (from: string) => `
  import { Machine } from ${JSON.stringify(from)};
  const vm = await Machine.create({ image: "hello" });
  const greeting = vm.console.expect(/Hello.*/);
  await vm.start();
  globalThis.said = [(await greeting)[0], (await vm.exited).kind];`;
const GREETING = ["Hello from hart 0 of a RISC-V machine.", "poweroff"];
const document = (script: string) => `<!doctype html><link rel="icon" href="data:,">${script}`;

test("a page with a module script, from a static folder", async () => {
  const index = document(`<script type="module">${hello("./wardian/index.js")}</script>`);
  expect(await said({ index })).toEqual(GREETING);
});

test.each([
  ["one file", {}],
  ["split, minified", { splitting: true, minify: true }],
])("a bundle by esbuild: %s", async (_, options) => {
  writeFileSync(join(dir, "app.js"), hello("wardian/browser"));
  const { outputFiles } = await build({
    absWorkingDir: dir,
    entryPoints: ["app.js"],
    bundle: true,
    format: "esm",
    outdir: "out",
    write: false,
    ...options,
  });
  const files = Object.fromEntries(
    outputFiles.map(({ path, text }) => [path.slice(join(dir, "out").length), { content: text }]),
  );
  expect(Object.keys(files).length > 1).toBe("splitting" in options);
  expect(await said({ files, index: document('<script type="module" src="/app.js"></script>') })).toEqual(GREETING);
});

test("a page whose policy forbids workers from blobs serves their files", async () => {
  const policy = `<meta http-equiv="Content-Security-Policy" content="worker-src 'self'">`;
  const program = (options: string) => `${policy}<script type="module">
    import { Machine } from "./wardian/index.js";
    const vm = await Machine.create({ image: "hello", ${options} }).catch(({ message }) => message);
    if (typeof vm !== "string") await vm.start();
    globalThis.said = typeof vm === "string" ? vm : (await vm.exited).kind;</script>`;
  expect(await said({ index: document(program('assets: "wardian"')) })).toBe("poweroff");
  expect(await said({ index: document(program("")) })).toMatch(
    /^Its executor has died: its script could not be loaded; see .*, serve executor\.js and core\.wasm and say where by the option assets$/,
  );
  expect(await said({ index: document(program('assets: "nowhere"')) })).toMatch(
    /^The core can't be loaded from http:\S+\/nowhere\/core\.wasm: the server says 404\.$/,
  );
});

test("without a document, in a worker, and leaving nothing in the global scope", async () => {
  const worker = `
    const before = Object.getOwnPropertyNames(globalThis);
    const { Machine } = await import("/wardian/index.js");
    const vm = await Machine.create({ image: "/images/hello" });
    await vm.start();
    const { kind } = await vm.exited;
    const left = Object.getOwnPropertyNames(globalThis).filter((name) => !before.includes(name));
    postMessage([typeof document, kind, left]);`;
  const index = document(
    '<script>new Worker("/worker.js", { type: "module" }).onmessage = ({ data }) => { globalThis.said = data; }</script>',
  );
  expect(await said({ index, files: { "/worker.js": { content: worker } } })).toEqual(["undefined", "poweroff", []]);
});

test("the library and the core are under 400 kB compressed", () => {
  const sizes = ["index.js", "embedded.js"].map((name) => gzipSync(readFileSync(`${root}dist/browser/${name}`)).length);
  const total = sizes.reduce((sum, size) => sum + size);
  expect(total).toBeLessThan(400_000);
  expect(total).toBeGreaterThan(50_000);
  // What is asked for when a machine is made is no larger in files.
  const files = ["executor.js", "core.wasm"].map(
    (name) => gzipSync(readFileSync(`${root}dist/browser/${name}`)).length,
  );
  expect(files.reduce((sum, size) => sum + size)).toBeLessThan(400_000);
});

test("what a program doesn't use isn't bundled", async () => {
  const size = async (contents: string) => {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: dir },
      logLevel: "silent",
      bundle: true,
      format: "esm",
      minify: true,
      write: false,
    });
    return outputFiles[0]!.contents.length;
  };
  const all = await size('export * from "wardian/browser";');
  expect(all).toBeGreaterThan(100_000);
  expect(await size('import "wardian/browser";')).toBe(0);
  expect(await size('export { ENGINES } from "wardian/browser";')).toBeLessThan(1000);
});

test("it needs no package, and no terminal", () => {
  expect(readdirSync(`${root}dist/browser`).sort()).toEqual(["core.wasm", "embedded.js", "executor.js", "index.js"]);
  for (const name of ["index.js", "executor.js"]) {
    const code = readFileSync(`${root}dist/browser/${name}`, "utf8");
    expect(code).not.toMatch(/xterm/i);
    expect([...code.matchAll(/\b(?:import\(|from)\s*"([^"]+)"/g)].map(([, from]) => from)).toEqual(
      name === "index.js" ? ["./embedded.js"] : [],
    );
  }
});

const PROGRAM = readFileSync(new URL("programs/both.ts", import.meta.url), "utf8");
const IN_A_PAGE = PROGRAM.replace('from "wardian"', 'from "wardian/browser"');

test("the same program, but for its import, does the same in Node and in a page", {
  timeout: 4 * MINUTES,
}, async () => {
  expect(IN_A_PAGE).not.toBe(PROGRAM);
  const bundle = async (contents: string, platform: "node" | "browser") =>
    (
      await build({
        stdin: { contents, loader: "ts", resolveDir: dir },
        bundle: true,
        format: "esm",
        platform,
        write: false,
        ...(platform === "node" && { packages: "external" }),
      })
    ).outputFiles[0]!.text;
  writeFileSync(join(dir, "node.mjs"), await bundle(PROGRAM, "node"));
  const { run } = await import(/* @vite-ignore */ pathToFileURL(join(dir, "node.mjs")).href);
  const inNode = await run();
  const index = document(
    '<script type="module">import { run } from "/program.js"; globalThis.said = await run();</script>',
  );
  const inPage = await said({ index, files: { "/program.js": { content: await bundle(IN_A_PAGE, "browser") } } });
  expect(inPage).toEqual(inNode);
  expect(inNode).toMatchObject({ answer: "\n42", status: 5, stdout: "2\n2\n", stderr: "no\n", streamed: "1\n2\n3\n" });
  expect(inNode).toMatchObject({ memory: [1, 2, 3], kind: "poweroff", events: ["poweroff"], kept: "kept\n" });
});

test("its types are complete: that program compiles against them, strictly", async () => {
  const types = join(dir, "types");
  const tsc = (...args: string[]) =>
    promisify(execFile)(process.execPath, [`${root}node_modules/typescript/bin/tsc`, ...args], { cwd: dir }).catch(
      ({ stdout }) => {
        throw new Error(stdout);
      },
    );
  await tsc("-p", `${root}src/build/tsconfig.types-browser.json`, "--outDir", types);
  writeFileSync(join(dir, "program.ts"), IN_A_PAGE);
  const compilerOptions = {
    target: "ES2022",
    module: "ESNext",
    moduleResolution: "Bundler",
    lib: ["ES2022", "DOM"],
    strict: true,
    noEmit: true,
    types: [],
    paths: { "wardian/browser": ["./types/src/browser.d.ts"] },
  };
  writeFileSync(join(dir, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
  await tsc("-p", dir);
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
  expect(exports["./browser"]).toEqual({
    types: "./dist/types/src/browser.d.ts",
    default: "./dist/browser/index.js",
  });
});
