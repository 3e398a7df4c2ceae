import { createHash } from "node:crypto";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { moduleTables } from "../../../src/images/disk/depmod.ts";
import { PARTITION_TYPES, partitionTable } from "../../../src/images/disk/gpt.ts";
import { systemFiles } from "../../../src/images/disk/system.ts";
import { writeTree } from "../../../src/images/disk/tree.ts";
import { readModuleFacts } from "../../../src/images/modules.ts";
import { readEntries, type TarEntry } from "../../../src/images/tar.ts";
import { TAR_END, type TarItem, tarBlocks } from "../../../src/images/tar-writer.ts";
import { exec, scratch } from "../fixture.ts";

let directory: string;
beforeEach(async () => {
  directory = await scratch();
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const LONG = `${"directory/".repeat(15)}file`;

describe("tar, as GNU tar reads it", () => {
  const items: TarItem[] = [
    { kind: "directory", path: "", mode: 0o755 },
    { kind: "directory", path: "tmp", mode: 0o1777, mtime: 86_400 },
    { kind: "file", path: "bin", data: Buffer.from("text"), mode: 0o4755, uid: 1, gid: 42 },
    { kind: "link", path: "hard", target: "bin", mode: 0o4755, uid: 1, gid: 42 },
    { kind: "symlink", path: "soft", target: "a/../b", mode: 0o777 },
    { kind: "character", path: "null", major: 1, minor: 3, mode: 0o666 },
    { kind: "block", path: "vda", major: 254, minor: 0, mode: 0o660 },
    { kind: "fifo", path: "pipe", mode: 0o600 },
    { kind: "file", path: LONG, data: Buffer.alloc(513, 1) },
    { kind: "symlink", path: "far", target: LONG, mode: 0o777 },
  ];
  const archive = Buffer.concat([...items.map(tarBlocks), TAR_END]);

  it("shows every kind with its mode, owner, size and names", async () => {
    const file = join(directory, "a.tar");
    await writeFile(file, archive);
    const { stdout } = await exec("tar", ["--utc", "--numeric-owner", "-tvf", file], {
      env: { ...process.env, LC_ALL: "C" },
    });
    expect(stdout.trimEnd().replace(/ +/g, " ").split("\n")).toEqual([
      "drwxr-xr-x 0/0 0 1970-01-01 00:00 ./",
      "drwxrwxrwt 0/0 0 1970-01-02 00:00 ./tmp/",
      "-rwsr-xr-x 1/42 4 1970-01-01 00:00 ./bin",
      "hrwsr-xr-x 1/42 0 1970-01-01 00:00 ./hard link to ./bin",
      "lrwxrwxrwx 0/0 0 1970-01-01 00:00 ./soft -> a/../b",
      "crw-rw-rw- 0/0 1,3 1970-01-01 00:00 ./null",
      "brw-rw---- 0/0 254,0 1970-01-01 00:00 ./vda",
      "prw------- 0/0 0 1970-01-01 00:00 ./pipe",
      `-rw-r--r-- 0/0 513 1970-01-01 00:00 ./${LONG}`,
      `lrwxrwxrwx 0/0 0 1970-01-01 00:00 ./far -> ${LONG}`,
    ]);
  });

  it("comes back as it was", async () => {
    const read: TarEntry[] = [];
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < archive.length; at += 700) yield archive.subarray(at, at + 700);
    };
    for await (const entry of readEntries(chunks())) read.push(entry);
    expect(read).toHaveLength(items.length);
    for (const [index, item] of items.entries()) {
      const { data, ...rest } = item;
      expect(read[index]).toMatchObject(rest);
      expect(Buffer.from(read[index]!.data)).toEqual(Buffer.from(data ?? []));
    }
  });
});

describe("a partition table, as sgdisk reads it", () => {
  it("is whole, both copies, and says what is where", async () => {
    const MIB = 2 ** 20;
    const size = 300 * MIB;
    const disk = Buffer.alloc(size);
    const id = (digit: string): string => `${digit.repeat(8)}-1111-8222-a333-${digit.repeat(12)}`;
    const partitions = [
      { type: PARTITION_TYPES.efi, id: id("a"), name: "EFI", offset: MIB, size: 127 * MIB },
      { type: PARTITION_TYPES.root, id: id("b"), name: "root", offset: 128 * MIB, size: 171 * MIB },
    ];
    for (const { offset, bytes } of partitionTable(size, id("c"), partitions)) disk.set(bytes, offset);
    const file = join(directory, "disk");
    await writeFile(file, disk);
    const show = async (...flags: string[]): Promise<string> => (await exec("sgdisk", [...flags, file])).stdout;
    expect(await show("-v")).toContain("No problems found.");
    expect(await show("-p")).toMatch(/ 1 +2048 +262143 .* EFI\n +2 +262144 +612351 .* root\n/);
    const second = await show("-i", "2");
    expect(second).toContain(PARTITION_TYPES.root.toUpperCase());
    expect(second).toContain(id("b").toUpperCase());
    // A changed byte anywhere in the table is seen.
    disk[2 * 512 + 40]! ^= 1;
    await writeFile(file, disk);
    expect(await show("-v")).not.toContain("No problems found.");
  });
});

