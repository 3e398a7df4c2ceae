import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CpioEntry, writeCpio } from "../../src/images/cpio.ts";
import { applets, buildInitramfs, readInitFiles } from "../../src/images/initramfs.ts";
import { readTar } from "../../src/images/tar.ts";
import { exec, FAKE_BUSYBOX, scratch } from "./fixture.ts";

let directory: string;
beforeEach(async () => {
  directory = await scratch();
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** `cpio -tv` of an archive: mode, links, owner, size or device, date, name. */
async function listing(archive: Uint8Array, ...flags: string[]): Promise<string[]> {
  const file = join(directory, "archive.cpio");
  await writeFile(file, archive);
  const { stdout } = await exec("sh", ["-c", `TZ=UTC LC_ALL=C cpio --quiet ${flags.join(" ")} <'${file}'`], {
    cwd: directory,
  });
  return stdout.trimEnd().split("\n");
}

describe("cpio, as GNU cpio reads it", () => {
  const entries: CpioEntry[] = [
    { kind: "directory", path: "bin" },
    { kind: "directory", path: "tmp", mode: 0o1777 },
    { kind: "character", path: "console", major: 5, minor: 1 },
    { kind: "file", path: "bin/a", data: Buffer.from("one"), mode: 0o755 },
    { kind: "file", path: "bin/empty", data: Buffer.alloc(0) },
    { kind: "link", path: "bin/link", target: "a" },
    ...[1, 2, 3, 4, 5].map(
      (size): CpioEntry => ({ kind: "file", path: `f${"x".repeat(size)}`, data: Buffer.alloc(size, size) }),
    ),
  ];

  it("lists every kind with its mode, size and name", async () => {
    const lines = (await listing(writeCpio(entries), "-tv")).map((line) => line.replace(/\s+/g, " "));
    expect(lines.slice(0, 7)).toEqual([
      "drwxr-xr-x 2 root root 0 Jan 1 1970 bin",
      "drwxrwxrwt 2 root root 0 Jan 1 1970 tmp",
      "crw------- 1 root root 5, 1 Jan 1 1970 console",
      "-rwxr-xr-x 1 root root 3 Jan 1 1970 bin/a",
      "-rw-r--r-- 1 root root 0 Jan 1 1970 bin/empty",
      "lrwxrwxrwx 1 root root 1 Jan 1 1970 bin/link -> a",
      "-rw-r--r-- 1 root root 1 Jan 1 1970 fx",
    ]);
    expect(lines).toHaveLength(entries.length);
  });

  it("gives back what went in, at every padding", async () => {
    await listing(writeCpio(entries.filter(({ kind }) => kind !== "character")), "-id");
    for (const entry of entries) {
      if (entry.kind === "file") expect(await readFile(join(directory, entry.path))).toEqual(entry.data);
    }
  });

  it("is the same bytes each time, in whole blocks", () => {
    expect(writeCpio(entries)).toEqual(writeCpio(entries));
    expect(writeCpio(entries).length % 512).toBe(0);
    expect(writeCpio([]).length).toBe(512);
  });
});

describe("the initramfs", () => {
  it("has every directory before what is in it, and our own init files", async () => {
    const files = await readInitFiles("roms/init");
    const lines = await listing(buildInitramfs({ busybox: FAKE_BUSYBOX, release: "6.1", modules: [], files }), "-t");
    const seen = new Set(["."]);
    for (const path of lines) {
      expect(seen).toContain(dirname(path));
      expect(seen).not.toContain(path);
      seen.add(path);
    }
    expect(lines).toEqual(expect.arrayContaining(["init", "etc/inittab", "etc/rc", "etc/agent", "dev/console"]));
  });

  it("links the names that BusyBox has, its own aside", () => {
    expect(applets(FAKE_BUSYBOX)).toContain("ls");
    expect(applets(FAKE_BUSYBOX)).not.toContain("busybox");
    expect(applets(FAKE_BUSYBOX)).not.toContain("linuxrc");
  });

  it.each([
    ["no table", Buffer.from("\x7fELF")],
    ["a table without an end", Buffer.from("[\0[[\0ash\0sh")],
    ["no init", Buffer.from("[\0[[\0sh\0mount\0\0")],
  ])("refuses a BusyBox with %s", (_, bytes) => {
    expect(() => applets(bytes)).toThrow(/use Debian's busybox-static/);
  });

  it("has scripts that a shell can read", async () => {
    for (const script of ["rc", "agent", "profile"]) await exec("sh", ["-n", `roms/init/etc/${script}`]);
  });
});

describe("tar, as GNU tar writes it", () => {
  const long = `${"deep/".repeat(40)}file`; // 204 characters: too long for one header's name
  const contents: Record<string, string> = { "a/one": "1", "a/block": "x".repeat(512), "a/none": "", [long]: "long" };

  async function archive(format: string): Promise<Buffer> {
    for (const [path, text] of Object.entries(contents)) {
      await mkdir(dirname(join(directory, "in", path)), { recursive: true });
      await writeFile(join(directory, "in", path), text);
    }
    await exec("ln", ["-sf", "one", join(directory, "in/a/link")]);
    const { stdout } = await exec("tar", [`--format=${format}`, "-C", join(directory, "in"), "-c", "."], {
      encoding: "buffer",
    });
    return stdout;
  }

  async function* pieces(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
  }

  async function unpack(chunks: AsyncIterable<Uint8Array>, wanted = (_: string) => true) {
    const found: Record<string, string> = {};
    for await (const { path, data } of readTar(chunks, wanted)) found[path] = Buffer.from(data).toString();
    return found;
  }

  it.each(["gnu", "pax", "ustar"])("reads the %s format in pieces of any size", async (format) => {
    const data = await archive(format);
    for (const size of [100, 512, 10_000]) expect(await unpack(pieces(data, size))).toEqual(contents);
  });

  it("gives only what is wanted", async () => {
    const found = await unpack(pieces(await archive("gnu"), 4096), (path) => path === "a/one");
    expect(found).toEqual({ "a/one": "1" });
  });

  it.each([
    ["cut short", (data: Buffer) => data.subarray(0, 1000)],
    ["with a wrong checksum", (data: Buffer) => Buffer.concat([Buffer.from("?"), data.subarray(1)])],
    ["of another kind", () => Buffer.alloc(512, "not a tar")],
  ])("refuses an archive %s", async (_, damage) => {
    await expect(unpack(pieces(damage(await archive("gnu")), 512))).rejects.toMatchObject({ code: "bad-package" });
  });
});
