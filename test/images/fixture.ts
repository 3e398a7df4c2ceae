import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

export const exec = promisify(execFile);

/** A new empty directory with a short name (sockets of gpg's agent live in it). */
export function scratch(): Promise<string> {
  return mkdtemp(join(tmpdir(), "wim-"));
}

/** A relocatable ELF64 file with nothing but a `.modinfo` section. */
export function fakeModule(modinfo: Record<string, string | string[]>): Buffer {
  const lines = Object.entries(modinfo).flatMap(([key, value]) => [value].flat().map((item) => `${key}=${item}\0`));
  const info = Buffer.from(lines.join(""));
  const names = Buffer.from("\0.modinfo\0.shstrtab\0");
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeBigUInt64LE(BigInt(64 + info.length + names.length), 40); // e_shoff
  header.writeUInt16LE(64, 58); // e_shentsize
  header.writeUInt16LE(3, 60); // e_shnum
  header.writeUInt16LE(2, 62); // e_shstrndx
  const section = (name: number, offset: number, size: number): Buffer => {
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(name, 0);
    entry.writeBigUInt64LE(BigInt(offset), 24);
    entry.writeBigUInt64LE(BigInt(size), 32);
    return entry;
  };
  const table = [section(0, 0, 0), section(1, 64, info.length), section(10, 64 + info.length, names.length)];
  return Buffer.concat([header, info, names, ...table]);
}

/** What a BusyBox must have inside to be taken for one. */
export const FAKE_BUSYBOX = Buffer.from(
  "\x7fELF...\0[\0[[\0ash\0base64\0busybox\0cttyhack\0halt\0ifconfig\0init\0linuxrc\0ls\0mkdir\0modprobe\0mount\0" +
    "poweroff\0reboot\0sh\0sleep\0umount\0usleep\0\0rest",
  "latin1",
);

const RELEASE = "6.12.1-riscv64";
const MODULES = `usr/lib/modules/${RELEASE}`;

function fakeKernel(): Buffer {
  const image = Buffer.alloc(4096, 0x5a);
  image.writeUInt32LE(0x05435352, 0x38);
  return image;
}

async function xz(data: Buffer): Promise<Buffer> {
  const job = exec("xz", ["-c"], { encoding: "buffer" });
  job.child.stdin?.end(data);
  return (await job).stdout;
}

/** A Debian mirror on disk, signed with a key of its own, and apt configured for it. */
export interface FakeMirror {
  directory: string;
  uri: string;
  /** A file for the environment variable APT_CONFIG. */
  aptConfig: string;
  /** A `roms` directory whose manifest fits the mirror. */
  roms: string;
  /** Writes the index again after packages changed, signed or not. */
  index(options?: { signed?: boolean; codename?: string }): Promise<void>;
  /** Makes a new version of the kernel's package. */
  kernel(version: string): Promise<void>;
  close(): Promise<void>;
}