describe("the modules' tables, as depmod makes them", () => {
  /** A relocatable file with `.modinfo` and exported symbols, by the assembler. */
  async function module(path: string, info: string[], symbols: string[], uses: string[]): Promise<Buffer> {
    const file = join(directory, "tree/lib/modules/6.1", path);
    await mkdir(dirname(file), { recursive: true });
    const source = [
      '.section .modinfo,"a"',
      ...info.map((line) => `.asciz ${JSON.stringify(line)}`),
      '.section ___ksymtab,"a"',
      ...symbols.flatMap((name) => [`__ksymtab_${name}:`, `__crc_${name}:`, ".quad 0"]),
      // depmod finds by them what a module depends on.
      '.section .data,"aw"',
      ...uses.map((name) => `.quad ${name}`),
      "",
    ];
    const assembler = exec("riscv64-linux-gnu-as", ["-o", file, "-"]);
    assembler.child.stdin?.end(source.join("\n"));
    await assembler;
    return readFile(file);
  }

  it("are the same files, but for the order of lines", async () => {
    const base = join(directory, "tree/lib/modules/6.1");
    const data = new Map<string, Buffer>();
    const make = async (path: string, info: string[], symbols: string[] = [], uses: string[] = []): Promise<void> => {
      data.set(path, await module(path, info, symbols, uses));
    };
    await make("kernel/lib/crc-a.ko", ["depends=", "alias=crypto-crc-a", "license=GPL"], ["crc_a", "crc_ab"]);
    const big = ["depends=mid,crc-a", "alias=fs-big", "softdep=pre: crc-a", "weakdep=mid"];
    await make("kernel/fs/big.ko", big, [], ["mid", "crc_ab"]);
    const mid = ["depends=crc-a", "alias=virtio:d0000000[2-3]v*", "alias=virtio:d00000002v*"];
    await make("kernel/fs/mid.ko", mid, ["mid"], ["crc_a"]);
    await make("kernel/net/tun.ko", ["depends=", "alias=devname:net/tun", "alias=char-major-10-200", "alias=fs-big"]);
    const lists = {
      order: "kernel/net/tun.ko\nkernel/lib/crc-a.ko\nkernel/fs/mid.ko\n",
      builtin: "kernel/fs/fuse/fuse.ko\nkernel/drivers/tty/hvc-one.ko\n",
      builtinInfo: "fuse.alias=fs-fuse\0fuse.license=GPL\0hvc_one.alias=of:N*T*Chvc-one\0",
    };
    await writeFile(join(base, "modules.order"), lists.order);
    await writeFile(join(base, "modules.builtin"), lists.builtin);
    await writeFile(join(base, "modules.builtin.modinfo"), lists.builtinInfo);
    const tables = moduleTables(
      [...data].map(([path, bytes]) => readModuleFacts(path, bytes)),
      lists,
    );
    await exec("depmod", ["-b", join(directory, "tree"), "6.1"]);

    const sorted = (bytes: Uint8Array): string[] => Buffer.from(bytes).toString("latin1").split("\n").sort();
    for (const [name, bytes] of tables) {
      // The host's depmod may be older than this table.
      if (name === "modules.weakdep") continue;
      const theirs = await readFile(join(base, name));
      if (name.endsWith(".bin")) expect(Buffer.from(bytes).equals(theirs), name).toBe(true);
      else expect(sorted(bytes), name).toEqual(sorted(theirs));
    }
    expect(Buffer.from(tables.get("modules.weakdep")!).toString()).toContain("\nweakdep big mid\n");
  });
});

