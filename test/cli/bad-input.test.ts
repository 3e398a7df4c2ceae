/** Every bad input gives status 1 and one sentence on stderr, whatever is wrong. */

import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { makeElf } from "../machine/files.ts";
import { idle, type Outcome, put, ROMS, scratch, wardian } from "./run.ts";

const dir = scratch();
const elf = (header = {}) => makeElf([{ physical: 0x8000_0000n, bytes: new Uint8Array(4096) }], header);
const file = (name: string, bytes: Uint8Array | string): string => put(dir, name, bytes);

/** A Linux Image's header (Documentation/arch/riscv/boot-image-header.rst) that asks for some memory. */
function linuxImage(size: number): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(8, 0x20_0000n, true);
  view.setBigUint64(16, BigInt(size), true);
  view.setUint32(32, 2, true);
  bytes.set(new TextEncoder().encode("RISCV"), 48);
  view.setUint32(56, 0x0543_5352, true);
  return bytes;
}

const IDLE = file("idle.bin", idle());
const IMAGE = file("image", linuxImage(4096));
const RANDOM = Uint8Array.from({ length: 5000 }, (_, i) => (i * i * 31) >> 3);
const bare = ["boot", "--bios", "none", "--kernel"];

function expectSentence({ status, stdout, stderr }: Outcome, about: RegExp): void {
  expect(stderr).toMatch(about);
  expect(stderr).toMatch(/^error: [^\n]+\n$/);
  expect(stderr).not.toContain("internal error");
  expect(stdout).toBe("");
  expect(status).toBe(1);
}

