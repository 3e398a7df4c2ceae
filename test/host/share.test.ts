/** A directory of the host served to a guest: what Linux's file systems do, asked for in FUSE. */

import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { get16, get32 } from "../../src/devices/virtio/bytes.ts";
import { openShare } from "../../src/host/node/share.ts";
import { seconds } from "../../src/host/node/share-tree.ts";
import { body, errno, FuseClient, ROOT } from "./fuse-client.ts";
import { type Setup, type SharedFolder, shared } from "./share-folder.ts";

const [EPERM, ENOENT, EIO, EBADF, EACCES, EEXIST, EISDIR, EINVAL, EMFILE] = [1, 2, 5, 9, 13, 17, 21, 22, 24];
const [ENOTDIR, ENFILE, EROFS, ENAMETOOLONG, ENOSYS, ENOTEMPTY, ELOOP, EPROTO, EOPNOTSUPP, ESTALE] = [
  20, 23, 30, 36, 38, 39, 40, 71, 95, 116,
];
const O = { WRONLY: 1, RDWR: 2, CREAT: 0o100, EXCL: 0o200, TRUNC: 0o1000, APPEND: 0o2000 };
const isRoot = process.geteuid!() === 0;

const open: SharedFolder[] = [];
function setup(options?: Setup): SharedFolder {
  const made = shared(options);
  open.push(made);
  return made;
}
afterEach(() => {
  for (const folder of open.splice(0)) folder.close();
});

describe("a session", () => {
  test("begins with INIT, whose flags are those that both have", () => {
    const { server } = setup();
    const guest = new FuseClient((request) => server.handle(request));
    const reply = guest.init(38, 0xffff_ffff);
    expect([get32(reply, 0), get32(reply, 4)]).toEqual([7, 31]);
    const flags = get32(reply, 12);
    // No locks, write-back cache, zero-message opens, ACLs or DAX; big transfers and directories in one go.
    for (const no of [1, 10, 16, 17, 20, 24, 26]) expect(flags & (1 << no), `flag ${no}`).toBe(0);
    for (const yes of [0, 3, 5, 12, 13, 14, 15, 18, 22, 23]) expect(flags & (1 << yes), `flag ${yes}`).not.toBe(0);
    expect([get32(reply, 20), get16(reply, 28)]).toEqual([1 << 20, 256]);
    expect(get32(guest.init(31, 1), 12)).toBe(1);
    expect(errno(() => guest.init(9))).toBe(EPROTO);
    expect(errno(() => guest.lookup(ROOT, "a"))).toBe(EIO);
  });

  test("forgets all at its end, and at the next INIT", () => {
    const { guest, server, dir } = setup();
    writeFileSync(join(dir, "a"), "");
    const { node } = guest.lookup(ROOT, "a");
    guest.open(node);
    guest.init();
    expect(server.held).toEqual({ nodes: 1, descriptors: 1, handles: 0 });
    expect(errno(() => guest.getattr(node))).toBe(ESTALE);
    guest.lookup(ROOT, "a");
    guest.call(38, ROOT, new Uint8Array(0));
    expect(server.held.nodes).toBe(1);
    expect(errno(() => guest.getattr(ROOT))).toBe(EIO);
  });

  test("says of what it hasn't that it hasn't it, so that the guest carries on", () => {
    const { guest } = setup();
    const zeros = new Uint8Array(100);
    for (const operation of [21, 22, 23, 24, 25, 31, 32, 34, 37, 40, 46, 48, 49, 51, 52, 999, 0])
      expect(
        errno(() => guest.call(operation, ROOT, zeros)),
        `operation ${operation}`,
      ).toBe(ENOSYS);
  });
});

