import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { aptError } from "../../src/images/apt.ts";
import { fileError } from "../../src/images/errors.ts";
import { acquireLock } from "../../src/images/lock.ts";
import { parseManifest } from "../../src/images/manifest.ts";
import { findDebian, parseDeb822, parseOneLine, readSources, writeDeb822 } from "../../src/images/sources.ts";
import { exec, exists, scratch } from "./fixture.ts";

async function temporary(): Promise<string> {
  const directory = await scratch();
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

describe("the manifest", () => {
  it("that we ship is valid", async () => {
    const manifest = parseManifest(await readFile("roms/manifest.json", "utf8"));
    expect([...manifest.keys()]).toEqual(["debian", "debian-disk", "debian-installer", "edk2", "hello", "selftest"]);
    expect(manifest.get("debian")).toMatchObject({ kind: "debian", suite: "trixie", append: "console=ttyS0" });
  });

  const elf = { kind: "elf", description: "d", file: "a/b.elf", memory: 16 };
  it.each([
    ["not JSON", "{", /is not JSON/],
    ["a list", "[]", /must be an object/],
    ["a name that is a path", JSON.stringify({ "../x": elf }), /has the name "..\/x"/],
    ["an unknown kind", JSON.stringify({ a: { ...elf, kind: "iso" } }), /needs a.kind/],
    ["a file outside", JSON.stringify({ a: { ...elf, file: "../../etc/passwd" } }), /needs a.file/],
    ["an absolute file", JSON.stringify({ a: { ...elf, file: "/etc/passwd" } }), /needs a.file/],
    ["no memory", JSON.stringify({ a: { ...elf, memory: 0 } }), /needs a.memory/],
    ["too much memory", JSON.stringify({ a: { ...elf, memory: 5000 } }), /needs a.memory/],
    ["an unknown field", JSON.stringify({ a: { ...elf, bios: "none" } }), /unknown field a.bios/],
    ["a recipe without packages", JSON.stringify({ a: { ...elf, kind: "debian" } }), /needs a.packages/],
  ])("is refused when it is %s", (_, text, message) => {
    expect(() => parseManifest(text)).toThrow(message);
    expect(() => parseManifest(text)).toThrow(/roms\/manifest\.json\.$/);
  });
});

describe("apt's sources", () => {
  it("are read in the one-line format", () => {
    const text = [
      "# deb http://off.example/debian trixie main",
      "deb-src http://src.example/debian bookworm main",
      "deb [ arch=amd64 signed-by=/k.gpg ] https://m.example/debian bookworm main contrib # note",
      "\tdeb\thttp://s.example/debian-security   bookworm-security main",
    ].join("\n");
    expect(parseOneLine(text)).toEqual([
      { uri: "https://m.example/debian", suite: "bookworm", components: ["main", "contrib"], signedBy: "/k.gpg" },
      { uri: "http://s.example/debian-security", suite: "bookworm-security", components: ["main"] },
    ]);
  });

  it("are read in the deb822 format", () => {
    const text = [
      "Types: deb deb-src",
      "# a comment inside",
      "URIs: http://a.example/debian http://b.example/debian",
      "Suites: bookworm bookworm-updates",
      "Components: main",
      "Signed-By:",
      " -----BEGIN PGP PUBLIC KEY BLOCK-----",
      " .",
      " abc",
      "",
      "Enabled: no",
      "Types: deb",
      "URIs: http://off.example/",
      "Suites: sid",
      "Components: main",
      "",
      "types: deb-src",
      "uris: http://src.example/",
      "suites: sid",
    ].join("\n");
    const sources = parseDeb822(text);
    expect(sources.map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
      "http://a.example/debian bookworm",
      "http://a.example/debian bookworm-updates",
      "http://b.example/debian bookworm",
      "http://b.example/debian bookworm-updates",
    ]);
    // A key in the field keeps its lines when it is written again.
    const again = parseDeb822(writeDeb822(sources[0]!, "riscv64"))[0];
    expect(
      again?.signedBy
        ?.split("\n")
        .map((line) => line.trim())
        .filter(Boolean),
    ).toEqual(["-----BEGIN PGP PUBLIC KEY BLOCK-----", ".", "abc"]);
  });

  it("are read from the list and the parts, and Debian's is found among others", async () => {
    const directory = await temporary();
    const parts = join(directory, "parts");
    await mkdir(parts);
    await writeFile(join(parts, "a.list"), "deb https://tools.example/linux/debian bookworm stable\n");
    await writeFile(
      join(parts, "b.sources"),
      "Types: deb\nURIs: http://m.example/x\nSuites: bookworm\nComponents: main\n",
    );
    await writeFile(join(parts, "c.list.save"), "deb http://old.example/debian bookworm main\n");
    await writeFile(join(parts, "d.list"), "deb http://m.example/debian bookworm-security main\n");
    const sources = await readSources(join(directory, "missing.list"), parts);
    expect(sources).toHaveLength(3);
    expect(findDebian(sources)?.uri).toBe("http://m.example/x");
    const more = parseOneLine("deb http://n.example/debian bookworm main");
    expect(findDebian([...sources, ...more])?.uri).toBe("http://n.example/debian");
    expect(findDebian(parseOneLine("deb http://u.example/ubuntu jammy main"))).toBeUndefined();
  });
});

