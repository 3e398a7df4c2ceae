/**
 * Compiled regions in a file of the user's. There is one for each build of the
 * core and each set of modes; it is read whole and once, and written whole to
 * another name and renamed. So it is there whole or not at all, whoever writes it;
 * of two processes that write at a time one's news may be lost, and nothing else.
 *
 * Every record carries a MAC by a key of the user's that lies elsewhere: what was
 * damaged, or came from somebody else with a backup or a build server's cache, is
 * as if it weren't there. Whatever goes wrong here, regions are compiled anew.
 */

import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import type { CodeCache, CodeRecord } from "../../core/code-cache.ts";

export interface CodeCacheOptions {
  /** The directory, made when something is written. */
  readonly directory: string;
  /** The file with the user's key, made when it isn't there. */
  readonly keyFile: string;
  /** What names that which wrote the regions: its version, and the modes that it wrote them for. */
  readonly build: string;
  /** Bytes that the file may have. */
  readonly most?: number;
  /** Bytes that all files of the directory may have. */
  readonly mostOfAll?: number;
}

const MAGIC = Buffer.from("wardian code 1\n\0");
const KEY_SIZE = 32;
const HASH_SIZE = 32;
// A record: { profile's length u32, module's u32, day of its last use u32, hash of the page, MAC }, then profile and module.
const PROFILE_LENGTH = 0;
const MODULE_LENGTH = 4;
const USED = 8;
const HASH = 12;
const MAC = HASH + HASH_SIZE;
const BODY = MAC + HASH_SIZE;
const MOST_PROFILE = 0x1000;
const MOST_MODULE = 0x10_0000;
const MOST = 48 << 20;
const MOST_OF_ALL = 96 << 20;
const SUFFIX = ".code";
const TEMPORARY = ".tmp-";
/** A temporary file this old is of a process that has died. */
const ABANDONED_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** While machines run, what is new is written so long after the first of it, and then ever more seldom. */
const FIRST_FLUSH_MS = 10_000;
const LONGEST_FLUSH_MS = 600_000;
/** Nobody else may write to what is read here, nor read the key. */
const OTHERS_WRITE = 0o022;
const OTHERS = 0o077;

interface Entry {
  /** Days since 1970. */
  used: number;
  readonly profile: Uint8Array;
  readonly module: Uint8Array<ArrayBuffer>;
  /** As read from the file and not looked at yet. */
  readonly mac?: Buffer;
}

const sizeOf = ({ profile, module }: Entry): number => BODY + profile.length + module.length;
const today = (): number => Math.floor(Date.now() / DAY_MS);

export class FileCodeCache implements CodeCache {
  readonly #options: CodeCacheOptions;
  readonly #path: string;
  readonly #most: number;
  #key: Buffer | undefined;
  #entries: Map<string, Entry> | undefined;
  /** Bytes of all entries. */
  #size = 0;
  #dirty = false;
  /** When the first of what isn't written came. */
  #since = 0;
  #interval = FIRST_FLUSH_MS;

  constructor(options: CodeCacheOptions) {
    this.#options = options;
    this.#path = join(options.directory, `${options.build}${SUFFIX}`);
    this.#most = options.most ?? MOST;
  }

  keyOf(page: Uint8Array): string {
    return createHash("sha256").update(page).digest("hex");
  }

  find(key: string): CodeRecord | undefined {
    const entries = this.#known();
    const entry = entries.get(key);
    if (!entry) return undefined;
    if (entry.mac && !this.#isOurs(key, entry)) {
      entries.delete(key);
      this.#size -= sizeOf(entry);
      this.#touch();
      return undefined;
    }
    const { profile, module, used } = entry;
    const now = today();
    if (used !== now) this.#touch();
    // What was used last is the last.
    entries.delete(key);
    entries.set(key, { used: now, profile, module });
    return module.length > 0 ? { profile, module } : { profile };
  }