describe("names", () => {
  test("lead to files with their attributes", () => {
    const { guest, dir } = setup();
    mkdirSync(join(dir, "sub"));
    writeFileSync(join(dir, "sub/file"), "hello", { mode: 0o640 });
    const { attr } = guest.walk("sub/file");
    const host = statSync(join(dir, "sub/file"));
    expect(attr).toMatchObject({ ino: host.ino, size: 5, mode: 0o100640, nlink: 1 });
    expect(errno(() => guest.walk("sub/none"))).toBe(ENOENT);
    expect(errno(() => guest.walk("sub/file/x"))).toBe(ENOTDIR);
  });

  test("are components: nothing with a slash, no dots, none empty, too long or unended", () => {
    const { guest, outside } = setup();
    for (const name of ["", ".", "..", "a/b", "/", "../outside", `${outside}`]) {
      expect(
        errno(() => guest.lookup(ROOT, name)),
        `lookup ${name}`,
      ).toBe(EINVAL);
      expect(
        errno(() => guest.mkdir(ROOT, name)),
        `mkdir ${name}`,
      ).toBe(EINVAL);
      expect(
        errno(() => guest.create(ROOT, name)),
        `create ${name}`,
      ).toBe(EINVAL);
      expect(
        errno(() => guest.unlink(ROOT, name)),
        `unlink ${name}`,
      ).toBe(EINVAL);
      expect(
        errno(() => guest.symlink(ROOT, name, "x")),
        `symlink ${name}`,
      ).toBe(EINVAL);
      expect(
        errno(() => guest.rename(ROOT, "a", ROOT, name)),
        `rename ${name}`,
      ).toBe(EINVAL);
    }
    expect(errno(() => guest.lookup(ROOT, "x".repeat(256)))).toBe(ENAMETOOLONG);
    expect(errno(() => guest.call(1, ROOT, Buffer.from("unended")))).toBe(EINVAL);
  });

  test("are bytes of any kind", () => {
    const { guest, dir } = setup();
    const name = "caf\xc3\xa9 \xff\x01\n";
    guest.create(ROOT, name);
    expect(readdirSync(dir, "buffer")[0]).toEqual(Buffer.from(name, "latin1"));
    expect(guest.list(ROOT).map((entry) => entry.name)).toEqual([".", "..", name]);
    expect(guest.lookup(ROOT, name).attr.size).toBe(0);
  });
});

describe("symbolic links", () => {
  test("are text, which the host never follows", () => {
    const { guest, dir, outside } = setup();
    symlinkSync("../outside", join(dir, "up"));
    symlinkSync(join(outside, "secret"), join(dir, "absolute"));
    const up = guest.lookup(ROOT, "up");
    expect(up.attr.mode & 0o170000).toBe(0o120000);
    expect(guest.readlink(up.node)).toBe("../outside");
    for (const act of [
      () => guest.lookup(up.node, "secret"),
      () => guest.opendir(up.node),
      () => guest.create(up.node, "new"),
      () => guest.mkdir(up.node, "new"),
      () => guest.unlink(up.node, "secret"),
      () => guest.rename(up.node, "secret", ROOT, "mine"),
      () => guest.symlink(up.node, "new", "x"),
    ])
      expect(errno(act)).toBe(ENOTDIR);
    const absolute = guest.lookup(ROOT, "absolute").node;
    expect(errno(() => guest.open(absolute))).toBe(ELOOP);
    expect(errno(() => guest.open(absolute, O.WRONLY))).toBe(ELOOP);
    expect(errno(() => guest.create(ROOT, "absolute", O.RDWR | O.CREAT))).toBe(ELOOP);
    expect(errno(() => guest.setattr(absolute, { size: 0 }))).toBe(ELOOP);
    expect(readFileSync(join(outside, "secret"), "utf8")).toBe("what no guest may read");
  });

  test("are made with any text, and their times are their own", () => {
    const { guest, dir, outside } = setup();
    const target = "/etc/../anything \xff";
    const { node, attr } = guest.symlink(ROOT, "s", target);
    expect(attr.mode).toBe(0o120777);
    expect(readlinkSync(join(dir, "s"), "buffer")).toEqual(Buffer.from(target, "latin1"));
    expect(guest.readlink(node)).toBe(target);
    const toSecret = guest.symlink(ROOT, "t", join(outside, "secret")).node;
    const before = statSync(join(outside, "secret"));
    guest.setattr(toSecret, { mtime: [1, 0], atime: [1, 0] });
    errno(() => guest.setattr(toSecret, { mode: 0o777 }));
    if (isRoot) guest.setattr(toSecret, { uid: 5, gid: 5 });
    expect(lstatSync(join(dir, "t")).mtimeMs).toBe(1000);
    const { mode, uid, mtimeMs, ctimeMs } = statSync(join(outside, "secret"));
    expect({ mode, uid, mtimeMs, ctimeMs }).toEqual({
      mode: before.mode,
      uid: before.uid,
      mtimeMs: before.mtimeMs,
      ctimeMs: before.ctimeMs,
    });
    expect(errno(() => guest.symlink(ROOT, "s", "again"))).toBe(EEXIST);
    expect(errno(() => guest.symlink(ROOT, "e", ""))).toBe(ENOENT);
    expect(errno(() => guest.symlink(ROOT, "l", "x".repeat(4096)))).toBe(ENAMETOOLONG);
    expect(errno(() => guest.readlink(ROOT))).toBe(EINVAL);
  });
});

