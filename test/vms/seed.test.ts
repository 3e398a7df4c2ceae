/** The NoCloud seed: what it says, and its disk, as other programs read it. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { makeIso } from "../../src/vms/iso9660.ts";
import { renewMetaData, seedFiles, writeSeed, writeSeedDisk } from "../../src/vms/seed.ts";

const dir = mkdtempSync(join(tmpdir(), "wardian-seed-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const put = (name: string, data: string | Uint8Array): string => {
  writeFileSync(join(dir, name), data);
  return join(dir, name);
};
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJhc2U2NGJhc2U2NGJhc2U2NGJhc2U2NGJhc2U2 me@host";
const KEYS = put("key.pub", `# mine\n${KEY}\n\nssh-rsa AAAAB3NzaC1yc2E=\n`);

const isoinfo = (...args: string[]) => execFileSync("isoinfo", args, { maxBuffer: 64 << 20 });

describe("an ISO 9660 image", () => {
  const files = [
    { name: "user-data", bytes: new TextEncoder().encode("#cloud-config\n{}\n") },
    { name: "meta-data", bytes: Uint8Array.from({ length: 5000 }, (_, i) => i) },
    { name: "network-config", bytes: new Uint8Array(2048).fill(7) },
    { name: "empty", bytes: new Uint8Array(0) },
    { name: `größe-${"x".repeat(90)}`, bytes: new Uint8Array(1).fill(1) },
  ];
  const path = put("files.iso", makeIso(files, { label: "CIDATA", time: Date.UTC(2026, 1, 3, 4, 5, 6) }));

  test("has its label, for blkid", () => {
    const found = execFileSync("/sbin/blkid", ["-p", "-o", "export", path], { encoding: "utf8" });
    expect(found).toMatch(/^LABEL=CIDATA$/m);
    expect(found).toMatch(/^TYPE=iso9660$/m);
  });

  test("has its files, with their long names, for isoinfo", () => {
    const names = isoinfo("-R", "-f", "-i", path).toString().trim().split("\n");
    expect(names.sort()).toEqual(files.map(({ name }) => `/${name}`).sort());
    for (const { name, bytes } of files)
      expect(Buffer.compare(isoinfo("-R", "-i", path, "-x", `/${name}`), bytes), name).toBe(0);
    expect(isoinfo("-R", "-l", "-i", path).toString()).toMatch(/-r--r--r--.* 5000 Feb {2}3 2026 .*meta-data/);
    expect(isoinfo("-d", "-i", path).toString()).toMatch(/Rock Ridge signatures version 1 found/);
  });

  test("takes many files, over several sectors of the folder", () => {
    const many = Array.from({ length: 60 }, (_, i) => ({ name: `file-number-${i}`, bytes: Uint8Array.of(i) }));
    const iso = put("many.iso", makeIso(many, { label: "X", time: 0 }));
    expect(isoinfo("-R", "-f", "-i", iso).toString().trim().split("\n")).toHaveLength(60);
    expect([...isoinfo("-R", "-i", iso, "-x", "/file-number-59")]).toEqual([59]);
  });

  test.each(["", "a/b", "x".repeat(101), "a\0"])("refuses the name %j", (name) => {
    expect(() => makeIso([{ name, bytes: new Uint8Array(0) }], { label: "X", time: 0 })).toThrow(RangeError);
  });
});

describe("a seed", () => {
  test("from flags: a user with sudo and keys, a host name, packages", () => {
    const files = seedFiles(
      { user: "me", sshKey: KEYS, hostname: "web.example", packages: ["nginx", "vim=2:9"] },
      "vm",
    )!;
    const text = files["user-data"] as string;
    expect(text).toMatch(/^#cloud-config\n/);
    const config = JSON.parse(text.slice(text.indexOf("\n")));
    expect(config).toMatchObject({ package_update: true, packages: ["nginx", "vim=2:9"] });
    expect(config.users).toEqual([
      expect.objectContaining({
        name: "me",
        sudo: "ALL=(ALL) NOPASSWD:ALL",
        lock_passwd: true,
        ssh_authorized_keys: [KEY, "ssh-rsa AAAAB3NzaC1yc2E="],
      }),
    ]);
    const meta = JSON.parse(files["meta-data"] as string);
    expect(meta).toMatchObject({ "local-hostname": "web.example" });
    expect(meta["instance-id"]).toMatch(/^wardian-[0-9a-f]{16}$/);
  });

  test("keys alone are the distribution's user's; a name alone is the host's", () => {
    const { "user-data": user } = seedFiles({ sshKey: KEYS }, "vm")!;
    expect(JSON.parse((user as string).replace(/^.*\n/, "")).ssh_authorized_keys).toHaveLength(2);
    const { "meta-data": meta } = seedFiles({ packages: ["less"] }, "my_vm")!;
    expect(JSON.parse(meta as string)["local-hostname"]).toBe("wardian");
    expect(seedFiles({}, "vm")).toBeUndefined();
  });

  test("from files, byte for byte, on its disk", () => {
    const userData = put("u", "#!/bin/sh\necho ü\n");
    const networkConfig = put("n", "version: 2\n");
    const folder = join(dir, "vm");
    mkdirSync(folder);
    writeSeed(folder, seedFiles({ userData, networkConfig, hostname: "h" }, "vm")!);
    writeSeedDisk(join(folder, "seed"), join(folder, "seed.iso"));
    const iso = join(folder, "seed.iso");
    expect(isoinfo("-R", "-i", iso, "-x", "/user-data").toString()).toBe("#!/bin/sh\necho ü\n");
    expect(isoinfo("-R", "-i", iso, "-x", "/network-config").toString()).toBe("version: 2\n");
    expect(JSON.parse(isoinfo("-R", "-i", iso, "-x", "/meta-data").toString())["local-hostname"]).toBe("h");
  });

  test.each([
    ["a user without a key", { user: "me" }, /could never log in/],
    ["a user's name", { user: "Me Too", sshKey: KEYS }, /no user's name/],
    ["a host name", { hostname: "-x" }, /no host name/],
    ["a package's name", { packages: ["a b"] }, /no name of a package/],
    ["a private key", { sshKey: put("k", "-----BEGIN OPENSSH PRIVATE KEY-----\n") }, /is a private key/],
    ["no key", { sshKey: put("e", "\n") }, /no public keys/],
    ["a key that is none", { sshKey: put("x", "hello\n") }, /no public keys/],
    ["a missing key", { sshKey: join(dir, "none") }, /key ".*none": it does not exist/],
    ["missing user data", { userData: join(dir, "none") }, /user data .* does not exist/],
    ["a directory", { metaData: dir }, /directory/],
    ["both", { userData: KEYS, packages: ["a"] }, /leave out the flags/],
    ["two host names", { metaData: KEYS, hostname: "a" }, /leave out the flag/],
  ])("refuses %s in one sentence", (_, options, about) => {
    expect(() => seedFiles(options, "vm")).toThrow(about);
    expect(() => seedFiles(options, "vm")).toThrow(/^[^\n]+\.$/);
  });
});

describe("a clone's meta-data", () => {
  const made = (text: string) => renewMetaData(text, "web", "web2");

  test("as JSON", () => {
    const data = JSON.parse(made('{"instance-id":"a","local-hostname":"web","x":1}'));
    expect(data).toMatchObject({ "local-hostname": "web2", x: 1 });
    expect(data["instance-id"]).not.toBe("a");
  });

  test("as YAML", () => {
    const text = made('# mine\ninstance-id: a\nlocal-hostname: "web"\nx:\n  instance-id: kept\n');
    expect(text).toMatch(
      /^instance-id: wardian-[0-9a-f]{16}\n# mine\nlocal-hostname: web2\nx:\n {2}instance-id: kept\n$/,
    );
  });

  test("leaves a host name that the user chose", () => {
    expect(JSON.parse(made('{"local-hostname":"db"}'))["local-hostname"]).toBe("db");
    expect(made("local-hostname: db\n")).toMatch(/local-hostname: db\n/);
  });
});