  keep(key: string, { profile, module = new Uint8Array() }: CodeRecord): void {
    if (profile.length > MOST_PROFILE || module.length > MOST_MODULE) return;
    const entries = this.#known();
    const before = entries.get(key);
    const entry = { used: today(), profile, module };
    this.#size += sizeOf(entry) - (before ? sizeOf(before) : 0);
    entries.delete(key);
    entries.set(key, entry);
    if (this.#size > this.#most) this.#shrink();
    this.#touch();
    if (Date.now() - this.#since < this.#interval) return;
    this.#interval = Math.min(2 * this.#interval, LONGEST_FLUSH_MS);
    this.flush();
  }

  flush(): void {
    if (!this.#dirty) return;
    this.#dirty = false;
    try {
      this.#write();
    } catch {
      // A full disk, a directory that can't be written: the next run compiles anew.
    }
  }

  #touch(): void {
    if (!this.#dirty) this.#since = Date.now();
    this.#dirty = true;
  }

  #known(): Map<string, Entry> {
    if (this.#entries) return this.#entries;
    this.#entries = this.#read();
    for (const entry of this.#entries.values()) this.#size += sizeOf(entry);
    return this.#entries;
  }

  /** The longest unused go, until there is some room. */
  #shrink(): void {
    const entries = this.#entries!;
    const order = [...entries].sort(([, a], [, b]) => a.used - b.used);
    for (const [key, entry] of order) {
      if (this.#size <= this.#most * 0.9) return;
      entries.delete(key);
      this.#size -= sizeOf(entry);
    }
  }

  // ---- The file -------------------------------------------------------------------------

  /** What the file holds, unverified; nothing when it isn't there, or others could have written it. */
  #read(): Map<string, Entry> {
    try {
      const folder = fs.lstatSync(this.#options.directory);
      if (folder.isDirectory() && isPrivate(folder)) return new Map(parse(readPrivate(this.#path, 2 * MOST)));
    } catch {
      // There is none.
    }
    return new Map();
  }

  #write(): void {
    const { directory } = this.#options;
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const folder = fs.lstatSync(directory);
    if (!folder.isDirectory() || !isPrivate(folder)) return;
    // What others have written meanwhile stays.
    const entries = this.#known();
    for (const [key, entry] of this.#read()) {
      if (entries.has(key)) continue;
      entries.set(key, entry);
      this.#size += sizeOf(entry);
    }
    const parts: Buffer[] = [MAGIC];
    let size = MAGIC.length;
    for (const [key, entry] of [...entries].reverse().sort(([, a], [, b]) => b.used - a.used)) {
      const fits = size + sizeOf(entry) <= this.#most;
      if (!fits || (entry.mac && !this.#isOurs(key, entry))) {
        entries.delete(key);
        this.#size -= sizeOf(entry);
        continue;
      }
      size += sizeOf(entry);
      parts.push(this.#head(key, entry), Buffer.from(entry.profile), Buffer.from(entry.module));
    }
    const temporary = join(directory, `${TEMPORARY}${process.pid}-${randomBytes(6).toString("hex")}`);
    try {
      fs.writeFileSync(temporary, Buffer.concat(parts), { mode: 0o600, flag: "wx" });
      fs.renameSync(temporary, this.#path);
    } catch (error) {
      fs.rmSync(temporary, { force: true });
      throw error;
    }
    sweep(directory, this.#path, this.#options.mostOfAll ?? MOST_OF_ALL);
  }

  #head(key: string, entry: Entry): Buffer {
    const head = Buffer.alloc(BODY);
    head.writeUInt32LE(entry.profile.length, PROFILE_LENGTH);
    head.writeUInt32LE(entry.module.length, MODULE_LENGTH);
    head.writeUInt32LE(entry.used, USED);
    head.write(key, HASH, "hex");
    this.#macOf(key, entry).copy(head, MAC);
    return head;
  }

  #isOurs(key: string, entry: Entry): boolean {
    try {
      return timingSafeEqual(entry.mac!, this.#macOf(key, entry));
    } catch {
      return false;
    }
  }

  #macOf(key: string, { profile, module }: Entry): Buffer {
    this.#key ??= userKey(this.#options.keyFile);
    const mac = createHmac("sha256", this.#key);
    return mac.update(`${this.#options.build} ${key} ${profile.length} `).update(profile).update(module).digest();
  }
}

/** Reads records as long as they make sense; in the file those that were used last come first. */
function parse(bytes: Buffer): [string, Entry][] {
  const entries: [string, Entry][] = [];
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return entries;
  let at = MAGIC.length;
  while (at + BODY <= bytes.length) {
    const profileLength = bytes.readUInt32LE(at + PROFILE_LENGTH);
    const moduleLength = bytes.readUInt32LE(at + MODULE_LENGTH);
    const body = at + BODY;
    const end = body + profileLength + moduleLength;
    if (profileLength > MOST_PROFILE || moduleLength > MOST_MODULE || end > bytes.length) break;
    const key = bytes.toString("hex", at + HASH, at + MAC);
    const entry = {
      used: Math.min(bytes.readUInt32LE(at + USED), today()),
      profile: bytes.subarray(body, body + profileLength),
      module: new Uint8Array(bytes.subarray(body + profileLength, end)),
      mac: bytes.subarray(at + MAC, body),
    };
    entries.push([key, entry]);
    at = end;
  }
  return entries.reverse();
}

function isPrivate({ uid, mode }: fs.Stats, forbidden = OTHERS_WRITE): boolean {
  // Where there are no users, as on Windows, the profile's folder is the user's alone.
  return process.getuid === undefined || (uid === process.getuid() && (mode & forbidden) === 0);
}

/** A file of this user's alone. @throws when it isn't, or is too long */
function readPrivate(path: string, most: number, forbidden = OTHERS_WRITE): Buffer {
  const file = fs.openSync(
    path,
    fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0),
  );
  try {
    const stat = fs.fstatSync(file);
    if (!stat.isFile() || !isPrivate(stat, forbidden) || stat.size > most) throw new Error("it isn't this user's own");
    return fs.readFileSync(file);
  } finally {
    fs.closeSync(file);
  }
}

/** The key, made if need be: of two processes that make one, both get the first. @throws when there can be none */
function userKey(path: string): Buffer {
  const read = () => readPrivate(path, KEY_SIZE, OTHERS);
  let key: Buffer;
  try {
    key = read();
  } catch {
    fs.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const temporary = `${path}${TEMPORARY}${randomBytes(6).toString("hex")}`;
    try {
      fs.writeFileSync(temporary, randomBytes(KEY_SIZE), { mode: 0o600, flag: "wx" });
      fs.linkSync(temporary, path);
    } catch {
      // Somebody else was first, or it can't be made: reading it says which.
    } finally {
      fs.rmSync(temporary, { force: true });
    }
    key = read();
  }
  if (key.length !== KEY_SIZE) throw new Error("it isn't a key");
  return key;
}

/** Removes what dead processes have left, and the oldest of other builds' files when all have more bytes than they may. */
function sweep(directory: string, own: string, most: number): void {
  const files: { path: string; size: number; mtimeMs: number }[] = [];
  for (const name of fs.readdirSync(directory)) {
    const path = join(directory, name);
    const stat = fs.lstatSync(path, { throwIfNoEntry: false });
    if (!stat?.isFile()) continue;
    if (name.startsWith(TEMPORARY) && Date.now() - stat.mtimeMs > ABANDONED_MS) fs.rmSync(path, { force: true });
    else if (name.endsWith(SUFFIX)) files.push({ path, size: stat.size, mtimeMs: stat.mtimeMs });
  }
  let total = files.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size } of files.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
    if (total <= most) return;
    if (path === own) continue;
    fs.rmSync(path, { force: true });
    total -= size;
  }
}
