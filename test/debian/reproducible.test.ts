/** Two disks from the same packages: the same files, but for those that every machine has of its own. */

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MINUTES, wardian } from "../boot/guests.ts";
import { exec } from "../images/fixture.ts";

/** What differs, and why. */
const OWN = [
  "/etc/ssh/ssh_host_ed25519_key", // each system's own
  "/etc/ssh/ssh_host_ed25519_key.pub",
];
/** Where the root file system starts on the disk, bytes. */
const ROOT_OFFSET = 128 * 1024 * 1024;

/** Type, mode, owner, and hash or target, of everything on an image's root. */
async function tree(name: string, directory: string): Promise<Map<string, string>> {
  const image = await wardian.provision("debian-disk", { cacheDir: join(directory, name) });
  if (image.kind !== "disk") throw new Error("no disk");
  const raw = join(directory, `${name}.raw`);
  const root = join(directory, name, "root");
  await exec("qemu-img", ["convert", "-O", "raw", image.disk, raw]);
  await exec("e2fsck", ["-fn", `${raw}?offset=${ROOT_OFFSET}`]);
  await mkdir(root);
  await exec("debugfs", ["-R", `rdump / ${root}`, `${raw}?offset=${ROOT_OFFSET}`]);
  const found = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const hash = entry.isFile()
      ? createHash("sha256")
          .update(await readFile(path))
          .digest("hex")
      : "";
    found.set(path.slice(root.length), entry.isSymbolicLink() ? await readlink(path) : hash);
  }
  const listing = await exec("sh", ["-c", `cd ${root} && find . -printf '%p %y %m %U:%G\\n'`], { maxBuffer: 1 << 26 });
  for (const line of listing.stdout.trimEnd().split("\n")) {
    const [path = "", ...facts] = line.split(" ");
    const key = path.slice(1);
    found.set(key, `${facts.join(" ")} ${found.get(key) ?? ""}`);
  }
  await rm(raw);
  await rm(root, { recursive: true });
  return found;
}

// Minutes for each disk: by hand.
test.skipIf(process.env.WARDIAN_DISK_TWICE === undefined)(
  "two disks have the same files",
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "wtwice-"));
    try {
      const first = await tree("first", directory);
      const second = await tree("second", directory);
      expect(first.size).toBeGreaterThan(10_000);
      const paths = new Set([...first.keys(), ...second.keys()]);
      const differing = [...paths].filter((path) => first.get(path) !== second.get(path)).sort();
      expect(differing).toEqual(OWN);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
  60 * MINUTES,
);
