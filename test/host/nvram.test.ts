/** The NVRAM file: whole at every moment, whoever is killed. */

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NvramFile, readNvram } from "../../src/host/node/nvram.ts";

const SIZE = 0x20_0000;
const KILLS = 25;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "nvram-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

test("keeps the last of many changes", async () => {
  const path = join(directory, "many.fd");
  const file = new NvramFile(path);
  const contents = new Uint8Array(SIZE);
  for (let i = 1; i <= 200; i++) {
    contents.fill(i);
    file.changed(() => contents);
  }
  await file.close();
  expect(Buffer.alloc(SIZE, 200).equals((await readNvram(path, SIZE))!)).toBe(true);
  expect(readdirSync(directory)).toEqual(["many.fd"]);
});

test("nothing there, too much there, and no permission", async () => {
  expect(await readNvram(join(directory, "absent.fd"), SIZE)).toBeUndefined();
  const large = join(directory, "large.fd");
  writeFileSync(large, new Uint8Array(SIZE + 1));
  await expect(readNvram(large, SIZE)).rejects.toThrow(/^The NVRAM file ".*large\.fd" can't be read: it has .*\.$/);
  const file = new NvramFile(join(directory, "none", "x.fd"));
  file.changed(() => new Uint8Array(1));
  await expect(file.close()).rejects.toThrow(/^The NVRAM file ".*" can't be written: its directory does not exist\.$/);
});

test(`is whole after each of ${KILLS} kills, and no older than what was said to be kept`, async () => {
  const path = join(directory, "killed.fd");
  const script = join(directory, "writer.mjs");
  await build({
    stdin: {
      contents: `
        import { NvramFile } from "./src/host/node/nvram.ts";
        let version = Number(process.argv[2]);
        for (;;) {
          const file = new NvramFile(${JSON.stringify(path)});
          const contents = new Uint8Array(${SIZE}).fill(++version);
          file.changed(() => contents);
          await file.close();
          process.stdout.write(version + "\\n");
        }`,
      resolveDir: process.cwd(),
      loader: "ts",
    },
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: script,
  });
  let kept = 0;
  for (let i = 0; i < KILLS; i++) {
    const writer = spawn(process.execPath, [script, String(kept)], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise((resolve) => writer.once("close", resolve));
    let said = "";
    await new Promise<void>((resolve) => {
      writer.stdout.on("data", (text: Buffer) => {
        said += text;
        // Some way into the next one.
        if (said.length === text.length) setTimeout(resolve, (i * 7) % 23);
      });
    });
    writer.kill("SIGKILL");
    await ended;
    const bytes = readFileSync(path);
    expect(bytes.length).toBe(SIZE);
    const version = bytes[0]!;
    expect(bytes.equals(Buffer.alloc(SIZE, version))).toBe(true);
    const last = Number(said.trimEnd().split("\n").at(-1)) & 0xff;
    // What was said last, or the next one, which was being written.
    expect([last, (last + 1) & 0xff]).toContain(version);
    kept = version;
  }
});