describe("one sentence for", () => {
  const cases: [string, string[], RegExp][] = [
    ["a missing kernel", ["boot", "--kernel", join(dir, "none")], /kernel ".*none" .*does not exist/],
    ["a directory as kernel", ["boot", "--kernel", dir], /directory/],
    ["an empty kernel", ["boot", "--kernel", file("empty", "")], /empty/],
    ["a truncated ELF", ["boot", file("cut.elf", elf().subarray(0, 100))], /truncated/],
    ["a truncated header of an ELF", ["boot", file("cut2.elf", elf().subarray(0, 30))], /truncated/],
    ["a truncated compressed kernel", ["boot", file("cut.gz", gzipSync(RANDOM).subarray(0, 900))], /damaged/],
    ["an ELF for another machine", ["boot", file("x86.elf", elf({ machine: 62 }))], /x86-64, not RISC-V/],
    ["an ELF for 32 bits", ["boot", file("rv32.elf", elf({ class: 1 }))], /32-bit/],
    ["a kernel larger than memory", ["boot", file("big", linuxImage(64 << 20)), "--memory", "16M"], /does not fit/],
    [
      "an initrd larger than memory",
      ["boot", IMAGE, "--initrd", file("big.cpio", new Uint8Array(17 << 20)), "--memory", "16M"],
      /initrd .*does not fit/,
    ],
    ["memory of 0", [...bare, IDLE, "--memory", "0"], /memory/],
    ["memory that is too small", [...bare, IDLE, "--memory", "4K"], /too small/],
    ["memory above the limit", [...bare, IDLE, "--memory", "5G"], /at most \d+M/],
    ["memory that no host has", [...bare, IDLE, "--memory", "999999999G"], /memory|host/],
    ["memory that is no number", [...bare, IDLE, "--memory", "lots"], /'lots' is invalid/],
    ["too many harts", [...bare, IDLE, "--harts", "9"], /1 to 8/],
    ["no harts", [...bare, IDLE, "--harts", "0"], /1 to 8/],
    ["a missing initrd", ["boot", IMAGE, "--initrd", join(dir, "none")], /initrd .*does not exist/],
    ["a directory as initrd", ["boot", IMAGE, "--initrd", dir], /initrd .*directory/],
    ["a missing firmware", ["boot", IMAGE, "--bios", join(dir, "none")], /firmware .*does not exist/],
    ["a missing device tree", ["boot", IMAGE, "--dtb", join(dir, "none")], /device tree .*does not exist/],
    ["a damaged device tree", ["boot", IMAGE, "--dtb", file("bad.dtb", RANDOM)], /device tree|DTB|dtb/i],
    ["an unknown image", ["boot", "nowhere"], /no image and no file called nowhere/],
    ["an unknown flag", ["boot", "hello", "--kernal", "x"], /unknown option '--kernal'/],
    ["an unknown command", ["bot"], /unknown command 'bot'/],
    ["a bad pattern", ["boot", "hello", "--expect", "("], /regular expression/],
    ["a bad time", ["boot", "hello", "--timeout", "soon"], /seconds/],
    ["a log that can't be written", ["boot", "hello", "--log", join(dir, "no/log")], /log .*can't be written/],
    ["a trace that can't be written", ["boot", "hello", "--trace", dir], /trace .*directory/],
    ["statistics that can't be written", ["boot", "hello", "--stats", dir], /statistics .*directory/],
    ["a tree that can't be written", ["boot", "hello", "--dump-dtb", dir], /device tree .*directory/],
    ["an unknown image to remove", ["image", "rm", "nowhere"], /no image named "nowhere"/],
    ["an unknown image to pull", ["image", "pull", "nowhere"], /no image named "nowhere"/],
    [
      "a folder that isn't there",
      ["boot", "hello", "--share", `${join(dir, "none")}:tag`],
      /none" can't be shared: it does not/,
    ],
    ["a folder that is a file", ["boot", "hello", "--share", `${IDLE}:tag`], /can't be shared: it is not a directory/],
    [
      "a vsock in no directory",
      ["boot", "hello", "--vsock", join(dir, "none/s")],
      /can't be made: its directory does not/,
    ],
    ["a vsock at a file", ["boot", "hello", "--vsock", IDLE], /can't be made: something else is there/],
    ["a context ID of the host", ["boot", "hello", "--vsock", "s,cid=2"], /from 3 to 4294967294/],
    ["a balloon that is too large", ["boot", "hello", "--balloon", "8G"], /larger than the guest's memory/],
    ["a folder without a tag", ["boot", "hello", "--share", dir], /must be DIR:TAG or DIR:TAG:ro/],
    ["a tag that is too long", ["boot", "hello", "--share", `${dir}:${"x".repeat(37)}`], /37 bytes, and at most 36/],
    [
      "a tag given twice",
      ["boot", "hello", "--share", `${dir}:a`, "--share", `${dir}:a`],
      /Two folders have the tag "a"/,
    ],
    ["an image to remove that isn't cached", ["image", "rm", "hello"], /comes with Wardian/],
  ];
  test.each(cases)("%s", async (_, args, about) => expectSentence(await wardian(args), about));

  test("a full disk", async () => {
    const outcome = await wardian(["boot", join(ROMS, "htif/htif-pass.elf"), "--log", "/dev/full"]);
    expectSentence({ ...outcome, stdout: "" }, /log .*disk is full/);
  });

  test("an unwritable cache", async () => {
    const outcome = await wardian(["boot", "debian"], { env: { XDG_CACHE_HOME: "/dev/null" } });
    expectSentence(outcome, /cache/);
  });

  test("an unreachable mirror, which leaves nothing behind", async () => {
    const cache = join(dir, "unreachable");
    // Port 9 discards, where anything listens there at all.
    const outcome = await wardian(["image", "pull", "debian", "--mirror", "http://127.0.0.1:9/debian"], {
      env: { XDG_CACHE_HOME: cache },
    });
    const sentence = outcome.stderr.split("\n").filter((line) => line.startsWith("error: "));
    expect(sentence).toHaveLength(1);
    expect(sentence[0]).toMatch(/mirror .*can't be reached/);
    expect(outcome.status).toBe(1);
    expect(images(cache)).toEqual([]);
  });
});

test("interrupted provisioning ends at once and leaves nothing half-made", async () => {
  const cache = join(dir, "interrupted");
  const silent = createServer(); // takes connections and never answers
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  try {
    const outcome = await wardian(["boot", "debian", "--mirror", `http://127.0.0.1:${port}/debian`], {
      env: { XDG_CACHE_HOME: cache },
      during: (child) => silent.once("connection", () => child.kill("SIGINT")),
    });
    const lines = outcome.stderr.trimEnd().split("\n");
    expect(lines.at(-1)).toMatch(/^error: .*interrupted/);
    expect(lines.filter((line) => line.startsWith("error: "))).toHaveLength(1);
    expect(outcome.status).toBe(130);
    expect(images(cache)).toEqual([]);
  } finally {
    silent.close();
  }
});

/** Files that a cache holds, but for its locks. */
function images(cache: string): string[] {
  const entries = readdirSync(cache, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && !/lock/.test(entry.name)).map((entry) => entry.name);
}
