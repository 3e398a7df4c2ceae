/**
 * cloud-init's NoCloud seed: what the guest is told about itself at its first
 * boot (cloud-init's documentation, "Datasources", NoCloud). Its files are in a
 * folder of the VM's; at each start they become a small disk labelled CIDATA.
 */

import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "./config.ts";
import { fileFailure, quote, VmError } from "./errors.ts";
import { type IsoFile, makeIso } from "./iso9660.ts";

/** The folder that `create` makes, and the disk that `start` makes of it. */
export const SEED = "seed";
export const SEED_DISK = "seed.iso";

const LABEL = "CIDATA";
const USER_DATA = "user-data";
const META_DATA = "meta-data";
const REQUIRED = [USER_DATA, META_DATA];
const OPTIONAL = ["network-config", "vendor-data"];
/** No seed is as long, bytes. */
const MAX_FILE = 16 << 20;

export interface SeedOptions {
  /** A user who may do everything by sudo, and logs in by the keys. */
  readonly user?: string;
  /** A file with public keys, a line each. */
  readonly sshKey?: string;
  readonly hostname?: string;
  /** Debian's packages to install at the first boot. */
  readonly packages?: readonly string[];
  /** Files, in place of what the above would make. */
  readonly userData?: string;
  readonly metaData?: string;
  readonly networkConfig?: string;
}

export interface SeedFiles {
  readonly "user-data": string | Uint8Array;
  readonly "meta-data": string | Uint8Array;
  readonly "network-config"?: Uint8Array;
}

