/** Logs whose size and number are bounded, whatever is written. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseLogSize, RotatingLog } from "../../src/vms/rotating-log.ts";

const root = mkdtempSync(join(tmpdir(), "wardian-log-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function folder(): string {
  return mkdtempSync(join(root, "log-"));
}

/** All that is kept, the oldest first. */
function kept(dir: string): string {
  const number = (name: string) => Number(/\.(\d+)$/.exec(name)?.[1] ?? 0);
  const names = readdirSync(dir).sort((a, b) => number(b) - number(a));
  return names.map((name) => readFileSync(join(dir, name), "latin1")).join("");
}

test("keeps the last of what is written, in so many files of one size", () => {
  const dir = folder();
  const log = new RotatingLog(join(dir, "log"), { size: 1000, files: 3 });
  let all = "";
  for (let n = 0; n < 2000; n++) {
    const piece = `${n} ${"x".repeat((n * 7919) % 50)}\n`;
    all += piece;
    log.write(piece);
  }
  log.close();
  expect(readdirSync(dir).sort()).toEqual(["log", "log.1", "log.2", "log.3"]);
  for (const name of readdirSync(dir)) expect(statSync(join(dir, name)).size).toBeLessThanOrEqual(1000);
  expect(all.endsWith(kept(dir))).toBe(true);
  expect(kept(dir).length).toBeGreaterThan(3000);
});

test("a piece larger than all files, and one file alone", () => {
  const dir = folder();
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i * 31 + (i >> 8));
  const log = new RotatingLog(join(dir, "log"), { size: 4096, files: 2 });
  log.write(bytes);
  log.close();
  expect(readdirSync(dir)).toHaveLength(3);
  const text = Buffer.from(bytes).toString("latin1");
  expect(text.endsWith(kept(dir))).toBe(true);
  const single = folder();
  const other = new RotatingLog(join(single, "log"), { size: 100, files: 0 });
  for (let n = 0; n < 50; n++) other.write("0123456789");
  other.close();
  expect(readdirSync(single)).toEqual(["log"]);
  expect(statSync(join(single, "log")).size).toBeLessThanOrEqual(100);
});

test("goes on with a file that is there, and is private", () => {
  const path = join(folder(), "log");
  for (const text of ["one\n", "two\n"]) {
    const log = new RotatingLog(path, { size: 100, files: 1 });
    log.write(text);
    log.close();
  }
  expect(readFileSync(path, "utf8")).toBe("one\ntwo\n");
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a full disk costs what it has no room for, and nothing else", () => {
  const log = new RotatingLog("/dev/full", { size: 1 << 20, files: 1 });
  expect(() => log.write("lost\n")).not.toThrow();
  log.close();
});

test("sizes", () => {
  expect(["100", "64K", "1m", "2G"].map(parseLogSize)).toEqual([100, 65_536, 1 << 20, 2 ** 31]);
});