describe("errors", () => {
  const source = { uri: "http://m.example/debian", suite: "trixie", components: ["main"] };
  it.each([
    ["E: Write error - write (28: No space left on device)", "disk-full"],
    ["E: You don't have enough free space in /x.", "disk-full"],
    ["W: GPG error: http://m trixie InRelease: NO_PUBKEY 1\nE: The repository 'm' is not signed.", "signature"],
    ["E: Release file for http://m is expired; it is no longer valid", "signature"],
    ["E: Failed to fetch http://m/x  Hash Sum mismatch", "inconsistent"],
    ["E: Failed to fetch http://m/x  File has unexpected size (1 != 2). Mirror sync in progress?", "inconsistent"],
    ["E: Failed to fetch http://m/x  Could not resolve 'm'", "unreachable"],
    ["E: The repository 'http://m trixie Release' does not have a Release file.", "unreachable"],
    ["E: something new", "apt"],
  ])("of apt: %s", (stderr, code) => {
    const error = aptError(`W: unrelated\n${stderr}\n`, source);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^[A-Za-z][^\n]*[a-z]\.$/);
  });

  it("of files say what was being done", () => {
    const errno = (code: string) => Object.assign(new Error(code), { code });
    expect(fileError(errno("ENOSPC"), "write x")).toMatchObject({ code: "disk-full" });
    expect(fileError(errno("EACCES"), "write x")).toMatchObject({ code: "cache" });
    expect(fileError(errno("EACCES"), "write x").message).toContain("write x (EACCES)");
    expect(fileError(Object.assign(new Error(), { name: "AbortError" }), "x")).toMatchObject({ code: "interrupted" });
  });
});

describe("the lock", () => {
  it("is held by one at a time, and waited for", async () => {
    const file = join(await temporary(), "lock");
    let inside = 0;
    let most = 0;
    let waits = 0;
    const job = async (): Promise<void> => {
      const release = await acquireLock(file, undefined, () => waits++);
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inside--;
      await release();
    };
    await Promise.all([job(), job(), job()]);
    expect(most).toBe(1);
    expect(waits).toBe(2);
    expect(await exists(file)).toBe(false);
  });

  it("is not waited for after an abort", async () => {
    const file = join(await temporary(), "lock");
    const release = await acquireLock(file);
    const controller = new AbortController();
    const second = acquireLock(file, controller.signal, () => controller.abort());
    await expect(second).rejects.toMatchObject({ code: "interrupted" });
    expect(await exists(file)).toBe(true);
    await release();
  });

  it.each([
    ["of a process that is gone", async () => (await exec("sh", ["-c", "echo $$"])).stdout.trim()],
    ["of another process that had a living one's number", async () => `${process.pid} 1`],
    ["that was never written", async () => ""],
  ])("%s is taken over", async (_, content) => {
    const file = join(await temporary(), "lock");
    await writeFile(file, await content());
    const release = await acquireLock(file);
    expect(await readFile(file, "utf8")).toMatch(new RegExp(`^${process.pid} `));
    await release();
  });
});