describe("files", () => {
  test("are made with the mode that the guest asks for, whatever the host's umask is", () => {
    const { guest, dir } = setup();
    for (const mode of [0o666, 0o777, 0o600, 0o444, 0o4755, 0o2755, 0o000]) {
      const name = `m${mode.toString(8)}`;
      const { attr, node, handle } = guest.create(ROOT, name, O.RDWR | O.CREAT | O.EXCL, mode);
      expect(guest.getattr(node).mode, name).toBe(0o100000 | mode);
      expect(attr.mode, name).toBe(0o100000 | mode);
      expect(statSync(join(dir, name)).mode & 0o7777).toBe(mode);
      expect(guest.write(node, handle, 0, "written all the same")).toBe(20);
    }
    for (const mode of [0o777, 0o1777, 0o700])
      expect(guest.mkdir(ROOT, `d${mode}`, mode).attr.mode).toBe(0o40000 | mode);
    expect(guest.mknod(ROOT, "plain", 0o100622).attr.mode).toBe(0o100622);
  });

  test("are opened, or made, as the flags say", () => {
    const { guest, dir } = setup();
    writeFileSync(join(dir, "a"), "old contents");
    expect(errno(() => guest.create(ROOT, "a", O.RDWR | O.CREAT | O.EXCL))).toBe(EEXIST);
    const { node, handle } = guest.create(ROOT, "a", O.RDWR | O.CREAT);
    expect(Buffer.from(guest.read(node, handle, 4, 100)).toString()).toBe("contents");
    guest.create(ROOT, "a", O.RDWR | O.CREAT | O.TRUNC);
    expect(readFileSync(join(dir, "a"), "utf8")).toBe("");
    writeFileSync(join(dir, "a"), "more");
    guest.open(node, O.RDWR | O.TRUNC);
    expect(readFileSync(join(dir, "a"), "utf8")).toBe("");
    const reader = guest.open(node, 0).handle;
    expect(errno(() => guest.write(node, reader, 0, "x"))).toBe(EBADF);
    const writer = guest.open(node, O.WRONLY).handle;
    expect(errno(() => guest.read(node, writer, 0, 1))).toBe(EBADF);
    expect(errno(() => guest.open(ROOT))).toBe(EISDIR);
    expect(errno(() => guest.open(node, 3))).toBe(EINVAL);
    mkdirSync(join(dir, "d"));
    expect(errno(() => guest.create(ROOT, "d", O.RDWR | O.CREAT))).toBe(EISDIR);
  });

  test("are appended to, by the host too, and mapped memory still goes where it belongs", () => {
    const { guest, dir } = setup();
    const { node, handle } = guest.create(ROOT, "log", O.RDWR | O.CREAT | O.APPEND);
    guest.write(node, handle, 0, "one ");
    appendFileSync(join(dir, "log"), "two ");
    guest.write(node, handle, 4, "three");
    expect(readFileSync(join(dir, "log"), "utf8")).toBe("one two three");
    guest.write(node, handle, 0, "ONE", 1);
    expect(readFileSync(join(dir, "log"), "utf8")).toBe("ONE two three");
  });

  test("live on when they are removed, until they are closed", () => {
    const { guest, dir } = setup();
    const { node, handle } = guest.create(ROOT, "gone");
    guest.write(node, handle, 0, "still here");
    guest.unlink(ROOT, "gone");
    expect(existsSync(join(dir, "gone"))).toBe(false);
    expect(guest.getattr(node)).toMatchObject({ size: 10, nlink: 0 });
    expect(guest.getattr(node, handle).nlink).toBe(0);
    guest.setattr(node, { size: 5, handle });
    guest.setattr(node, { mode: 0o600 });
    expect(Buffer.from(guest.read(node, handle, 0, 100)).toString()).toBe("still");
    const second = guest.open(node, O.RDWR).handle;
    expect(guest.read(node, second, 0, 100)).toHaveLength(5);
    // The same name again is another file.
    const again = guest.create(ROOT, "gone");
    expect(again.node).not.toBe(node);
    guest.rename(ROOT, "gone", ROOT, "moved");
    const other = guest.create(ROOT, "other");
    guest.write(other.node, other.handle, 0, "replaced");
    guest.rename(ROOT, "moved", ROOT, "other");
    expect(guest.getattr(other.node)).toMatchObject({ size: 8, nlink: 0 });
    expect(guest.lookup(ROOT, "other").node).toBe(again.node);
  });

  test("are cut, stretched and sparse", () => {
    const { guest, dir } = setup();
    const { node, handle } = guest.create(ROOT, "f");
    guest.write(node, handle, 5_000_000_000, "far");
    expect(guest.getattr(node).size).toBe(5_000_000_003);
    expect(statSync(join(dir, "f")).blocks).toBeLessThan(1000);
    expect(guest.read(node, handle, 1_000_000, 4).every((byte) => byte === 0)).toBe(true);
    expect(guest.setattr(node, { size: 3 }).size).toBe(3);
    expect(guest.setattr(node, { size: 2 ** 33 }).size).toBe(2 ** 33);
    expect(errno(() => guest.setattr(node, { size: 2 ** 63 }))).toBe(EINVAL);
    expect(errno(() => guest.setattr(ROOT, { size: 1 }))).toBe(EISDIR);
  });

  test("give their space beforehand as far as that can be done, and are zeroed", () => {
    const { guest, dir } = setup();
    const { node, handle } = guest.create(ROOT, "f");
    const fallocate = (offset: number, length: number, mode: number) =>
      errno(() =>
        guest.call(
          43,
          node,
          body([
            [8, handle],
            [8, offset],
            [8, length],
            [4, mode],
            [4, 0],
          ]),
        ),
      );
    guest.write(node, handle, 0, "x".repeat(10_000));
    expect(fallocate(0, 3_000_000, 0)).toBe(0);
    expect(statSync(join(dir, "f"))).toMatchObject({ size: 3_000_000 });
    expect(statSync(join(dir, "f")).blocks * 512).toBeGreaterThanOrEqual(2_900_000);
    expect(fallocate(1000, 2000, 3)).toBe(0);
    const bytes = readFileSync(join(dir, "f"));
    expect([bytes[999], bytes[1000], bytes[2999], bytes[3000], bytes.length]).toEqual([120, 0, 0, 120, 3_000_000]);
    expect(fallocate(2_999_999, 1000, 3)).toBe(0);
    expect(statSync(join(dir, "f")).size).toBe(3_000_000);
    expect(fallocate(0, 100, 8)).toBe(EOPNOTSUPP); // collapse
    expect(fallocate(0, 2 ** 40, 0)).toBe(EOPNOTSUPP);
    truncateSync(join(dir, "f"), 50_000_000);
    expect(fallocate(0, 1000, 0)).toBe(EOPNOTSUPP); // a hole inside
    expect(fallocate(0, 0, 0)).toBe(EINVAL);
  });

  test("are copied without going through the guest", () => {
    const { guest, dir } = setup();
    const bytes = Buffer.alloc(3_000_001, "abcdefg");
    writeFileSync(join(dir, "from"), bytes);
    const from = guest.lookup(ROOT, "from").node;
    const source = guest.open(from).handle;
    const to = guest.create(ROOT, "to");
    const copy = (at: number, length: number) =>
      get32(
        guest.call(
          47,
          from,
          body([
            [8, source],
            [8, at],
            [8, to.node],
            [8, to.handle],
            [8, at],
            [8, length],
            [8, 0],
          ]),
        ),
        0,
      );
    expect(copy(0, 2_000_000)).toBe(2_000_000);
    expect(copy(2_000_000, 2_000_000)).toBe(1_000_001);
    expect(readFileSync(join(dir, "to")).equals(bytes)).toBe(true);
  });

  test("keep what the guest has cached of them, until they change", () => {
    const { guest, dir } = setup();
    writeFileSync(join(dir, "a"), "one");
    execFileSync("sleep", ["0.1"]);
    const { node } = guest.lookup(ROOT, "a");
    const kept = () => (guest.open(node).flags & 2) !== 0;
    expect([kept(), kept()]).toEqual([false, true]);
    writeFileSync(join(dir, "a"), "two");
    // What has only just changed may change again within a tick of the clock.
    expect([kept(), kept()]).toEqual([false, false]);
    execFileSync("sleep", ["0.1"]);
    expect([kept(), kept()]).toEqual([false, true]);
  });
});