/** Makes the mirror: four small packages with the names and paths that Debian's have. */
export async function fakeMirror(): Promise<FakeMirror> {
  const directory = await scratch();
  const repository = join(directory, "debian");
  const gnupg = { ...process.env, GNUPGHOME: join(directory, "gpg") };
  await mkdir(gnupg.GNUPGHOME, { mode: 0o700 });
  const gpg = (...args: string[]) => exec("gpg", ["--batch", "--yes", "--quiet", ...args], { env: gnupg });
  await gpg("--passphrase", "", "--quick-gen-key", "Fixture <fixture@example.org>", "rsa2048", "sign", "never");
  const keyring = join(directory, "key.gpg");
  await gpg("--output", keyring, "--export");

  const pool = join(repository, "pool");
  const release = join(repository, "dists", "trixie");
  const packages = join(release, "main", "binary-riscv64", "Packages");
  await mkdir(pool, { recursive: true });
  await mkdir(dirname(packages), { recursive: true });
  const entries = new Map<string, string>();

  const pack = async (name: string, version: string, depends: string, files: Record<string, Buffer>): Promise<void> => {
    const tree = join(directory, "tree");
    const control = [
      `Package: ${name}`,
      `Version: ${version}`,
      "Architecture: riscv64",
      "Maintainer: F <f@example.org>",
    ];
    if (depends !== "") control.push(`Depends: ${depends}`);
    control.push("Description: fixture");
    for (const [path, data] of Object.entries({ ...files, "DEBIAN/control": Buffer.from(`${control.join("\n")}\n`) })) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), data);
    }
    const file = `${name}_${version}_riscv64.deb`;
    await exec("dpkg-deb", ["--root-owner-group", "-Znone", "-b", tree, join(pool, file)]);
    await rm(tree, { recursive: true });
    const data = await readFile(join(pool, file));
    const sha = createHash("sha256").update(data).digest("hex");
    const facts = [`Filename: pool/${file}`, `Size: ${data.length}`, `SHA256: ${sha}`];
    entries.set(name, [...control, ...facts].join("\n"));
  };

  const mirror: FakeMirror = {
    directory,
    uri: `file:${repository}`,
    aptConfig: join(directory, "apt.conf"),
    roms: join(directory, "roms"),
    async index({ signed = true, codename = "trixie" } = {}) {
      const text = Buffer.from(`${[...entries.values()].join("\n\n")}\n`);
      await writeFile(packages, text);
      const sha = createHash("sha256").update(text).digest("hex");
      const fields = [
        "Origin: Fixture",
        "Suite: stable",
        `Codename: ${codename}`,
        `Date: ${new Date(Date.now() - 60_000).toUTCString().replace("GMT", "UTC")}`,
        "Architectures: riscv64",
        "Components: main",
        "SHA256:",
        ` ${sha} ${text.length} main/binary-riscv64/Packages`,
      ];
      const plain = join(release, "Release");
      await writeFile(plain, `${fields.join("\n")}\n`);
      await rm(join(release, "InRelease"), { force: true });
      if (signed) {
        await gpg("--clearsign", "--output", join(release, "InRelease"), plain);
        await rm(plain);
      }
    },
    async kernel(version) {
      const actual = `linux-image-${RELEASE}`;
      await pack("linux-image-riscv64", version, `${actual} (= ${version})`, {});
      await pack(actual, version, "kmod, linux-base", {
        [`boot/vmlinux-${RELEASE}`]: fakeKernel(),
        [`${MODULES}/modules.builtin`]: Buffer.from("kernel/fs/fuse/fuse.ko\n"),
        [`${MODULES}/kernel/drivers/virtio/virtio_mmio.ko.xz`]: await xz(fakeModule({ depends: "" })),
        [`${MODULES}/kernel/drivers/net/virtio_net.ko.xz`]: await xz(
          fakeModule({ depends: "net-failover", alias: "virtio:d00000001v*" }),
        ),
        [`${MODULES}/kernel/drivers/net/net_failover.ko.xz`]: await xz(fakeModule({ depends: "failover" })),
        [`${MODULES}/kernel/net/core/failover.ko.xz`]: await xz(fakeModule({ depends: "" })),
      });
    },
    async close() {
      await exec("gpgconf", ["--kill", "all"], { env: gnupg }).catch(() => {});
      await rm(directory, { recursive: true, force: true });
    },
  };
  await mirror.kernel("6.12.1-1");
  await pack("kmod", "34-1", "", { "usr/bin/kmod": Buffer.from("kmod") });
  await pack("linux-base", "4.12", "", { "etc/linux-base.conf": Buffer.from("") });
  await pack("busybox-static", "1:1.37.0-6", "", { "usr/bin/busybox": FAKE_BUSYBOX });
  const generic = "usr/lib/riscv64-linux-gnu/opensbi/generic";
  await pack("opensbi", "1.6-1", "", {
    [`${generic}/fw_dynamic.bin`]: Buffer.from("dynamic"),
    [`${generic}/fw_jump.bin`]: Buffer.from("jump"),
  });
  await mirror.index();

  const sources = join(directory, "host.sources");
  await writeFile(
    sources,
    `Types: deb\nURIs: ${mirror.uri}\nSuites: bookworm\nComponents: main\nSigned-By: ${keyring}\n`,
  );
  await writeFile(
    mirror.aptConfig,
    `Dir::Etc::sourcelist "${sources}";\nDir::Etc::sourceparts "/dev/null";\nAcquire::http::Proxy::127.0.0.1 "DIRECT";\n`,
  );
  await writeRoms(mirror.roms);
  return mirror;
}

/** A `roms` directory with a small Linux guest, two bare-metal ones and one init file. */
export async function writeRoms(roms: string): Promise<void> {
  await mkdir(join(roms, "init", "etc"), { recursive: true });
  await writeFile(join(roms, "init", "etc", "rc"), "#!/bin/sh\n");
  await writeFile(join(roms, "there.elf"), "ELF");
  const elf = (file: string) => ({ kind: "elf", description: "bare metal", file, memory: 16 });
  const debian = {
    kind: "debian",
    description: "a guest",
    suite: "trixie",
    architecture: "riscv64",
    packages: { kernel: "linux-image-riscv64", busybox: "busybox-static", firmware: "opensbi" },
    append: "console=ttyS0",
    memory: 256,
    modules: ["virtio_mmio", "virtio_net", "fuse"],
  };
  await mkdir(join(roms, "disk", "root", "etc"), { recursive: true });
  await writeFile(join(roms, "init", "etc", "agent"), "#!/bin/sh\n");
  await writeFile(join(roms, "disk", "root", "etc", "hostname"), "guest\n");
  await writeFile(join(roms, "disk", "install"), "say done\n");
  const disk = {
    ...{ kind: "disk", description: "a disk", suite: "trixie", architecture: "riscv64" },
    ...{ kernel: "linux-image-riscv64", busybox: "busybox-static", packages: ["kmod"], files: "disk" },
    ...{ modules: ["virtio_net"], append: "console=ttyS0", memory: 256, size: 300 },
  };
  await writeFile(
    join(roms, "manifest.json"),
    JSON.stringify({ debian, disk, there: elf("there.elf"), gone: elf("gone.elf") }),
  );
}

/** Does the path exist? */
export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
