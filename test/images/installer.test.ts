/** Debian's installer as an image: the package's kernel and initrd, with our files behind it and the mirror's name. */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Apt } from "../../src/images/apt.ts";
import { writeCpio } from "../../src/images/cpio.ts";
import { buildInstaller, mirrorAnswers } from "../../src/images/installer.ts";
import { exec, scratch } from "./fixture.ts";

const PLACE = "usr/lib/debian-installer/images/13/riscv64/text/debian-installer/riscv64";

async function build(uri: string): Promise<string> {
  const directory = await scratch();
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const tree = join(directory, "tree");
  const initrd = gzipSync(writeCpio([{ kind: "file", path: "init", data: Buffer.from("theirs"), mode: 0o755 }]));
  const control = "Package: di\nVersion: 1\nArchitecture: all\nMaintainer: F <f@example.org>\nDescription: fixture\n";
  const files = {
    "DEBIAN/control": Buffer.from(control),
    [`${PLACE}/linux`]: Buffer.from("Linux"),
    // No multiple of four bytes.
    [`${PLACE}/initrd.gz`]: initrd.length % 4 === 0 ? Buffer.concat([initrd, Buffer.alloc(1)]) : initrd,
    [`${PLACE.replace("text", "gtk")}/initrd.gz`]: Buffer.from("another"),
  };
  for (const [path, data] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), data);
  }
  const deb = join(directory, "di.deb");
  await exec("dpkg-deb", ["--root-owner-group", "-b", tree, deb]);
  const output = join(directory, "image");
  await mkdir(output);
  const apt = { source: { uri, suite: "trixie", components: ["main"] }, download: async () => new Map([["di", deb]]) };
  await buildInstaller(
    { apt: apt as unknown as Apt, candidate: { name: "di", version: "1", depends: "" } },
    output,
    [{ path: "unattended.cfg", data: Buffer.from("ours") }],
    { step: () => () => {} },
  );
  return output;
}

describe("the installer", () => {
  it("has its kernel, and its initrd with our archive behind it", async () => {
    const output = await build("http://mirror.example/debian");
    expect(await readFile(join(output, "kernel"), "utf8")).toBe("Linux");
    const initrd = await readFile(join(output, "initrd"));
    const at = initrd.indexOf("070701");
    expect(at % 4).toBe(0);
    // As the kernel takes them: one archive and then the other.
    expect(gunzipSync(initrd.subarray(0, at)).includes("theirs")).toBe(true);
    await writeFile(join(output, "ours.cpio"), initrd.subarray(at));
    const show = (path: string) => exec("sh", ["-c", `cpio --quiet -i --to-stdout ${path} <'${output}/ours.cpio'`]);
    expect((await show("unattended.cfg")).stdout).toBe("ours");
    expect((await show("preseed.cfg")).stdout).toContain("mirror/http/hostname string mirror.example\n");
  });

  it("asks the mirror that apt asks, by the same proxy", () => {
    const source = { uri: "https://mirror.example:8443/a/debian/", suite: "trixie", components: ["main"] };
    const proxy = new Map([["Acquire::https::Proxy", "http://proxy.example:3128/"]]);
    expect(mirrorAnswers(source, proxy).split("\n")).toEqual([
      "d-i mirror/country string manual",
      "d-i mirror/protocol string https",
      "d-i mirror/https/hostname string mirror.example:8443",
      "d-i mirror/https/directory string /a/debian/",
      "d-i mirror/https/proxy string http://proxy.example:3128/",
      "d-i mirror/suite string trixie",
      "d-i mirror/udeb/suite string trixie",
      "",
    ]);
    expect(mirrorAnswers({ ...source, uri: "http://m.example" }, new Map())).toMatch(
      /http\/directory string \/\n.*http\/proxy string\n/,
    );
  });

  it("can't use a mirror on this host's disk", async () => {
    await expect(build("file:/srv/debian")).rejects.toMatchObject({ code: "no-source" });
  });
});