describe("names of one file", () => {
  test("are one node with one number", () => {
    const { guest, dir } = setup();
    writeFileSync(join(dir, "a"), "x");
    linkSync(join(dir, "a"), join(dir, "b"));
    const [a, b] = [guest.lookup(ROOT, "a"), guest.lookup(ROOT, "b")];
    expect([b.node, b.attr.ino, b.attr.nlink]).toEqual([a.node, a.attr.ino, 2]);
    const c = guest.link(a.node, ROOT, "c");
    expect([c.node, c.attr.nlink]).toEqual([a.node, 3]);
    guest.unlink(ROOT, "c");
    expect(guest.getattr(a.node).nlink).toBe(2);
    guest.unlink(ROOT, "b");
    guest.unlink(ROOT, "a");
    expect(guest.getattr(a.node).nlink).toBe(0);
    guest.mkdir(ROOT, "d");
    expect(errno(() => guest.link(guest.lookup(ROOT, "d").node, ROOT, "e"))).toBe(EPERM);
    const link = guest.symlink(ROOT, "s", "../outside/secret");
    expect(guest.link(link.node, ROOT, "s2")).toMatchObject({ node: link.node });
  });

  test("move, also between directories, and take what is below them along", () => {
    const { guest, dir } = setup();
    const a = guest.mkdir(ROOT, "a").node;
    const b = guest.mkdir(ROOT, "b").node;
    const sub = guest.mkdir(a, "sub").node;
    const file = guest.create(sub, "file");
    guest.rename(a, "sub", b, "moved");
    expect(guest.getattr(file.node).nlink).toBe(1);
    expect(existsSync(join(dir, "b/moved/file"))).toBe(true);
    expect(guest.walk("b/moved/file").node).toBe(file.node);
    expect(errno(() => guest.rename(b, "moved", sub, "below"))).toBe(EINVAL);
    expect(errno(() => guest.rename(ROOT, "b", ROOT, "a"))).toBe(0);
    expect(errno(() => guest.rename(ROOT, "a", file.node, "x"))).toBe(ENOTDIR);
    expect(errno(() => guest.rmdir(ROOT, "a"))).toBe(ENOTEMPTY);
    expect(errno(() => guest.unlink(ROOT, "a"))).toBe(EISDIR);
    expect(errno(() => guest.rename(ROOT, "none", ROOT, "x"))).toBe(ENOENT);
  });

  test("move only where there is nothing, with RENAME_NOREPLACE", () => {
    const { guest, dir } = setup();
    for (const name of ["a", "b"]) writeFileSync(join(dir, name), name);
    mkdirSync(join(dir, "d"));
    mkdirSync(join(dir, "e"));
    symlinkSync("a", join(dir, "s"));
    for (const name of ["a", "d", "s"])
      for (const to of ["b", "e", "s"]) {
        if (name !== to)
          expect(
            errno(() => guest.rename(ROOT, name, ROOT, to, 1)),
            `${name} to ${to}`,
          ).toBe(EEXIST);
      }
    const before = ["a", "d", "s"].map((name) => guest.lookup(ROOT, name).node);
    for (const name of ["a", "d", "s"]) guest.rename(ROOT, name, ROOT, `${name}2`, 1);
    expect(readdirSync(dir).sort()).toEqual(["a2", "b", "d2", "e", "s2"]);
    expect(["a2", "d2", "s2"].map((name) => guest.lookup(ROOT, name).node)).toEqual(before);
    expect(statSync(join(dir, "a2")).nlink).toBe(1);
    expect(errno(() => guest.rename(ROOT, "none", ROOT, "x", 1))).toBe(ENOENT);
  });

  test("change places with RENAME_EXCHANGE", () => {
    const { guest, dir } = setup();
    writeFileSync(join(dir, "f"), "file");
    mkdirSync(join(dir, "d"));
    writeFileSync(join(dir, "d/in"), "");
    const [f, d] = [guest.lookup(ROOT, "f").node, guest.lookup(ROOT, "d").node];
    guest.rename(ROOT, "f", ROOT, "d", 2);
    expect([readFileSync(join(dir, "d"), "utf8"), readdirSync(join(dir, "f"))]).toEqual(["file", ["in"]]);
    expect([guest.lookup(ROOT, "d").node, guest.lookup(ROOT, "f").node]).toEqual([f, d]);
    expect(errno(() => guest.rename(ROOT, "f", ROOT, "none", 2))).toBe(ENOENT);
    expect(errno(() => guest.rename(ROOT, "none", ROOT, "f", 2))).toBe(ENOENT);
    expect(errno(() => guest.rename(ROOT, "f", ROOT, "d", 3))).toBe(EINVAL);
    expect(errno(() => guest.rename(ROOT, "f", ROOT, "d", 4))).toBe(EINVAL); // whiteout
    expect(readdirSync(dir).sort()).toEqual(["d", "f"]);
  });

  test("may change on the host while the guest holds the file", () => {
    const { guest, dir } = setup({ limits: { nodes: 1000, descriptors: 4, handles: 8 } });
    mkdirSync(join(dir, "a/b/c"), { recursive: true });
    writeFileSync(join(dir, "a/b/c/file"), "1");
    const node = guest.walk("a/b/c/file").node;
    // With its descriptor, a file is found wherever it went; without, it must be where it was.
    renameSync(join(dir, "a/b/c/file"), join(dir, "elsewhere"));
    expect(guest.getattr(node).size).toBe(1);
    for (let i = 0; i < 20; i++) guest.mknod(ROOT, `f${i}`, 0o100644);
    expect(errno(() => guest.getattr(node))).toBe(ESTALE);
    writeFileSync(join(dir, "a/b/c/file"), "another");
    expect(errno(() => guest.getattr(node))).toBe(ESTALE);
    expect(guest.lookup(ROOT, "elsewhere").node).toBe(node);
    expect(guest.getattr(node).size).toBe(1);
  });
});