const USER = /^[a-z_][a-z0-9_-]{0,31}$/;
/** RFC 1123, section 2.1. */
const HOSTNAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
/** Debian Policy, section 5.6.1, with a version or a release. */
const PACKAGE = /^[a-z0-9][a-z0-9+.-]+([=/][A-Za-z0-9.+:~-]+)?$/;
const KEY = /^((ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+) [A-Za-z0-9+/]+={0,3}( |$)/;

/**
 * The seed's files, or undefined when nothing was asked for.
 * @param name the VM's, its host name when no other is given
 * @throws VmError seed
 */
export function seedFiles(options: SeedOptions, name: string): SeedFiles | undefined {
  const { user, sshKey, hostname, packages, userData, metaData, networkConfig } = options;
  if (Object.values(options).every((value) => value === undefined)) return undefined;
  if (userData !== undefined && (user ?? sshKey ?? packages) !== undefined)
    throw new VmError(
      "seed",
      "User data from a file say everything about users, keys and packages; leave out the flags.",
    );
  if (metaData !== undefined && hostname !== undefined)
    throw new VmError("seed", "Meta-data from a file say the host name; leave out the flag.");
  const usable = hostname ?? (HOSTNAME.test(name) ? name : "wardian");
  if (!HOSTNAME.test(usable)) throw new VmError("seed", `${quote(usable)} is no host name.`);
  return {
    "user-data": userData === undefined ? cloudConfig(options) : readSeed(userData, "user data"),
    "meta-data":
      metaData === undefined
        ? json({ "instance-id": instanceId(), "local-hostname": usable })
        : readSeed(metaData, "meta-data"),
    ...(networkConfig !== undefined && { "network-config": readSeed(networkConfig, "network configuration") }),
  };
}

/** A cloud-config. It is YAML; of that, JSON is the part that needs no care with quotes. */
function cloudConfig({ user, sshKey, packages }: SeedOptions): string {
  if (user !== undefined && !USER.test(user))
    throw new VmError("seed", `${quote(user)} is no user's name: it has up to 32 of a-z, 0-9, "_" and "-".`);
  if (user !== undefined && sshKey === undefined)
    throw new VmError("seed", `The user ${quote(user)} could never log in; give a public key by --ssh-key FILE.`);
  for (const name of packages ?? [])
    if (!PACKAGE.test(name)) throw new VmError("seed", `${quote(name)} is no name of a package.`);
  const keys = sshKey === undefined ? [] : readKeys(sshKey);
  const made =
    user === undefined ? undefined : { name: user, gecos: user, groups: ["sudo"], sudo: "ALL=(ALL) NOPASSWD:ALL" };
  const config = {
    ...(made && { users: [{ ...made, shell: "/bin/bash", lock_passwd: true, ssh_authorized_keys: keys }] }),
    // Without a user of ours, they are the distribution's own one's.
    ...(!made && keys.length > 0 && { ssh_authorized_keys: keys }),
    ...(packages && packages.length > 0 && { package_update: true, packages }),
  };
  return `#cloud-config\n${json(config)}`;
}

/** Public keys of SSH, a line each. @throws VmError seed */
export function readKeys(path: string): string[] {
  const text = new TextDecoder().decode(readSeed(path, "key"));
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    throw new VmError("seed", `${quote(path)} is a private key; give the public one, whose name usually ends in .pub.`);
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (keys.length === 0 || !keys.every((key) => KEY.test(key)))
    throw new VmError(
      "seed",
      `${quote(path)} has no public keys of SSH, a line each such as "ssh-ed25519 AAAA… name".`,
    );
  return keys;
}

function readSeed(path: string, what: string): Uint8Array {
  try {
    const { size } = statSync(path);
    if (size > MAX_FILE) throw new VmError("seed", `The ${what} ${quote(path)} is larger than ${MAX_FILE} bytes.`);
    return readFileSync(path);
  } catch (error) {
    throw fileFailure(error, `read the ${what} ${quote(path)}`);
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** cloud-init does again what it does at a first boot when this has changed. */
function instanceId(): string {
  return `wardian-${randomBytes(8).toString("hex")}`;
}

/** Puts the files into the VM's folder. @throws VmError */
export function writeSeed(folder: string, files: SeedFiles): void {
  const seed = join(folder, SEED);
  try {
    mkdirSync(seed, { mode: 0o700 });
  } catch (error) {
    throw fileFailure(error, `make the folder ${quote(seed)}`);
  }
  for (const [name, data] of Object.entries(files)) writeWhole(join(seed, name), data, 0o600);
}

/** Makes another machine of a copied seed. Its host name becomes `name` if it was the original's. @throws VmError */
export function renewSeed(seed: string, original: string, name: string): void {
  const path = join(seed, META_DATA);
  const text = new TextDecoder().decode(readSeed(path, META_DATA));
  writeWhole(path, renewMetaData(text, original, name), 0o600);
}

/** Meta-data, as JSON or as YAML with its keys at the beginnings of lines. */
export function renewMetaData(text: string, original: string, name: string): string {
  const id = instanceId();
  const host = HOSTNAME.test(name) ? name : "wardian";
  try {
    const data = JSON.parse(text) as Record<string, unknown>;
    const renamed = data["local-hostname"] === original ? { "local-hostname": host } : {};
    return json({ ...data, "instance-id": id, ...renamed });
  } catch {
    // YAML, then.
  }
  const others = text.replace(/^["']?instance-id["']?\s*:.*\r?\n?/gm, "");
  const renamed = others.replace(/^(local-hostname\s*:\s*)(\S+)\s*$/m, (line, key: string, value: string) =>
    value.replace(/^["']|["']$/g, "") === original ? `${key}${host}` : line,
  );
  return `instance-id: ${id}\n${renamed}`;
}

/** Makes the disk of a seed's folder, as it is now. @throws VmError */
export function writeSeedDisk(seed: string, disk: string): void {
  const files: IsoFile[] = [];
  for (const name of [...REQUIRED, ...OPTIONAL]) {
    const path = join(seed, name);
    if (OPTIONAL.includes(name) && !statSync(path, { throwIfNoEntry: false })) continue;
    files.push({ name, bytes: readSeed(path, name) });
  }
  writeWhole(disk, makeIso(files, { label: LABEL, time: Date.now() }), 0o600);
}