describe("a tree of packages, as dpkg reads it", () => {
  async function deb(name: string, fields: string[], files: Record<string, string>): Promise<string> {
    const tree = join(directory, name);
    const head = [`Package: ${name}`, "Version: 1:2", "Architecture: riscv64", "Maintainer: F <f@example.org>"];
    const all = { ...files, "DEBIAN/control": `${[...head, ...fields, "Description: d", " more"].join("\n")}\n` };
    for (const [path, text] of Object.entries(all)) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), text, { mode: path.endsWith("inst") ? 0o755 : 0o644 });
    }
    const file = join(directory, `${name}.deb`);
    await exec("dpkg-deb", ["--root-owner-group", "-Znone", "-b", tree, file]);
    return file;
  }

  /** dpkg-query's format. */
  const field = (...names: string[]): string => `${names.map((name) => ["$", "{", name, "}"].join("")).join(" ")}\n`;

  it("has the packages unpacked and consistent, waiting to be configured", async () => {
    const debs = new Map([
      ["libone", await deb("libone", ["Multi-Arch: same", "Priority: optional"], { "usr/lib/libone": "1" })],
      [
        "two",
        await deb("two", ["Depends: libone", "Essential: yes"], {
          "etc/two.conf": "setting\n",
          "usr/bin/two": "2",
          "DEBIAN/conffiles": "/etc/two.conf\n",
          "DEBIAN/postinst": "#!/bin/sh\n",
          "DEBIAN/triggers": "interest-noawait /usr/lib\ninterest rebuild-two\n",
        }),
      ],
    ]);
    const archive = join(directory, "tree.tar");
    const source = { uri: "http://mirror.invalid/debian", suite: "trixie", components: ["main"] };
    const { packages } = await writeTree(archive, debs, {
      own: async (packages) =>
        systemFiles({
          packages,
          wanted: new Set(["two"]),
          ownFiles: [{ path: "etc/hostname", data: Buffer.from("wardian\n") }],
          source,
          proxy: new Map([["Acquire::http::Proxy", "http://proxy.invalid:3128"]]),
          rootId: "0d9c5d5c-0000-8000-a000-000000000000",
          espId: "ABCD-1234",
        }),
      progress: () => {},
    });
    expect(packages.map(({ name, version }) => `${name} ${version}`)).toEqual(["libone 1:2", "two 1:2"]);
    const root = join(directory, "root");
    await mkdir(root);
    await exec("tar", ["--no-same-owner", "-xf", archive, "-C", root]);
    const database = join(root, "var/lib/dpkg");
    const query = async (...args: string[]): Promise<string> =>
      (await exec("dpkg-query", [`--admindir=${database}`, ...args])).stdout;
    expect(await query("-W", "-f", field("Package", "Status", "Version"))).toBe(
      "libone install ok unpacked 1:2\ntwo install ok unpacked 1:2\n",
    );
    expect(await query("-L", "two")).toBe("/.\n/etc\n/etc/two.conf\n/usr\n/usr/bin\n/usr/bin/two\n");
    expect(await query("-S", "/usr/lib/libone")).toBe("libone:riscv64: /usr/lib/libone\n");
    const sum = createHash("md5").update("setting\n").digest("hex");
    expect(await query("-W", "-f", field("Conffiles"), "two")).toBe(` /etc/two.conf ${sum}\n`);
    expect((await stat(join(database, "info/two.postinst"))).mode & 0o777).toBe(0o755);
    expect(await readFile(join(database, "triggers/File"), "utf8")).toBe("/usr/lib two/noawait\n");
    expect(await readFile(join(database, "triggers/rebuild-two"), "utf8")).toBe("two\n");
    // dpkg itself finds nothing wrong but that they aren't configured.
    const { stdout } = await exec("dpkg", [`--admindir=${database}`, "--audit"], {
      env: { ...process.env, LC_ALL: "C" },
    });
    const [first = ""] = stdout.split("\n\n");
    expect(first).toMatch(/^The following packages have been unpacked but not yet configured\./);
    expect(first.match(/^ \w+/gm)).toEqual([" libone", " two"]);

    expect(await readFile(join(root, "etc/fstab"), "utf8")).toContain(
      "UUID=0d9c5d5c-0000-8000-a000-000000000000 / ext4",
    );
    const sources = await readFile(join(root, "etc/apt/sources.list.d/debian.sources"), "utf8");
    expect(sources).toBe("Types: deb\nURIs: http://mirror.invalid/debian\nSuites: trixie\nComponents: main\n");
    const automatic = await readFile(join(root, "var/lib/apt/extended_states"), "utf8");
    expect(automatic.trim()).toBe("Package: libone\nArchitecture: riscv64\nAuto-Installed: 1");
    expect(await readFile(join(root, "etc/apt/apt.conf.d/10proxy"), "utf8")).toBe(
      'Acquire::http::Proxy "http://proxy.invalid:3128";\n',
    );
  });

  it("refuses two packages that have the same file", async () => {
    const debs = new Map([
      ["one", await deb("one", [], { "usr/bin/same": "1" })],
      ["two", await deb("two", [], { "usr/bin/same": "2" })],
    ]);
    const made = writeTree(join(directory, "tree.tar"), debs, { own: async () => [], progress: () => {} });
    await expect(made).rejects.toMatchObject({ name: "ImageError", message: expect.stringContaining("usr/bin/same") });
  });
});