describe("directories", () => {
  test("are listed with what belongs to each name", () => {
    const { guest, dir } = setup();
    mkdirSync(join(dir, "d"));
    symlinkSync("x", join(dir, "l"));
    writeFileSync(join(dir, "f"), "");
    const kinds: Record<string, number> = { ".": 4, "..": 4, d: 4, l: 10, f: 8 };
    for (const plus of [false, true]) {
      const entries = guest.list(ROOT, plus);
      expect(Object.fromEntries(entries.map(({ name, type }) => [name, type]))).toEqual(kinds);
      for (const { name, ino, node } of entries) {
        expect(ino).toBe(lstatSync(join(dir, name === ".." ? "." : name)).ino);
        if (plus) expect(node === 0, name).toBe(name.startsWith("."));
      }
    }
    const found = guest.list(ROOT, true).find(({ name }) => name === "f")!;
    expect(guest.lookup(ROOT, "f").node).toBe(found.node);
  });

  test("are read as they were when that began, however much they change meanwhile", () => {
    const { guest, dir } = setup();
    const names = Array.from({ length: 300 }, (_, i) => `file-${i}`);
    for (const name of names) writeFileSync(join(dir, name), "");
    const handle = guest.opendir(ROOT);
    const first = guest.readdir(ROOT, handle, 0);
    const [removed, kept] = [names.filter((_, i) => i % 3 === 0), names.filter((_, i) => i % 3 !== 0)];
    for (const name of removed) unlinkSync(join(dir, name));
    for (let i = 0; i < 100; i++) writeFileSync(join(dir, `new-${i}`), "");
    const seen = first.map(({ name }) => name);
    for (let offset = first.at(-1)!.next; ; ) {
      const some = guest.readdir(ROOT, handle, offset, { size: 333 });
      if (some.length === 0) break;
      seen.push(...some.map(({ name }) => name));
      offset = some.at(-1)!.next;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(kept.filter((name) => !seen.includes(name))).toEqual([]);
    expect(seen.filter((name) => name.startsWith("new"))).toEqual([]);
    // Any place that was told can be gone back to; the beginning is read anew.
    expect(guest.readdir(ROOT, handle, first[4]!.next)[0]).toEqual(
      first.slice(5).find(({ name }) => kept.includes(name)),
    );
    expect(guest.list(ROOT).filter(({ name }) => name.startsWith("new"))).toHaveLength(100);
    expect(guest.readdir(ROOT, handle, 2 ** 53)).toEqual([]);
    expect(guest.readdir(ROOT, handle, 0).length).toBeGreaterThan(0);
    expect(guest.readdir(ROOT, handle, 0, { size: 20 })).toEqual([]);
  });
});

describe("attributes", () => {
  test("are set, and times to the microsecond, never beyond their second", () => {
    const { guest, dir } = setup();
    const { node } = guest.create(ROOT, "f");
    expect(guest.setattr(node, { mode: 0o4711 }).mode).toBe(0o104711);
    for (const nanoseconds of [123_456_789, 1000, 999_999_000, 5_000, 7_001, 0]) {
      const { mtime, mtimeNs } = guest.setattr(node, { mtime: [1_700_000_000, nanoseconds] });
      expect(mtime).toBe(1_700_000_000);
      expect(Math.floor(mtimeNs / 1000)).toBe(Math.floor(nanoseconds / 1000));
    }
    expect(guest.setattr(node, { mtime: [1_700_000_000, 999_999_999] }).mtime).toBe(1_700_000_000);
    expect(guest.setattr(node, { mtime: [1_700_000_000, 0], atime: [5, 0] })).toMatchObject({ mtimeNs: 0 });
    expect(statSync(join(dir, "f")).atimeMs).toBe(5000);
    guest.setattr(node, { now: true });
    expect(Math.abs(statSync(join(dir, "f")).mtimeMs - Date.now())).toBeLessThan(10_000);
    expect(seconds(4_000_000_000, 999_999_999)).toBeLessThan(4_000_000_001);
    expect(seconds(0, 500_000_000)).toBe(0.5);
  });

  test("tell of the file system", () => {
    const { guest, dir } = setup();
    const reply = guest.call(17, ROOT, new Uint8Array(0));
    const [blocks, size] = execFileSync("stat", ["-f", "-c", "%b %s", dir], { encoding: "utf8" })
      .split(" ")
      .map(Number);
    expect([get32(reply, 0), get32(reply, 40), get32(reply, 44)]).toEqual([blocks! % 2 ** 32, size, 255]);
  });

  test.runIf(isRoot)("give files to who made them, if the host is root", () => {
    const { guest, dir } = setup();
    guest.uid = 1234;
    guest.gid = 567;
    expect(guest.create(ROOT, "f").attr).toMatchObject({ uid: 1234, gid: 567 });
    expect(guest.mkdir(ROOT, "d").attr).toMatchObject({ uid: 1234, gid: 567 });
    expect(guest.symlink(ROOT, "s", "x").attr).toMatchObject({ uid: 1234, gid: 567 });
    expect(lstatSync(join(dir, "s"))).toMatchObject({ uid: 1234, gid: 567 });
    const shared = guest.mkdir(ROOT, "g", 0o2775);
    expect(shared.attr.mode).toBe(0o42775);
    guest.gid = 9;
    expect(guest.create(shared.node, "f").attr).toMatchObject({ uid: 1234, gid: 567 });
    expect(guest.mkdir(shared.node, "d", 0o755).attr).toMatchObject({ gid: 567, mode: 0o42755 });
    const { node } = guest.lookup(ROOT, "f");
    expect(guest.setattr(node, { uid: 7 })).toMatchObject({ uid: 7, gid: 567 });
    expect(guest.setattr(node, { gid: 8, mode: 0o6755 })).toMatchObject({ uid: 7, gid: 8, mode: 0o106755 });
  });

  test("else all belongs to the host's user, whom the guest sees as root", () => {
    const me = isRoot ? 1000 : process.geteuid!();
    const { guest, dir } = setup({ uid: me });
    guest.uid = 1234;
    const { node, attr } = guest.create(ROOT, "f");
    const host = statSync(join(dir, "f"));
    expect(host.uid).toBe(process.geteuid!());
    expect(attr.uid).toBe(isRoot ? 65534 : 0);
    expect(guest.setattr(node, { uid: 99, gid: 99 }).uid).toBe(attr.uid);
    expect(statSync(join(dir, "f")).uid).toBe(host.uid);
  });
});

describe("what can't be", () => {
  test("pipes, sockets and devices are not made, and those of the host not opened", () => {
    const { guest, dir } = setup();
    for (const kind of [0o010000, 0o140000, 0o020000, 0o060000])
      expect(errno(() => guest.mknod(ROOT, "n", kind | 0o600))).toBe(EPERM);
    execFileSync("mkfifo", [join(dir, "pipe")]);
    const pipe = guest.lookup(ROOT, "pipe");
    expect(pipe.attr.mode & 0o170000).toBe(0o010000);
    for (const flags of [0, O.WRONLY, O.RDWR]) expect(errno(() => guest.open(pipe.node, flags))).toBe(EACCES);
    expect(errno(() => guest.create(ROOT, "pipe", O.RDWR | O.CREAT))).toBe(EACCES);
    expect(errno(() => guest.setattr(pipe.node, { size: 0 }))).toBe(EACCES);
  });

  test("a read-only folder changes by nothing", () => {
    const { guest, dir } = setup({ readOnly: true });
    writeFileSync(join(dir, "f"), "contents");
    mkdirSync(join(dir, "d"));
    const { node } = guest.lookup(ROOT, "f");
    const { handle } = guest.open(node);
    const acts = [
      () => guest.open(node, O.WRONLY),
      () => guest.open(node, O.RDWR),
      () => guest.open(node, O.TRUNC),
      () => guest.create(ROOT, "new"),
      () => guest.create(ROOT, "f", O.RDWR | O.CREAT),
      () => guest.mkdir(ROOT, "new"),
      () => guest.mknod(ROOT, "new", 0o100644),
      () => guest.symlink(ROOT, "new", "x"),
      () => guest.link(node, ROOT, "new"),
      () => guest.unlink(ROOT, "f"),
      () => guest.rmdir(ROOT, "d"),
      () => guest.rename(ROOT, "f", ROOT, "g"),
      () => guest.rename(ROOT, "f", ROOT, "d", 2),
      () => guest.setattr(node, { mode: 0o777 }),
      () => guest.setattr(node, { size: 0, handle }),
      () => guest.setattr(node, { now: true }),
      () => guest.setattr(node, { uid: 1 }),
      () => guest.write(node, handle, 0, "x"),
      () =>
        guest.call(
          43,
          node,
          body([
            [8, handle],
            [8, 0],
            [8, 100],
            [4, 0],
            [4, 0],
          ]),
        ),
      () =>
        guest.call(
          47,
          node,
          body([
            [8, handle],
            [8, 0],
            [8, node],
            [8, handle],
            [8, 0],
            [8, 8],
            [8, 0],
          ]),
        ),
    ];
    for (const act of acts) expect(errno(act), String(act)).toBe(EROFS);
    expect(guest.contents("f")).toBe("contents");
    expect(readdirSync(dir).sort()).toEqual(["d", "f"]);
    const read = guest.create(ROOT, "f", O.CREAT);
    expect(guest.read(read.node, read.handle, 0, 3)).toHaveLength(3);
  });
});

describe("what is held for a guest", () => {
  test("goes when the guest forgets it", () => {
    const { guest, server, dir } = setup();
    mkdirSync(join(dir, "a/b"), { recursive: true });
    writeFileSync(join(dir, "a/b/f"), "");
    const [a, b, f] = ["a", "a/b", "a/b/f"].map((path) => guest.walk(path).node);
    // a and b were looked up thrice and twice; the parents stay as long as what is below them.
    guest.forget(a!, 3);
    guest.forget(b!, 2);
    expect(server.held.nodes).toBe(4);
    const batch = body([
      [4, 2],
      [4, 0],
      [8, f!],
      [8, 1],
      [8, 77],
      [8, 5],
    ]);
    guest.call(42, 0, batch, 0);
    expect(server.held).toEqual({ nodes: 1, descriptors: 1, handles: 0 });
    guest.forget(ROOT, 1000);
    expect(guest.getattr(ROOT).nlink).toBeGreaterThan(0);
    // What an operation looked up and could not give is not kept.
    symlinkSync("x", join(dir, "s"));
    expect(errno(() => guest.create(ROOT, "s", O.RDWR | O.CREAT))).toBe(ELOOP);
    expect(server.held.nodes).toBe(1);
  });

  test("has limits: nodes, descriptors and what is open", () => {
    const { guest, server, dir } = setup({ limits: { nodes: 50, descriptors: 8, handles: 10 } });
    mkdirSync(join(dir, "d"));
    for (let i = 0; i < 100; i++) writeFileSync(join(dir, `d/f${i}`), `${i}`);
    const d = guest.lookup(ROOT, "d").node;
    const nodes = Array.from({ length: 48 }, (_, i) => guest.lookup(d, `f${i}`).node);
    expect(errno(() => guest.lookup(d, "f60"))).toBe(ENFILE);
    expect(server.held).toMatchObject({ nodes: 50 });
    expect(server.held.descriptors).toBeLessThanOrEqual(9);
    // All of them can be used still, and a directory is listed without their nodes.
    for (const node of nodes) expect(guest.getattr(node).size).toBeGreaterThan(0);
    expect(guest.list(d, true)).toHaveLength(102);
    const handles = Array.from({ length: 10 }, (_, i) => guest.open(nodes[i]!).handle);
    expect(errno(() => guest.open(nodes[11]!))).toBe(EMFILE);
    expect(errno(() => guest.opendir(d))).toBe(EMFILE);
    expect(errno(() => guest.create(d, "more"))).toBe(EMFILE);
    expect(existsSync(join(dir, "d/more"))).toBe(false);
    guest.release(nodes[0]!, handles[0]!);
    expect(errno(() => guest.release(nodes[0]!, handles[0]!))).toBe(EBADF);
    guest.open(nodes[11]!);
    // Removed files keep theirs, as many as there may be; the oldest are lost first.
    for (let i = 0; i < 20; i++) guest.unlink(d, `f${i}`);
    expect(server.held.descriptors).toBeLessThanOrEqual(17);
    expect(guest.getattr(nodes[19]!).nlink).toBe(0);
    expect(errno(() => guest.getattr(nodes[10]!))).toBe(ESTALE);
    expect(guest.getattr(nodes[5]!).nlink).toBe(0); // still open
  });

  test("is small for deep trees, and they end well", () => {
    const { guest, server } = setup();
    let at = ROOT;
    const nodes = Array.from({ length: 600 }, () => (at = guest.mkdir(at, "d").node));
    expect(guest.create(at, "f").attr.nlink).toBe(1);
    expect(server.held.descriptors).toBeLessThanOrEqual(65);
    for (const node of nodes) guest.forget(node);
    expect(server.held.nodes).toBeGreaterThan(600);
  });
});

describe("a folder's thread", () => {
  test("serves, and gives everything up at the end", async () => {
    const { dir } = setup();
    writeFileSync(join(dir, "f"), "");
    const files = await openShare({ path: dir, tag: "t" });
    const send = (operation: number, node: number, bytes: Uint8Array) =>
      new Promise((done) => files.submit({ operation, node, uid: 0, gid: 0, body: bytes, room: 4096 }, done));
    const init = send(
      26,
      0,
      body([
        [4, 7],
        [4, 31],
        [4, 0],
        [4, 0],
      ]),
    );
    const found = send(1, ROOT, body([], "f"));
    const missing = send(1, ROOT, body([], "g"));
    expect(await init).toMatchObject({ error: 0 });
    expect(await found).toMatchObject({ error: 0 });
    expect(await missing).toEqual({ error: ENOENT, body: new Uint8Array(0) });
    await files.close();
    expect(await send(1, ROOT, body([], "f"))).toMatchObject({ error: EIO });
  });

  test("says in a sentence why a folder can't be shared", async () => {
    const { dir } = setup();
    writeFileSync(join(dir, "f"), "");
    await expect(openShare({ path: join(dir, "none"), tag: "t" })).rejects.toThrow(
      `The folder ${JSON.stringify(join(dir, "none"))} can't be shared: it does not exist.`,
    );
    await expect(openShare({ path: join(dir, "f"), tag: "t" })).rejects.toThrow(
      /can't be shared: it is not a directory\.$/,
    );
    await expect(openShare({ path: join(dir, "f/g"), tag: "t" })).rejects.toThrow(
      /: a part of its path is not a directory\.$/,
    );
  });
});
