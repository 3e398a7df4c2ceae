/** Files of ours in a Debian system. */

import type { InitFile } from "../initramfs.ts";
import { type Source, writeDeb822 } from "../sources.ts";
import type { TarEntry } from "../tar.ts";
import type { TarItem } from "../tar-writer.ts";
import type { UnpackedPackage } from "./dpkg.ts";

export interface SystemOptions {
  packages: readonly UnpackedPackage[];
  /** Names of the packages that were asked for. */
  wanted: ReadonlySet<string>;
  ownFiles: readonly InitFile[];
  source: Source;
  /** apt's settings for proxies, by their names. */
  proxy: ReadonlyMap<string, string>;
  rootId: string;
  espId: string;
}

/** Where ca-certificates has its certificates, and where they are to be found. */
const CERTIFICATES = "usr/share/ca-certificates/";
const TRUSTED = "etc/ssl/certs";

/**
 * What update-ca-certificates makes of ca-certificates' files: links to all, and
 * one file with all. (The links by hashes are openssl's to make.)
 */
export class Certificates {
  readonly #found = new Map<string, Uint8Array>();

  visit({ path, kind, data }: TarEntry): void {
    if (kind === "file" && path.startsWith(CERTIFICATES) && path.endsWith(".crt")) this.#found.set(path, data);
  }

  files(): TarItem[] {
    const paths = [...this.#found.keys()].sort();
    const linkOf = (path: string): string => {
      const name = path.slice(path.lastIndexOf("/") + 1, -".crt".length);
      return `${TRUSTED}/${name.replace(/[ ,]/g, "_").replace(/[()]/g, "=")}.pem`;
    };
    const ended = (data: Uint8Array): Uint8Array =>
      data.at(-1) === 0x0a ? data : Buffer.concat([data, Buffer.from("\n")]);
    const bundle = Buffer.concat(paths.map((path) => ended(this.#found.get(path)!)));
    return [
      ...paths.map((path): TarItem => ({ kind: "symlink", path: linkOf(path), target: `/${path}`, mode: 0o777 })),
      { kind: "file", path: `${TRUSTED}/ca-certificates.crt`, data: bundle },
    ];
  }
}

/** Those that are as they are, and those that depend on the packages, the mirror and the disk. */
export function systemFiles(options: SystemOptions): TarItem[] {
  const { packages, wanted, source, rootId, espId } = options;
  const text = (path: string, lines: readonly string[]): TarItem => ({
    kind: "file",
    path,
    data: Buffer.from(lines.map((line) => `${line}\n`).join("")),
  });
  const architecture = packages.find((found) => found.architecture !== "all")?.architecture ?? "all";
  const own = options.ownFiles.map(
    ({ path, data }): TarItem => ({
      kind: "file",
      path,
      data,
      mode: data[0] === 0x23 && data[1] === 0x21 ? 0o755 : 0o644,
    }),
  );
  const proxies = [...options.proxy].map(([name, value]) => `${name} "${value}";`);
  return [
    ...own,
    text("etc/fstab", [
      "# file system, mount point, type, options, dump, pass (fstab(5))",
      `UUID=${rootId} / ext4 errors=remount-ro 0 1`,
      `UUID=${espId} /boot/efi vfat umask=0077,noauto,x-systemd.automount,x-systemd.idle-timeout=1min 0 2`,
    ]),
    { kind: "file", path: "etc/apt/sources.list.d/debian.sources", data: Buffer.from(writeDeb822(source, undefined)) },
    ...(proxies.length > 0 ? [text("etc/apt/apt.conf.d/10proxy", proxies)] : []),
    // apt may remove these again once nothing needs them (apt-mark(8)).
    text(
      "var/lib/apt/extended_states",
      packages
        .filter(({ name, control }) => !wanted.has(name) && !/^Essential: yes|^Priority: required/m.test(control))
        .map(({ name }) => `Package: ${name}\nArchitecture: ${architecture}\nAuto-Installed: 1\n`),
    ),
  ];
}
