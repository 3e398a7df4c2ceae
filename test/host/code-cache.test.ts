/** The file of compiled regions: whatever happens to it, what is found in it is what was kept. */

import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeEach, expect, test } from "vitest";
import type { CodeRecord } from "../../src/core/code-cache.ts";
import { type CodeCacheOptions, FileCodeCache } from "../../src/host/node/code-cache.ts";

const root = mkdtempSync(join(tmpdir(), "wardian-code-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folder: string;
let options: CodeCacheOptions;
beforeEach(() => {
  folder = mkdtempSync(join(root, "test-"));
  options = { directory: join(folder, "code"), keyFile: join(folder, "state", "key"), build: "build-1" };
});
const file = (): string => join(options.directory, "build-1.code");
const open = (more: Partial<CodeCacheOptions> = {}): FileCodeCache => new FileCodeCache({ ...options, ...more });

/** The same here and in other processes. */
const SAMPLES = `
  const keyOf = (n) => n.toString(16).padStart(64, "0");
  const bytes = (n, length, salt) => Uint8Array.from({ length }, (_, i) => (n * 31 + i * salt) & 0xff);
  const record = (n) => (n % 3 === 2 ? { profile: bytes(n, 400, 3) } : { profile: bytes(n, 400, 3), module: bytes(n, 500, 7) });`;
/** What is kept under the n-th key; every third has no module. */
const { keyOf, record } = new Function(`${SAMPLES} return { keyOf, record };`)() as {
  keyOf: (n: number) => string;
  record: (n: number) => CodeRecord;
};
function fill(count: number, cache = open()): FileCodeCache {
  for (let n = 0; n < count; n++) cache.keep(keyOf(n), record(n));
  cache.flush();
  return cache;
}
const plain = ({ profile, module }: CodeRecord) => [profile, module].map((bytes) => bytes && [...bytes]);
const equal = (a?: Uint8Array, b?: Uint8Array) => a === b || (a && b && Buffer.compare(a, b) === 0);
const same = (a: CodeRecord, b: CodeRecord) => equal(a.profile, b.profile) && equal(a.module, b.module);
/** How many of the first `count` are there. None may be another than was kept. */
function found(count: number, cache = open()): number {
  let there = 0;
  for (let n = 0; n < count; n++) {
    const is = cache.find(keyOf(n));
    if (!is) continue;
    if (!same(is, record(n))) expect(plain(is)).toEqual(plain(record(n)));
    there++;
  }
  return there;
}

test("what is kept is found by another process, and only this user can read it", () => {
  fill(20);
  expect(found(20)).toBe(20);
  expect(open().find(keyOf(20))).toBeUndefined();
  const modes = [options.directory, file(), options.keyFile].map((path) => statSync(path).mode & 0o777);
  expect(modes).toEqual([0o700, 0o600, 0o600]);
  expect(readdirSync(options.directory)).toEqual(["build-1.code"]);
});

test("a page's key is the SHA-256 of its bytes", () => {
  const page = randomBytes(4096);
  expect(open().keyOf(page)).toBe(createHash("sha256").update(page).digest("hex"));
});

test("a byte that changed, wherever it is, costs records and nothing else", () => {
  fill(3);
  const whole = readFileSync(file());
  let most = 0;
  for (let at = 0; at < whole.length; at += at < 200 ? 1 : 7) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1 << (at & 7);
    writeFileSync(file(), bytes);
    most = Math.max(most, found(3));
  }
  // The day of the last use isn't protected.
  expect(most).toBe(3);
  const lost = (at: number) => {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 0x55;
    writeFileSync(file(), bytes);
    return 3 - found(3);
  };
  const head = 16;
  // The magic; the first record's lengths, hash, MAC, profile, module; the last byte of all.
  for (const at of [0, 15, head, head + 4, head + 12, head + 44, head + 76, head + 476, whole.length - 1])
    expect(lost(at), `byte ${at}`).toBeGreaterThan(0);
});

test("a file that was cut off anywhere has the records before the cut", () => {
  fill(3);
  const whole = readFileSync(file());
  for (let length = 0; length < whole.length; length += 13) {
    writeFileSync(file(), whole);
    truncateSync(file(), length);
    expect(found(3)).toBeLessThan(3);
  }
});

test("a damaged file heals when it is written again", () => {
  fill(10);
  const bytes = readFileSync(file());
  bytes[600]! ^= 1;
  writeFileSync(file(), bytes);
  const left = found(10);
  expect(left).toBeLessThan(10);
  fill(10);
  expect(found(10)).toBe(10);
});

test("records that somebody else wrote, moved or took from another build are not used", () => {
  fill(5);
  expect(found(5, open({ keyFile: join(folder, "other-key") }))).toBe(0);
  // Under another page's hash.
  const bytes = readFileSync(file());
  bytes.write(keyOf(77), 16 + 12, "hex");
  writeFileSync(file(), bytes);
  expect(open().find(keyOf(77))).toBeUndefined();
  fill(5);
  renameSync(file(), join(options.directory, "build-2.code"));
  expect(found(5, open({ build: "build-2" }))).toBe(0);
});

test("what others could have written isn't read", async () => {
  fill(5);
  chmodSync(file(), 0o622);
  expect(found(5)).toBe(0);
  chmodSync(file(), 0o600);
  chmodSync(options.directory, 0o777);
  expect(found(5)).toBe(0);
  // Nor is anything written there.
  const before = statSync(file()).mtimeMs;
  fill(6);
  expect(statSync(file()).mtimeMs).toBe(before);
  chmodSync(options.directory, 0o700);
  expect(found(5)).toBe(5);
  const elsewhere = join(folder, "elsewhere");
  renameSync(file(), elsewhere);
  symlinkSync(elsewhere, file());
  expect(found(5)).toBe(0);
  rmSync(file());
  // Whoever reads a pipe waits for ever.
  await promisify(execFile)("mkfifo", [file()]);
  expect(found(5)).toBe(0);
  rmSync(file());
  mkdirSync(file());
  expect(found(5)).toBe(0);
});

test("a key that others can read is none", () => {
  fill(5);
  chmodSync(options.keyFile, 0o644);
  expect(found(5)).toBe(0);
});

test("where nothing can be written the machine has what it keeps itself", () => {
  writeFileSync(join(folder, "file"), "");
  for (const more of [{ directory: join(folder, "file", "code") }, { keyFile: join(folder, "file", "key") }]) {
    const cache = fill(5, open(more));
    expect(found(5, cache)).toBe(5);
    expect(found(5, open(more))).toBe(0);
  }
  expect(readdirSync(options.directory)).toEqual([]);
});

test("the directory may be removed at any time", () => {
  const cache = fill(5);
  rmSync(options.directory, { recursive: true });
  expect(found(5, cache)).toBe(5);
  cache.keep(keyOf(5), record(5));
  cache.flush();
  expect(found(6)).toBe(6);
});

test("a file never has more than it may, and what was used last stays", () => {
  const most = 20_000;
  const cache = open({ most });
  const seen: number[] = [];
  for (let n = 0; n < 300; n++) {
    cache.keep(keyOf(n), record(n));
    if (n % 10 === 0) cache.flush();
    if (existsSync(file())) seen.push(statSync(file()).size);
  }
  cache.flush();
  expect(Math.max(...seen)).toBeLessThanOrEqual(most);
  const later = open({ most });
  expect(plain(later.find(keyOf(299))!)).toEqual(plain(record(299)));
  expect(later.find(keyOf(0))).toBeUndefined();
  expect(found(300, later)).toBeGreaterThan(10);
  // What is too long is never kept.
  later.keep(keyOf(1000), { profile: new Uint8Array(400), module: new Uint8Array(2 << 20) });
  expect(later.find(keyOf(1000))).toBeUndefined();
});

test("the oldest files of other builds go when all together are too many, and so does what dead processes left", () => {
  const most = 60_000;
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const old = new Date(Date.now() - 86_400_000);
  for (const name of ["a.code", "b.code", ".tmp-1-dead", "of-somebody-else"]) {
    writeFileSync(join(options.directory, name), Buffer.alloc(25_000), { mode: 0o600 });
    utimesSync(join(options.directory, name), old, name === "a.code" ? new Date(old.getTime() - 1000) : old);
  }
  fill(20, open({ mostOfAll: most }));
  expect(readdirSync(options.directory).sort()).toEqual(["b.code", "build-1.code", "of-somebody-else"]);
  expect(found(20)).toBe(20);
});

test("a disk that is full loses the news, and what was there stays", { timeout: 60_000 }, async () => {
  fill(5);
  // A limit on files' sizes ends writes as a full disk does: with an error in the middle.
  const { stdout } = await child("ulimit -f 8; exec", "for (let n = 0; n < 100; n++) cache.keep(keyOf(n), record(n));");
  expect(stdout.trim()).toBe("done");
  expect(readdirSync(options.directory)).toEqual(["build-1.code"]);
  expect(found(100)).toBe(5);
});

test("processes that write at once leave a whole file and no other", { timeout: 60_000 }, async () => {
  rmSync(options.directory, { recursive: true, force: true });
  const body = (from: number) =>
    `for (let i = 0; i < 40; i++) { cache.keep(keyOf(${from} + i), record(${from} + i)); cache.flush();
       new FileCodeCache(options).find(keyOf(i)); }`;
  const all = await Promise.all([0, 40, 80, 120].map((from) => child("exec", body(from))));
  expect(all.map(({ stdout }) => stdout.trim())).toEqual(Array(4).fill("done"));
  expect(readdirSync(options.directory)).toEqual(["build-1.code"]);
  // Of those that wrote at the same instant one's last ones may be lost, and all had the one key.
  expect(found(160)).toBeGreaterThan(40);
});

/** Runs some lines with a cache of these options in a process of its own. */
async function child(start: string, body: string): Promise<{ stdout: string }> {
  const script = join(folder, `child-${randomBytes(4).toString("hex")}.mjs`);
  const source = `
    import { FileCodeCache } from ${JSON.stringify(new URL("../../src/host/node/code-cache.ts", import.meta.url).pathname)};
    const options = ${JSON.stringify(options)};
    const cache = new FileCodeCache(options);
    ${SAMPLES}
    ${body}
    cache.flush();
    console.log("done");`;
  await build({
    stdin: { contents: source, resolveDir: folder, loader: "js" },
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: script,
    logLevel: "silent",
  });
  return promisify(execFile)("bash", ["-c", `${start} "$@"`, "bash", process.execPath, script]);
}
