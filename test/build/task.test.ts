/** The task runner, as package.json's scripts call it. */

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
// Within the repository, so that vitest is found from there.
const dir = join(root, `dist/test/task-${process.pid}`);

beforeAll(() => mkdirSync(dir, { recursive: true }));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function node(args: string[], options: { cwd?: string; env?: Record<string, string> } = {}) {
  const env = { ...process.env, NO_COLOR: "1", ...options.env };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    ...options,
    env,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

test("an unknown task is one sentence", () => {
  const { status, stderr } = node(["src/build/task.mjs", "frobnicate"]);
  expect(stderr).toMatch(/^There is no task frobnicate; choose one of: start, test, [^\n]+\n$/);
  expect(status).toBe(1);
});

test("every script of package.json is a task", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const { stderr } = node(["src/build/task.mjs", ""]);
  for (const [name, script] of Object.entries(scripts)) {
    expect(script).toBe(`node src/build/task.mjs ${name}`);
    expect(stderr).toContain(name);
  }
});

describe("the counts of a run", () => {
  const count = (tests: string) => {
    const file = join(dir, "counts.json");
    writeFileSync(join(dir, "some.test.ts"), tests);
    const reporter = `--reporter=${join(root, "src/build/count-reporter.mjs")}`;
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const { status } = node([vitest, "run", "--root", dir, reporter], { cwd: dir, env: { WARDIAN_TEST_COUNTS: file } });
    return { status, ...JSON.parse(readFileSync(file, "utf8")) };
  };
  const head = 'import { afterAll, describe, expect, test } from "vitest";\n';

  test.each([
    ["passes", "test('a', () => {}); test('b', () => {});", { status: 0, passed: 2, failed: 0, skipped: 0 }],
    [
      "failures and skips",
      "test('a', () => expect(1).toBe(2)); test.skip('b', () => {});",
      { status: 1, passed: 0, failed: 1, skipped: 1 },
    ],
    ["a file that can't be read", "import './nowhere.ts';", { status: 1, passed: 0, failed: 1, skipped: 0 }],
    [
      "a failing hook",
      "describe('d', () => { afterAll(() => { throw 1; }); test('a', () => {}); });",
      { status: 1, passed: 1, failed: 1, skipped: 0 },
    ],
    [
      "an error outside of tests",
      "test('a', async () => { setTimeout(() => { throw new Error('late'); }, 1); await new Promise((r) => setTimeout(r, 50)); });",
      { status: 1, passed: 1, failed: 1, skipped: 0 },
    ],
  ])("%s", (_, tests, counts) => expect(count(head + tests)).toEqual(counts));
});

describe("in a clone", () => {
  const clone = join(dir, "clone");
  beforeAll(() => {
    for (const name of ["src/build", "package.json", "package-lock.json"])
      cpSync(join(root, name), join(clone, name), { recursive: true });
    // npm as it would be called, without a network.
    mkdirSync(join(clone, "bin"));
    writeFileSync(join(clone, "bin/npm"), '#!/bin/sh\necho "npm $*"\necho "what npm says" >&2\nexit 1\n', {
      mode: 0o755,
    });
  });
  const build = (env = {}) =>
    node(["src/build/task.mjs", "build"], {
      cwd: clone,
      env: { PATH: `${join(clone, "bin")}:${process.env.PATH}`, ...env },
    });

  test("packages are installed first, and a failure shows what npm said", () => {
    const { status, stderr } = build();
    expect(stderr).toContain("npm ci ");
    expect(stderr).toContain("what npm says");
    expect(stderr).toMatch(/\nInstalling packages failed; check the network[^\n]*\n$/);
    expect(status).toBe(1);
  });

  test("installed packages are taken as they are, until one isn't as locked", () => {
    const lock = JSON.parse(readFileSync(join(clone, "package-lock.json"), "utf8"));
    const { "": _, ...packages } = lock.packages;
    mkdirSync(join(clone, "node_modules"), { recursive: true });
    const installed = join(clone, "node_modules/.package-lock.json");
    writeFileSync(installed, JSON.stringify({ packages }));
    expect(build().stderr).not.toContain("npm ci ");
    packages["node_modules/commander"].version = "0.0.1";
    writeFileSync(installed, JSON.stringify({ packages }));
    expect(build().stderr).toContain("npm ci ");
  });
});
